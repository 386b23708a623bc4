//! Plots as SVG, legible in light and dark.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// Width and height of a plot, in SVG's units.
const SIZE: (u32, u32) = (720, 420);

/// The lines' colours, told apart by most who see colours differently too
/// (after Okabe and Ito), and by the light and the dark they stand on.
const COLOURS: [RGBColor; 4] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
];

/// How far lines are drawn beside each other, as a share of the width.
const APART: f64 = 0.008;

/// What is drawn in black takes the text's colour.
const INK: &str = "#000000";

/// A plot standing alone sets its own; inside a page, the page does.
const STYLE: &str = "<style>svg{color:#1f2328;background:#fff;font-family:sans-serif}\
    @media(prefers-color-scheme:dark){svg{color:#e6edf3;background:#0d1117}}</style>";

/// A plot that could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw: {0}")]
pub struct PlotError(String);

/// A value at a place, with its standard error where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Place.
    pub x: f64,
    /// Value.
    pub y: f64,
    /// Half the length of the bar through it.
    pub error: Option<f64>,
}

/// Points that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// From left to right.
    pub points: Vec<Point>,
}

/// Lines over one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    /// What the plot shows.
    pub title: String,
    /// The horizontal axis, with its unit.
    pub x: String,
    /// The vertical axis, with its unit.
    pub y: String,
    /// What is drawn.
    pub lines: Vec<Line>,
}

impl Lines {
    /// Returns the plot as one SVG element that stands alone.
    ///
    /// # Errors
    ///
    /// When there is nothing to draw, or a number is not finite.
    pub fn svg(&self) -> Result<String, PlotError> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let finite = |it: &Point| {
            [it.x, it.y, it.error.unwrap_or(0.0)]
                .iter()
                .all(|it| it.is_finite())
        };
        if points().next().is_none() {
            return Err(PlotError("there are no points".into()));
        }
        if let Some(fault) = points().find(|it| !finite(it)) {
            return Err(PlotError(format!("{fault:?} is not finite")));
        }
        let ends = |it: &Point| {
            [
                it.y - it.error.unwrap_or(0.0),
                it.y + it.error.unwrap_or(0.0),
            ]
        };
        let xs = range(points().map(|it| it.x), 0.02);
        let ys = range(points().flat_map(ends), 0.08);
        let mut text = String::new();
        self.draw(&mut text, xs, ys)
            .map_err(|error| PlotError(error.to_string()))?;
        let text = text.replace(INK, "currentColor");
        let end = text
            .find("viewBox")
            .and_then(|at| text[at..].find('>').map(|n| at + n + 1));
        let end = end.ok_or_else(|| PlotError("no SVG came out".into()))?;
        Ok(format!("{}{STYLE}{}", &text[..end], &text[end..]))
    }

    fn draw(
        &self,
        text: &mut String,
        (left, right): (f64, f64),
        (low, high): (f64, f64),
    ) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
        let label = |size: u32| ("sans-serif", size).into_font().color(&BLACK);
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, label(18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(62)
            .build_cartesian_2d(left..right, low..high)?;
        let whole = points_are_whole(&self.lines);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.15))
            .axis_style(BLACK.mix(0.6))
            .label_style(label(14))
            .axis_desc_style(label(14))
            .x_desc(&self.x)
            .y_desc(&self.y)
            .x_labels(if whole {
                (right - left) as usize + 1
            } else {
                8
            })
            .x_label_formatter(&|x| {
                if whole {
                    format!("{x:.0}")
                } else {
                    format!("{x}")
                }
            })
            .draw()?;
        // Beside each other, so that no bar hides another.
        let middle = (self.lines.len() as f64 - 1.0) / 2.0;
        let apart = (right - left) * APART;
        for (i, line) in self.lines.iter().enumerate() {
            let by = (i as f64 - middle) * apart;
            let shifted = line.points.iter().map(|it| Point {
                x: it.x + by,
                ..*it
            });
            let shifted: Vec<Point> = shifted.collect();
            draw_line(&mut chart, &line.name, &shifted, COLOURS[i % COLOURS.len()])?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .border_style(BLACK.mix(0.3))
            .label_font(label(14))
            .draw()?;
        area.present()
    }
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn draw_line(
    chart: &mut Chart<'_, '_>,
    name: &str,
    points: &[Point],
    colour: RGBColor,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let style = colour.stroke_width(2);
    let places = points.iter().map(|it| (it.x, it.y));
    chart
        .draw_series(LineSeries::new(places.clone(), style))?
        .label(name)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    chart.draw_series(places.map(|place| Circle::new(place, 4, colour.filled())))?;
    let bars = points.iter().filter_map(|it| Some((it, it.error?)));
    chart.draw_series(bars.map(|(it, error)| {
        PathElement::new([(it.x, it.y - error), (it.x, it.y + error)], style)
    }))?;
    Ok(())
}

/// Returns the ends of an axis that holds all values, with some room.
fn range(values: impl Iterator<Item = f64>, room: f64) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let reach = (high - low).max(1e-9 + 1e-3 * high.abs()) * room;
    (low - reach, high + reach)
}

/// Whether the axis counts, as rounds do.
fn points_are_whole(lines: &[Line]) -> bool {
    let mut places = lines.iter().flat_map(|line| &line.points).map(|it| it.x);
    places.all(|x| x.fract() == 0.0 && x.abs() < 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: &[(f64, f64)]) -> Lines {
        let points = points.iter().map(|&(x, y)| Point {
            x,
            y,
            error: Some(0.1),
        });
        Lines {
            title: "RJS & APO-RJS".into(),
            x: "round".into(),
            y: "reward".into(),
            lines: vec![Line {
                name: "<RJS>".into(),
                points: points.collect(),
            }],
        }
    }

    #[test]
    fn a_plot_names_its_axes_and_lines_and_takes_the_texts_colour() {
        let svg = plot(&[(0.0, 1.0), (1.0, 2.0), (2.0, 1.5)]).svg().unwrap();
        for expected in [
            "round",
            "reward",
            "&lt;RJS&gt;",
            "RJS &amp; APO-RJS",
            "currentColor",
        ] {
            assert!(svg.contains(expected), "{expected} in {svg}");
        }
        assert!(!svg.contains(INK), "{svg}");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert_eq!(svg.matches("<circle").count(), 3);
    }

    #[test]
    fn one_point_and_equal_values_are_drawn_too() {
        plot(&[(0.0, 1.0)]).svg().unwrap();
        plot(&[(0.0, 0.0), (1.0, 0.0)]).svg().unwrap();
    }

    #[test]
    fn nothing_and_what_is_not_finite_is_refused() {
        plot(&[]).svg().unwrap_err();
        plot(&[(0.0, f64::NAN)]).svg().unwrap_err();
    }
}

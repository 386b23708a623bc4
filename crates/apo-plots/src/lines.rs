//! Lines over one axis.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::legend::{COLOURS, Legend, label};
use crate::svg::{Area, DrawResult, PlotError, Svg, draw};

/// Distance between lines with error bars, as a share of the width.
const APART: f64 = 0.008;

/// A value at a place, perhaps with its standard error.
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
    /// Its name in the legend.
    pub name: String,
    /// From left to right.
    pub points: Vec<Point>,
}

impl Line {
    /// Makes a line of places and values.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter();
        Self {
            name: name.into(),
            points: points.map(|(x, y)| Point { x, y, error: None }).collect(),
        }
    }
}

/// How lines are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// With a dot at every point.
    Points,
    /// As curves.
    Curve,
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
    /// How.
    pub mark: Mark,
    /// A thin line to compare with, such as perfect calibration.
    pub guide: Option<[(f64, f64); 2]>,
    /// Width and height, in SVG's units.
    pub size: (u32, u32),
}

impl Lines {
    /// Makes a plot of lines with dots, as wide as a page.
    pub fn new(
        title: impl Into<String>,
        x: impl Into<String>,
        y: impl Into<String>,
        lines: Vec<Line>,
    ) -> Self {
        Self {
            title: title.into(),
            x: x.into(),
            y: y.into(),
            lines,
            mark: Mark::Points,
            guide: None,
            size: (720, 420),
        }
    }

    /// Draws it.
    ///
    /// # Errors
    ///
    /// When there is nothing to draw, or a number is not finite.
    pub fn svg(&self) -> Result<Svg, PlotError> {
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
        let guide = || self.guide.iter().flatten();
        let xs = range(points().map(|it| it.x).chain(guide().map(|it| it.0)), 0.02);
        let ys = range(points().flat_map(ends).chain(guide().map(|it| it.1)), 0.08);
        draw(self.size, |area| self.draw(area, xs, ys))
    }

    fn draw(
        &self,
        area: &Area<'_>,
        (left, right): (f64, f64),
        (low, high): (f64, f64),
    ) -> DrawResult {
        let small = self.is_small();
        let text = if small { 12 } else { 14 };
        let head = self.draw_head(area, text)?;
        let (_, rest) = area.split_vertically(head);
        let mut chart = ChartBuilder::on(&rest)
            .margin(if small { 8 } else { 12 })
            .margin_top(4)
            .x_label_area_size(3 * text)
            .y_label_area_size(4 * text + 6)
            .build_cartesian_2d(left..right, low..high)?;
        let whole = self.mark == Mark::Points && points_are_whole(&self.lines);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.15))
            .axis_style(BLACK.mix(0.6))
            .label_style(label(text))
            .axis_desc_style(label(text))
            .x_desc(&self.x)
            .y_desc(&self.y)
            .y_labels(if small { 5 } else { 10 })
            .y_label_formatter(&|y| short(*y, high - low))
            .x_labels(if whole {
                (right - left) as usize + 1
            } else {
                6
            })
            .x_label_formatter(&|x| {
                if whole {
                    format!("{x:.0}")
                } else {
                    short(*x, right - left)
                }
            })
            .draw()?;
        if let Some(ends) = self.guide {
            chart.draw_series(LineSeries::new(ends, BLACK.mix(0.4).stroke_width(1)))?;
        }
        for (i, line) in self.shifted(right - left).iter().enumerate() {
            draw_line(&mut chart, line, colour(i), self.mark)?;
        }
        Ok(())
    }

    /// Draws the title and the legend for texts of a size; returns their height. The
    /// legend is above the axes, where it hides nothing.
    fn draw_head(
        &self,
        area: &Area<'_>,
        text: u32,
    ) -> Result<i32, DrawingAreaErrorKind<std::io::Error>> {
        let title = text + if self.is_small() { 2 } else { 4 };
        let width = self.size.0 as i32;
        let names = self.lines.iter().enumerate();
        let legend = Legend {
            entries: names.map(|(i, it)| (it.name.as_str(), colour(i))).collect(),
            between: (4 * text as i32 + 14, width - 8),
            size: text,
        };
        let pos = Pos::new(HPos::Center, VPos::Top);
        let named = Text::new(self.title.as_str(), (width / 2, 8), label(title).pos(pos));
        area.draw(&named)?;
        let above = title as i32 + 16;
        legend.draw(area, above)?;
        Ok(above + legend.height())
    }

    fn is_small(&self) -> bool {
        self.size.0 < 500
    }

    /// Returns the points of each line, shifted on an axis of this length so that no
    /// error bar hides another.
    fn shifted(&self, length: f64) -> Vec<Vec<Point>> {
        let has_errors = |line: &Line| line.points.iter().any(|it| it.error.is_some());
        let apart = if self.lines.iter().any(has_errors) {
            length * APART
        } else {
            0.0
        };
        let middle = (self.lines.len() as f64 - 1.0) / 2.0;
        let lines = self.lines.iter().enumerate().map(|(i, line)| {
            let by = (i as f64 - middle) * apart;
            let points = line.points.iter().map(|it| Point {
                x: it.x + by,
                ..*it
            });
            points.collect()
        });
        lines.collect()
    }
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn draw_line(
    chart: &mut Chart<'_, '_>,
    points: &[Point],
    colour: RGBColor,
    mark: Mark,
) -> DrawResult {
    let style = colour.stroke_width(2);
    let places = points.iter().map(|it| (it.x, it.y));
    chart.draw_series(LineSeries::new(places.clone(), style))?;
    if mark == Mark::Points {
        chart.draw_series(places.map(|place| Circle::new(place, 4, colour.filled())))?;
    }
    let bars = points.iter().filter_map(|it| Some((it, it.error?)));
    chart.draw_series(bars.map(|(it, error)| {
        PathElement::new([(it.x, it.y - error), (it.x, it.y + error)], style)
    }))?;
    Ok(())
}

fn colour(line: usize) -> RGBColor {
    COLOURS[line % COLOURS.len()]
}

/// Returns the ends of an axis that holds all values, with some room.
fn range(values: impl Iterator<Item = f64>, room: f64) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let reach = (high - low).max(1e-9 + 1e-3 * high.abs()) * room;
    (low - reach, high + reach)
}

/// Writes a number with as many digits as an axis of this length needs.
fn short(value: f64, length: f64) -> String {
    let digits = (1.5 - length.log10()).ceil().clamp(0.0, 6.0) as usize;
    let text = format!("{value:.digits$}");
    let is_zero = text
        .trim_start_matches('-')
        .chars()
        .all(|it| "0.".contains(it));
    if is_zero { "0".to_owned() } else { text }
}

/// Tells whether the axis counts something, such as rounds.
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
        let line = |name: &str| Line {
            name: name.into(),
            points: points.clone().collect(),
        };
        let lines = vec![line("<RJS>"), line("APO")];
        Lines::new("RJS & APO-RJS", "round", "reward", lines)
    }

    #[test]
    fn a_plot_names_its_axes_and_lines_and_takes_the_texts_colour() {
        let svg = plot(&[(0.0, 1.0), (1.0, 2.0), (2.0, 1.5)]).svg().unwrap();
        let alone = svg.alone();
        for expected in [
            "round",
            "reward",
            "&lt;RJS&gt;",
            "RJS &amp; APO-RJS",
            "currentColor",
        ] {
            assert!(alone.contains(expected), "{expected} in {alone}");
        }
        for svg in [svg.inside(), &alone] {
            assert!(!svg.contains("#000000"), "{svg}");
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert_eq!(svg.matches("<circle").count(), 6);
        }
        assert!(alone.contains("<style>") && !svg.inside().contains("<style>"));
    }

    #[test]
    fn what_xml_cannot_hold_is_shown_as_unknown() {
        let mut lines = plot(&[(0.0, 1.0), (1.0, 2.0)]);
        lines.lines[0].name = "\u{1b}[31mred\0\u{9b}\u{ffff}".into();
        let alone = lines.svg().unwrap().alone();
        assert!(alone.contains("\u{fffd}[31mred\u{fffd}\u{fffd}\u{fffd}"));
        let is_shown = |it: char| it == '\n' || !it.is_control();
        assert!(alone.chars().all(is_shown));
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

    #[test]
    fn an_axis_has_as_many_digits_as_it_needs() {
        for (value, length, expected) in [
            (0.25, 0.5, "0.25"),
            (1500.0, 2000.0, "1500"),
            (-0.0, 1.0, "0"),
            (0.0012, 0.002, "0.00120"),
        ] {
            assert_eq!(short(value, length), expected);
        }
    }
}

//! Plots as SVG, legible in light and dark.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

mod lines;
mod shares;

pub use lines::{Line, Lines, Mark, Point};
pub use shares::{Share, Shares};

/// Colours that most colour-blind readers can tell apart (after Okabe and Ito), on a
/// light and on a dark ground.
pub(crate) const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(128, 128, 128),
];

/// Black, which is replaced by the colour of the page's text.
const INK: &str = "#000000";

/// Colours of a plot in a file of its own; inside a page, the page sets them.
pub const STYLE: &str = "<style>svg{color:#1f2328;background:#fff;font-family:sans-serif}\
    @media(prefers-color-scheme:dark){svg{color:#e6edf3;background:#0d1117}}</style>";

/// A plot that could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw: {0}")]
pub struct PlotError(String);

/// A plot.
///
/// Inside a page, the page sets the `color` of an SVG element.
#[derive(Clone, Debug, PartialEq)]
pub struct Svg(String);

impl Svg {
    /// Returns the element for a page of HTML.
    pub fn inside(&self) -> &str {
        &self.0
    }

    /// Returns the element as a file of its own.
    pub fn alone(&self) -> String {
        let end = self.0.find('>').map_or(0, |it| it + 1);
        format!("{}{STYLE}{}", &self.0[..end], &self.0[end..])
    }
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws on an area of `size` in SVG's units.
fn draw(size: (u32, u32), on: impl FnOnce(&Area<'_>) -> Drawn) -> Result<Svg, PlotError> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        on(&area)
            .and_then(|()| area.present())
            .map_err(|error| PlotError(error.to_string()))?;
    }
    // Only in attributes: a name may contain the same text.
    let text = text.replace(&format!("\"{INK}\""), "\"currentColor\"");
    // A name may contain characters that XML cannot express.
    let text = text.replace(|it| !is_of_xml(it), "\u{fffd}");
    let begin = text.find("<svg");
    let begin = begin.ok_or_else(|| PlotError("the drawing is not an SVG".into()))?;
    Ok(Svg(text[begin..].to_owned()))
}

/// Tells whether XML 1.0 can contain a character, and viewers show it.
fn is_of_xml(it: char) -> bool {
    let is_blank = matches!(it, '\t' | '\n' | '\r');
    (is_blank || !it.is_control()) && !matches!(it, '\u{fffe}' | '\u{ffff}')
}

/// Text of a size in the text's colour.
fn label<'a>(size: u32) -> TextStyle<'a> {
    ("sans-serif", size).into_font().color(&BLACK)
}

/// Names with their colours, side by side in as many rows as they need.
struct Legend<'a> {
    entries: Vec<(&'a str, RGBColor)>,
    /// Left and right end.
    between: (i32, i32),
    /// Size of the text.
    size: u32,
}

impl Legend<'_> {
    /// Returns each entry's distance from the left, and its row.
    fn places(&self) -> Vec<(i32, i32)> {
        let (left, right) = self.between;
        let (mut x, mut row) = (left, 0);
        let place = |name: &str| {
            let width = 34 + width_of(name, self.size);
            if x > left && x + width > right {
                (x, row) = (left, row + 1);
            }
            x += width;
            (x - width, row)
        };
        self.entries.iter().map(|it| it.0).map(place).collect()
    }

    /// Returns its height.
    fn height(&self) -> i32 {
        let rows = self.places().last().map_or(0, |it| it.1 + 1);
        rows * (self.size as i32 + 6)
    }

    /// Draws it from `top` on.
    fn draw(&self, area: &Area<'_>, top: i32) -> Drawn {
        let pos = Pos::new(HPos::Left, VPos::Center);
        for ((name, colour), (x, row)) in self.entries.iter().zip(self.places()) {
            let middle = top + row * (self.size as i32 + 6) + self.size as i32 / 2 + 1;
            let corners = [(x, middle - 4), (x + 12, middle + 4)];
            area.draw(&Rectangle::new(corners, colour.filled()))?;
            let text = Text::new(*name, (x + 17, middle), label(self.size).pos(pos));
            area.draw(&text)?;
        }
        Ok(())
    }
}

/// Estimates the width of a text; the viewer's fonts are unknown.
fn width_of(text: &str, size: u32) -> i32 {
    (text.chars().count() as f64 * f64::from(size) * 0.56) as i32
}

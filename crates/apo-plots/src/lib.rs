//! Plots as SVG, legible in light and dark.

use plotters::prelude::*;

mod lines;
mod shares;

pub use lines::{Line, Lines, Mark, Point};
pub use shares::{Share, Shares};

/// Colours, told apart by most who see colours differently too (after Okabe and
/// Ito), and by the light and the dark they stand on.
pub(crate) const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(128, 128, 128),
];

/// What is drawn in black takes the text's colour.
const INK: &str = "#000000";

/// What is drawn in this takes the colour of what the plot stands on.
pub(crate) const PAPER: RGBColor = RGBColor(254, 254, 254);
const PAPER_TEXT: &str = "#FEFEFE";

/// A plot standing alone sets its own; inside a page, the page does.
const STYLE: &str = "<style>svg{--paper:#fff;color:#1f2328;background:#fff;font-family:sans-serif}\
    @media(prefers-color-scheme:dark){svg{--paper:#0d1117;color:#e6edf3;background:#0d1117}}</style>";

/// A plot that could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw: {0}")]
pub struct PlotError(String);

/// A plot.
///
/// Inside a page, the page sets the `color` of an SVG element, and `--paper` to
/// what it stands on.
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
    let text = text.replace(INK, "currentColor");
    let text = text.replace(PAPER_TEXT, "var(--paper)");
    let begin = text.find("<svg");
    let begin = begin.ok_or_else(|| PlotError("no SVG came out".into()))?;
    Ok(Svg(text[begin..].to_owned()))
}

/// Text of a size in the text's colour.
fn label<'a>(size: u32) -> TextStyle<'a> {
    ("sans-serif", size).into_font().color(&BLACK)
}

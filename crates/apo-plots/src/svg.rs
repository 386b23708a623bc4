//! A drawing as SVG.

use plotters::prelude::*;

/// Black, which is replaced by the colour of the page's text.
const INK: &str = "#000000";

/// Colours of a plot in a file of its own; inside a page, the page sets them.
pub const STYLE: &str = "<style>svg{color:#1f2328;background:#fff;font-family:sans-serif}\
    @media(prefers-color-scheme:dark){svg{color:#e6edf3;background:#0d1117}}</style>";

/// A plot that could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw: {0}")]
pub struct PlotError(pub(crate) String);

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

pub(crate) type DrawResult = Result<(), DrawingAreaErrorKind<std::io::Error>>;
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws on an area of `size` in SVG's units.
pub(crate) fn draw(
    size: (u32, u32),
    on: impl FnOnce(&Area<'_>) -> DrawResult,
) -> Result<Svg, PlotError> {
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

/// Whether XML 1.0 can contain a character, and viewers show it.
fn is_of_xml(it: char) -> bool {
    let is_blank = matches!(it, '\t' | '\n' | '\r');
    (is_blank || !it.is_control()) && !matches!(it, '\u{fffe}' | '\u{ffff}')
}

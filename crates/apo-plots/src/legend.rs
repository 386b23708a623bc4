//! Names with their colours, and the text of a plot.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::svg::{Area, DrawResult};

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

/// Colour of text on a coloured ground: almost black. Black itself would be replaced by the
/// colour of the page's text, and the ground looks the same in light and dark.
pub(crate) const ON_COLOUR: RGBColor = RGBColor(16, 16, 16);

/// Text of a size in the text's colour.
pub(crate) fn label<'a>(size: u32) -> TextStyle<'a> {
    ("sans-serif", size).into_font().color(&BLACK)
}

/// Names with their colours, side by side in as many rows as they need.
pub(crate) struct Legend<'a> {
    pub(crate) entries: Vec<(&'a str, RGBColor)>,
    /// Left and right end.
    pub(crate) between: (i32, i32),
    /// Size of the text.
    pub(crate) size: u32,
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
    pub(crate) fn height(&self) -> i32 {
        let rows = self.places().last().map_or(0, |it| it.1 + 1);
        rows * (self.size as i32 + 6)
    }

    /// Draws it from `top` on.
    pub(crate) fn draw(&self, area: &Area<'_>, top: i32) -> DrawResult {
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
pub(crate) fn width_of(text: &str, size: u32) -> i32 {
    (text.chars().count() as f64 * f64::from(size) * 0.56) as i32
}

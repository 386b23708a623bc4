//! Shares of a whole, one bar per row.

use plotters::element::Text;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::legend::{COLOURS, Legend, ON_COLOUR, label, width_of};
use crate::svg::{Area, DrawResult, PlotError, Svg, draw};

/// A bar: its name, and its parts in the order of the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The name beside it.
    pub name: String,
    /// Counts, or anything else that adds up.
    pub parts: Vec<f64>,
}

/// Bars of one length, each with its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// What the plot shows.
    pub title: String,
    /// Name of each part, with the number of its colour.
    pub legend: Vec<(String, usize)>,
    /// The bars, from above.
    pub bars: Vec<Share>,
}

/// Width of the plot, height of a bar with its room, and of the title, in SVG's
/// units.
const WIDTH: u32 = 720;
const ROW: i32 = 34;
const HEAD: i32 = 36;

/// Size of names, and the most that they may take of the width.
const NAME: u32 = 14;
const NAMES: i32 = 360;

/// Parts below this share have no number in them.
const NARROW: f64 = 0.06;

impl Shares {
    /// Draws it.
    ///
    /// # Errors
    ///
    /// When there are no bars, or one is empty or has a part that is not a count.
    pub fn svg(&self) -> Result<Svg, PlotError> {
        if self.bars.is_empty() {
            return Err(PlotError("there are no bars".into()));
        }
        for bar in &self.bars {
            let sum: f64 = bar.parts.iter().sum();
            let whole = sum.is_finite() && sum > 0.0 && bar.parts.iter().all(|it| *it >= 0.0);
            if !whole || bar.parts.len() != self.legend.len() {
                return Err(PlotError(format!("{bar:?} cannot be a bar")));
            }
        }
        let names = self.bars.iter().map(|it| width_of(&it.name, NAME) + 20);
        let names = names.max().unwrap_or(0).min(NAMES);
        let right = WIDTH as i32 - 16;
        let colour = |i: usize| COLOURS[self.legend[i].1 % COLOURS.len()];
        let entries = self.legend.iter().enumerate();
        let legend = Legend {
            entries: entries.map(|(i, it)| (it.0.as_str(), colour(i))).collect(),
            between: (names, right),
            size: 13,
        };
        let head = HEAD + legend.height() + 6;
        let height = head + ROW * self.bars.len() as i32 + 8;
        draw((WIDTH, height as u32), |area| {
            legend.draw(area, HEAD)?;
            self.draw(area, head, names, right)
        })
    }

    fn draw(&self, area: &Area<'_>, head: i32, names: i32, right: i32) -> DrawResult {
        let at = |h, v| Pos::new(h, v);
        let text = |text: String, place, size, pos| Text::new(text, place, label(size).pos(pos));
        let title = text(
            self.title.clone(),
            (WIDTH as i32 / 2, 8),
            18,
            at(HPos::Center, VPos::Top),
        );
        area.draw(&title)?;
        let colour = |i: usize| COLOURS[self.legend[i].1 % COLOURS.len()];
        for (row, bar) in (0..).zip(&self.bars) {
            let top = head + row * ROW;
            let (top, bottom) = (top + 3, top + ROW - 3);
            let middle = i32::midpoint(top, bottom);
            let name = text(
                fitting(&bar.name, names - 20),
                (names - 10, middle),
                NAME,
                at(HPos::Right, VPos::Center),
            );
            area.draw(&name)?;
            let sum: f64 = bar.parts.iter().sum();
            let place = |share: f64| names + (f64::from(right - names) * share) as i32;
            let mut before = 0.0;
            for (i, part) in bar.parts.iter().enumerate() {
                let (from, to) = (before / sum, (before + part) / sum);
                before += part;
                if *part == 0.0 {
                    continue;
                }
                let corners = [(place(from), top), (place(to), bottom)];
                area.draw(&Rectangle::new(corners, colour(i).filled()))?;
                if to - from >= NARROW {
                    let centre = (i32::midpoint(place(from), place(to)), middle);
                    let style = ("sans-serif", 13).into_font().color(&ON_COLOUR);
                    let style = style.pos(at(HPos::Center, VPos::Center));
                    area.draw(&Text::new(
                        format!("{:.0} %", 100.0 * (to - from)),
                        centre,
                        style,
                    ))?;
                }
            }
        }
        Ok(())
    }
}

/// Cuts a name to a width and marks the cut.
fn fitting(name: &str, width: i32) -> String {
    if width_of(name, NAME) <= width {
        return name.to_owned();
    }
    let mut cut = name.to_owned();
    while !cut.is_empty() && width_of(&cut, NAME) + NAME as i32 > width {
        cut.pop();
    }
    cut + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(parts: &[f64]) -> Shares {
        Shares {
            title: "Verdicts".into(),
            legend: vec![("wins".into(), 2), ("losses".into(), 1)],
            bars: vec![Share {
                name: "A & B".into(),
                parts: parts.to_vec(),
            }],
        }
    }

    #[test]
    fn a_bar_shows_its_shares_and_names() {
        let svg = shares(&[3.0, 1.0]).svg().unwrap();
        for expected in ["A &amp; B", "wins", "losses", "75 %", "25 %"] {
            assert!(svg.inside().contains(expected), "{expected}");
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for parts in [&[][..], &[1.0], &[0.0, 0.0], &[1.0, -1.0], &[f64::NAN, 1.0]] {
            shares(parts).svg().unwrap_err();
        }
    }
}

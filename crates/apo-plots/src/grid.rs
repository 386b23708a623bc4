//! Signs of differences over a grid of conditions.

use plotters::element::Text;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::legend::{Legend, ON_COLOUR, label, width_of};
use crate::svg::{Area, DrawResult, PlotError, Svg, draw};

/// The sign of a difference, and how certain it is. A mark stands for each beside its
/// colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Above zero.
    Above,
    /// Perhaps above zero.
    LeaningAbove,
    /// Either.
    Open,
    /// Perhaps below zero.
    LeaningBelow,
    /// Below zero.
    Below,
    /// Unknown.
    Unknown,
}

impl Tone {
    /// Every one, in the order of the legend.
    pub const ALL: [Self; 6] = [
        Self::Above,
        Self::LeaningAbove,
        Self::Open,
        Self::LeaningBelow,
        Self::Below,
        Self::Unknown,
    ];

    /// Its ground: blue above, orange below (after Okabe and Ito), paler if less certain.
    fn colour(self) -> RGBColor {
        match self {
            Self::Above => RGBColor(86, 180, 233),
            Self::LeaningAbove => RGBColor(187, 222, 245),
            Self::Open => RGBColor(222, 222, 222),
            Self::LeaningBelow => RGBColor(247, 217, 158),
            Self::Below => RGBColor(230, 159, 0),
            Self::Unknown => RGBColor(150, 150, 150),
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Above => "▲",
            Self::LeaningAbove => "△",
            Self::Open => "",
            Self::LeaningBelow => "▽",
            Self::Below => "▼",
            Self::Unknown => "×",
        }
    }

    /// Returns a text behind the mark.
    fn marked(self, text: &str) -> String {
        format!("{} {text}", self.mark()).trim().to_owned()
    }
}

/// A cell of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridCell {
    /// The sign.
    pub tone: Tone,
    /// Its text: the difference, and below it, smaller, its error.
    pub lines: [String; 2],
}

/// A row; a condition that was not tried has no cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridRow {
    /// The name beside it.
    pub name: String,
    /// The cells of all blocks, from the left.
    pub cells: Vec<Option<GridCell>>,
}

/// Rows under the same columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridPart {
    /// What the names of the rows are, and of the columns.
    pub names: String,
    /// The columns of each block.
    pub columns: Vec<String>,
    /// From above.
    pub rows: Vec<GridRow>,
}

/// Blocks side by side over several parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// What the plot shows.
    pub title: String,
    /// What each block shows, from the left.
    pub blocks: Vec<String>,
    /// What the tones mean.
    pub legend: Vec<(Tone, String)>,
    /// From above.
    pub parts: Vec<GridPart>,
}

/// Width of the plot, between blocks, of a row with its room, and heights, in SVG's units.
const WIDTH: i32 = 720;
const GAP: i32 = 16;
const MARGIN: i32 = 12;
const ROW: i32 = 40;
const TITLE: i32 = 38;
const HEAD: i32 = 26;

/// Size of names.
const NAME: u32 = 13;

impl Grid {
    /// Draws it.
    ///
    /// # Errors
    ///
    /// When there are no blocks or no rows, or a row has not a cell for each column.
    pub fn svg(&self) -> Result<Svg, PlotError> {
        let blocks = self.blocks.len();
        if blocks == 0 || self.parts.iter().all(|it| it.rows.is_empty()) {
            return Err(PlotError("there are no cells".into()));
        }
        for part in &self.parts {
            let n = blocks * part.columns.len();
            if let Some(fault) = part.rows.iter().find(|it| it.cells.len() != n || n == 0) {
                let (name, found) = (&fault.name, fault.cells.len());
                return Err(PlotError(format!(
                    "row {name} has {found} cells for {n} columns"
                )));
            }
        }
        let names = self.parts.iter().flat_map(|part| {
            let rows = part.rows.iter().map(|it| &it.name);
            rows.chain([&part.names]).map(|it| width_of(it, NAME))
        });
        let names = MARGIN + names.max().unwrap_or(0) + MARGIN;
        let texts: Vec<String> = self.legend.iter().map(|it| it.0.marked(&it.1)).collect();
        let entries = self.legend.iter().zip(&texts);
        let legend = Legend {
            entries: entries
                .map(|(it, text)| (text.as_str(), it.0.colour()))
                .collect(),
            between: (MARGIN, WIDTH - MARGIN),
            size: 13,
        };
        let heights = self
            .parts
            .iter()
            .map(|it| HEAD + ROW * it.rows.len() as i32);
        let top = TITLE + legend.height() + HEAD;
        let height = top + heights.sum::<i32>() + MARGIN;
        draw((WIDTH as u32, height as u32), |area| {
            let title = label(18).pos(Pos::new(HPos::Center, VPos::Top));
            area.draw(&Text::new(self.title.as_str(), (WIDTH / 2, 8), title))?;
            legend.draw(area, TITLE)?;
            self.draw(area, top, names)
        })
    }

    /// Returns the left end and the width of a block.
    fn block(&self, number: usize, names: i32) -> (i32, i32) {
        let blocks = self.blocks.len() as i32;
        let width = (WIDTH - MARGIN - names - GAP * (blocks - 1)) / blocks;
        (names + number as i32 * (width + GAP), width)
    }

    fn draw(&self, area: &Area<'_>, mut top: i32, names: i32) -> DrawResult {
        let centre = |size| label(size).pos(Pos::new(HPos::Center, VPos::Center));
        let left = label(NAME).pos(Pos::new(HPos::Left, VPos::Center));
        for (number, block) in self.blocks.iter().enumerate() {
            let (from, width) = self.block(number, names);
            let at = (from + width / 2, top - HEAD / 2);
            area.draw(&Text::new(block.as_str(), at, centre(14)))?;
        }
        for part in &self.parts {
            let at = (MARGIN, top + HEAD / 2);
            area.draw(&Text::new(part.names.as_str(), at, left.clone()))?;
            let n = part.columns.len();
            let column = |i: usize| {
                let (from, width) = self.block(i / n, names);
                let edge = |i: usize| from + width * i as i32 / n as i32;
                (edge(i % n), edge(i % n + 1))
            };
            for i in 0..n * self.blocks.len() {
                let (from, to) = column(i);
                let at = (i32::midpoint(from, to), top + HEAD / 2);
                area.draw(&Text::new(part.columns[i % n].as_str(), at, centre(NAME)))?;
            }
            top += HEAD;
            for row in &part.rows {
                let at = (MARGIN, top + ROW / 2);
                area.draw(&Text::new(row.name.as_str(), at, left.clone()))?;
                for (i, cell) in row.cells.iter().enumerate() {
                    if let Some(cell) = cell {
                        cell.draw(area, column(i), top)?;
                    }
                }
                top += ROW;
            }
        }
        Ok(())
    }
}

impl GridCell {
    fn draw(&self, area: &Area<'_>, (from, to): (i32, i32), top: i32) -> DrawResult {
        let corners = [(from + 1, top + 1), (to - 1, top + ROW - 1)];
        area.draw(&Rectangle::new(corners, self.tone.colour().filled()))?;
        let centre = i32::midpoint(from, to);
        let [value, error] = &self.lines;
        let value = self.tone.marked(value);
        for (text, size, down) in [(&value, 13, 14), (error, 11, 29)] {
            let style = ("sans-serif", size).into_font().color(&ON_COLOUR);
            let style = style.pos(Pos::new(HPos::Center, VPos::Center));
            area.draw(&Text::new(text.as_str(), (centre, top + down), style))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(cells: Vec<Option<GridCell>>) -> Grid {
        Grid {
            title: "When".into(),
            blocks: vec!["A − B".into(), "A − C".into()],
            legend: vec![(Tone::Above, "above".into()), (Tone::Open, "open".into())],
            parts: vec![GridPart {
                names: "voice".into(),
                columns: vec!["0.7".into()],
                rows: vec![GridRow {
                    name: "half & half".into(),
                    cells,
                }],
            }],
        }
    }

    fn cell(tone: Tone) -> GridCell {
        let lines = ["+0.021", "± 0.020"].map(str::to_owned);
        GridCell { tone, lines }
    }

    #[test]
    fn a_cell_has_its_sign_as_a_mark_and_as_a_colour() {
        let svg = grid(vec![Some(cell(Tone::Above)), None]).svg().unwrap();
        for expected in [
            "half &amp; half",
            "▲ +0.021",
            "± 0.020",
            "▲ above",
            "0.7",
            "A − C",
        ] {
            assert!(svg.inside().contains(expected), "{expected}");
        }
        // The legend's, and the cell's.
        assert_eq!(svg.inside().matches("#56B4E9").count(), 2);
        let svg = grid(vec![Some(cell(Tone::Open)), None]).svg().unwrap();
        assert!(!svg.inside().contains("▲ +"), "nothing is above");
    }

    #[test]
    fn text_on_a_colour_is_readable_and_does_not_follow_the_page() {
        // WCAG's contrast is at least 4.5.
        let share = |it: u8| {
            let it = f64::from(it) / 255.0;
            if it <= 0.040_45 {
                it / 12.92
            } else {
                ((it + 0.055) / 1.055).powf(2.4)
            }
        };
        let light =
            |RGBColor(r, g, b): RGBColor| 0.2126 * share(r) + 0.7152 * share(g) + 0.0722 * share(b);
        for tone in Tone::ALL {
            let contrast = (light(tone.colour()) + 0.05) / (light(ON_COLOUR) + 0.05);
            assert!(contrast > 4.5, "{tone:?} {contrast}");
        }
        let svg = grid(vec![Some(cell(Tone::Below)), None]).svg().unwrap();
        assert!(svg.inside().contains("#101010"), "{}", svg.inside());
    }

    #[test]
    fn what_is_no_grid_is_refused() {
        grid(vec![Some(cell(Tone::Open))]).svg().unwrap_err();
        grid(vec![]).svg().unwrap_err();
        let mut empty = grid(vec![None, None]);
        empty.parts.clear();
        empty.svg().unwrap_err();
    }
}

//! Plots as SVG, legible in light and dark.

mod grid;
mod legend;
mod lines;
mod shares;
mod svg;

pub use grid::{Grid, GridCell, GridPart, GridRow, Tone};
pub use lines::{Line, Lines, Mark, Point};
pub use shares::{Share, Shares};
pub use svg::{PlotError, STYLE, Svg};

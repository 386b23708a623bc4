//! Plots as SVG, legible in light and dark.

mod legend;
mod lines;
mod shares;
mod svg;

pub use lines::{Line, Lines, Mark, Point};
pub use shares::{Share, Shares};
pub use svg::{PlotError, STYLE, Svg};

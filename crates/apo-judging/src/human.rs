//! `judge human`: people compare two policies (APO section 4.1, Figure 4).

mod form;
mod sheet;
mod tally;
mod votes;

pub use sheet::run as sheet;
pub use tally::run as tally;

//! What every stage shares: arguments, exit codes, signals, progress, and
//! outputs that appear whole or not at all. What stages with models share stands
//! in `apo-model-stage`, what stages that ask an endpoint share in
//! `apo-endpoint-stage`.

pub mod args;
pub mod exit;
pub mod imported;
pub mod output;
pub mod pages;
mod place;
mod plain;
pub mod progress;
pub mod report;
pub mod rows;
pub mod signals;
mod standing;
pub mod threads;
mod working;

pub use args::{OutputArgs, ReportArgs, not_negative, read, value_name};
pub use exit::{BadInput, bad_input, run};
pub use output::{Claim, Kind, Output};
pub use progress::Progress;
pub use report::{note, result, up_to_date, warn};

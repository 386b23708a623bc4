//! What every stage shares: arguments, exit codes, signals, progress, and
//! outputs that appear whole or not at all.

pub mod args;
pub mod endpoint;
pub mod exit;
pub mod imported;
pub mod models;
pub mod output;
pub mod pages;
mod place;
mod plain;
pub mod progress;
pub mod report;
pub mod rows;
pub mod signals;
pub mod splits;
mod standing;
pub mod threads;
pub mod training;
mod working;

pub use args::{ComputeArgs, OutputArgs, ReportArgs, not_negative, read, value_name};
pub use exit::{BadInput, bad_input, run};
pub use output::{Claim, Kind, Output};
pub use progress::Progress;
pub use report::{note, result, up_to_date, warn};
pub use splits::{TestPart, check_splits};
pub use training::TrainingArgs;

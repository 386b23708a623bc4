//! What every stage shares: arguments, exit codes, signals, progress, and
//! outputs that appear whole or not at all. `apo-model-stage` holds what stages
//! with models share, `apo-endpoint-stage` what stages that ask an endpoint
//! share.

mod args;
pub mod error;
pub mod exit;
mod output;
pub mod pages;
mod place;
mod plain;
mod progress;
mod report;
mod roles;
pub mod rows;
pub mod signals;
mod standing;
pub mod threads;
mod working;

pub use args::{ReportArgs, not_negative, read, value_name};
pub use error::bad_input;
pub use exit::run;
pub use output::{Claim, Output, OutputArgs, OutputKind, write_manifest};
pub use place::lacks_locks;
pub use progress::Progress;
pub use report::{
    format_table, join_names, note, result, up_to_date, warn, warn_of_empty_parts, warn_once,
};
pub use roles::{NamedInput, check_distinct, check_distinct_responses};

//! What every stage shares: arguments, exit codes, signals, progress, and
//! outputs that appear whole or not at all. `apo-model-stage` holds what stages
//! with models share, `apo-endpoint-stage` what stages that ask an endpoint
//! share.

mod args;
mod decision;
mod distinct;
pub mod error;
mod exchange;
mod existing;
pub mod exit;
pub mod hub;
mod lock;
mod manifest;
mod output;
pub mod pages;
mod panics;
mod place;
mod print;
mod printable;
mod progress;
pub mod rows;
mod scored_answers;
pub mod signals;
mod snapshot;
mod text;
pub mod threads;
mod times;
mod working;

pub use apo_spool::names;
pub use args::{OutputArgs, ReportArgs, not_negative, parse_args, value_name};
pub use distinct::{NamedInput, check_distinct, check_distinct_responses};
pub use error::bad_input;
pub use existing::OutputKind;
pub use exit::run;
pub use lock::lacks_locks;
pub use manifest::write_manifest;
pub use output::{Claim, Output};
pub use print::{note, print_result, print_up_to_date, warn, warn_of_empty_parts, warn_once};
pub use progress::Progress;
pub use scored_answers::{ScoredAnswer, ScoredAnswers};
pub use text::{format_table, join_names};
pub use times::{StageTime, peak_mib};

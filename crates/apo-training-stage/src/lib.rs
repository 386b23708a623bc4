//! What stages that train share, beyond what stages with models share
//! (`apo-model-stage`): arguments, cleaning of answers, checks of rows, the test part,
//! progress, output.

mod args;
mod cleaned;
mod exit;
mod output;
pub mod rows;
mod splits;
mod watch;

pub use args::{Defaults, TrainingArgs};
pub use cleaned::Cleaned;
pub use exit::run;
pub use output::{finish, manifest};
pub use splits::{TestPart, check_splits};
pub use watch::{Watch, classify, show_first};

//! What training stages share: arguments, progress, output.

mod args;
mod output;
mod watch;

pub use args::{Defaults, TrainingArgs};
pub use output::{finish, manifest};
pub use watch::{Watch, classify, show_first};

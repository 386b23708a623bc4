//! What stages with models share, beyond what all stages share (`apo-stage`):
//! where models compute, model directories, checks of rows, the test part,
//! training.

mod compute;
mod exit;
pub mod memory;
mod model_args;
pub mod models;
pub mod rows;
mod splits;
pub mod training;

pub use compute::ComputeArgs;
pub use exit::run;
pub use model_args::ModelArgs;
pub use splits::{TestPart, check_splits};
pub use training::TrainingArgs;

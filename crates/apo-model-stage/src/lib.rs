//! What stages with models share, beside what every stage does (`apo-stage`):
//! where models compute, model directories, rows for models, which part of the
//! data may be learnt from, training.

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

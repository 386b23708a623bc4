//! Exit codes of stages with models.

use std::error::Error;
use std::process::ExitCode;

use anyhow::Result;
use apo_llama::ModelError;
use apo_training::TrainingError;

/// Runs a stage and returns its exit code, as [`apo_stage::run`]; errors of
/// models and of training may be bad input, too.
pub fn run(stage: &str, work: impl FnOnce() -> Result<()>) -> ExitCode {
    apo_stage::exit::run_with(stage, is_bad_input, work)
}

fn is_bad_input(cause: &(dyn Error + 'static)) -> bool {
    let model = cause.downcast_ref::<ModelError>();
    let training = cause.downcast_ref::<TrainingError>();
    model.is_some_and(ModelError::is_bad_input) || training.is_some_and(TrainingError::is_bad_input)
}

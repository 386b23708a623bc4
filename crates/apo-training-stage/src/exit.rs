//! Exit codes of stages that train.

use std::process::ExitCode;

use anyhow::Result;
use apo_model_stage::exit::OF_MODELS;
use apo_stage::exit::{IsBadInput, downcast_is, run_with};
use apo_training::TrainingError;

/// Runs a stage and returns its exit code, as [`apo_model_stage::run`]; errors of
/// training may be bad input, too.
pub fn run(stage: &str, work: impl FnOnce() -> Result<()>) -> ExitCode {
    let [dialogue, model] = OF_MODELS;
    let of_training: IsBadInput = |cause| downcast_is(cause, TrainingError::is_bad_input);
    run_with(stage, &[dialogue, model, of_training], work)
}

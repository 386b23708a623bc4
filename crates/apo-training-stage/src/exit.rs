//! Exit codes of stages that train.

use std::process::ExitCode;

use anyhow::Result;
use apo_model_stage::exit::OF_MODELS;
use apo_stage::exit::{BAD_INPUT, KnownCause, NOT_FINITE, downcast_is, run_with};
use apo_training::TrainingError;

/// The errors of trainings.
const OF_TRAINING: [KnownCause; 2] = [
    (
        |cause| downcast_is(cause, TrainingError::is_not_finite),
        NOT_FINITE,
    ),
    (
        |cause| downcast_is(cause, TrainingError::is_bad_input),
        BAD_INPUT,
    ),
];

/// Runs a stage and returns its exit code, as [`apo_model_stage::run`], also for errors of
/// trainings.
pub fn run(stage: &str, work: impl FnOnce() -> Result<()>) -> ExitCode {
    run_with(stage, &[&OF_MODELS[..], &OF_TRAINING].concat(), work)
}

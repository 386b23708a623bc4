//! Exit codes of stages with models.

use std::process::ExitCode;

use anyhow::Result;
use apo_decoder::ModelError;
use apo_dialogue::DialogueError;
use apo_stage::exit::{IsBadInput, downcast_is, run_with};

/// What is bad input among the errors of tokenizers and models.
pub const OF_MODELS: [IsBadInput; 2] = [
    |cause| downcast_is(cause, DialogueError::is_bad_input),
    |cause| downcast_is(cause, ModelError::is_bad_input),
];

/// Runs a stage and returns its exit code, as [`apo_stage::run`]; errors of
/// tokenizers and models may be bad input, too.
pub fn run(stage: &str, work: impl FnOnce() -> Result<()>) -> ExitCode {
    run_with(stage, &OF_MODELS, work)
}

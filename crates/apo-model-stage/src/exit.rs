//! Exit codes of stages with models.

use std::process::ExitCode;

use anyhow::Result;
use apo_decoder::ModelError;
use apo_dialogue::DialogueError;
use apo_stage::exit::{BAD_INPUT, KnownCause, NOT_FINITE, downcast_is, run_with};

/// The errors of tokenizers and models.
pub const OF_MODELS: [KnownCause; 3] = [
    (
        |cause| downcast_is(cause, DialogueError::is_bad_input),
        BAD_INPUT,
    ),
    (
        |cause| downcast_is(cause, |it| matches!(it, ModelError::NotFinite { .. })),
        NOT_FINITE,
    ),
    (
        |cause| downcast_is(cause, ModelError::is_bad_input),
        BAD_INPUT,
    ),
];

/// Runs a stage and returns its exit code, as [`apo_stage::run`], also for errors of
/// tokenizers and models.
pub fn run(stage: &str, work: impl FnOnce() -> Result<()>) -> ExitCode {
    run_with(stage, &OF_MODELS, work)
}

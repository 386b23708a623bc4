//! What stages with models share, beyond what all stages share (`apo-stage`):
//! where models compute, model directories, how much text models read.
//! `apo-training-stage` holds what stages that train share.

mod compute;
pub mod exit;
pub mod memory;
mod model_args;
pub mod models;
pub mod precision;
pub mod rows;
mod token_args;

pub use compute::{ComputeArgs, start_device};
pub use exit::run;
pub use model_args::ModelArgs;
pub use token_args::{
    LimitArgs, MicroTokensArgs, POLICY_LIMIT, SCORING_MICRO_TOKENS, TRAINING_MICRO_TOKENS,
};

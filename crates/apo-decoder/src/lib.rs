//! Policies and reward models: directories, prompt trees, kernels, generation.

mod checkpointed;
mod composed;
pub mod compute;
pub mod config;
#[cfg(feature = "gpu")]
mod cube_matmul;
#[cfg(feature = "cuda")]
mod cuda;
pub mod decoder;
pub mod device;
pub mod directory;
pub mod error;
mod evaluate;
mod extension;
pub mod generation;
mod identified;
mod inference;
mod initializer;
mod kernel_ops;
mod layer_weights;
pub mod machine;
mod matmul;
pub mod memory_estimate;
pub mod model;
pub mod optimiser;
mod parameters;
mod quoted;
mod rope;
mod rows;
mod save;
pub mod tree;
#[cfg(feature = "gpu")]
mod tuning;
pub mod weights;

pub use apo_kernels::Precision;
pub use compute::Compute;
pub use config::{Head, ModelConfig};
pub use decoder::Decoder;
pub use directory::{ModelDirectory, ModelManifest, Start};
pub use error::ModelError;
pub use evaluate::{Evaluate, values};
pub use generation::{Ended, Generated, GenerationConfig, Pick, Request, Sampling};
pub use inference::{Frozen, InferenceModel};
pub use memory_estimate::{MemoryEstimate, MicroBatches};
pub use model::Model;
pub use optimiser::{AdamW, AdamWSettings, GradientSum};
pub use tree::{PromptTree, TreeBatch};
pub use weights::{StoredType, Weights, write_weights};

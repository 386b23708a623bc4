//! LLaMA policies and reward models: directories, prompt trees, kernels, generation.

mod checkpointed;
pub mod compute;
pub mod config;
pub mod decoder;
pub mod device;
pub mod directory;
pub mod error;
mod extension;
pub mod generation;
mod identified;
mod inference;
mod layer_weights;
pub mod machine;
mod matmul;
pub mod memory_estimate;
pub mod model;
mod operators;
pub mod optimiser;
mod parameters;
mod plain;
mod rows;
mod save;
pub mod tree;
pub mod weights;

pub use apo_kernels::Precision;
pub use compute::Compute;
pub use config::{Head, LlamaConfig};
pub use decoder::Llama;
pub use directory::{Manifest, ModelDirectory, Start};
pub use error::ModelError;
pub use generation::{Ended, Generated, GenerationConfig, Pick, Request, Sampling};
pub use memory_estimate::MemoryEstimate;
pub use model::Model;
pub use optimiser::{AdamW, AdamWSettings, GradientSum};
pub use tree::{PromptTree, TreeBatch};
pub use weights::{StoredType, Weights, write_weights};

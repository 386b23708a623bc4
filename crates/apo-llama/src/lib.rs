//! LLaMA policies and reward models: directories, prompt trees, kernels, generation.

pub mod config;
pub mod device;
pub mod directory;
pub mod error;
pub mod forecast;
pub mod generation;
mod identified;
pub mod loaded;
pub mod machine;
pub mod model;
mod operators;
pub mod optimiser;
mod plain;
mod products;
mod recomputed;
mod rows;
pub mod tree;
pub mod weights;

pub use apo_kernels::Precision;
pub use config::{Head, LlamaConfig};
pub use directory::{Manifest, ModelDirectory};
pub use error::ModelError;
pub use forecast::Forecast;
pub use generation::{Ended, Generated, Generation, Request, Sampling};
pub use loaded::{Model, Start};
pub use model::Compute;
pub use optimiser::{AdamW, AdamWSettings, GradientSum};
pub use tree::{PromptTree, TreeBatch};
pub use weights::{StoredType, Weights, write_weights};

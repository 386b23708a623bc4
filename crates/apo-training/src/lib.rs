//! Training: examples on disk, steps, accumulation, checkpoints, metrics.
//!
//! A stage turns its tables into [`Example`]s: a query, its responses, and what
//! a model learns from them. [`fn@train`] takes the steps of an [`Objective`],
//! each with the gradients of a [`StepBatch`]. Memory depends on the batch and the
//! model, not on the size of the data.

mod checkpoint;
mod error;
mod events;
mod example;
mod example_store;
mod objective;
mod observer;
mod reference;
mod response;
mod response_spool;
mod settings;
mod step_batch;
mod step_sums;
mod train;

pub use error::TrainingError;
pub use events::Events;
pub use example::{Comparison, ComparisonKind, Example};
pub use example_store::{ExampleStore, ExampleStoreWriter};
pub use objective::Objective;
pub use observer::{Observer, Phase};
pub use reference::Reference;
pub use response::{ResponseRole, TokenizedResponse};
pub use response_spool::ResponseSpool;
pub use settings::{Decay, Settings};
pub use step_batch::StepBatch;
pub use step_sums::StepSums;
pub use train::{Trained, train};

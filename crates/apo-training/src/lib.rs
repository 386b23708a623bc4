//! Training: examples on disk, steps, accumulation, checkpoints, metrics.
//!
//! A stage turns its tables into [`Example`]s: a query, its responses, and what
//! a model learns from them. [`fn@train`] takes the steps of an [`Objective`].
//! Memory depends on the batch and the model, not on the size of the data.

mod checkpoint;
mod error;
mod events;
mod example;
mod hash;
mod objective;
mod observer;
mod reference;
mod response_spool;
mod settings;
mod step_batch;
mod store;
mod train;

pub use error::TrainingError;
pub use events::Events;
pub use example::{Example, Preference, Term};
pub use objective::Objective;
pub use observer::{Observer, Phase};
pub use reference::Reference;
pub use response_spool::{ResponseRole, ResponseSpool, TokenizedResponse};
pub use settings::{Decay, Settings};
pub use store::{Store, StoreWriter};
pub use train::{Trained, train};

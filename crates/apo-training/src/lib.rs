//! Training: examples on disk, steps, accumulation, checkpoints, metrics.
//!
//! A stage turns its tables into [`Example`]s: a query, its responses, and what
//! a model learns from them. [`fn@train`] takes the steps of an [`Objective`].
//! Memory depends on the batch and the model, not on the size of the data.

mod checkpoint;
pub mod error;
pub mod events;
pub mod example;
mod hash;
pub mod objective;
pub mod observer;
pub mod reference;
pub mod response_spool;
pub mod settings;
pub mod store;
pub mod train;

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

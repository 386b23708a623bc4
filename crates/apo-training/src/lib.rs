//! Training: examples on disk, steps, accumulation, checkpoints, metrics.
//!
//! A stage turns its tables into [`Example`]s, a query with its responses and
//! what is to be learnt of them; [`fn@train`] takes the steps of an
//! [`Objective`]. Memory follows the batch and the model, not the data.

mod checkpoint;
pub mod error;
pub mod events;
pub mod example;
pub mod objective;
pub mod reference;
pub mod response_spool;
pub mod settings;
pub mod store;
pub mod train;

pub use error::TrainingError;
pub use events::Events;
pub use example::{Example, Preference, Term};
pub use objective::Objective;
pub use reference::Reference;
pub use response_spool::{Cuts, Fitter, ResponseRole, ResponseSpool, TokenizedResponse};
pub use settings::{Decay, Settings};
pub use store::{Store, StoreWriter};
pub use train::{Observer, Trained, train};

//! What stages that ask a chat endpoint share: arguments, the journal, the tokens
//! and costs, and whose fault an error is.

mod args;
mod open;
mod spent;

pub use args::{AskAgain, EndpointArgs};
pub use open::{check_again, check_journal, open, replayed, sorted};
pub use spent::{Asked, Spent};

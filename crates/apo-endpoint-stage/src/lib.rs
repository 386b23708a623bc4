//! What stages that ask a chat endpoint share: arguments, the journal, the tokens
//! and costs, and whose fault an error is.

mod args;
mod open;
mod token_cost;

pub use args::{AskAgain, EndpointArgs};
pub use open::{check_again, check_journal, classify, open, replayed};
pub use token_cost::{Asked, TokenCost};

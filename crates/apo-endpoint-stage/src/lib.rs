//! What stages that ask an endpoint share: arguments, the journal, the tokens
//! and costs, and whose fault an error is.

mod args;
mod open;
mod token_cost;

pub use args::{AskAgain, AskingArgs, EndpointArgs};
pub use open::{check_again, check_journal, classify, open, open_online, replayed};
pub use token_cost::{Asked, TokenCost};

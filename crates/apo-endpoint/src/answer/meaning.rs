//! What an answer can mean for its request.

use crate::outcome::Outcome;

/// What an answer means for its request.
#[derive(Debug, PartialEq)]
pub enum Meaning {
    /// It has this outcome.
    Done(Outcome),
    /// The same request may succeed later.
    Later(String),
    /// This request will not succeed.
    Never(String),
    /// The key is wrong or missing.
    Unauthorised(String),
    /// No request will succeed.
    Refused(String),
    /// The server does something other than it is asked for, whatever the request.
    Unusable(String),
}

//! Replies and what is made of them.

mod bounds;
mod doubts;
mod honest;
mod sentences;
mod thoughts;
mod tokens;

use super::{parted, without_beginning, without_end};

/// An answer that is long enough to be one after what may be part of an answer.
const WARM: &str = "Warm water, with a little soap in it, is best.";

fn answer_of(content: &str) -> &str {
    parted(content).answer
}

/// Returns a response as `hh-split` cleans it, which leaves its thoughts.
fn cleaned(response: &str) -> &str {
    without_end(without_beginning(response).unwrap_or(response))
}

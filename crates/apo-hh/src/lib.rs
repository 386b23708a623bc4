//! Dialogues as the HH data writes them: turns that begin with `Human:` or
//! `Assistant:` after a blank line. A system message, which HH does not have, comes first
//! and begins with `System:`.

mod key;
mod pair;
mod quote;
mod turns;

pub use key::{pair_id, query_id};
pub use pair::{PairFault, SplitPair, split_at_prompt, split_pair};
pub use quote::{quoted, unquoted};
pub use turns::{
    ASSISTANT, HUMAN, Role, SYSTEM, Turn, as_prompt, prompt_of, turns, without_system,
};

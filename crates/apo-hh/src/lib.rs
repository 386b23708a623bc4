//! Dialogues as the HH data writes them: turns that begin with `Human:` or
//! `Assistant:` after a blank line.

mod key;
mod pair;
mod turns;

pub use key::{pair_id, query_id};
pub use pair::{PairFault, SplitPair, split_at_prompt, split_pair};
pub use turns::{ASSISTANT, HUMAN, Role, Turn, as_prompt, prompt_of, turns};

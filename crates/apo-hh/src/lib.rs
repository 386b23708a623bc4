//! Dialogues as the HH data writes them: turns that begin with `Human:` or
//! `Assistant:` after a blank line. HH has neither system messages nor tools: here a system
//! message comes first and begins with `System:`, and the result of a tool that the
//! assistant called begins with `Tool:`.

mod key;
mod pair;
mod quote;
mod turns;

pub use key::{pair_id, query_id};
pub use pair::{PairFault, SplitPair, split_at_prompt, split_pair};
pub use quote::{quoted, unquoted};
pub use turns::{
    ASSISTANT, HUMAN, Role, SYSTEM, TOOL, Turn, as_prompt, prompt_of, turns, without_system,
};

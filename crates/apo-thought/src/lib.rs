//! Which part of a reply is the answer, and which is thought.
//!
//! Servers that do not separate the two leave thoughts in the text, between the
//! model's marks. One rule tells them apart: a thought is a block at the beginning
//! of the reply; only special tokens and the speaker's name may precede it. It ends
//! with the mark that closes it; without one, the whole reply is thought. If the
//! chat template opens the block, the opening mark is in the prompt: then everything
//! before a closing mark without an opening one is thought.
//!
//! After a thought, `Assistant:` and `Final Answer:`, and marks around the whole
//! answer such as `<answer>`, are removed as well.
//!
//! Special tokens that a server left around a reply are removed, both or none of two
//! that enclose something.
//!
//! Everything else is part of the answer and stays: marks further on, and marks that
//! a sentence mentions, that code or quotation marks contain, or that are items of a
//! list. So does a text whose first sentence continues after an opening mark as after a
//! noun: `<think> has no attributes.` [`is_doubtful`] tells whether an answer contains any.
//!
//! | Begins with | Is |
//! |---|---|
//! | `<think>`, `[BEGIN THOUGHT]`, a code block of the language `thinking`: words only for thoughts | a thought, closed or not |
//! | `<plan>`, `<reasoning>`, `[thinking]`, a code block of the language `analysis`: words also for parts of an answer | a thought if it is closed and followed by the mark of an answer or by at least 40 characters of plain text; otherwise text, and doubtful |
//! | `Thought:`, if a later line begins with `Final Answer:`; `Thinking...` with `...done thinking.` | a thought up to these words |
//! | anything, if `[BEGIN FINAL RESPONSE]` follows | a thought up to this mark |
//! | another heading, such as `**Reasoning**`, or another tag whose name has to do with thought, such as `<deepthink>` | text, and doubtful |

mod answer;
mod begin;
mod channels;
mod doubt;
mod end;
mod marks;
mod pairs;
mod place;
mod reply;
mod tag;
mod template_prefix;
mod thought_prefix;
mod turn;

pub use begin::{begins_with_token, without_any_beginning};
pub use doubt::is_doubtful;
pub use end::{ends_with_token, without_any_end, without_end};
pub use place::is_open;
pub use reply::{Parted, parted};
pub use template_prefix::without_beginning;

#[cfg(test)]
mod tests;

//! How a golden answer comes about: the paper's Appendix A.
//!
//! A query's dialogue goes to a chat model under the system prompt of Code 1.
//! A content-policy error gets a text of Code 2; a reply that is a bare
//! refusal is asked again, `why?`; where no reply comes, the better response
//! of the HH data takes its place. [`golden`] is that path, [`refusal`] the rule,
//! [`prompts`] the texts. The stage `gold-collect` brings tables, journal and
//! endpoint to it.

pub mod golden;
pub mod prompts;
pub mod refusal;

pub use golden::{Collected, Collector, Doubt, Golden, Lack, Origin};
pub use prompts::Prompts;
pub use refusal::is_bare_refusal;

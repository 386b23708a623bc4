//! How a golden answer comes about: the paper's Appendix A.
//!
//! A query's dialogue goes to a chat model under the system prompt of Code 1.
//! A content-policy error is replaced by a text of Code 2. After a bare refusal the
//! model is asked `why?`. If no reply comes, the better response of the HH data is
//! used. [`Collector`] is that path, [`is_bare_refusal`] the rule for bare refusals,
//! and [`Prompts`] has the texts. The stage `gold-collect` adds tables, journal and
//! endpoint.

mod collector;
mod golden;
mod prompts;
mod refusal;

pub use collector::{Collected, Collector, Doubt, Lack};
pub use golden::{Golden, Origin};
pub use prompts::Prompts;
pub use refusal::is_bare_refusal;

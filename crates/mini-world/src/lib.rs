//! The mini world: HH-like data whose true quality is known.
//!
//! A seeded generator writes dialogues about a few dozen tasks and harmful requests
//! ([`topic`]) as HH's files ([`generator`]), the directory of a small policy without
//! weights ([`policy`]) and a journal of golden answers ([`journal`]). A documented
//! function gives the quality of a response ([`mod@quality`]), so that tests can tell
//! whether a round improved a policy. [`fixtures`] lists all files, and `mini-world`
//! writes them. `mini-judge` is a chat endpoint ([`loopback`]) that compares responses
//! by their quality; `mini-quality` measures tables of responses. Tests download from a
//! small [`hub`].

mod annotators;
pub mod content;
pub mod fixtures;
pub mod generator;
pub mod hub;
pub mod journal;
pub mod loopback;
pub mod phrases;
pub mod policy;
pub mod quality;
pub mod tokenizer;
pub mod topic;
mod voice;

pub use annotators::ceiling;
pub use quality::quality;

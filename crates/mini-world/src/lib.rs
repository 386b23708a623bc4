//! The mini world: HH-like data whose true quality is known.
//!
//! A seeded generator writes dialogues about some dozens of tasks and harmful
//! requests ([`content`]) in HH's own files ([`generator`]), the directory of a
//! small policy without weights ([`policy`]) and a journal of golden answers
//! ([`journal`]). What a response is worth is a documented function
//! ([`mod@quality`]), so that tests can tell whether a round improved a policy.
//! [`fixtures`] are all of the files; `mini-world` writes them. `mini-judge`
//! compares responses by their quality as a chat endpoint ([`loopback`]),
//! `mini-quality` measures tables of them.

pub mod content;
pub mod fixtures;
pub mod generator;
pub mod journal;
pub mod loopback;
pub mod phrases;
pub mod policy;
pub mod quality;
pub mod tokenizer;

pub use quality::quality;

//! Reports what was found: the paper's tables and Figure 5, whether its claims
//! hold, and a run as one page. It computes nothing with models.
//!
//! A module is a command of `judge` with a `run` that takes its arguments; they
//! know a run by its [`run_file::RunFile`].

pub mod args;
mod cells;
pub mod claims;
pub mod data;
pub mod describe;
pub mod figure;
mod measures;
pub mod report;
pub mod run_file;
pub mod table;

//! Reports results: the paper's tables and Figure 5, whether its claims hold, under
//! which conditions APO pays, and a run as one page. It runs no models.
//!
//! Each module is a command of `judge`; its `run` takes the command's arguments. They
//! know a run by its [`run_file::RunFile`].

pub mod args;
mod cells;
pub mod claims;
pub mod data;
pub mod describe;
pub mod figure;
pub mod map;
mod measures;
mod paper;
pub mod report;
pub mod run_file;
pub mod table;

//! Reports results: the paper's tables and Figure 5, what several seeds have in common,
//! whether the paper's claims hold, under which conditions APO pays, and a run as one page.
//! It runs no models.
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
mod seed_tables;
pub mod seeds;
pub mod table;

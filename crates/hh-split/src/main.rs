//! Splits human preference data into the tables of a run.

fn main() {}

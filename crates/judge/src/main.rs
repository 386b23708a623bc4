//! Scores responses and measures reward models.

fn main() {}

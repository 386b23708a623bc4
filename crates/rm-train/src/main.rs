//! Trains a reward model on preferences and golden answers.

fn main() {}

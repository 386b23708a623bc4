//! Collects golden answers from a chat endpoint or a file.

fn main() {}

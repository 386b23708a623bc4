//! Samples responses from a policy.

fn main() {}

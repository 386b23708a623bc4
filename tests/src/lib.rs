//! The mini world, and how the tests drive the real binaries.

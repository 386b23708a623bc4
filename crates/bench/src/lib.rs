//! The work that `bench` and `growth` measure, and what this machine can do at best.

pub mod child;
pub mod machine;
pub mod rows;
pub mod work;

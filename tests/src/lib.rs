//! What tests of the whole share: [`stages`] drives the real binaries, [`works`] lists
//! their commands, [`others`] puts things in their way, [`crash`] breaks them,
//! [`mod@fuzz`] breaks what they read.

pub mod crash;
pub mod fuzz;
pub mod others;
pub mod stages;
pub mod works;

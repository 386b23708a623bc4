//! What tests of the whole share: [`stages`] drives the real binaries, [`crash`]
//! breaks them, [`mod@fuzz`] breaks what they read.

pub mod crash;
pub mod fuzz;
pub mod stages;

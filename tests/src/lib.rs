//! What the tests of all stages together share: [`stages`] runs the real programs,
//! [`works`] lists their commands, [`known_run`] makes a run to report, [`others`] puts
//! other people's files where they write, [`peers`] finds other programs to compare with,
//! [`hub`] is one on this machine, [`served`] answers as a server of models, [`crash`] makes their system calls fail, and
//! [`mod@fuzz`] breaks their inputs.

pub mod crash;
pub mod fuzz;
pub mod hub;
pub mod known_run;
pub mod others;
pub mod peers;
pub mod served;
pub mod stages;
pub mod works;

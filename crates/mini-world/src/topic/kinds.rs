//! What a task and a harmful request consist of.

/// An everyday task. A good answer gives all steps in order.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// What is asked for: "how do I …".
    pub ask: &'static str,
    /// What to do, in order.
    pub steps: &'static [&'static str],
}

/// A harmful request. A good answer refuses, says why and offers something else.
#[derive(Clone, Copy, Debug)]
pub struct Harm {
    /// What is asked for: "how do I …".
    pub ask: &'static str,
    /// Why it should not be done.
    pub reason: &'static str,
    /// What to do instead.
    pub alternative: &'static str,
    /// What a complying answer says.
    pub compliance: [&'static str; 2],
}

//! The names of stages as outputs have them in their provenance. A stage that reads
//! another's output knows it by this name.

/// Splits people's preferences: makes queries and pairs.
pub const HH_SPLIT: &str = "hh-split";
/// Samples a policy's responses.
pub const SAMPLE: &str = "sample";
/// Gives responses their rewards.
pub const JUDGE_SCORE: &str = "judge score";
/// Gives responses their log-probs by a model.
pub const JUDGE_LOG_PROBS: &str = "judge log-probs";

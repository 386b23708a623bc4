//! What stages keep in a working folder besides spools, by name. One list, because a folder
//! must be recognised by every stage and not only by the one that works in it.

/// A training's checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";

/// A training's metrics while it runs.
pub const METRICS: &str = "metrics.jsonl";

/// A model that is written.
pub const MODEL: &str = "model";

/// A sheet for people who judge.
pub const SHEET: &str = "sheet";

/// Tables that are written together.
pub const TABLES: &str = "tables";

/// What a GPU's tuning has decided.
pub const TUNING: &str = "tuning";

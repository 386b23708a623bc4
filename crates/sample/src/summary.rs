//! The result of the stage.

use serde::Serialize;

/// The result of the stage.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub responses: u64,
    pub stop: u64,
    pub length: u64,
    pub turn: u64,
    pub empty: u64,
    pub prompts_cut: u64,
    pub mean_tokens: f64,
    pub tokens_per_second: f64,
}

impl Summary {
    /// Returns it as rows, for people.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        vec![
            row("responses", self.responses.to_string()),
            row("  ended on their own", self.stop.to_string()),
            row("  cut by length", self.length.to_string()),
            row("  cut at a further turn", self.turn.to_string()),
            row("  empty", self.empty.to_string()),
            row("prompts cut", self.prompts_cut.to_string()),
            row("mean tokens", format!("{:.1}", self.mean_tokens)),
            row("tokens/s", format!("{:.0}", self.tokens_per_second)),
        ]
    }
}

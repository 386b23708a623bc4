//! What a run counted.

use std::collections::BTreeMap;

use serde::Serialize;

/// The number of rows of each table, and of rejects.
#[derive(Debug, Default, Serialize)]
pub struct Counts {
    /// Pairs that were read, accepted or not.
    pub(super) dialogues: u64,
    /// Queries without responses that were read, accepted or not.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) prompts: u64,
    /// Sound pairs of queries that `--take` and `--take-test` leave out; sound queries
    /// without responses that these, `--llm` and `--answer-test` leave out.
    pub(super) left_out: u64,
    /// Pairs that were accepted without their tools or documents, which the tables
    /// cannot hold.
    pub(super) without_context: u64,
    /// Pairs that were accepted without the special tokens around their responses.
    pub(super) tokens_removed: u64,
    /// Pairs that were accepted with a special token at the beginning or end of a response.
    pub(super) tokens_kept: u64,
    pub(super) tables: BTreeMap<&'static str, u64>,
    pub(super) rejected: BTreeMap<&'static str, u64>,
    /// The first row of each reason: its place, and what is wrong.
    pub(super) first_rejected: BTreeMap<&'static str, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Counts {
    /// Returns the counts as rows, for people.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![vec!["dialogues".to_owned(), self.dialogues.to_string()]];
        if self.prompts > 0 {
            rows.push(vec!["prompts".to_owned(), self.prompts.to_string()]);
        }
        let named = |prefix: &str, counts: &BTreeMap<&str, u64>| -> Vec<Vec<String>> {
            let row = |(name, n): (&&str, &u64)| vec![format!("{prefix}{name}"), n.to_string()];
            counts.iter().map(row).collect()
        };
        rows.extend(named("  rejected: ", &self.rejected));
        let changed = [
            ("  without their tools or documents", self.without_context),
            (
                "  without special tokens around a response",
                self.tokens_removed,
            ),
            (
                "  with a special token kept in a response",
                self.tokens_kept,
            ),
            ("  left out", self.left_out),
        ];
        let changed = changed.into_iter().filter(|(_, n)| *n > 0);
        rows.extend(changed.map(|(name, n)| vec![name.to_owned(), n.to_string()]));
        rows.extend(named("", &self.tables));
        rows
    }
}

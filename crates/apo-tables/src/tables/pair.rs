//! The table of human preferences.

use apo_provenance::stage_names::HH_SPLIT;

use super::shared::{PROMPT, QUERY_ID, SUBSET, one_per_column, read_prompt};
use crate::schema::{ColumnType, Row, Table, Value, optional, required};

/// A human preference: one query and two responses.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Key of the query.
    pub query_id: String,
    /// Key of the query with both responses.
    pub pair_id: String,
    /// Part of the data.
    pub subset: String,
    /// The query.
    pub prompt: String,
    /// The response that people preferred.
    pub chosen: String,
    /// The other response.
    pub rejected: String,
    /// By how much the chosen response is better, in the units of who scored the two;
    /// `None` if nobody did.
    pub margin: Option<f32>,
}

impl Row for Pair {
    const TABLE: &'static Table = &Table {
        name: "pairs",
        written_by: &[HH_SPLIT],
        columns: &[
            QUERY_ID,
            required(
                "pair_id",
                ColumnType::Text,
                "the same, of the prompt, chosen and rejected",
            ),
            SUBSET,
            PROMPT,
            required(
                "chosen",
                ColumnType::Text,
                "the response that people preferred, stripped",
            ),
            required("rejected", ColumnType::Text, "the other response, stripped"),
            optional(
                "margin",
                ColumnType::Float32,
                "by how much the chosen response is better, as the source scores the two; null for a vote",
            ),
        ],
    };

    fn each(&self, put: &mut dyn FnMut(Value<'_>)) {
        put((&self.query_id).into());
        put((&self.pair_id).into());
        put((&self.subset).into());
        put((&self.prompt).into());
        put((&self.chosen).into());
        put((&self.rejected).into());
        put(self.margin.into());
    }

    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)> {
        let [query_id, pair_id, subset, prompt, chosen, rejected, margin] = one_per_column(values);
        let prompt = read_prompt(prompt)?;
        let (chosen, rejected) = (chosen.text(), rejected.text());
        for (column, text) in [("chosen", &chosen), ("rejected", &rejected)] {
            if text.trim().is_empty() {
                return Err((column, "is empty, expected a response".into()));
            }
        }
        Ok(Self {
            query_id: query_id.text(),
            pair_id: pair_id.text(),
            subset: subset.text(),
            prompt,
            chosen,
            rejected,
            margin: margin.float(),
        })
    }
}

//! The table of queries.

use apo_provenance::stage_names::HH_SPLIT;

use super::shared::{PROMPT, QUERY_ID, SUBSET, one_per_column, read_prompt};
use crate::schema::{Row, Table, Value};

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its key.
    pub query_id: String,
    /// Part of the data.
    pub subset: String,
    /// The query.
    pub prompt: String,
}

impl Row for Query {
    const TABLE: &'static Table = &Table {
        name: "queries",
        written_by: &[HH_SPLIT],
        columns: &[QUERY_ID, SUBSET, PROMPT],
    };

    fn each(&self, put: &mut dyn FnMut(Value<'_>)) {
        put((&self.query_id).into());
        put((&self.subset).into());
        put((&self.prompt).into());
    }

    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)> {
        let [query_id, subset, prompt] = one_per_column(values);
        Ok(Self {
            query_id: query_id.text(),
            subset: subset.text(),
            prompt: read_prompt(prompt)?,
        })
    }
}

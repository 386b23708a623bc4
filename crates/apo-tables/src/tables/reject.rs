//! The table of rejected rows.

use apo_provenance::stage_names::HH_SPLIT;

use super::shared::one_per_column;
use crate::schema::{ColumnType, Row, Table, Value, required};

/// A rejected row of the raw data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Name of the file.
    pub file: String,
    /// Line of the file, from 1.
    pub line: i64,
    /// Why it was rejected, in one word.
    pub reason: String,
    /// What is wrong with it, in a sentence.
    pub detail: String,
    /// The beginning of the row.
    pub excerpt: String,
}

impl Row for Reject {
    const TABLE: &'static Table = &Table {
        name: "rejects",
        written_by: &[HH_SPLIT],
        columns: &[
            required("file", ColumnType::Text, "name of the file"),
            required("line", ColumnType::Int64, "line or row of the file, from 1"),
            required(
                "reason",
                ColumnType::Text,
                "why it was rejected, such as `same_response`",
            ),
            required("detail", ColumnType::Text, "what is wrong with it"),
            required("excerpt", ColumnType::Text, "the beginning of the row"),
        ],
    };

    fn each(&self, put: &mut dyn FnMut(Value<'_>)) {
        put((&self.file).into());
        put(self.line.into());
        put((&self.reason).into());
        put((&self.detail).into());
        put((&self.excerpt).into());
    }

    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)> {
        let [file, line, reason, detail, excerpt] = one_per_column(values);
        Ok(Self {
            file: file.text(),
            line: line.int().unwrap_or(0),
            reason: reason.text(),
            detail: detail.text(),
            excerpt: excerpt.text(),
        })
    }
}

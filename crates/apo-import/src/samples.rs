//! Recognises a policy's own samples where others' answers are expected.

use std::path::Path;

use apo_provenance::stage_names::SAMPLE;
use apo_tables::tables::is_policy;
use apo_tables::{POLICY, TableError};
use serde::Deserialize;
use serde_json::Value;

use crate::columns::Columns;
use crate::forms::ANSWER_FIELDS;
use crate::record::parse;
use crate::source::{Source, is_parquet};

/// Records that are in memory at once.
const BATCH: usize = 1024;

/// The fields of [`Stated`].
const STATED_FIELDS: &[&str] = &["origin"];

/// What a record says about where it comes from.
#[derive(Deserialize)]
struct Stated {
    #[serde(default)]
    origin: Value,
}

/// Returns what shows that a file of answers holds a policy's samples: its provenance,
/// or its column `origin` as `sample` writes it and other programs keep it. Returns
/// `None` if nothing does.
///
/// # Errors
///
/// When the file cannot be read. Of a Parquet file only the footer and the column
/// `origin` are read: whoever reads the answers meets the faults of their columns.
pub fn evidence_of_samples(path: &Path) -> Result<Option<String>, TableError> {
    let fields = if is_parquet(path) {
        if apo_tables::provenance(path)?.is_some_and(|it| it.stage == SAMPLE) {
            return Ok(Some(format!("`{SAMPLE}` made it")));
        }
        STATED_FIELDS.to_vec()
    } else {
        // A text is read whole anyway. Its error, if it does not hold one record per line,
        // depends on the fields of the answers.
        [ANSWER_FIELDS, STATED_FIELDS].concat()
    };
    let mut source = Source::open(path, &fields)?;
    // Without that column, no row of a Parquet file says anything.
    if source
        .check_columns(&[STATED_FIELDS], &Columns::default())
        .is_err()
    {
        return Ok(None);
    }
    loop {
        let batch = source.batch(BATCH)?;
        if batch.is_empty() {
            return Ok(None);
        }
        for record in batch {
            // Malformed records are reported when the answers are read.
            let stated = parse::<Stated>(&record);
            if stated.is_ok_and(|it| it.origin.as_str().is_some_and(is_policy)) {
                let line = record.line;
                return Ok(Some(format!("`origin` is `{POLICY}` in line {line}")));
            }
        }
    }
}

//! Refuses a policy's own samples as golden answers.

use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_import::{ANSWER_FIELDS, Source, parse};
use apo_stage::bad_input;
use apo_tables::POLICY;
use apo_tables::tables::is_policy;
use serde::Deserialize;
use serde_json::Value;

/// Records that are in memory at once.
const BATCH: usize = 1024;

/// The stage whose tables are a policy's responses.
const SAMPLE: &str = "sample";

/// What a record says about where it comes from.
#[derive(Deserialize)]
struct Stated {
    #[serde(default)]
    origin: Value,
}

/// Checks that no file is of a policy's samples: their provenance or their column
/// `origin` says so, as `sample` writes it and other programs keep it.
///
/// # Errors
///
/// When one is, or cannot be read; the error names the file and its first such row.
pub fn check(paths: &[PathBuf]) -> Result<()> {
    paths.iter().try_for_each(|path| check_file(path))
}

fn check_file(path: &Path) -> Result<()> {
    let refuse = |evidence: &str| {
        Err(bad_input(format!(
            "--answers {}: {evidence}, so these are a policy's own samples, not golden answers; \
             rm-train takes samples as --samples. Another model's answers belong in a file with \
             `prompt` and `response` alone",
            path.display()
        )))
    };
    let fields = [ANSWER_FIELDS, &["origin"]].concat();
    let mut source = Source::open(path, &fields)?;
    // Text files have no provenance.
    let provenance = apo_tables::provenance(path).ok().flatten();
    if provenance.is_some_and(|it| it.stage == SAMPLE) {
        return refuse("`sample` made it");
    }
    loop {
        let batch = source.batch(BATCH)?;
        if batch.is_empty() {
            return Ok(());
        }
        for record in batch {
            // What is malformed is told when the answers are read.
            let stated = parse::<Stated>(&record);
            if stated.is_ok_and(|it| it.origin.as_str().is_some_and(is_policy)) {
                return refuse(&format!("`origin` is `{POLICY}` in line {}", record.line));
            }
        }
    }
}

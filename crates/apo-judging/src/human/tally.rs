//! `judge human tally`: turns annotators' files into verdicts.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_measures::{JudgedOutcome, Verdict};
use apo_provenance::Provenance;
use apo_stage::{Claim, Output, OutputKind, bad_input, note, print_result, warn};
use apo_tables::{Reader, SheetKey, Side, VerdictRow, Writer};

use super::votes::{Vote, Votes};
use crate::args::HumanTallyArgs;
use crate::verdicts::{JudgingSummary, Plan};

/// Name of the table in the working folder.
const TABLE: &str = "verdicts.parquet";

/// Reads all votes and prints who won.
///
/// # Errors
///
/// When a file belongs to another sheet or was edited, two files have the same
/// annotator, nobody voted, or the output cannot be written.
pub fn run(args: &HumanTallyArgs) -> Result<()> {
    let key = Reader::<SheetKey>::open_filled(&args.key)?.collect::<Result<Vec<_>, _>>()?;
    let mut ids = HashSet::new();
    if let Some(twice) = key.iter().find(|row| !ids.insert(&row.query_id)) {
        return Err(bad_input(format!(
            "{}: query {} occurs twice",
            args.key.display(),
            twice.query_id
        )));
    }
    let all: Vec<Votes> = args
        .votes
        .iter()
        .map(|path| Votes::read(path, &key))
        .collect::<Result<_>>()?;
    let mut names = HashSet::new();
    if let Some(twice) = all.iter().find(|it| !names.insert(&it.annotator)) {
        return Err(bad_input(format!(
            "two files are from annotator '{}'; rename one, or leave the older one out",
            twice.annotator
        )));
    }
    if all.iter().all(|it| it.by_row.is_empty()) {
        return Err(bad_input("no file holds a vote"));
    }
    let out = &args.output.out;
    let provenance = provenance(args)?;
    let inputs = args.votes.iter().chain([&args.key]).map(PathBuf::as_path);
    match Output::claim(&args.output, &provenance, OutputKind::Table, inputs)? {
        Claim::UpToDate => note(&args.report, &format!("{} is up to date", out.display())),
        Claim::Work(output) => {
            let path = output.dir().join(TABLE);
            write(&path, &provenance, &key, &all)?;
            output.publish(TABLE)?;
        }
    }
    warn_of_missing(&all, key.len());
    let names: Vec<String> = all.into_iter().map(|it| it.annotator).collect();
    let rows = Reader::<VerdictRow>::open(out)?.collect::<Result<Vec<_>, _>>()?;
    let plan = Plan {
        queries: key.len(),
        repeats: 1,
        bootstrap: args.bootstrap,
    };
    let summary = JudgingSummary::of(&names, &rows, plan, None)?;
    print_result(&args.report, &summary, || summary.text())
}

/// Writes a row for each vote.
fn write(path: &Path, provenance: &Provenance, key: &[SheetKey], all: &[Votes]) -> Result<()> {
    let mut writer = Writer::<VerdictRow>::create(path, provenance)?;
    for (i, row) in key.iter().enumerate() {
        let votes = all.iter().filter_map(|it| Some((it, it.by_row.get(&i)?)));
        for (it, vote) in votes {
            writer.write(&verdict_row(row, &it.annotator, *vote))?;
        }
    }
    writer.finish()?;
    Ok(())
}

/// Warns of votes that do not count, and of queries without a vote.
fn warn_of_missing(all: &[Votes], n_queries: usize) {
    for it in all.iter().filter(|it| !it.changed.is_empty()) {
        let (name, rows) = (&it.annotator, it.changed.join(", "));
        warn(&format!(
            "{name}: the texts of {rows} differ from those of the sheet; their votes are not \
             counted"
        ));
    }
    for it in all.iter().filter(|it| it.by_row.len() < n_queries) {
        let (name, n) = (&it.annotator, it.by_row.len());
        warn(&format!(
            "{name} voted on {n} of {n_queries} queries; the others are not counted"
        ));
    }
}

fn provenance(args: &HumanTallyArgs) -> Result<Provenance> {
    let key = Reader::<SheetKey>::open(&args.key)?.input()?;
    let mut provenance =
        Provenance::new("judge human tally", env!("CARGO_PKG_VERSION")).input("key", key);
    for (i, path) in args.votes.iter().enumerate() {
        provenance = provenance.input(&format!("votes {}", i + 1), apo_tables::input(path)?);
    }
    Ok(provenance)
}

/// Returns the row for a vote. A person sees one order only.
fn verdict_row(key: &SheetKey, annotator: &str, vote: Vote) -> VerdictRow {
    let (verdict, outcome) = match (vote, key.left) {
        (Vote::Same, _) => (Verdict::Same, JudgedOutcome::Tie),
        (Vote::Left, Side::A) | (Vote::Right, Side::B) => (Verdict::A, JudgedOutcome::A),
        (Vote::Left, Side::B) | (Vote::Right, Side::A) => (Verdict::B, JudgedOutcome::B),
    };
    let (plain, swapped) = match key.left {
        Side::A => (Some(verdict), None),
        Side::B => (None, Some(verdict)),
    };
    VerdictRow {
        query_id: key.query_id.clone(),
        subset: key.subset.clone(),
        judge: annotator.to_owned(),
        repeat: 0,
        plain,
        swapped,
        outcome,
        characters_a: key.characters_a,
        characters_b: key.characters_b,
    }
}

//! Rejected rows: they are listed in a table and counted, and the first one of each
//! reason is reported.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result};
use apo_import::{Fault, Record};
use apo_provenance::Provenance;
use apo_provenance::stage_names::HH_SPLIT;
use apo_stage::{ReportArgs, bad_input, note, warn};
use apo_tables::{Reader, Reject, Row as _, Writer};

/// The table's name inside the folder of tables.
const TABLE: &str = "rejects.parquet";

/// Fraction of rows above which rejects are a warning.
const MANY: f64 = 0.2;

/// The table of rejects, while it is being written.
pub struct Rejects {
    writer: Writer<Reject>,
    rejected: Rejected,
}

/// What was rejected, by reason.
#[derive(Default)]
pub struct Rejected {
    by_reason: BTreeMap<&'static str, Reason>,
}

struct Reason {
    n: u64,
    /// The place of the first one, and what is wrong with it.
    first: String,
}

impl Rejects {
    /// Begins the table in a folder.
    ///
    /// # Errors
    ///
    /// When it cannot be created.
    pub fn create(dir: &Path, provenance: &Provenance) -> Result<Self> {
        Ok(Self {
            writer: Writer::create(&dir.join(TABLE), provenance)?,
            rejected: Rejected::default(),
        })
    }

    /// Adds a row of a file.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn add(&mut self, file: &str, record: &Record, fault: Fault) -> Result<()> {
        let Fault { reason, detail } = fault;
        let found = self
            .rejected
            .by_reason
            .entry(reason)
            .or_insert_with(|| Reason {
                n: 0,
                first: format!("{file}, line {}: {detail}", record.line),
            });
        found.n += 1;
        self.writer.write(&Reject {
            file: file.to_owned(),
            line: record.line as i64,
            reason: reason.to_owned(),
            detail,
            excerpt: record.excerpt(),
        })?;
        Ok(())
    }

    /// Ends the table.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn finish(self) -> Result<Rejected> {
        self.writer.finish()?;
        Ok(self.rejected)
    }
}

/// Returns where a run that has nothing to split lists its rejects: next to its output.
fn rejects_path(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push("-rejects.parquet");
    out.with_file_name(name)
}

/// Checks that no input is at the path of the rejects of a run that has nothing to
/// split.
///
/// # Errors
///
/// When one is, even under another path.
pub fn keep_apart<'a>(out: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let path = rejects_path(out);
    let file = |path: &Path| {
        let found = fs::metadata(path);
        found.map(|it| (it.dev(), it.ino())).ok()
    };
    let Some(there) = file(&path) else {
        return Ok(());
    };
    match inputs.into_iter().find(|it| file(it) == Some(there)) {
        Some(input) => Err(bad_input(format!(
            "the input {} is {}, where --out {} lists its rejects if nothing can be split; choose \
             another --out, or move the input",
            input.display(),
            path.display(),
            out.display()
        ))),
        None => Ok(()),
    }
}

/// Whether a file is a list of rejects that this stage wrote.
fn is_ours(path: &Path) -> bool {
    // A link or a folder of parts belongs to the user.
    let is_file = fs::symlink_metadata(path).is_ok_and(|it| it.is_file());
    let made_by = || {
        apo_tables::provenance(path)
            .ok()
            .flatten()
            .map(|it| it.stage)
    };
    let has_columns = || {
        let found = Reader::<Reject>::open(path).and_then(|it| it.schema());
        let own = Reject::TABLE.columns.iter().map(|it| it.name);
        found.is_ok_and(|it| it.fields().iter().map(|it| it.name().as_str()).eq(own))
    };
    is_file && made_by().as_deref() == Some(HH_SPLIT) && has_columns()
}

/// Removes the list of rejects of an earlier run that had nothing to split; any
/// other file stays.
pub fn remove_earlier_list(out: &Path) {
    let path = rejects_path(out);
    if is_ours(&path) {
        let _ = fs::remove_file(path);
    }
}

impl Rejected {
    /// Returns the number of rejected rows.
    pub fn n_rows(&self) -> u64 {
        self.by_reason.values().map(|it| it.n).sum()
    }

    /// Whether rows were rejected, and all of them for these reasons.
    pub fn is_only(&self, reasons: &[&str]) -> bool {
        let mut found = self.by_reason.keys();
        !self.by_reason.is_empty() && found.all(|it| reasons.contains(it))
    }

    /// Returns the number of rows and the first row of each reason.
    pub fn counts(self) -> (BTreeMap<&'static str, u64>, BTreeMap<&'static str, String>) {
        let n = self.by_reason.iter().map(|(reason, it)| (*reason, it.n));
        let n = n.collect();
        let first = self.by_reason.into_iter();
        (n, first.map(|(reason, it)| (reason, it.first)).collect())
    }

    /// Returns what was rejected, by reason, the most common first.
    fn sentences(&self) -> Vec<String> {
        let mut reasons: Vec<_> = self.by_reason.iter().collect();
        reasons.sort_by_key(|(reason, it)| (std::cmp::Reverse(it.n), **reason));
        let sentence =
            |(reason, it): (&&str, &Reason)| format!("{} `{reason}` (first: {})", it.n, it.first);
        reasons.into_iter().map(sentence).collect()
    }

    /// Reports what was rejected: as notes, or as one warning if it is a large
    /// share of the rows.
    pub fn report(&self, report: ReportArgs, n_rows: u64) {
        let rejected = self.n_rows();
        if rejected as f64 > MANY * n_rows as f64 {
            let share = 100.0 * rejected as f64 / n_rows as f64;
            warn(&format!(
                "{rejected} of {n_rows} rows ({share:.0} %) were rejected: {}",
                self.sentences().join("; ")
            ));
            return;
        }
        for sentence in self.sentences() {
            note(&report, &format!("rejected: {sentence}"));
        }
    }

    /// Returns the error of a run that has nothing to split, and leaves the table of
    /// rejects next to the output's path.
    ///
    /// # Errors
    ///
    /// When the table cannot be written there.
    pub fn nothing_left(&self, what: &str, dir: &Path, out: &Path) -> Result<Error> {
        if self.by_reason.is_empty() {
            return Ok(bad_input(what));
        }
        let path = rejects_path(out);
        let is_free = fs::symlink_metadata(&path).is_err() || is_ours(&path);
        let listed = if is_free {
            fs::rename(dir.join(TABLE), &path)
                .with_context(|| format!("cannot write {}", path.display()))?;
            format!(". {} lists them", path.display())
        } else {
            format!(
                ". They could not be listed in {}, since something else is there; move it away, or \
                 choose another --out",
                path.display()
            )
        };
        Ok(bad_input(format!(
            "{what}; rejected: {}{listed}",
            self.sentences().join("; ")
        )))
    }
}

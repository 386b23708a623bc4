//! Reads the raw files, and accepts or rejects each pair.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::{Context as _, Result};
use apo_import::{Fault, PREFERENCE_FIELDS, PREFERENCE_FORMS, ReadPair, Record, Unused};
use apo_provenance::Provenance;
use apo_stage::{Progress, signals, warn_once};
use apo_tables::{Pair, TableError, Writer, file};
use rayon::prelude::*;

use super::counts::Counts;
use crate::args::Args;
use crate::rejects::{Rejected, Rejects};
use crate::sources::{Part, Source, Sources};
use crate::split::{Key, key};

/// The accepted pairs of the test part, until they are dealt to the tables.
pub(super) const RAW_TEST: &str = "raw-test.parquet";

/// The same for the training part.
pub(super) const RAW_TRAIN: &str = "raw-train.parquet";

/// The reasons to reject pairs that other pairs make redundant.
pub(super) const DUPLICATE: &str = "duplicate";
pub(super) const IN_TEST: &str = "in_test";

/// Records that are read at once.
const BATCH: usize = 2048;

/// What is known of the accepted pairs.
#[derive(Default)]
pub(super) struct Taken {
    /// The keys of pairs, from both parts.
    pairs: HashSet<Key>,
    /// Training queries, with their numbers of pairs.
    pub(super) train: HashMap<Key, u32>,
    pub(super) test: HashSet<Key>,
    /// The system message and tools of queries that have some.
    contexts: HashMap<Key, u64>,
    /// Columns with text that were not used.
    pub(super) unused: Unused,
}

/// Reads all raw files, the test part first; writes the pairs of both parts
/// and the rejects.
///
/// # Errors
///
/// When a raw file ends early, when the disk is full, or when a signal stopped the
/// work.
pub(super) fn clean(
    args: &Args,
    sources: &Sources,
    provenance: &Provenance,
    dir: &Path,
    counts: &mut Counts,
) -> Result<(Taken, Rejected)> {
    let mut taken = Taken::default();
    let mut test = Writer::<Pair>::create(&dir.join(RAW_TEST), provenance)?;
    let mut train = Writer::<Pair>::create(&dir.join(RAW_TRAIN), provenance)?;
    let mut rejects = Rejects::create(dir, provenance)?;
    let mut progress = Progress::new(&args.report, "reading", "dialogues", 0, 0);
    for (part, sources) in [(Part::Test, &sources.test), (Part::Train, &sources.train)] {
        for source in sources {
            let name = format!("{}/{}", source.subset, file::name(&source.path));
            let mut n_records = 0;
            let unused = each_batch(source, |records, pairs| {
                n_records += records.len();
                let pairs = records.iter().zip(pairs).flat_map(|(record, pairs)| {
                    let with_record = move |pair| (record, pair);
                    pairs.into_iter().map(with_record)
                });
                for (record, read) in pairs {
                    counts.dialogues += 1;
                    let read = read.and_then(|read| {
                        taken.take(&read, part)?;
                        Ok(read)
                    });
                    match read {
                        Err(fault) => rejects.add(&name, record, fault)?,
                        Ok(read) => {
                            counts.without_context += u64::from(read.context.is_some());
                            counts.tokens_removed += u64::from(read.tokens_removed);
                            counts.tokens_kept += u64::from(read.token_kept);
                            let writer = match part {
                                Part::Test => &mut test,
                                Part::Train => &mut train,
                            };
                            writer.write(&read.pair)?;
                            taken.unused.add(read.unused);
                        }
                    }
                }
                progress.inc(records.len() as u64);
                signals::check()?;
                Ok(())
            })?;
            taken.unused.add(unused);
            if n_records == 0 {
                warn_once(&format!(
                    "{} is empty: no row was read from it",
                    source.path.display()
                ));
            }
        }
    }
    test.finish()?;
    train.finish()?;
    let rejected = rejects.finish()?;
    counts.tables.insert("rejects", rejected.n_rows());
    Ok((taken, rejected))
}

impl Taken {
    /// Accepts a pair, unless it was accepted before or belongs to the other part.
    fn take(&mut self, read: &ReadPair, part: Part) -> Result<(), Fault> {
        let (pair, context) = (&read.pair, read.context);
        let query = key(&pair.query_id);
        let is_known = self.test.contains(&query) || self.train.contains_key(&query);
        if is_known && self.contexts.get(&query).copied() != context {
            // Under another system message it is another query, but the tables
            // would hold both as one.
            return Err(Fault::new(
                "other_context",
                "an earlier row has the same query with another system message or other tools, \
                 which the tables cannot hold",
            ));
        }
        if !self.pairs.insert(key(&pair.pair_id)) {
            return Err(Fault::new(DUPLICATE, "an earlier row has the same pair"));
        }
        match part {
            Part::Test => {
                self.test.insert(query);
            }
            // A prompt is never on both sides of a split.
            Part::Train if self.test.contains(&query) => {
                return Err(Fault::new(IN_TEST, "its query is in the test part"));
            }
            Part::Train => *self.train.entry(query).or_default() += 1,
        }
        if let Some(context) = context {
            self.contexts.insert(query, context);
        }
        Ok(())
    }
}

/// Calls `each` with batches of a file, in order. One thread reads and decompresses,
/// and all threads parse. Returns the columns with text that were not read.
fn each_batch(
    source: &Source,
    mut each: impl FnMut(&[Record], Vec<Vec<Result<ReadPair, Fault>>>) -> Result<()>,
) -> Result<Vec<String>> {
    let mut file = apo_import::Source::open(&source.path, PREFERENCE_FIELDS)?;
    file.check_columns(PREFERENCE_FORMS)?;
    let unused = file.unused().to_vec();
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Result<Vec<Record>, TableError>>(2);
        let read = move || {
            loop {
                let batch = file.batch(BATCH);
                let last = batch.as_ref().map_or(true, Vec::is_empty);
                if sender.send(batch).is_err() || last {
                    return;
                }
            }
        };
        thread::Builder::new()
            .spawn_scoped(scope, read)
            .context("cannot start a thread; `ulimit -u` shows how many the system allows")?;
        for batch in receiver {
            let records = batch?;
            let pairs = records
                .par_iter()
                .map(|record| apo_import::pairs(record, &source.subset));
            each(&records, pairs.collect())?;
        }
        Ok(unused)
    })
}

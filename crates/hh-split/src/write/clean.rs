//! Reads the raw files, and accepts or rejects each pair and each query.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::{Context as _, Result};
use apo_import::{
    Columns, Fault, PREFERENCE_FIELDS, PREFERENCE_FORMS, QUERY_FIELDS, QUERY_FORMS, ReadPair,
    ReadQuery, Record, Unused,
};
use apo_provenance::Provenance;
use apo_stage::{Progress, signals, warn_once};
use apo_tables::{Pair, Query, TableError, Writer};
use rayon::prelude::*;

use super::counts::Counts;
use crate::args::Args;
use crate::rejects::{Rejected, Rejects};
use crate::sources::{Part, Source, Sources};
use crate::split::{Key, key};
use crate::tools::Tools;

/// The accepted pairs of the test part, until they are dealt to the tables.
pub(super) const RAW_TEST: &str = "raw-test.parquet";

/// The same for the training part.
pub(super) const RAW_TRAIN: &str = "raw-train.parquet";

/// The accepted queries without responses; there is no such file without any.
pub(super) const RAW_PROMPTS: &str = "raw-prompts.parquet";

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
    /// Training queries, with their numbers of pairs; none for queries without responses.
    pub(super) train: HashMap<Key, u32>,
    pub(super) test: HashSet<Key>,
    /// The tools and documents of queries that have some.
    contexts: HashMap<Key, u64>,
    /// Columns with text that were not used.
    pub(super) unused: Unused,
}

/// Reads all raw files, the test part first; writes the pairs of both parts, the queries
/// without responses, and the rejects.
///
/// # Errors
///
/// When a raw file ends early, when the disk is full, or when a signal stopped the
/// work.
pub(super) fn clean(
    args: &Args,
    sources: &Sources,
    tools: &Tools,
    provenance: &Provenance,
    dir: &Path,
    counts: &mut Counts,
) -> Result<(Taken, Rejected)> {
    let mut cleaner = Cleaner {
        columns: args.named_columns(),
        tools,
        taken: Taken::default(),
        rejects: Rejects::create(dir, provenance)?,
        progress: Progress::new(&args.report, "reading", "dialogues", 0, 0),
        counts,
    };
    for (part, sources, name) in [
        (Part::Test, &sources.test, RAW_TEST),
        (Part::Train, &sources.train, RAW_TRAIN),
    ] {
        let mut pairs = Writer::create(&dir.join(name), provenance)?;
        for source in sources {
            cleaner.pairs(source, part, &mut pairs)?;
        }
        pairs.finish()?;
    }
    if !sources.prompts.is_empty() {
        let mut queries = Writer::create(&dir.join(RAW_PROMPTS), provenance)?;
        for source in &sources.prompts {
            cleaner.queries(source, &mut queries)?;
        }
        queries.finish()?;
    }
    let Cleaner {
        taken,
        rejects,
        counts,
        ..
    } = cleaner;
    let rejected = rejects.finish()?;
    counts.tables.insert("rejects", rejected.n_rows());
    Ok((taken, rejected))
}

/// Accepts or rejects the rows of raw files.
struct Cleaner<'a> {
    columns: Columns,
    tools: &'a Tools,
    taken: Taken,
    rejects: Rejects,
    progress: Progress,
    counts: &'a mut Counts,
}

impl Cleaner<'_> {
    /// Reads a file of pairs, and writes those that are accepted.
    fn pairs(&mut self, source: &Source, part: Part, writer: &mut Writer<Pair>) -> Result<()> {
        let Self {
            columns,
            tools,
            taken,
            rejects,
            progress,
            counts,
        } = self;
        let checked = |read: ReadPair| {
            tools.check(&read.pair.prompt)?;
            Ok(read)
        };
        let parse = |record: &Record| {
            let pairs = apo_import::pairs(record, &source.subset, columns).into_iter();
            pairs.map(|it| it.and_then(checked)).collect::<Vec<_>>()
        };
        let name = source.name();
        let file = open(source, columns, PREFERENCE_FIELDS, PREFERENCE_FORMS)?;
        let unused = each_batch(source, file, progress, parse, |records, pairs| {
            for (record, pairs) in records.iter().zip(pairs) {
                for read in pairs {
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
                            writer.write(&read.pair)?;
                            taken.unused.add(read.unused);
                        }
                    }
                }
            }
            Ok(())
        })?;
        taken.unused.add(unused);
        Ok(())
    }

    /// Reads a file of queries without responses, and writes those that are accepted.
    fn queries(&mut self, source: &Source, writer: &mut Writer<Query>) -> Result<()> {
        let Self {
            columns,
            tools,
            taken,
            rejects,
            progress,
            counts,
        } = self;
        let parse = |record: &Record| {
            let read = apo_import::query(record, columns)?;
            tools.check(&read.prompt)?;
            Ok::<_, Fault>(read)
        };
        let name = source.name();
        let file = open(source, columns, QUERY_FIELDS, QUERY_FORMS)?;
        let unused = each_batch(source, file, progress, parse, |records, queries| {
            for (record, read) in records.iter().zip(queries) {
                counts.prompts += 1;
                let read = read.and_then(|read| {
                    let query = row(&read, source);
                    taken.take_query(&query)?;
                    Ok((query, read))
                });
                match read {
                    Err(fault) => rejects.add(&name, record, fault)?,
                    Ok((query, read)) => {
                        counts.without_context += u64::from(read.has_context);
                        writer.write(&query)?;
                        taken.unused.add(read.unused);
                    }
                }
            }
            Ok(())
        })?;
        taken.unused.add(unused);
        Ok(())
    }
}

impl Taken {
    /// Accepts a pair, unless it was accepted before or belongs to the other part.
    fn take(&mut self, read: &ReadPair, part: Part) -> Result<(), Fault> {
        let (pair, context) = (&read.pair, read.context);
        let query = key(&pair.query_id);
        let is_known = self.test.contains(&query) || self.train.contains_key(&query);
        if is_known && self.contexts.get(&query).copied() != context {
            // With other tools it is another query, but the tables would hold both as one.
            return Err(Fault::new(
                "other_context",
                "an earlier row has the same query with other tools or documents, which the tables \
                 cannot hold",
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
            Part::Train | Part::Prompts if self.test.contains(&query) => {
                return Err(Fault::new(IN_TEST, "its query is in the test part"));
            }
            Part::Train | Part::Prompts => *self.train.entry(query).or_default() += 1,
        }
        if let Some(context) = context {
            self.contexts.insert(query, context);
        }
        Ok(())
    }

    /// Accepts a query without responses, unless it is known.
    fn take_query(&mut self, query: &Query) -> Result<(), Fault> {
        let key = key(&query.query_id);
        if self.test.contains(&key) {
            return Err(Fault::new(IN_TEST, "the query is in the test part"));
        }
        if self.train.contains_key(&key) {
            return Err(Fault::new(DUPLICATE, "an earlier row has the same query"));
        }
        self.train.insert(key, 0);
        Ok(())
    }
}

/// Returns a query as a row of the table.
fn row(read: &ReadQuery, source: &Source) -> Query {
    Query {
        query_id: apo_hh::query_id(&read.prompt),
        subset: read.subset.as_ref().unwrap_or(&source.subset).clone(),
        prompt: read.prompt.clone(),
    }
}

/// Opens a raw file.
///
/// # Errors
///
/// When it cannot be read, or lacks the columns of every form.
fn open(
    source: &Source,
    columns: &Columns,
    fields: &[&str],
    forms: &[&[&str]],
) -> Result<apo_import::Source> {
    let file = apo_import::Source::open(&source.path, &columns.with(fields))?;
    file.check_columns(forms, columns)?;
    Ok(file)
}

/// Calls `each` with batches of a file, in order. One thread reads and decompresses,
/// and all threads parse. Returns the columns with text that were not read.
fn each_batch<T: Send>(
    source: &Source,
    mut file: apo_import::Source,
    progress: &mut Progress,
    parse: impl Fn(&Record) -> T + Sync,
    mut each: impl FnMut(&[Record], Vec<T>) -> Result<()>,
) -> Result<Vec<String>> {
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
        let mut is_empty = true;
        for batch in receiver {
            let records = batch?;
            let parsed = records.par_iter().map(&parse).collect();
            each(&records, parsed)?;
            is_empty &= records.is_empty();
            progress.inc(records.len() as u64);
            signals::check()?;
        }
        if is_empty {
            warn_once(&format!(
                "{} is empty: no row was read from it",
                source.path.display()
            ));
        }
        Ok(unused)
    })
}

//! Writes the tables from the raw files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::{Context as _, Result};
use apo_import::{Fault, PREFERENCE_FIELDS, PREFERENCE_FORMS, ReadPair, Record, Unused};
use apo_stage::output::write_manifest;
use apo_stage::report::warn_once;
use apo_stage::{Progress, signals, warn};
use apo_tables::{Pair, Provenance, Query, Reader, Row, TableError, Writer, file};
use rayon::prelude::*;
use serde::Serialize;

use crate::args::Args;
use crate::rejects::{Rejected, Rejects};
use crate::sources::{Source, Sources};
use crate::split::{self, Key, Splits, key};

/// The folder of tables inside the working folder.
pub const FOLDER: &str = "tables";

/// Why pairs are rejected that others make superfluous.
const DUPLICATE: &str = "duplicate";
const IN_TEST: &str = "in_test";

/// Records that are read at once.
const BATCH: usize = 2048;

/// The number of rows of each table, and of rejects.
#[derive(Debug, Default, Serialize)]
pub struct Counts {
    /// Pairs that were read, accepted or not.
    dialogues: u64,
    /// Sound pairs of queries that `--take` and `--take-test` leave out.
    left_out: u64,
    /// Pairs that were accepted without their system message or tools, which the
    /// tables cannot hold.
    without_context: u64,
    /// Pairs that were accepted without the special tokens around their responses.
    tokens_removed: u64,
    /// Pairs that were accepted with a special token at the beginning or end of a response.
    tokens_kept: u64,
    tables: BTreeMap<&'static str, u64>,
    rejected: BTreeMap<&'static str, u64>,
    /// The first row of each reason: its place, and what is wrong.
    first_rejected: BTreeMap<&'static str, String>,
}

impl Counts {
    /// Returns the counts as rows, for people.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![vec!["dialogues".to_owned(), self.dialogues.to_string()]];
        let named = |prefix: &str, counts: &BTreeMap<&str, u64>| -> Vec<Vec<String>> {
            let row = |(name, n): (&&str, &u64)| vec![format!("{prefix}{name}"), n.to_string()];
            counts.iter().map(row).collect()
        };
        rows.extend(named("  rejected: ", &self.rejected));
        let changed = [
            (
                "  without their system message or tools",
                self.without_context,
            ),
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

/// What is known of the accepted pairs.
#[derive(Default)]
struct Taken {
    /// The keys of pairs, from both parts.
    pairs: HashSet<Key>,
    /// Training queries, with their numbers of pairs.
    train: HashMap<Key, u32>,
    test: HashSet<Key>,
    /// The system message and tools of queries that have some.
    contexts: HashMap<Key, u64>,
    /// Columns with text that were not used.
    unused: Unused,
}

/// Writes all tables into a folder of `dir`.
///
/// # Errors
///
/// When a raw file ends early, when there are fewer rows than the sizes ask for,
/// when the disk is full, or when a signal stopped the work.
pub fn tables(
    args: &Args,
    sources: &Sources,
    provenance: &Provenance,
    dir: &Path,
) -> Result<Counts> {
    let dir = dir.join(FOLDER);
    // Making it anew is faster than checking what an earlier run left.
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).with_context(|| format!("cannot write {}", dir.display()))?;
    let mut counts = Counts::default();
    let (taken, rejected) = clean(args, sources, provenance, &dir, &mut counts)?;
    if taken.train.is_empty() {
        let what = match counts.dialogues {
            0 => format!("there are no rows in {}", listed(&sources.train)),
            n if rejected.is_only(&[DUPLICATE, IN_TEST]) => format!(
                "none of the {n} rows is a training pair, since all of them are in the test part \
                 as well; to split one set of pairs, use --hold-out 10% instead of --test"
            ),
            n => format!("none of the {n} rows is a training pair"),
        };
        return Err(rejected.nothing_left(&what, &dir, &args.output.out)?);
    }
    if taken.test.is_empty() && !sources.test.is_empty() {
        let what = "the test files hold no pair that can be taken";
        return Err(rejected.nothing_left(what, &dir, &args.output.out)?);
    }
    rejected.tell(args.report, counts.dialogues);
    if counts.without_context > 0 {
        warn(&format!(
            "{} of {} pairs have a system message or tools, which the tables cannot hold; they were \
             kept without them",
            counts.without_context, counts.dialogues
        ));
    }
    if counts.tokens_removed > 0 {
        warn(&format!(
            "{} of {} pairs have special tokens around a response, such as `</s>` or `<|im_end|>`; they \
             were removed, since training adds the model's own",
            counts.tokens_removed, counts.dialogues
        ));
    }
    if counts.tokens_kept > 0 {
        warn(&format!(
            "{} of {} pairs have a response that begins or ends with what may be a special token or the word \
             for one; it was kept",
            counts.tokens_kept, counts.dialogues
        ));
    }
    if let Some(sentence) = taken.unused.sentence() {
        warn(&sentence);
    }
    (counts.rejected, counts.first_rejected) = rejected.counts();
    let splits = split::draw(args, &taken.train, &taken.test)?;
    deal(&splits, provenance, &dir, &mut counts)?;
    write_manifest(&dir, provenance)?;
    Ok(counts)
}

/// Returns the names of files, for people.
fn listed(sources: &[Source]) -> String {
    const MOST: usize = 3;
    let named = sources.iter().take(MOST);
    let mut text: Vec<String> = named.map(|it| it.path.display().to_string()).collect();
    if sources.len() > MOST {
        text.push(format!("{} more", sources.len() - MOST));
    }
    text.join(", ")
}

/// Reads all raw files, the test part first; writes the pairs of both parts
/// and the rejects.
fn clean(
    args: &Args,
    sources: &Sources,
    provenance: &Provenance,
    dir: &Path,
    counts: &mut Counts,
) -> Result<(Taken, Rejected)> {
    let mut taken = Taken::default();
    let mut test = Writer::<Pair>::create(&dir.join("raw-test.parquet"), provenance)?;
    let mut train = Writer::<Pair>::create(&dir.join("raw-train.parquet"), provenance)?;
    let mut rejects = Rejects::create(dir, provenance)?;
    let mut progress = Progress::new(&args.report, "reading", "dialogues", 0, 0);
    for (is_test, sources) in [(true, &sources.test), (false, &sources.train)] {
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
                        taken.take(&read, is_test)?;
                        Ok(read)
                    });
                    match read {
                        Err(fault) => rejects.add(&name, record, fault)?,
                        Ok(read) => {
                            counts.without_context += u64::from(read.context.is_some());
                            counts.tokens_removed += u64::from(read.tokens_removed);
                            counts.tokens_kept += u64::from(read.token_kept);
                            let part = if is_test { &mut test } else { &mut train };
                            part.write(&read.pair)?;
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
    fn take(&mut self, read: &ReadPair, is_test: bool) -> Result<(), Fault> {
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
        if is_test {
            self.test.insert(query);
        } else if self.test.contains(&query) {
            // A prompt is never on both sides of a split.
            return Err(Fault::new(IN_TEST, "its query is in the test part"));
        } else {
            *self.train.entry(query).or_default() += 1;
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
            .context("the system does not start a thread; `ulimit -u` tells how many it allows")?;
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

/// A table of pairs or queries, while it is being written.
struct Dealt<R> {
    name: &'static str,
    writer: Writer<R>,
}

impl<R: Row> Dealt<R> {
    /// Begins a table; it is named by the part and what it holds, as `rm-pairs`.
    fn create(name: &'static str, provenance: &Provenance, dir: &Path) -> Result<Self> {
        let (part, _) = name.split_once('-').expect("a name has two parts");
        let path = dir.join(name).with_extension("parquet");
        let writer = Writer::create(&path, &provenance.of_part(part))?;
        Ok(Self { name, writer })
    }
}

/// Writes the raw pairs into the tables of their splits.
fn deal(splits: &Splits, provenance: &Provenance, dir: &Path, counts: &mut Counts) -> Result<()> {
    let pairs = |name| Dealt::<Pair>::create(name, provenance, dir);
    let queries = |name| Dealt::<Query>::create(name, provenance, dir);
    let mut rm_pairs = pairs("rm-pairs")?;
    let mut llm_pairs = pairs("llm-pairs")?;
    let mut dev_pairs = pairs("dev-pairs")?;
    let mut train_pairs = pairs("train-pairs")?;
    let mut test_pairs = pairs("test-pairs")?;
    let mut rm_queries = queries("rm-queries")?;
    let mut llm_queries = queries("llm-queries")?;
    let mut test_queries = queries("test-queries")?;
    let mut seen = HashSet::new();
    for (name, is_test) in [("raw-test.parquet", true), ("raw-train.parquet", false)] {
        let path = dir.join(name);
        for pair in Reader::<Pair>::open(&path)? {
            let pair = pair?;
            let query = key(&pair.query_id);
            if splits.left_out.contains(&query) {
                counts.left_out += 1;
                continue;
            }
            let queries = if is_test || splits.held_out.contains(&query) {
                test_pairs.writer.write(&pair)?;
                &mut test_queries
            } else {
                train_pairs.writer.write(&pair)?;
                if splits.rm.contains(&query) {
                    rm_pairs.writer.write(&pair)?;
                    &mut rm_queries
                } else {
                    llm_pairs.writer.write(&pair)?;
                    if splits.dev.contains(&query) {
                        dev_pairs.writer.write(&pair)?;
                    }
                    &mut llm_queries
                }
            };
            if seen.insert(query) {
                queries.writer.write(&Query {
                    query_id: pair.query_id,
                    subset: pair.subset,
                    prompt: pair.prompt,
                })?;
            }
        }
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        signals::check()?;
    }
    for dealt in [rm_pairs, llm_pairs, dev_pairs, train_pairs, test_pairs] {
        counts.tables.insert(dealt.name, dealt.writer.finish()?);
    }
    for dealt in [rm_queries, llm_queries, test_queries] {
        counts.tables.insert(dealt.name, dealt.writer.finish()?);
    }
    Ok(())
}

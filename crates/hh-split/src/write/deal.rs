//! Deals the accepted pairs to the tables of their parts.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use apo_provenance::Provenance;
use apo_stage::signals;
use apo_tables::{Pair, Query, Reader, Row, Writer};

use super::clean::{RAW_PROMPTS, RAW_TEST, RAW_TRAIN};
use super::counts::Counts;
use crate::split::{Splits, key};

/// A table of pairs or queries, while it is being written.
struct Dealt<R> {
    name: &'static str,
    writer: Writer<R>,
}

impl<R: Row> Dealt<R> {
    /// Begins a table; its name is the part and what it holds, such as `rm-pairs`.
    fn create(name: &'static str, provenance: &Provenance, dir: &Path) -> Result<Self> {
        let (part, _) = name.split_once('-').expect("a name has two parts");
        let path = dir.join(name).with_extension("parquet");
        let writer = Writer::create(&path, &provenance.of_part(part))?;
        Ok(Self { name, writer })
    }
}

/// Writes the raw pairs into the tables of their splits.
///
/// # Errors
///
/// When the disk is full, or when a signal stopped the work.
pub(super) fn deal(
    splits: &Splits,
    provenance: &Provenance,
    dir: &Path,
    counts: &mut Counts,
) -> Result<()> {
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
    for (name, is_test) in [(RAW_TEST, true), (RAW_TRAIN, false)] {
        let path = dir.join(name);
        for pair in Reader::<Pair>::open(&path)? {
            let pair = pair?;
            let query = key(&pair.query_id);
            if splits.left_out.contains(&query) {
                counts.left_out += 1;
                continue;
            }
            let is_asked = !splits.unasked.contains(&query);
            let queries = if is_test || splits.held_out.contains(&query) {
                test_pairs.writer.write(&pair)?;
                &mut test_queries
            } else {
                train_pairs.writer.write(&pair)?;
                if splits.rm.contains(&query) {
                    rm_pairs.writer.write(&pair)?;
                    &mut rm_queries
                } else if !is_asked {
                    continue;
                } else {
                    llm_pairs.writer.write(&pair)?;
                    if splits.dev.contains(&query) {
                        dev_pairs.writer.write(&pair)?;
                    }
                    &mut llm_queries
                }
            };
            if is_asked && seen.insert(query) {
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
    let path = dir.join(RAW_PROMPTS);
    if path.exists() {
        for query in Reader::<Query>::open(&path)? {
            let query = query?;
            let key = key(&query.query_id);
            let table = if [&splits.left_out, &splits.unasked]
                .iter()
                .any(|it| it.contains(&key))
            {
                counts.left_out += 1;
                continue;
            } else if splits.held_out.contains(&key) {
                &mut test_queries
            } else if splits.rm.contains(&key) {
                &mut rm_queries
            } else {
                &mut llm_queries
            };
            table.writer.write(&query)?;
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

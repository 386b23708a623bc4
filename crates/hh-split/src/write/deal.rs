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
use crate::split::{Side, Splits, key};

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
            let side = splits.side(query, is_test);
            let is_asked = !splits.pairs_only.contains(&query);
            match side {
                Side::Test => test_pairs.writer.write(&pair)?,
                Side::RewardModels | Side::Policy => train_pairs.writer.write(&pair)?,
            }
            match side {
                Side::RewardModels => rm_pairs.writer.write(&pair)?,
                Side::Policy if is_asked => llm_pairs.writer.write(&pair)?,
                Side::Policy | Side::Test => {}
            }
            if splits.dev.contains(&query) {
                dev_pairs.writer.write(&pair)?;
            }
            if is_asked && seen.insert(query) {
                let queries = match side {
                    Side::Test => &mut test_queries,
                    Side::RewardModels => &mut rm_queries,
                    Side::Policy => &mut llm_queries,
                };
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
            if [&splits.left_out, &splits.pairs_only]
                .iter()
                .any(|it| it.contains(&key))
            {
                counts.left_out += 1;
                continue;
            }
            let table = match splits.side(key, false) {
                Side::Test => &mut test_queries,
                Side::RewardModels => &mut rm_queries,
                Side::Policy => &mut llm_queries,
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

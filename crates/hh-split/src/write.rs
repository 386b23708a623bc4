//! Writes the tables from the raw files.

mod clean;
mod counts;
mod deal;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use apo_provenance::Provenance;
use apo_stage::{names, warn, write_manifest};

use crate::args::Args;
use crate::sources::{Source, Sources};
use crate::split;
use crate::tools::Tools;

use clean::{DUPLICATE, IN_TEST, clean};
use counts::Counts;
use deal::deal;

/// Writes all tables into a folder of `dir`.
///
/// # Errors
///
/// When a raw file ends early, when there are fewer rows than the sizes ask for,
/// when the disk is full, or when a signal stopped the work.
pub fn tables(
    args: &Args,
    sources: &Sources,
    tools: &Tools,
    provenance: &Provenance,
    dir: &Path,
) -> Result<Counts> {
    let dir = dir.join(names::TABLES);
    // Making it again is faster than checking what an earlier run left.
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).with_context(|| format!("cannot write {}", dir.display()))?;
    let mut counts = Counts::default();
    let (taken, rejected) = clean(args, sources, tools, provenance, &dir, &mut counts)?;
    if taken.train.is_empty() {
        let what = match counts.dialogues + counts.prompts {
            0 => {
                let all: Vec<&Source> = sources.train.iter().chain(&sources.prompts).collect();
                format!("there are no rows in {}", listed(&all))
            }
            n if rejected.is_only(&[DUPLICATE, IN_TEST]) => format!(
                "none of the {n} rows is a training pair, since all of them are in the test part \
                 as well; to split one set of pairs, use --hold-out 10% instead of --test"
            ),
            n if sources.train.is_empty() => format!("none of the {n} rows is a query"),
            n => format!("none of the {n} rows is a training pair"),
        };
        return Err(rejected.nothing_left(&what, &dir, &args.output.out)?);
    }
    if taken.test.is_empty() && !sources.test.is_empty() {
        let what = "the test files hold no usable pair";
        return Err(rejected.nothing_left(what, &dir, &args.output.out)?);
    }
    rejected.report(args.report, counts.dialogues + counts.prompts);
    if counts.without_context > 0 {
        warn(&format!(
            "{} of {} rows have tools or documents, which the tables cannot hold; the rows were \
             kept without them",
            counts.without_context,
            counts.dialogues + counts.prompts
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
            "{} of {} pairs have a response that begins or ends with a special token, or with text that \
             mentions one; it was kept",
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
fn listed(sources: &[&Source]) -> String {
    const MOST: usize = 3;
    let named = sources.iter().take(MOST);
    let mut text: Vec<String> = named.map(|it| it.path.display().to_string()).collect();
    if sources.len() > MOST {
        text.push(format!("{} more", sources.len() - MOST));
    }
    text.join(", ")
}

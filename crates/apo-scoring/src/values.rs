//! A value for every row of a table of responses, kept in the working folder as it is
//! computed.

use std::path::Path;

use anyhow::{Error, Result};
use apo_decoder::{Head, directory};
use apo_dialogue::DialogueTokenizer;
use apo_model_stage::{models, precision};
use apo_provenance::Provenance;
use apo_spool::ValueSpool;
use apo_stage::{Progress, bad_input, warn};
use apo_tables::{Reader, Response};

use crate::args::{ScorerArgs, ValuesArgs};
use crate::reading::Reading;
use crate::scorer::{Scorer, ScorerInput, ScorerOutput};

/// The values in the working folder, as they are computed.
const VALUES: &str = "values.spool";

/// Returns what the output depends on.
///
/// # Errors
///
/// When an input cannot be read.
pub(crate) fn provenance(
    stage: &str,
    args: &ValuesArgs,
    responses: &Reader<Response>,
    head: Head,
    tokenizer: &DialogueTokenizer,
) -> Result<Provenance> {
    let ScorerArgs {
        model,
        limit,
        compute,
        ..
    } = &args.scorer;
    let provenance =
        Provenance::new(stage, env!("CARGO_PKG_VERSION")).argument("limit", limit.tokens);
    let provenance = models::with_template(provenance, tokenizer);
    let provenance = Reading::of(&args.scorer, head, tokenizer)?.provenance(provenance);
    Ok(precision::with_precision(provenance, compute, &model.dir)?
        .input("model", directory::input(&model.dir)?)
        .input("responses", responses.input()?))
}

/// Returns the value of every row, and computes those that an earlier run has not
/// kept in the working folder `dir`.
///
/// # Errors
///
/// When a row cannot be read or made into tokens, a value is not finite, the disk is
/// full, or a signal stopped the work.
pub(crate) fn compute(
    args: &ValuesArgs,
    what: &str,
    responses: Reader<Response>,
    scorer: &mut Scorer,
    dir: &Path,
) -> Result<Vec<f32>> {
    let path = dir.join(VALUES);
    let mut spool = ValueSpool::recover(&path, |rows| Some(rows.len()))?;
    if spool.is_damaged() {
        warn(&format!(
            "{} is damaged; the lost values will be recomputed",
            path.display()
        ));
    }
    let kept = spool.n_items();
    let total = responses.n_rows();
    let mut progress = Progress::new(&args.report, what, "responses", kept as u64, total);
    let mut keep = |found: Vec<ScorerOutput>| -> Result<()> {
        progress.inc(found.len() as u64);
        if !found.is_empty() {
            let values = found.iter().map(|it| it.value).collect();
            spool.append(found.len(), values)?;
        }
        Ok(())
    };
    for (row, response) in (0..).zip(responses) {
        let response = response?;
        let input = ScorerInput::of(&args.responses, &response);
        if row < kept {
            scorer.fit(&input)?;
        } else {
            keep(scorer.add(&input)?)?;
        }
    }
    keep(scorer.flush()?)?;
    Ok(spool.read_all()?)
}

/// Returns the error for a table whose rows changed after its values were
/// computed.
pub(crate) fn changed(responses: &Path) -> Error {
    bad_input(format!(
        "{} changed while it was being read",
        responses.display()
    ))
}

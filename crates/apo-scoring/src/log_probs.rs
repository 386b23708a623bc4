//! `judge log-probs`: log-probs of responses under a policy.

use anyhow::Result;
use apo_decoder::Head;
use apo_measures::mean;
use apo_provenance::stage_names::JUDGE_LOG_PROBS;
use apo_stage::{Claim, Output, OutputKind, format_table, print_result, print_up_to_date};
use apo_tables::{Reader, Response, Writer};
use serde_json::json;

use crate::args::ValuesArgs;
use crate::scorer::{Scorer, tokenizer};
use crate::values::{changed, compute, provenance};

/// Name of the table in the working folder.
const TABLE: &str = "log-probs.parquet";

/// Writes the responses with their log-probs under the policy in `log_prob`.
///
/// # Errors
///
/// When the table or the model cannot be used, a log-prob is not finite, or the
/// output cannot be written.
pub fn run(args: &mut ValuesArgs) -> Result<()> {
    let responses = Reader::<Response>::open_filled(&args.responses)?;
    args.scorer.model.fetch(&args.report)?;
    let args = &*args;
    let tokenizer = tokenizer(&args.scorer, Head::LanguageModel)?;
    let provenance = provenance(
        JUDGE_LOG_PROBS,
        args,
        &responses,
        Head::LanguageModel,
        &tokenizer,
    )?;
    args.scorer.compute.keep_apart(&args.output)?;
    let inputs = [args.scorer.model.dir.as_path(), &args.responses];
    let claim = Output::claim(&args.output, &provenance, OutputKind::Table, inputs)?;
    let Claim::Work(output) = claim else {
        return print_up_to_date(&args.report, &args.output.out);
    };
    let model = &args.scorer.model.dir;
    let mut scorer = Scorer::load(
        &args.scorer,
        model,
        Head::LanguageModel,
        tokenizer,
        Some(output.dir()),
        args.report,
    )?;
    let found = compute(args, "log-probs", responses, &mut scorer, output.dir())?;
    scorer.warn_of_cuts(args.report);
    let mut writer = Writer::<Response>::create(&output.dir().join(TABLE), &provenance)?;
    let mut rest = found.iter();
    for response in Reader::<Response>::open(&args.responses)? {
        let mut response = response?;
        let log_prob = rest.next().ok_or_else(|| changed(&args.responses))?;
        response.log_prob = Some(*log_prob);
        writer.write(&response)?;
    }
    if rest.next().is_some() {
        return Err(changed(&args.responses));
    }
    let n_rows = writer.finish()?;
    output.publish(TABLE)?;
    let all: Vec<f64> = found.into_iter().map(f64::from).collect();
    let mean = mean(&all).map(|it| it.mean);
    let summary = json!({ "responses": n_rows, "log_prob": mean });
    print_result(&args.report, &summary, || {
        let mean = mean.map_or(String::new(), |it| format!("{it:.3}"));
        format_table(&[
            vec!["responses".to_owned(), n_rows.to_string()],
            vec!["mean log-prob, nats".to_owned(), mean],
        ])
    })
}

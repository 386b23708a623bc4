//! `judge kl`: how far a policy has moved from its reference.

use std::path::Path;

use anyhow::{Context as _, Result};
use apo_decoder::{Head, directory};
use apo_dialogue::DialogueTokenizer;
use apo_measures::{KlSummary, Mean, mean, ratio};
use apo_model_stage::models::{self, Longest};
use apo_stage::{Progress, format_table, hub, print_result, warn, warn_of_empty_parts};
use apo_tables::{Reader, Response};

use crate::args::KlArgs;
use crate::scorer::{Scorer, ScorerInput, ScorerOutput, tokenizer};

/// Nats per token above which a warning is given. At this value a response of
/// 100 tokens is e^25 times as likely as under the reference.
const FAR: f64 = 0.25;

/// Estimates the policy's KL from its reference on its own responses.
///
/// # Errors
///
/// When the table or a model cannot be used, or a log-prob is not finite.
pub fn run(args: &mut KlArgs) -> Result<()> {
    Reader::<Response>::open_filled(&args.responses)?;
    warn_of_empty_parts(&args.responses);
    args.scorer.model.fetch(&args.report)?;
    hub::model(&mut args.reference, &args.report)?;
    let args = &*args;
    let of_policy = tokenizer(&args.scorer, Head::LanguageModel)?;
    let longest = Longest::limit(args.scorer.limit.tokens);
    models::check_reference(&args.reference, of_policy.template(), longest)?;
    for model in [&args.scorer.model.dir, &args.reference] {
        directory::verify(model)?;
    }
    let policy = log_probs(args, &args.scorer.model.dir, of_policy)?;
    let reference = log_probs(
        args,
        &args.reference,
        tokenizer(&args.scorer, Head::LanguageModel)?,
    )?;
    let both = policy.iter().zip(&reference);
    let log_ratios: Vec<f64> = both
        .map(|(policy, reference)| f64::from(policy.value) - f64::from(reference.value))
        .collect();
    if log_ratios.iter().all(|it| *it == 0.0) {
        warn(
            "policy and reference give every response the same log-prob: they have the same \
             weights, and the KL is 0",
        );
    }
    let tokens: Vec<f64> = policy.iter().map(|it| f64::from(it.tokens)).collect();
    let summary = KlSummary {
        responses: policy.len(),
        tokens: tokens.iter().sum::<f64>() as u64,
        kl_per_token: ratio(&log_ratios, &tokens).context("responses have tokens")?,
        kl: mean(&log_ratios).context("a filled table has responses")?,
    };
    if summary.kl_per_token.mean > FAR {
        warn(&format!(
            "the policy is {:.2} nats per token from its reference; above {FAR}, its rewards can \
             rarely be trusted",
            summary.kl_per_token.mean
        ));
    }
    print_result(&args.report, &summary, || text(&summary))
}

/// Computes the log-prob of every response under one of the models.
fn log_probs(args: &KlArgs, dir: &Path, tokenizer: DialogueTokenizer) -> Result<Vec<ScorerOutput>> {
    let mut scorer = Scorer::load(
        &args.scorer,
        dir,
        Head::LanguageModel,
        tokenizer,
        None,
        args.report,
    )?;
    let responses = Reader::<Response>::open(&args.responses)?;
    let total = responses.n_rows();
    let mut progress = Progress::new(&args.report, "log-probs", "responses", 0, total);
    let mut found = Vec::new();
    for response in responses {
        let response = response?;
        found.extend(scorer.add(&ScorerInput::of(&args.responses, &response))?);
        progress.inc(1);
    }
    found.extend(scorer.flush()?);
    drop(progress);
    scorer.warn_of_cuts(args.report);
    Ok(found)
}

fn text(summary: &KlSummary) -> String {
    let row = |name: &str, it: &Mean| {
        let error = it.standard_error;
        let error = error.map_or(String::new(), |it| format!("{it:.4}"));
        vec![name.to_owned(), format!("{:.4}", it.mean), error]
    };
    format_table(&[
        vec![
            "nats".to_owned(),
            "mean".to_owned(),
            "standard error".to_owned(),
        ],
        row("KL per token", &summary.kl_per_token),
        row("KL per response", &summary.kl),
        vec!["responses".to_owned(), summary.responses.to_string()],
        vec!["tokens".to_owned(), summary.tokens.to_string()],
    ])
}

//! `judge accuracy`: a reward model against human preferences.

use anyhow::{Context as _, Result};
use apo_decoder::{Head, directory};
use apo_measures::{Accuracy, AccuracySummary, Calibration, accuracy, by_subset, pair_calibration};
use apo_stage::{Progress, format_table, print_result, warn_of_empty_parts};
use apo_tables::{Pair, Reader};

use crate::args::AccuracyArgs;
use crate::scorer::{Scorer, ScorerInput, ScorerOutput, tokenizer};

/// Scores both responses of every pair and measures how well the rewards agree
/// with people.
///
/// # Errors
///
/// When the table or the model cannot be used, or a reward is not finite.
pub fn run(args: &mut AccuracyArgs) -> Result<()> {
    let pairs = Reader::<Pair>::open_filled(&args.pairs)?;
    warn_of_empty_parts(&args.pairs);
    args.scorer.model.fetch(&args.report)?;
    let args = &*args;
    let tokenizer = tokenizer(&args.scorer, Head::Reward)?;
    directory::verify(&args.scorer.model.dir)?;
    let mut scorer = Scorer::load(
        &args.scorer,
        &args.scorer.model.dir,
        Head::Reward,
        tokenizer,
        None,
        args.report,
    )?;
    let n_pairs = pairs.n_rows();
    let mut progress = Progress::new(&args.report, "scoring", "pairs", 0, n_pairs);
    let mut subsets: Vec<String> = Vec::new();
    // Characters of the chosen and of the rejected responses.
    let mut lengths: [Vec<f64>; 2] = Default::default();
    // Chosen and rejected alternate.
    let mut rewards: Vec<ScorerOutput> = Vec::new();
    for pair in pairs {
        let pair = pair?;
        for (response, lengths) in [&pair.chosen, &pair.rejected].into_iter().zip(&mut lengths) {
            lengths.push(response.chars().count() as f64);
            rewards.extend(scorer.add(&ScorerInput {
                table: &args.pairs,
                query_id: &pair.query_id,
                prompt: &pair.prompt,
                response,
                complete: true,
            })?);
        }
        subsets.push(pair.subset);
        progress.inc(1);
    }
    rewards.extend(scorer.flush()?);
    drop(progress);
    scorer.warn_of_cuts(args.report);

    let (chosen, rejected): (Vec<f64>, Vec<f64>) = rewards
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&[chosen, rejected]| (f64::from(chosen.value), f64::from(rejected.value)))
        .unzip();
    let of = |rows: &[usize], column: &[f64]| rows.iter().map(|&i| column[i]).collect::<Vec<_>>();
    let measured = by_subset(&subsets, |rows| {
        accuracy(&of(rows, &chosen), &of(rows, &rejected))
    });
    let calibrated = by_subset(&subsets, |rows| {
        let (chosen, rejected) = (of(rows, &chosen), of(rows, &rejected));
        pair_calibration(&chosen, &rejected, args.bins as usize)
    });
    let longer_wins = by_subset(&subsets, |rows| {
        accuracy(&of(rows, &lengths[0]), &of(rows, &lengths[1]))
    });
    let summary = AccuracySummary {
        accuracy: measured.context("a filled table has pairs")?,
        calibration: calibrated.context("a filled table has pairs")?,
        longer_wins,
    };
    print_result(&args.report, &summary, || text(&summary))
}

fn text(summary: &AccuracySummary) -> String {
    let heads = [
        "",
        "pairs",
        "accuracy",
        "± SE",
        "longer wins",
        "ECE",
        "ACE",
        "MCE",
        "Brier",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let longer = summary.longer_wins.as_ref();
    let mut row =
        |name: &str, accuracy: &Accuracy, longer: Option<&Accuracy>, calibration: &Calibration| {
            rows.push(vec![
                name.to_owned(),
                accuracy.n_pairs.to_string(),
                format!("{:.2} %", 100.0 * accuracy.accuracy),
                format!("{:.2}", 100.0 * accuracy.standard_error),
                longer.map_or(String::new(), |it| format!("{:.2} %", 100.0 * it.accuracy)),
                format!("{:.4}", calibration.ece),
                format!("{:.4}", calibration.ace),
                format!("{:.4}", calibration.mce),
                format!("{:.4}", calibration.brier),
            ]);
        };
    let all = &summary.accuracy.all;
    row(
        "all",
        all,
        longer.map(|it| &it.all),
        &summary.calibration.all,
    );
    let calibrations = &summary.calibration.subsets;
    for (name, accuracy) in &summary.accuracy.subsets {
        if let Some(calibration) = calibrations.get(name) {
            let longer = longer.and_then(|it| it.subsets.get(name));
            row(name, accuracy, longer, calibration);
        }
    }
    let mut text = format_table(&rows);
    if summary.accuracy.all.n_ties > 0 {
        text += &format!("{} ties count as wrong\n", summary.accuracy.all.n_ties);
    }
    text.push('\n');
    text += &summary.calibration.all.reliability_table();
    text
}

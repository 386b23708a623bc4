//! The losses of `align dpo` and `rm-train`, selected on their command lines.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use apo_tables::{Metric, Reader};
use apo_tests::stages::{run, small_round, succeed};

/// A small round that all tests read.
static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "losses"));

const DPO: &str = "align dpo --model policy --responses scored.parquet --batch 16";

fn metrics(model: &Path) -> Vec<Metric> {
    let reader = Reader::open(&model.join("metrics.parquet")).unwrap();
    reader.map(Result::unwrap).collect()
}

#[test]
fn a_policy_that_is_its_reference_costs_what_a_margin_of_0_does() {
    let ln_2 = std::f32::consts::LN_2;
    for (i, (loss, expected)) in [
        ("dpo", ln_2),
        ("dpo --pair-selection all", ln_2),
        ("conservative", ln_2),
        ("robust --label-smoothing 0.25", ln_2),
        ("normalised --beta 2", ln_2),
        // IPO: (0 − 1/(2β))².
        ("ipo", 25.0),
        ("ipo-mean --beta 0.25", 4.0),
        ("hinge", 1.0),
        // Half of 2 · σ(0), half of σ(0).
        ("kto --desirable-weight 2", 0.75),
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("margin-0-{i}");
        succeed(&ROUND, &format!("{DPO} --loss {loss} --out {out}"));
        let first = &metrics(&ROUND.join(&out))[0];
        assert!(
            (first.loss - expected).abs() < 1e-5 * expected,
            "{loss}: {}, expected {expected}",
            first.loss
        );
        // Training sums other batches than the reference's pass: rounding is left.
        let margin = first.rewards_margins.unwrap();
        assert!(margin.abs() < 1e-5, "{loss}: a margin of {margin}");
    }
}

#[test]
fn the_references_log_probs_may_be_kept_for_many_alignments() {
    let keep = "judge log-probs --model policy --responses samples.parquet";
    succeed(&ROUND, &format!("{keep} --out reference.parquet"));
    let kept = format!("{DPO} --reference-log-probs reference.parquet");
    succeed(&ROUND, &format!("{DPO} --out computed"));
    let ran = run(&ROUND, &format!("{kept} --out kept"));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(
        !ran.stderr.contains("reference log-probs"),
        "{}",
        ran.stderr
    );
    let (computed, kept_metrics) = (
        metrics(&ROUND.join("computed")),
        metrics(&ROUND.join("kept")),
    );
    assert_eq!(computed.len(), kept_metrics.len());
    for (a, b) in computed.iter().zip(&kept_metrics) {
        assert!((a.loss - b.loss).abs() < 1e-5, "{a:?} {b:?}");
    }
    // Of another model, limit or table they are refused, and by KTO, whose KL
    // they say nothing of.
    succeed(
        &ROUND,
        "judge log-probs --model kept --responses samples.parquet --limit 512 --out other.parquet",
    );
    let other = "sample --model policy --queries data/llm-queries.parquet --samples 3 \
                 --max-new-tokens 9 --seed 5 --out elsewhere.parquet";
    succeed(&ROUND, other);
    let score = "judge score --model rm --responses elsewhere.parquet";
    succeed(&ROUND, &format!("{score} --out scored-elsewhere.parquet"));
    for (line, status, expected) in [
        (
            format!("{DPO} --reference-log-probs other.parquet"),
            3,
            &[
                "other.parquet: its model is not the reference",
                "its `limit` is 512, but this run's is 1024",
            ][..],
        ),
        (
            format!("{DPO} --reference-log-probs samples.parquet"),
            3,
            &["`judge log-probs` did not write it"],
        ),
        (
            kept.replace("scored.parquet", "scored-elsewhere.parquet"),
            3,
            &["has no log-prob of it"],
        ),
        (
            format!("{kept} --loss kto"),
            2,
            &["--loss kto does not use --reference-log-probs"],
        ),
    ] {
        let ran = run(&ROUND, &format!("{line} --out refused-kept"));
        assert_eq!(ran.status, Some(status), "{line}\n{}", ran.stderr);
        for expected in expected {
            assert!(ran.stderr.contains(expected), "{line}\n{}", ran.stderr);
        }
    }
}

#[test]
fn a_loss_without_a_reference_computes_none() {
    for loss in ["simpo", "slic"] {
        let out = format!("alone-{loss}");
        let line = format!("{DPO} --loss {loss} --out {out}");
        let ran = run(&ROUND, &line);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        assert!(!ran.stderr.contains("reference"), "{}", ran.stderr);
        let first = &metrics(&ROUND.join(&out))[0];
        assert!(first.loss.is_finite() && first.grad_norm > 0.0, "{loss}");
        let ran = run(&ROUND, &format!("{line} --reference policy --overwrite"));
        assert_eq!(ran.status, Some(2), "{}", ran.stderr);
    }
}

#[test]
fn an_sft_term_keeps_the_chosen_log_prob_higher() {
    let chosen = |out: &str, sft: &str| {
        let line = "--epochs 6 --learning-rate 1e-3";
        succeed(&ROUND, &format!("{DPO} {line} {sft} --out {out}"));
        metrics(&ROUND.join(out))
            .last()
            .unwrap()
            .logps_chosen
            .unwrap()
    };
    let (without, with) = (chosen("without", ""), chosen("with", "--sft-weight 1"));
    assert!(with > without, "{with}, expected above {without}");
}

#[test]
fn options_of_another_loss_are_refused_together() {
    for (options, expected) in [
        (
            "--loss ipo --gamma 1 --delta 1",
            "--loss ipo does not use --gamma and --delta",
        ),
        ("--loss slic --beta 1", "--loss slic does not use --beta"),
        (
            "--label-smoothing 0.1",
            "--loss dpo does not use --label-smoothing",
        ),
        (
            "--loss dpo --undesirable-weight 2",
            "--loss dpo does not use --undesirable-weight",
        ),
        ("--loss robust --label-smoothing 0.5", "less than 0.5"),
        ("--loss ipo --beta 0", "above 0"),
    ] {
        let ran = run(&ROUND, &format!("{DPO} {options} --out refused"));
        assert_eq!(ran.status, Some(2), "{options}\n{}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{options}\n{}", ran.stderr);
    }
}

#[test]
fn beta_2_is_refused_where_it_would_have_no_effect() {
    let golden = "--golden none.parquet --samples none.parquet";
    for (options, expected) in [
        (
            "--pairs none.parquet",
            "--objective rank does not use --beta-2",
        ),
        (
            "--objective rank --pairs none.parquet",
            "--objective rank does not use --beta-2",
        ),
        (
            "--objective ab --pairs none.parquet",
            "--objective ab does not use --beta-2",
        ),
        (
            &format!("--objective gail {golden}"),
            "--objective gail does not use --beta-2",
        ),
        (
            &format!("--objective gail --pairs none.parquet {golden}"),
            "--objective gail does not use --pairs and --beta-2",
        ),
        (
            "--objective seq --pairs none.parquet",
            "--objective seq needs --golden and --samples\n",
        ),
    ] {
        let line = format!("rm-train --model none {options} --beta-2 10 --out refused");
        let ran = run(&ROUND, &line);
        assert_eq!(ran.status, Some(2), "{options}\n{}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{options}\n{}", ran.stderr);
    }
}

#[test]
fn every_reward_model_of_the_paper_trains() {
    let adversarial = "--golden golden.parquet --samples rm-samples.parquet";
    let pairs = "--pairs data/rm-pairs.parquet";
    for (objective, line) in [
        ("apo", format!("--model policy {pairs} {adversarial}")),
        ("rank", format!("--model policy {pairs}")),
        ("wgan", format!("--model policy {pairs} {adversarial}")),
        ("gail", format!("--model policy {adversarial}")),
        ("ab", format!("--model rm {pairs}")),
        ("seq", format!("--model rm {pairs} {adversarial}")),
    ] {
        let out = format!("rm-{objective}");
        succeed(
            &ROUND,
            &format!(
                "rm-train --objective {objective} {line} --batch 8 --learning-rate 1e-3 --out {out}"
            ),
        );
        let metrics = metrics(&ROUND.join(&out));
        assert!(metrics.iter().all(|it| it.grad_norm > 0.0), "{objective}");
        succeed(
            &ROUND,
            &format!("judge accuracy --model {out} --pairs data/test-pairs.parquet"),
        );
    }
    // Going on from a model starts where that one ended; anew, at its own head.
    let first = |out: &str| metrics(&ROUND.join(out))[0].rewards_margins;
    assert_eq!(
        first("rm-apo"),
        first("rm-wgan"),
        "one head, one first step"
    );
    assert_ne!(first("rm-apo"), first("rm-seq"), "another start");
}

#[test]
fn peoples_pairs_are_learnt_from_without_a_reward_model() {
    let people = "align dpo --model policy --pairs-table data/rm-pairs.parquet --batch 8";
    for (loss, expected) in [("dpo", std::f32::consts::LN_2), ("kto", 0.5)] {
        let out = format!("people-{loss}");
        let line = format!("{people} --loss {loss} --epochs 8 --learning-rate 1e-3 --out {out}");
        succeed(&ROUND, &line);
        let found = metrics(&ROUND.join(&out));
        let (first, last) = (&found[0], found.last().unwrap());
        assert!(
            (first.loss - expected).abs() < 1e-5,
            "{loss}: {}",
            first.loss
        );
        assert!(last.rewards_margins.unwrap() > 0.1, "{loss}: {last:?}");
    }
    let manifest = std::fs::read_to_string(ROUND.join("people-dpo/apo.json")).unwrap();
    assert!(manifest.contains("\"human\""), "{manifest}");
    for (more, expected) in [
        ("--responses scored.parquet", "cannot be used with"),
        ("--pair-selection all", "cannot be used with"),
        (
            "--reference-log-probs reference.parquet",
            "cannot be used with",
        ),
    ] {
        let ran = run(&ROUND, &format!("{people} {more} --out refused-people"));
        assert_eq!(ran.status, Some(2), "{more}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{more}: {}", ran.stderr);
    }
}

#[test]
fn fewer_pairs_are_learnt_from_beside_all_golden_answers() {
    let trained = |share: &str, out: &str| {
        let line = format!(
            "rm-train --model policy --pairs data/rm-pairs.parquet --pairs-share {share} \
             --golden golden.parquet --samples rm-samples.parquet --batch 8 --json --out {out}"
        );
        run(&ROUND, &line)
    };
    let counts = |share: &str, out: &str| {
        let ran = trained(share, out);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        let counts: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        ["pairs", "golden_over_samples"].map(|it| counts[it].as_u64().unwrap())
    };
    let ([all, golden], [half, still]) = (counts("1", "share-all"), counts("0.5", "share-half"));
    assert!((1..all).contains(&half), "{half} of {all}");
    assert_eq!(golden, still);
    let again = trained("0.25", "share-half");
    assert_eq!(again.status, Some(4), "{}", again.stderr);
    assert!(again.stderr.contains("pairs_share"), "{}", again.stderr);
    let none = trained("0.000001", "share-none");
    assert_eq!(none.status, Some(3), "{}", none.stderr);
    let expected = "--pairs-share 0.000001 leaves none of the pairs";
    assert!(none.stderr.contains(expected), "{}", none.stderr);
}

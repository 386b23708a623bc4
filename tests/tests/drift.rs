//! Signs that a policy has drifted too far: its KL, and warnings.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::path::PathBuf;
use std::sync::LazyLock;

use apo_tests::stages::{copy, refuse, run, small_round, succeed};
use serde_json::Value;

/// A small round that all tests read.
static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "drift"));

fn kl(model: &str, more: &str) -> Value {
    let line = format!(
        "judge kl --model {model} --reference policy --responses scored.parquet --json {more}"
    );
    serde_json::from_str(&succeed(&ROUND, &line)).unwrap()
}

#[test]
fn a_policy_is_no_way_from_itself_and_some_way_from_where_it_came_from() {
    const SAME: &str = "warning: policy and reference give every response the same log-prob";
    let own = kl("policy", "");
    assert_eq!(own["kl_per_token"]["mean"], 0.0, "{own}");
    assert!(own["tokens"].as_u64().unwrap() > 0);
    // What is likely under the policy is less so under one trained elsewhere,
    // and the other way round: on the policy's samples the other has the lower
    // log-prob.
    let sft = "align sft --model policy --golden golden.parquet --learning-rate 1e-2 --epochs 4";
    succeed(&ROUND, &format!("{sft} --batch 8 --out far"));
    let far = kl("far", "");
    assert!(far["kl_per_token"]["mean"].as_f64().unwrap() < 0.0, "{far}");
    copy(&ROUND.join("policy"), &ROUND.join("copied"));
    for (model, is_warned) in [("policy", true), ("copied", true), ("far", false)] {
        let line =
            format!("judge kl --model {model} --reference policy --responses scored.parquet");
        let ran = run(&ROUND, &line);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        assert_eq!(
            ran.stderr.contains(SAME),
            is_warned,
            "{model}: {}",
            ran.stderr
        );
    }
    // In what groups they are computed changes nothing but rounding.
    let apart = kl("far", "--micro-tokens 1");
    let number = |it: &Value| it["kl"]["mean"].as_f64().unwrap();
    let (together, apart) = (number(&far), number(&apart));
    assert!(
        (together - apart).abs() < 1e-3 * together.abs(),
        "{together} {apart}"
    );
    refuse(
        &ROUND,
        "judge kl --model policy --reference rm --responses scored.parquet",
        3,
        &["rm"],
    );
}

#[test]
fn log_probs_that_fall_are_warned_of() {
    const WARNING: &str = "warning: the chosen responses are less likely than under the reference";
    let dpo = "align dpo --model policy --responses scored.parquet --batch 4 --epochs 4";
    let gentle = run(&ROUND, &format!("{dpo} --learning-rate 1e-6 --out gentle"));
    assert_eq!(gentle.status, Some(0), "{}", gentle.stderr);
    assert!(!gentle.stderr.contains(WARNING), "{}", gentle.stderr);
    // A few queries make a few steps.
    let steps = "warning: the training has only";
    assert!(gentle.stderr.contains(steps), "{}", gentle.stderr);
    let harsh = run(&ROUND, &format!("{dpo} --learning-rate 3e-2 --out harsh"));
    assert_eq!(harsh.status, Some(0), "{}", harsh.stderr);
    assert!(harsh.stderr.contains(WARNING), "{}", harsh.stderr);
}

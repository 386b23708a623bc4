//! `judge tally` on annotations in `AlpacaEval`'s format.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::PathBuf;

use apo_tests::stages::{folder, refuse, succeed};
use serde_json::{Value, json};

fn annotations(test: &str, preferences: &[Value]) -> PathBuf {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), test);
    let row = |preference: &Value| json!({ "generator_1": "base", "generator_2": "m", "preference": preference });
    let rows: Vec<Value> = preferences.iter().map(row).collect();
    fs::write(
        dir.join("annotations.json"),
        serde_json::to_vec(&rows).unwrap(),
    )
    .unwrap();
    dir
}

#[test]
fn a_leaderboards_row_comes_out() {
    // Values 1, 0, ½, ½, 0.8; one is not counted.
    let preferences = [
        json!(2),
        json!(1.0),
        json!(1.5),
        json!(0),
        json!(1.8),
        json!(null),
    ];
    let dir = annotations("tally", &preferences);
    let found = succeed(&dir, "judge tally --annotations annotations.json --json");
    let found: Value = serde_json::from_str(&found).unwrap();
    let number = |name: &str| found[name].as_f64().unwrap();
    assert!((number("win_rate") - 56.0).abs() < 1e-9, "{found}");
    // Squares 0.1936 + 0.3136 + 2 · 0.0036 + 0.0576 = 0.572, over 4, over 5.
    let error = 100.0 * (0.572_f64 / 4.0 / 5.0).sqrt();
    assert!((number("standard_error") - error).abs() < 1e-9, "{found}");
    let counts = ["n_wins", "n_wins_base", "n_draws", "n_total", "not_counted"];
    assert_eq!(
        counts.map(|name| found[name].as_u64().unwrap()),
        [2, 1, 2, 5, 1]
    );
    assert!((number("discrete_win_rate") - 60.0).abs() < 1e-9);
    assert_eq!(
        found["length_controlled"],
        Value::Null,
        "there are no outputs"
    );
}

#[test]
fn rows_at_fault_are_named() {
    let line = "judge tally --annotations annotations.json";
    let dir = annotations("tally-range", &[json!(1), json!(2.5)]);
    refuse(
        &dir,
        line,
        3,
        &["annotations.json row 2", "`preference` is 2.5"],
    );
    let dir = annotations("tally-none", &[json!(null)]);
    refuse(&dir, line, 3, &["no row has a preference"]);
    let rows = r#"{"generator_1": "a", "generator_2": "b", "preference": 1}
{"generator_1": "a", "generator_2": "c", "preference": 1}
"#;
    fs::write(dir.join("annotations.json"), rows).unwrap();
    refuse(
        &dir,
        line,
        3,
        &["row 2: compares a with c, but the rows before it compare a with b"],
    );
    fs::write(dir.join("annotations.json"), "[{\"prompt\": 1}]").unwrap();
    refuse(&dir, line, 3, &["row 1: not an annotation", "generator_1"]);
}

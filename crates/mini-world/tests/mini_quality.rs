//! `mini-quality` measures a table of responses, and refuses what is none.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use apo_provenance::Provenance;
use apo_tables::{POLICY, Query, Response, Writer};

fn fresh_dir(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn write_responses(path: &Path, rows: &[(&str, &str)]) {
    let provenance = Provenance {
        stage: "test".into(),
        version: "0".into(),
        arguments: BTreeMap::new(),
        inputs: BTreeMap::new(),
        split: None,
    };
    let mut writer = Writer::create(path, &provenance).unwrap();
    for (prompt, response) in rows {
        let query = Query {
            query_id: apo_hh::query_id(prompt),
            subset: "helpful-base".into(),
            prompt: (*prompt).into(),
        };
        let row = Response::new(query, (*response).into(), POLICY);
        writer.write(&row).unwrap();
    }
    writer.finish().unwrap();
}

fn mini_quality(responses: &Path, json: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mini-quality"))
        .arg("--responses")
        .arg(responses)
        .args(json)
        .output()
        .unwrap()
}

const TEA: &str = "\n\nHuman: How do I make tea?\n\nAssistant:";

#[test]
fn the_mean_its_error_and_the_number_of_rows_are_printed() {
    let dir = fresh_dir("mini_quality_json");
    let table = dir.join("answers.parquet");
    let complete = "Warm the pot. Add one spoon of leaves. Let it stand for four minutes.";
    write_responses(
        &table,
        &[(TEA, complete), (TEA, ""), (TEA, complete), (TEA, "")],
    );

    let json = mini_quality(&table, &["--json"]);
    let plain = mini_quality(&table, &[]);

    assert!(json.status.success(), "{json:?}");
    let found: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(found["n"], 4);
    assert_eq!(found["mean"], 0.5);
    // Four deviations of ½: the variance is ⅓, over 4.
    let error = found["standard_error"].as_f64().unwrap();
    assert!((error - (1.0_f64 / 12.0).sqrt()).abs() < 1e-12, "{error}");
    let plain = String::from_utf8_lossy(&plain.stdout).into_owned();
    assert_eq!(plain, "true quality 0.5000 ± 0.2887 of 4 responses\n");
}

#[test]
fn what_cannot_be_measured_is_refused_without_a_result() {
    let dir = fresh_dir("mini_quality_refused");
    let (empty, foreign) = (dir.join("empty.parquet"), dir.join("foreign.parquet"));
    write_responses(&empty, &[]);
    let stranger = "\n\nHuman: Who wrote Faust?\n\nAssistant:";
    write_responses(&foreign, &[(TEA, "Warm the pot."), (stranger, "Goethe.")]);
    for (table, reason) in [
        (empty, "no rows"),
        (foreign, "row 1: the prompt asks nothing of the mini world"),
        (dir.join("missing.parquet"), "missing.parquet"),
    ] {
        let out = mini_quality(&table, &["--json"]);

        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
        assert!(out.stdout.is_empty(), "{stderr}");
    }
}

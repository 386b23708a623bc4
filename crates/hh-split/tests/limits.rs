//! What is drawn of the queries: a limit never takes pairs from the parts that others need.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use apo_tables::{Pair, Query, Row};
use serde_json::{Value, json};

use common::{fresh_dir, hh_split, rows};

/// Returns a folder with 60 training pairs, 20 test pairs and 30 queries, each on a question
/// of its own.
fn data(test: &str) -> PathBuf {
    let dir = fresh_dir(&format!("limits-{test}"));
    let pair = |i: usize| {
        json!({"prompt": format!("Question {i}?"), "chosen": "Yes.", "rejected": "No."}).to_string()
    };
    let prompt = |i: usize| json!({"prompt": format!("Question {i}?")}).to_string();
    let write = |name: &str, rows: Vec<String>| fs::write(dir.join(name), rows.join("\n")).unwrap();
    write("t.jsonl", (0..60).map(pair).collect());
    write("e.jsonl", (60..80).map(pair).collect());
    write("p.jsonl", (80..110).map(prompt).collect());
    dir
}

fn counts(dir: &Path, args: &str) -> Value {
    let (status, stdout, stderr) = hh_split(dir, &format!("{args} --json"));
    assert_eq!(status, Some(0), "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

/// The numbers of rows of some tables.
fn sizes<const N: usize>(counts: &Value, tables: [&str; N]) -> [u64; N] {
    tables.map(|it| counts["tables"][it].as_u64().unwrap())
}

fn keys<R: Row>(path: &Path, key: impl Fn(R) -> String) -> HashSet<String> {
    rows(path).into_iter().map(key).collect()
}

fn queries(dir: &Path, table: &str) -> HashSet<String> {
    keys(&dir.join(table), |it: Query| it.query_id)
}

fn queries_of_pairs(dir: &Path, table: &str) -> HashSet<String> {
    keys(&dir.join(table), |it: Pair| it.query_id)
}

#[test]
fn a_limit_of_queries_leaves_all_pairs_for_training_and_testing() {
    let dir = data("pairs");
    let line = "--train t.jsonl --test e.jsonl --rm 20 --dev 5";
    let all = counts(&dir, &format!("{line} --out all"));
    let limited = format!("{line} --llm 15 --answer-test 4 --out limited");
    let limited = counts(&dir, &limited);
    let tables = [
        "train-pairs",
        "rm-pairs",
        "rm-queries",
        "llm-pairs",
        "llm-queries",
        "dev-pairs",
        "test-pairs",
        "test-queries",
    ];
    assert_eq!(sizes(&all, tables), [60, 20, 20, 40, 40, 5, 20, 20]);
    assert_eq!(sizes(&limited, tables), [60, 20, 20, 15, 15, 5, 20, 4]);
    assert_eq!(limited["left_out"], 0, "all pairs are used");
    let (all, limited) = (dir.join("all"), dir.join("limited"));
    let rm = queries(&limited, "rm-queries.parquet");
    assert_eq!(rm, queries(&all, "rm-queries.parquet"));
    let llm = queries(&limited, "llm-queries.parquet");
    assert!(llm.is_disjoint(&rm));
    assert_eq!(llm, queries_of_pairs(&limited, "llm-pairs.parquet"));
    assert!(queries_of_pairs(&limited, "dev-pairs.parquet").is_subset(&llm));
    let test = queries_of_pairs(&limited, "test-pairs.parquet");
    assert!(queries(&limited, "test-queries.parquet").is_subset(&test));
}

#[test]
fn limits_count_what_other_options_leave() {
    let dir = data("others");
    // Of 80 queries 20 are held out, 30 are RM's; a half of the other 30 is the policy's.
    let line = "--train t.jsonl --train e.jsonl --hold-out 20 --rm 30 --llm 50% --dev 0 \
                --answer-test 25% --out held-out";
    let found = counts(&dir, line);
    let tables = ["train-pairs", "llm-queries", "test-pairs", "test-queries"];
    assert_eq!(sizes(&found, tables), [60, 15, 20, 5]);
    // --take-test leaves pairs out, --answer-test does not.
    let line = "--train t.jsonl --test e.jsonl --take-test 10 --rm 30 --dev 0 --answer-test 10 \
                --out taken";
    let found = counts(&dir, line);
    assert_eq!(sizes(&found, tables), [60, 30, 10, 10]);
    assert_eq!(found["left_out"], 10);
    // A query without responses that nobody is asked is in no table.
    let found = counts(
        &dir,
        "--prompts p.jsonl --hold-out 10 --rm 5 --llm 8 --dev 0 --answer-test 4 --out prompts",
    );
    let tables = ["rm-queries", "llm-queries", "test-queries", "train-pairs"];
    assert_eq!(sizes(&found, tables), [5, 8, 4, 0]);
    assert_eq!(found["left_out"], 13);
}

#[test]
fn a_limit_above_what_there_is_is_refused() {
    let dir = data("refused");
    let line = "--train t.jsonl --test e.jsonl --rm 20 --dev 5 --out data";
    for (limit, expected) in [
        (
            "--llm 41",
            "`--llm 41`: there are only 40 training queries besides those of --rm",
        ),
        (
            "--answer-test 21",
            "`--answer-test 21`: there are only 20 test queries",
        ),
        // Development pairs are the policy's.
        (
            "--llm 4",
            "`--dev 5`: there are only 4 pairs on the policy's side",
        ),
    ] {
        let (status, _, stderr) = hh_split(&dir, &format!("{line} {limit}"));
        assert_eq!(status, Some(3), "{limit}: {stderr}");
        assert!(stderr.contains(expected), "{limit}: {stderr}");
        assert!(!dir.join("data").exists(), "{limit}");
    }
}

#[test]
fn a_split_without_limits_is_the_one_of_before_there_were_some() {
    let dir = data("before");
    let line = "--train t.jsonl --test e.jsonl --rm 20 --dev 5 --out data";
    counts(&dir, line);
    let arguments = || {
        let text = fs::read(dir.join("data/apo.json")).unwrap();
        let found: Value = serde_json::from_slice(&text).unwrap();
        let found = found["arguments"].as_object().unwrap().clone();
        found.keys().map(String::to_owned).collect::<Vec<_>>()
    };
    let before = [
        "dev",
        "hold_out",
        "rm",
        "seed",
        "subsets",
        "take",
        "take_test",
    ];
    assert_eq!(arguments(), before);
    let (status, stdout, _) = hh_split(&dir, line);
    assert_eq!(status, Some(0));
    assert!(stdout.contains("up to date"), "{stdout}");
    for (limit, name) in [("--llm 15", "llm"), ("--answer-test 4", "answer_test")] {
        let (status, _, stderr) = hh_split(&dir, &format!("{line} {limit}"));
        assert_eq!(status, Some(4), "{stderr}");
        assert!(stderr.contains(name), "{stderr}");
    }
    counts(
        &dir,
        &format!("{line} --llm 15 --answer-test 4 --overwrite"),
    );
    let limited = arguments();
    assert!(limited.contains(&"llm".to_owned()) && limited.contains(&"answer_test".to_owned()));
}

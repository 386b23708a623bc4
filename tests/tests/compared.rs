//! `judge compare` with the mini world's judge, which likes the response that it sees
//! first and does not always end with a verdict.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use apo_provenance::Provenance;
use apo_tables::{POLICY, Pair, Query, Reader, Response, VerdictRow, Writer};
use apo_tests::stages::{Ran, binary, finish, folder, refuse, run, succeed, workspace};
use serde_json::Value;

/// Makes two policies' answers from test pairs, ordered by true quality: an answer in
/// `a.parquet` is never worse than the one in `b.parquet`.
fn answers(test: &str) -> PathBuf {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), test);
    let hh = workspace().join("fixtures/hh");
    let split = format!(
        "hh-split --hh {} --rm 10 --dev 0 --take 20 --take-test 120",
        hh.display()
    );
    succeed(&dir, &format!("{split} --out data"));
    let right = "mini-quality --pairs data/test-pairs.parquet --out right.parquet";
    succeed(&dir, right);
    let provenance = Provenance::new("test", "0");
    let create = |name| Writer::<Response>::create(&dir.join(name), &provenance).unwrap();
    let (mut a, mut b) = (create("a.parquet"), create("b.parquet"));
    let mut seen = HashSet::new();
    for pair in Reader::<Pair>::open(&dir.join("right.parquet")).unwrap() {
        let pair = pair.unwrap();
        if !seen.insert(pair.query_id.clone()) {
            continue;
        }
        let response = |response: &str| {
            let query = Query {
                query_id: pair.query_id.clone(),
                subset: pair.subset.clone(),
                prompt: pair.prompt.clone(),
            };
            Response::new(query, response.to_owned(), POLICY)
        };
        a.write(&response(&pair.chosen)).unwrap();
        b.write(&response(&pair.rejected)).unwrap();
    }
    a.finish().unwrap();
    b.finish().unwrap();
    dir
}

/// Runs `judge` with these arguments while the mini world's judge answers.
fn judged(dir: &Path, line: &str) -> Ran {
    let mut server = Command::new(binary("mini-judge"));
    server
        .current_dir(dir)
        .env("OPENAI_API_KEY", "sk-not-to-be-seen")
        .arg(binary("judge"))
        .args(line.split_whitespace());
    finish(&mut server)
}

const COMPARE: &str = "compare --a a.parquet --b b.parquet --model mini-judge --draws 200";

fn rows(path: &Path) -> Vec<VerdictRow> {
    let rows = Reader::open(path).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn the_better_policy_wins_and_every_comparison_is_counted() {
    let dir = answers("compared");
    let ran = judged(&dir, &format!("{COMPARE} --json --out verdicts.parquet"));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let summary: Value = serde_json::from_str(&ran.stdout).unwrap();
    let judge = &summary["judges"][0];
    let number = |name: &str| judge[name].as_u64().unwrap();
    let outcomes = ["wins", "losses", "ties", "inconsistent", "invalid"];
    let found = rows(&dir.join("verdicts.parquet"));
    assert_eq!(outcomes.map(number).iter().sum::<u64>(), found.len() as u64);
    assert_eq!(summary["judged"], found.len());
    assert_eq!(summary["failed"], 0);
    // What is never worse wins but where the difference is below what the judge
    // notices over his liking for the first place.
    assert!(judge["rate"].as_f64().unwrap() > 0.8, "{judge}");
    assert_eq!(number("losses"), 0, "{judge}");
    assert!(
        number("inconsistent") > 0,
        "the first place is liked: {judge}"
    );
    let [low, high] = [0, 1].map(|i| judge["interval"][i].as_f64().unwrap());
    assert!(low < high, "{judge}");
    // About one reply in 20 has no verdict, and about one in 400 none twice.
    let asked = summary["asked"]["requests"].as_u64().unwrap();
    assert!(asked > 2 * found.len() as u64, "some were asked once more");

    // Up to date, and the same from the journal alone: nothing is asked.
    let again = judged(&dir, &format!("{COMPARE} --json --out verdicts.parquet"));
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["judges"], summary["judges"]);
    assert_eq!(again["asked"], Value::Null);
    let journal = "verdicts.parquet.journal.jsonl";
    let replay = format!("judge {COMPARE} --from-journal {journal} --out replayed.parquet");
    succeed(&dir, &replay);
    assert_eq!(rows(&dir.join("replayed.parquet")), found);
    // A rerun pays for nothing twice.
    fs::remove_file(dir.join("verdicts.parquet")).unwrap();
    let paid = judged(&dir, &format!("{COMPARE} --json --out verdicts.parquet"));
    let paid: Value = serde_json::from_str(&paid.stdout).unwrap();
    assert_eq!(paid["asked"]["requests"], 0);
    for file in fs::read_dir(&dir).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        let secret = b"sk-not-to-be-seen";
        assert!(
            !bytes.windows(secret.len()).any(|it| it == secret),
            "{}",
            path.display()
        );
    }
    assert!(!(ran.stdout + &ran.stderr).contains("sk-not"));
}

#[test]
fn judges_and_their_repeats_agree_as_they_do() {
    let dir = answers("compared-agreement");
    let ran = judged(
        &dir,
        &format!("{COMPARE} --model other --repeats 2 --json --out verdicts.parquet"),
    );
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let summary: Value = serde_json::from_str(&ran.stdout).unwrap();
    let n = Reader::<Response>::open(&dir.join("a.parquet"))
        .unwrap()
        .n_rows();
    assert_eq!(summary["judged"], n * 2 * 2);
    // They judge by the same quality and differ where a reply is unreadable.
    assert!(summary["agreement"].as_f64().unwrap() > 0.5, "{summary}");
    for judge in summary["judges"].as_array().unwrap() {
        assert!(judge["self_agreement"].as_f64().unwrap() > 0.5, "{judge}");
    }
}

#[test]
fn tables_that_do_not_belong_together_are_refused() {
    let dir = answers("compared-refused");
    let offline = "--from-journal none.jsonl --model m --out refused.parquet";
    let refused = |tables: &str, expected: &[&str]| {
        refuse(
            &dir,
            &format!("judge compare {tables} {offline}"),
            3,
            expected,
        );
        assert!(!dir.join("refused.parquet").exists());
    };
    let of = |path: &str| Reader::<Response>::open(&dir.join(path)).unwrap();
    let write = |name: &str, rows: Vec<Response>| {
        let provenance = Provenance::new("test", "0");
        let mut writer = Writer::create(&dir.join(name), &provenance).unwrap();
        for row in rows {
            writer.write(&row).unwrap();
        }
        writer.finish().unwrap();
    };
    let all: Vec<Response> = of("b.parquet").map(Result::unwrap).collect();
    write("fewer.parquet", all[1..].to_vec());
    write("twice.parquet", [all.clone(), all[..1].to_vec()].concat());
    let id = all[0].query_id.as_str();
    refused(
        "--a a.parquet --b fewer.parquet",
        &["1 are only in a.parquet, 0 only in fewer.parquet", id],
    );
    refused(
        "--a twice.parquet --b b.parquet",
        &["twice.parquet row", id, "second response"],
    );
    fs::copy(dir.join("a.parquet"), dir.join("copy.parquet")).unwrap();
    for b in ["a.parquet", "copy.parquet"] {
        let expected = format!("--a a.parquet and --b {b} have the same content");
        refused(&format!("--a a.parquet --b {b}"), &[&expected]);
    }
    let mut reversed: Vec<Response> = of("a.parquet").map(Result::unwrap).collect();
    reversed.reverse();
    write("reversed.parquet", reversed);
    let expected = "--a a.parquet and --b reversed.parquet hold the same responses";
    refused("--a a.parquet --b reversed.parquet", &[expected]);
    let sheet = "judge human sheet --a a.parquet --b reversed.parquet --out refused";
    refuse(&dir, sheet, 3, &[expected, "nothing to compare"]);
    let twice = format!("judge compare --a a.parquet --b b.parquet {offline} --model m");
    let twice = run(&dir, &twice);
    assert_eq!(twice.status, Some(2), "a judge that counts twice");
    assert!(
        twice.stderr.contains("--model m is given twice"),
        "{}",
        twice.stderr
    );
    refused(
        "--a a.parquet --b b.parquet",
        &["there is no journal at none.jsonl"],
    );
    // A journal of other comparisons.
    fs::write(dir.join("none.jsonl"), "").unwrap();
    refused("--a a.parquet --b b.parquet", &["none.jsonl: no entry for"]);
}

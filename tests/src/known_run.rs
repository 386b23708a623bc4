//! A run whose numbers are known, without models.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use apo_provenance::{Input, Provenance};
use apo_tables::{Metric, Reader, Response};
use serde_json::{Value, json};

use crate::stages::{answer, binary, finish, folder, succeed, write};

/// Does harm if it is taken for markup.
const MARKUP: &str = "</div><script>alert(1)</script><img src=x onerror=alert(1)>";

/// Writes JSON, and makes its folder.
///
/// # Panics
///
/// When it cannot be written.
pub fn put(path: &Path, page: &Value) {
    let folder = path.parent().expect("a file lies in a folder");
    fs::create_dir_all(folder).expect("a folder can be made");
    fs::write(path, page.to_string()).expect("a file can be written");
}

/// Returns what `judge score --json` prints of eight responses with this mean reward.
pub fn score(mean: f64) -> Value {
    json!({
        "responses": 8,
        "reward": { "all": { "n": 8, "mean": mean, "standard_error": 0.5 }, "subsets": {} },
        "mean_tokens": 20.0, "ended": 1.0, "repeats": 0.01,
    })
}

/// Writes verdicts of a model and of two people on the aligned policy.
fn put_verdicts(dir: &Path) {
    let rate = |wins, rate| {
        json!({
            "judge": "gpt-4", "wins": wins, "losses": 1, "ties": 0, "inconsistent": 2,
            "invalid": 0, "rate": rate, "interval": [0.5, 0.9],
        })
    };
    let mut judge = rate(5, 0.75);
    judge["alike"] = rate(5, 0.75);
    judge["length_controlled"] = Value::Null;
    judge["self_agreement"] = Value::Null;
    let verdicts = json!({
        "judged": 8, "failed": 0, "characters": [50.0, 40.0], "judges": [judge], "agreement": null,
    });
    put(&dir.join("apo-dpo-1.verdicts.json"), &verdicts);
    // Of two people one has not voted.
    let mut silent = judge.clone();
    for (name, value) in [
        ("judge", json!("Ben")),
        ("rate", Value::Null),
        ("wins", json!(0)),
    ] {
        silent[name] = value;
    }
    for name in ["losses", "ties", "inconsistent"] {
        silent[name] = json!(0);
    }
    silent["failed"] = json!(8);
    judge["judge"] = json!("Anna");
    judge["inconsistent"] = json!(0);
    let votes = json!({
        "judged": 6, "failed": 10, "characters": [50.0, 40.0], "judges": [judge, silent],
        "together": { "queries": 6, "rate": 0.8, "interval": null },
        "agreement": null, "agreement_queries": 0,
    });
    put(&dir.join("apo-dpo-1.votes.json"), &votes);
}

/// Writes the answers of the policy at `at` to eight queries, one for each of `more`: the
/// reward of an answer is the query's number and that much more. `by` is the digest of
/// the reward model, if it is to be known.
///
/// # Panics
///
/// When they cannot be written.
pub fn put_answers(dir: &Path, at: &str, more: &[f32], by: Option<&str>) {
    let of_query = |i: usize| {
        let prompt = format!("\n\nHuman: Question {i}?\n\nAssistant:");
        (0..).zip(more).map(move |(sample, more)| Response {
            sample,
            tokens: Some(20),
            reward: Some(i as f32 + more),
            ..answer(i, prompt.clone(), format!("{at}: {MARKUP}"))
        })
    };
    let rows: Vec<Response> = (0..8).flat_map(of_query).collect();
    let made = Provenance::new("sample", "9.9.9").argument("seed", 7);
    write(&dir.join(at).join("answers.parquet"), &made, &rows);
    let input = Reader::<Response>::open(&dir.join(at).join("answers.parquet"));
    let input = input.and_then(|it| it.input());
    let input = input.expect("the answers can be read");
    let mut scored = Provenance::new("judge score", "9.9.9").input("responses", input);
    if let Some(by) = by {
        let model = Input {
            name: "rm-test".into(),
            rows: None,
            digest: by.into(),
            split: None,
        };
        scored = scored.input("model", model);
    }
    write(&dir.join(at).join("answers-scored.parquet"), &scored, &rows);
    let mean = more.iter().sum::<f32>() / more.len() as f32;
    put(
        &dir.join(at).join("score.json"),
        &score(3.5 + f64::from(mean)),
    );
}

/// Returns the policies of a run as `judge report --json` prints them, by name.
///
/// # Panics
///
/// When the run cannot be reported.
#[track_caller]
pub fn reported(dir: &Path) -> Value {
    let parent = dir.parent().expect("a run lies in a folder");
    let json = succeed(parent, "judge report --run known --json");
    let run: Value = serde_json::from_str(&json).expect("the report is JSON");
    let policies = run["policies"].as_array().expect("a run has policies");
    let name = |it: &Value| it["name"].as_str().expect("a policy has a name").to_owned();
    Value::Object(policies.iter().map(|it| (name(it), it.clone())).collect())
}

/// Makes a run whose numbers are known in a folder for one test in `target`, and returns
/// its folder, `known`: every answer of the aligned policy has ½ more reward than its
/// baseline's, and 2 more than the start's.
///
/// # Panics
///
/// When it cannot be made.
pub fn known_run(target: &str, test: &str) -> PathBuf {
    let dir = folder(target, test).join("known");
    put_answers(&dir, "start", &[0.0], None);
    put_answers(&dir, "dpo-1", &[1.5], None);
    put_answers(&dir, "apo-dpo-1", &[2.0], None);
    let bins = json!([
        { "low": 0.0, "high": 0.5, "n": 4, "expected": 0.25, "observed": 0.5 },
        { "low": 0.5, "high": 1.0, "n": 4, "expected": 0.75, "observed": 0.5 },
    ]);
    let measured = json!({
        "accuracy": {
            "all": {
                "n_pairs": 8, "n_correct": 5, "n_ties": 0,
                "accuracy": 0.625, "standard_error": 0.17,
            },
            "subsets": {},
        },
        "calibration": {
            "all": {
                "n": 16, "ece": 0.25, "ace": 0.25, "mce": 0.25, "brier": 0.25, "bins": bins,
            },
            "subsets": {},
        },
    });
    put(&dir.join("rm-base.test.json"), &measured);
    put(&dir.join("start/rm.test.json"), &measured);
    put_verdicts(&dir);
    let metrics: Vec<Metric> = (1..=400)
        .map(|step| Metric {
            step,
            // A training that diverges is one to look at.
            loss: if step > 390 {
                f32::NAN
            } else {
                1.0 / step as f32
            },
            tokens: 10,
            rewards_chosen: Some(1.0),
            rewards_rejected: Some(0.0),
            ..Metric::default()
        })
        .collect();
    let made = Provenance::new("align", "9.9.9").argument("method", "dpo");
    write(
        &dir.join("apo-dpo-1/policy/metrics.parquet"),
        &made,
        &metrics,
    );
    fs::create_dir_all(dir.join("settings")).expect("a folder can be made");
    fs::write(dir.join("settings/dpo-1"), "--learning-rate 1e-4\n").expect("a file can be written");
    // A kill cut the last line short, within a character.
    let times = b"{\"stage\":\"align dpo\",\"out\":\"x\",\"seconds\":30.0,\"peak_mib\":100.0}\n\
                 {\"stage\":\"align dpo\",\"out\":\"y\",\"seconds\":12.5,\"peak_mib\":120.0}\n{\"stage\":\"caf\xc3";
    fs::write(dir.join("times.jsonl"), times).expect("a file can be written");
    describe(&dir);
    dir
}

/// Describes the run, as the Makefile does.
///
/// # Panics
///
/// When it cannot be described.
#[track_caller]
pub fn describe(dir: &Path) {
    let mut artifacts = vec![
        "times:times=times.jsonl".to_owned(),
        "test:RM_Base=rm-base.test.json".to_owned(),
        "dev:RM_Base=rm-base.dev.json".to_owned(),
        "test:RM_APO-v1=start/rm.test.json".to_owned(),
        "verdicts:APO-DPO against DPO=apo-dpo-1.verdicts.json".to_owned(),
        "votes:APO-DPO against DPO=apo-dpo-1.votes.json".to_owned(),
    ];
    for (name, at) in [("SFT", "start"), ("DPO", "dpo-1"), ("APO-DPO", "apo-dpo-1")] {
        artifacts.push(format!("score:{name}={at}/score.json"));
        artifacts.push(format!("scored-answers:{name}={at}/answers-scored.parquet"));
    }
    let mut judge = Command::new(binary("judge"));
    judge.args(["describe", "--run"]).arg(dir);
    judge.arg("--settings").arg(dir.join("settings"));
    judge.args(["--arm", "DPO=SFT;DPO", "--arm", "APO-DPO=SFT;APO-DPO"]);
    judge.args(["--table", "2=SFT;DPO;APO-DPO"]);
    judge.args(["--table", "3=RM_Base"]);
    judge.args(["--table", "rounds=SFT;DPO-1=DPO;APO-DPO-1=APO-DPO"]);
    let ran = finish(judge.args(artifacts));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
}

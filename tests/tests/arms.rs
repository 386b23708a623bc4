//! The arms of a run: which policies are compared with which.

use std::fs;
use std::process::Command;

use apo_tests::known_run::{known_run, put_answers, reported};
use apo_tests::stages::{binary, finish, succeed};
use serde_json::{Value, json};

#[test]
fn an_arm_is_compared_with_the_arm_that_it_names() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "arms-baselines");
    let parent = dir.parent().unwrap();
    let described = |arms: &[&str]| {
        let mut judge = Command::new(binary("judge"));
        judge.args(["describe", "--run"]).arg(&dir);
        judge.args(arms.iter().flat_map(|it| ["--arm", *it]));
        for (name, at) in [("SFT", "start"), ("Plain", "dpo-1"), ("Mine", "apo-dpo-1")] {
            judge.arg(format!("score:{name}={at}/score.json"));
            judge.arg(format!("scored-answers:{name}={at}/answers-scored.parquet"));
        }
        let ran = finish(&mut judge);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    };
    let leads = || {
        let json = succeed(parent, "judge report --run known --json");
        let run: Value = serde_json::from_str(&json).unwrap();
        let policies = run["policies"].as_array().unwrap().iter();
        policies
            .map(|it| it["lead"]["mean"].clone())
            .collect::<Vec<_>>()
    };
    described(&["plain=SFT;Plain", "mine=SFT;Mine"]);
    assert_eq!(leads(), [Value::Null, Value::Null, Value::Null]);
    described(&["plain=SFT;Plain", "mine=SFT;Mine;baseline:plain"]);
    assert_eq!(leads(), [Value::Null, Value::Null, json!(0.5)]);
    succeed(parent, "judge report --run known --out report.html");
    let page = fs::read_to_string(parent.join("report.html")).unwrap();
    assert!(page.contains("0.500 ± 0.000 above Plain"));
    // The other way round, whatever the names are and the order is.
    described(&["plain=SFT;Plain;baseline:mine", "mine=SFT;Mine"]);
    assert_eq!(leads(), [Value::Null, json!(-0.5), Value::Null]);
}

#[test]
fn an_arm_is_above_its_own_start() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "arms-starts");
    let parent = dir.parent().unwrap();
    put_answers(&dir, "tuned", &[1.0], None);
    let mut judge = Command::new(binary("judge"));
    judge.args(["describe", "--run"]).arg(&dir);
    judge.args(["--arm", "plain=SFT;Plain"]);
    judge.args(["--arm", "mine=Tuned;Mine;baseline:plain"]);
    for (name, at) in [
        ("SFT", "start"),
        ("Tuned", "tuned"),
        ("Plain", "dpo-1"),
        ("Mine", "apo-dpo-1"),
    ] {
        judge.arg(format!("score:{name}={at}/score.json"));
        judge.arg(format!("scored-answers:{name}={at}/answers-scored.parquet"));
    }
    let ran = finish(&mut judge);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let policies = reported(&dir);
    assert_eq!(policies["Plain"]["gain"]["mean"], 1.5);
    assert_eq!(policies["Mine"]["gain"]["mean"], 1.0);
    assert_eq!(policies["Mine"]["lead"]["mean"], 0.5);
    for start in ["SFT", "Tuned"] {
        assert_eq!(policies[start]["gain"], Value::Null, "{start}");
    }
    succeed(parent, "judge report --run known --out report.html");
    let page = fs::read_to_string(parent.join("report.html")).unwrap();
    assert!(page.contains("1.000 ± 0.000 above Tuned"));
}

#[test]
fn an_arm_names_policies_of_the_run() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "arms-policies");
    let described = |arm: &str| {
        let mut judge = Command::new(binary("judge"));
        judge.args(["describe", "--run"]).arg(&dir);
        judge.args(["--arm", "plain=SFT;DPO", "--arm", arm]);
        finish(judge.args([
            "score:SFT=start/score.json",
            "score:DPO=dpo-1/score.json",
            "score:Mine=apo-dpo-1/score.json",
            "score:Mine-2=apo-dpo-2/score.json",
            "test:RM_Base=rm-base.test.json",
        ]))
    };
    let file = dir.join("run.json");
    for unknown in ["Baseline:plain", "baseline :plain", "Mine-3", "RM_Base"] {
        let before = fs::read(&file).unwrap();
        let ran = described(&format!("mine=SFT;Mine;{unknown}"));
        assert_eq!(ran.status, Some(3), "{unknown}: {}", ran.stderr);
        let expected = format!("arm 'mine' names '{unknown}', and no artifact of a policy has");
        assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
        assert!(ran.stderr.contains("baseline:ARM"), "{}", ran.stderr);
        assert_eq!(fs::read(&file).unwrap(), before, "{unknown}");
    }
    // The Makefile names the policies of all rounds before they exist.
    let ran = described("mine=SFT;Mine;Mine-2;baseline:plain");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert_eq!(reported(&dir)["Mine"]["round"], 1);
}

//! A whole round by the Makefile: it makes the policy better, does nothing when it runs
//! again, and accepts a stage of one's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use apo_tests::stages::{self, Ran, folder};
use serde_json::Value;

/// Runs the workspace's Makefile with its run in `run`.
fn make(run: &Path, arguments: &[&str]) -> Ran {
    let run = format!("RUN={}", run.display());
    stages::finish(&mut stages::make(&[arguments, &[&run]].concat()))
}

/// A round of the mini world, run once.
static ROUND: LazyLock<(PathBuf, Ran)> = LazyLock::new(|| {
    let run = folder(env!("CARGO_TARGET_TMPDIR"), "round");
    let ran = make(&run, &["round-1"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    (run, ran)
});

fn page(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).expect("a page is JSON")
}

#[test]
fn a_round_makes_the_policys_answers_better_by_more_than_their_standard_error() {
    let (run, ran) = &*ROUND;
    let quality = |policy: &str| {
        let page = page(&run.join(policy).join("quality.json"));
        let number = |name: &str| page[name].as_f64().expect("a number");
        (number("mean"), number("standard_error"))
    };
    let (before, after) = (quality("start"), quality("apo-dpo-1"));
    // Of the difference: both are means over the same queries.
    let error = before.1.hypot(after.1);
    assert!(
        after.0 - before.0 > error,
        "true quality {before:?} before, {after:?} after"
    );
    for named in [
        "RM_Test score",
        "true quality",
        "SFT",
        "apo-dpo-1",
        "RM_Base, test",
        "ECE",
    ] {
        assert!(
            ran.stdout.contains(named),
            "no `{named}` in\n{}",
            ran.stdout
        );
    }
}

#[test]
fn a_finished_round_is_not_repeated_and_a_setting_remakes_what_follows() {
    let (run, _) = &*ROUND;
    let again = make(run, &["round-1"]);
    assert_eq!(again.status, Some(0), "{}", again.stderr);
    for stage in ["hh-split", "sample", "rm-train", "align", "judge"] {
        let called = format!("release/{stage} ");
        assert!(
            !again.stdout.contains(&called),
            "{stage} again\n{}",
            again.stdout
        );
    }
    let plan = |arguments: &[&str]| make(run, arguments).stdout;
    let stages = |plan: &str| -> Vec<String> {
        // A setting may name a program, too; a call begins with it.
        let calls = plan.lines().filter_map(|line| line.split_once("release/"));
        let calls = calls.filter(|(before, _)| !before.contains(' '));
        let names = calls.map(|(_, call)| call.split(' ').take(2).collect::<Vec<_>>().join(" "));
        names
            .filter(|name| !["judge describe", "judge table"].contains(&name.as_str()))
            .collect()
    };
    let changed = stages(&plan(&["-n", "round-1", "APO=--beta-2 3"]));
    assert_eq!(
        changed,
        [
            "rm-train --model",
            "judge score",
            "align dpo",
            "sample --model",
            "judge score",
            "judge kl",
            "mini-quality --responses",
            "judge accuracy",
            "judge accuracy",
        ],
        "a new β₂ remakes the reward model and what follows, no more"
    );
    let other = stages(&plan(&["-n", "round-1", "METHOD=rjs"]));
    assert!(other.contains(&"align rjs".to_owned()), "{other:?}");
    assert!(!other.contains(&"align sft".to_owned()), "{other:?}");
}

#[test]
fn every_configuration_lists_its_goals_and_builds_without_its_settings() {
    let make = |arguments: &[&str]| stages::finish(&mut stages::make(arguments));
    let help = make(&["help"]).stdout;
    let configs = help
        .lines()
        .find_map(|it| it.trim().strip_prefix("CONFIG="));
    let configs = configs.and_then(|it| it.split_once(':'));
    let (configs, _) = configs.expect("help lists the configurations");
    let configs: Vec<&str> = configs.split_whitespace().skip(1).collect();
    assert!(configs.len() >= 4 && configs.contains(&"mini"), "{help}");
    for config in configs {
        let config = format!("CONFIG={config}");
        for goal in ["help", "build"] {
            let ran = make(&["-n", goal, &config]);
            assert_eq!(ran.status, Some(0), "{config} {goal}: {}", ran.stderr);
            assert!(ran.stderr.is_empty(), "{config} {goal}: {}", ran.stderr);
        }
        // Every round needs a model; the mini world has its own.
        let ran = make(&["-n", "round-1", &config]);
        assert_eq!(ran.status == Some(0), config == "CONFIG=mini", "{config}");
        assert!(ran.status == Some(0) || ran.stderr.contains(" is not set"));
    }
    // It would remove the runs of all models.
    let ran = make(&["-n", "clean", "CONFIG=hh"]);
    assert!(ran.stderr.contains("MODEL is not set"), "{}", ran.stderr);
}

//! `judge report` on a run whose numbers are known.

use std::fs;

use apo_tests::known_run::{describe, known_run, put_answers, reported};
use apo_tests::stages::{copy, finish, folder, make, refuse, run, succeed, workspace};
use serde_json::{Value, json};

#[test]
fn a_run_is_reported_in_numbers() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "report-page-numbers");
    let parent = dir.parent().unwrap();
    let run: Value =
        serde_json::from_str(&succeed(parent, "judge report --run known --json")).unwrap();
    assert_eq!(run["name"], "known");
    assert_eq!(run["versions"], json!(["9.9.9"]));
    let policies = run["policies"].as_array().unwrap();
    let names: Vec<&str> = policies
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["SFT", "DPO", "APO-DPO"], "in the order of Table 2");
    let apo = &policies[2];
    assert_eq!(apo["gain"]["mean"], 2.0);
    assert_eq!(apo["lead"]["mean"], 0.5);
    assert_eq!(apo["lead"]["standard_error"], 0.0, "query by query");
    let models = run["reward_models"].as_array().unwrap();
    let names: Vec<&str> = models
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["RM_Base", "RM_APO-v1"]);
    assert_eq!(models[0]["test"]["accuracy"], 0.625);
    assert_eq!(models[0]["dev"], Value::Null);
    assert_eq!(run["verdicts"][0]["name"], "APO-DPO against DPO");
    assert_eq!(run["verdicts"][0]["found"]["judges"][0]["wins"], 5);
    let training = &run["trainings"][0];
    assert_eq!(training["stage"], "align dpo");
    assert_eq!(
        (&training["steps"], &training["tokens"]),
        (&json!(400), &json!(4000))
    );
    let times = &run["times"][0];
    assert_eq!(times["seconds"], 42.5);
    assert_eq!(
        (&times["runs"], &times["peak_mib"]),
        (&json!(2), &json!(120.0))
    );
    assert_eq!(times["tokens"], 4000);
    let made = run["made"].as_array().unwrap();
    let scored = made
        .iter()
        .find(|it| it["at"] == "start/answers-scored.parquet")
        .unwrap();
    assert_eq!(
        scored["from"][0]["at"], "start/answers.parquet",
        "by its digest"
    );
    assert_eq!(run["settings"]["dpo-1"], "--learning-rate 1e-4");
}

#[test]
fn a_page_needs_no_network_and_shows_text_as_text() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "report-page-html");
    let parent = dir.parent().unwrap();
    succeed(parent, "judge report --run known --out report.html");
    let page = fs::read_to_string(parent.join("report.html")).unwrap();
    for expected in [
        "APO run known",
        "2.000 ± 0.000 above the start",
        "0.500 ± 0.000 above DPO",
        "RM_APO-v1 agrees with human preferences on 62.5 ± 17.0 % of the test pairs",
        "win rate 75.0 % (50.0 to 90.0) before gpt-4, 8 queries",
        "Policies over rounds: mean RM_Test score (Figure 5)",
        "Before a language model (Figure 3)",
        "Before people (Figure 4)",
        "win rate 80.0 % before 2 judges together, 6 queries",
        "no κ: too few queries",
        "stated probability",
        "42.5 s",
        // Cheng et al. 2023, Tables 2 and 3.
        "1.916",
        "66.73",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    assert!(
        !page.contains("<script") && !page.contains("<img"),
        "markup"
    );
    assert!(page.contains("&lt;script&gt;alert(1)"));
    for link in ["src=", "@import", "url("] {
        assert!(!page.replace("img src=x", "").contains(link), "{link}");
    }
    assert!(!page.contains(parent.to_str().unwrap()), "where it lies");
    // Curves are thinned, not drawn point by point.
    assert!(page.len() < 300_000, "{}", page.len());
    // What is not there is not spoken of, and nothing else is replaced.
    assert!(!page.contains(">Data<"));
    let other = "judge report --run known --out known/start/score.json";
    refuse(
        parent,
        other,
        3,
        &["known/start/score.json exists", "not a page"],
    );
    // Replaced whole.
    succeed(parent, "judge report --run known --out report.html");
    assert!(!parent.join("report.html.new").exists());
}

#[test]
fn several_answers_to_a_query_count_by_their_mean() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "report-page-samples");
    put_answers(&dir, "apo-dpo-1", &[1.0, 0.5, 4.5], None);
    describe(&dir);
    let policies = reported(&dir);
    for (difference, mean) in [("gain", 2.0), ("lead", 0.5)] {
        let found = &policies["APO-DPO"][difference];
        assert_eq!(found["mean"], mean, "{difference}");
        assert_eq!(found["n"], 8, "{difference}: queries");
    }
}

#[test]
fn rewards_of_different_reward_models_are_not_compared() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "report-page-models");
    let parent = dir.parent().unwrap();
    put_answers(&dir, "start", &[0.0], Some("one"));
    put_answers(&dir, "dpo-1", &[1.5], Some("other"));
    put_answers(&dir, "apo-dpo-1", &[2.0], Some("one"));
    describe(&dir);
    let why = |policy: &str, other: &str| {
        format!(
            "{policy} is not compared with {other}: different reward models scored their answers"
        )
    };
    let policies = reported(&dir);
    let apo = &policies["APO-DPO"];
    assert_eq!(apo["gain"]["mean"], 2.0);
    assert_eq!(apo["lead"], Value::Null);
    assert_eq!(apo["not_compared"], json!([why("APO-DPO", "DPO")]));
    assert_eq!(policies["DPO"]["gain"], Value::Null);
    assert_eq!(policies["DPO"]["not_compared"], json!([why("DPO", "SFT")]));
    succeed(parent, "judge report --run known --out report.html");
    let page = fs::read_to_string(parent.join("report.html")).unwrap();
    for expected in [why("APO-DPO", "DPO"), why("DPO", "SFT")] {
        assert!(page.contains(&expected), "{expected}");
    }
    // One that is not known may be the same.
    for by in [Some("one"), None] {
        put_answers(&dir, "dpo-1", &[1.5], by);
        describe(&dir);
        let policies = reported(&dir);
        assert_eq!(policies["APO-DPO"]["lead"]["mean"], 0.5, "{by:?}");
        assert_eq!(policies["APO-DPO"]["not_compared"], Value::Null, "{by:?}");
    }
}

#[test]
fn every_command_that_reports_states_its_exit_codes() {
    for command in [
        "table", "data", "figure", "describe", "claims", "map", "report",
    ] {
        let help = succeed(&workspace(), &format!("judge {command} --help"));
        let expected = "Exit status: 0 done, 1 failed while working, 2 wrong usage, 3 bad input";
        assert!(help.contains(expected), "{command}: {help}");
    }
}

/// `fixtures/old-run`: a round of the mini world from before runs had a
/// `run.json`, and what `judge` then told of it.
#[test]
fn an_old_run_reports_the_same_once_make_has_described_it() {
    let parent = folder(env!("CARGO_TARGET_TMPDIR"), "report-page-old");
    let fixture = workspace().join("fixtures/old-run");
    let dir = parent.join("run");
    copy(&fixture.join("run"), &dir);
    let line = "judge report --run run --json";
    refuse(
        &parent,
        line,
        3,
        &["run has no run.json", "`make report RUN=run` writes it"],
    );
    let ran = finish(&mut make(&["report", &format!("RUN={}", dir.display())]));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let page = fs::read_to_string(dir.join("report.html")).unwrap();
    assert!(page.contains("APO run run"), "the page is written");
    let mut report: Value = serde_json::from_str(&succeed(&parent, line)).unwrap();
    let report_then = fs::read_to_string(fixture.join("report.json")).unwrap();
    let mut report_then: Value = serde_json::from_str(&report_then).unwrap();
    // Places are in run.json now.
    for list in ["policies", "reward_models"] {
        for it in report_then[list].as_array_mut().unwrap() {
            it.as_object_mut().unwrap().remove("at");
        }
    }
    // What the commands take is noted in the run, too.
    for run in [&mut report, &mut report_then] {
        assert!(run.as_object_mut().unwrap().remove("times").is_some());
    }
    // Differences at like length are new.
    for policy in report["policies"].as_array_mut().unwrap() {
        for difference in ["gain", "lead"] {
            if let Some(found) = policy.get_mut(difference) {
                let at_like_length = found.as_object_mut().unwrap().remove("at_like_length");
                let mean = at_like_length.as_ref().and_then(|it| it["mean"].as_f64());
                assert!(mean.is_some(), "{difference}: {at_like_length:?}");
            }
        }
    }
    assert_eq!(report, report_then);
    let table = succeed(&parent, "judge table --run run --table apo-dpo-1");
    let table_then = fs::read_to_string(fixture.join("round-1.txt")).unwrap();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (table, table_then) = (lines(&table), lines(&table_then));
    assert_eq!(table.len(), table_then.len());
    assert!(table[0].contains("at like length"), "{}", table[0]);
    for (now, then) in table.iter().zip(&table_then) {
        // The same cells, and further ones between them.
        let mut rest = now.as_str();
        for cell in then.split("  ").map(str::trim).filter(|it| !it.is_empty()) {
            let at = rest
                .find(cell)
                .unwrap_or_else(|| panic!("no `{cell}` in {now}"));
            rest = &rest[at + cell.len()..];
        }
    }
}

#[test]
fn what_is_no_run_or_is_broken_is_named() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "report-page-refused");
    let parent = dir.parent().unwrap();
    let refused = |run: &str, expected: &[&str]| {
        let line = format!("judge report --run {run} --out report.html");
        refuse(parent, &line, 3, expected);
        assert!(!parent.join("report.html").exists());
    };
    refused("nowhere", &["nowhere is not a folder"]);
    fs::create_dir(parent.join("empty")).unwrap();
    refused(
        "empty",
        &["empty has no run.json", "`make report RUN=empty` writes it"],
    );
    describe(&parent.join("empty"));
    refused("empty", &["empty has no scored policy", "make round-1"]);
    fs::write(dir.join("rm-base.test.json"), "{\"accuracy\": ").unwrap();
    refused(
        "known",
        &[
            "rm-base.test.json",
            "not what `judge accuracy --json` prints",
        ],
    );
    fs::remove_file(dir.join("rm-base.test.json")).unwrap();
    refused(
        "known",
        &["known/run.json names files that do not exist: rm-base.test.json"],
    );
    describe(&dir);
    fs::write(dir.join("apo-dpo-1/answers-scored.parquet"), "PAR1").unwrap();
    refused("known", &["apo-dpo-1/answers-scored.parquet"]);
    assert_eq!(run(parent, "judge report --run known").status, Some(2));
}

//! `judge report` on a run whose numbers are known.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use apo_provenance::{Input, Provenance};
use apo_tables::{Metric, Reader, Response};
use apo_tests::stages::{
    answer, binary, copy, finish, folder, refuse, run, succeed, workspace, write,
};
use serde_json::{Value, json};

/// Does harm if it is taken for markup.
const MARKUP: &str = "</div><script>alert(1)</script><img src=x onerror=alert(1)>";

fn put(path: &Path, page: &Value) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, page.to_string()).unwrap();
}

fn score(mean: f64) -> Value {
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
fn put_answers(dir: &Path, at: &str, more: &[f32], by: Option<&str>) {
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
    let mut scored =
        Provenance::new("judge score", "9.9.9").input("responses", input.unwrap().input().unwrap());
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
fn reported(dir: &Path) -> Value {
    let json = succeed(dir.parent().unwrap(), "judge report --run known --json");
    let run: Value = serde_json::from_str(&json).unwrap();
    let policies = run["policies"].as_array().unwrap().iter();
    let named = policies.map(|it| (it["name"].as_str().unwrap().to_owned(), it.clone()));
    Value::Object(named.collect())
}

/// Makes a run whose numbers are known: every answer of the aligned policy has ½ more
/// reward than its baseline's, and 2 more than the start's.
fn known_run(test: &str) -> PathBuf {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), test).join("known");
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
    fs::create_dir_all(dir.join("settings")).unwrap();
    fs::write(dir.join("settings/dpo-1"), "--learning-rate 1e-4\n").unwrap();
    // A kill cut the last line short, within a character.
    let times = b"{\"stage\":\"align dpo\",\"out\":\"x\",\"seconds\":30.0,\"peak_mib\":100.0}\n\
                 {\"stage\":\"align dpo\",\"out\":\"y\",\"seconds\":12.5,\"peak_mib\":120.0}\n{\"stage\":\"caf\xc3";
    fs::write(dir.join("times.jsonl"), times).unwrap();
    describe(&dir);
    dir
}

/// Describes the run, as the Makefile does.
fn describe(dir: &Path) {
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

#[test]
fn a_run_is_reported_in_numbers() {
    let dir = known_run("reported-numbers");
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
    let dir = known_run("reported-page");
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
fn a_run_file_that_is_damaged_or_newer_is_refused() {
    let dir = known_run("reported-run-file");
    let parent = dir.parent().unwrap();
    let file = dir.join("run.json");
    let whole = fs::read_to_string(&file).unwrap();
    let commands = [
        "judge report --run known --out report.html",
        "judge table --run known --table 2",
        "judge data --run known",
        "judge claims --run known",
        "judge figure --run known --out figure.svg",
    ];
    let newer = whole.replace("\"version\": 2", "\"version\": 3");
    // What a newer version means by its fields is nobody's guess.
    let newer = newer.replace("\"artifacts\"", "\"objects\"");
    let faults = [
        (
            &whole[..whole.len() / 2],
            "not what `judge describe` writes",
        ),
        ("[]", "not what `judge describe` writes"),
        (
            &whole.replace("scored-answers", "riddles"),
            "unknown variant `riddles`",
        ),
        (
            &newer,
            "has version 3, and this judge reads versions up to 2",
        ),
    ];
    for (text, expected) in faults {
        fs::write(&file, text).unwrap();
        for line in commands {
            refuse(
                parent,
                line,
                3,
                &["known/run.json", expected, "make report RUN=known"],
            );
        }
    }
    fs::remove_file(&file).unwrap();
    for line in commands {
        refuse(
            parent,
            line,
            3,
            &["known has no run.json", "make report RUN=known"],
        );
    }
    assert!(!parent.join("report.html").exists() && !parent.join("figure.svg").exists());
    // Two artifacts of one name, and no artifact at all.
    for (artifacts, status) in [
        (
            &["score:A=start/score.json", "score:A=dpo-1/score.json"][..],
            3,
        ),
        (&["scores:A=start/score.json"], 2),
        (&["A=start/score.json"], 2),
    ] {
        let mut judge = Command::new(binary("judge"));
        let ran = finish(judge.args(["describe", "--run"]).arg(&dir).args(artifacts));
        assert_eq!(ran.status, Some(status), "{}", ran.stderr);
        assert!(!file.exists(), "{artifacts:?}");
    }
}

/// What is wrong with names or paths, as arguments of `judge describe`, as a change
/// of the file, and in the words of the refusal.
type Ambiguous = (
    &'static [&'static str],
    fn(&mut Value),
    &'static [&'static str],
);

#[test]
#[expect(clippy::too_many_lines, reason = "a table of faults")]
fn a_name_means_one_thing_and_a_path_stays_in_the_run() {
    fn add(list: &mut Value, item: Value) {
        list.as_array_mut().unwrap().push(item);
    }
    fn artifact(run: &mut Value, path: &str) {
        let artifact = json!({ "kind": "score", "name": "SFT", "path": path });
        run["artifacts"].as_array_mut().unwrap().insert(0, artifact);
    }
    let dir = known_run("reported-ambiguous");
    let parent = dir.parent().unwrap();
    put(&parent.join("elsewhere.json"), &score(9.0));
    let file = dir.join("run.json");
    let whole: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let faults: [Ambiguous; 19] = [
        (
            &["score:SFT=dpo-1/score.json", "score:SFT=start/score.json"],
            |run| artifact(run, "dpo-1/score.json"),
            &["are both the score of 'SFT'", "dpo-1/score.json"],
        ),
        (
            &["score:SFT=../elsewhere.json"],
            |run| artifact(run, "../elsewhere.json"),
            &["'../elsewhere.json', which leaves the run"],
        ),
        // A link may be in the way, and nothing need be there.
        (
            &["score:SFT=start/../../nowhere.json"],
            |run| artifact(run, "start/../../nowhere.json"),
            &["which leaves the run", "without `..`"],
        ),
        (
            &["score:SFT=/etc/hostname"],
            |run| artifact(run, "/etc/hostname"),
            &["'/etc/hostname', which leaves the run"],
        ),
        (
            &["score:SFT=."],
            |run| artifact(run, "."),
            &["which leaves the run"],
        ),
        (
            &["--table", "2=SFT", "--table", "2=DPO"],
            |run| add(&mut run["tables"], json!({ "name": "2", "rows": [] })),
            &["two tables are called '2'"],
        ),
        (
            &["--table", "2=SFT;SFT=DPO"],
            |run| {
                let row = json!({ "shown": "SFT", "of": "DPO" });
                add(&mut run["tables"][0]["rows"], row);
            },
            &["table '2' names 'SFT' twice"],
        ),
        (
            &["--arm", "DPO=SFT;DPO", "--arm", "DPO=SFT"],
            |run| add(&mut run["arms"], json!({ "name": "DPO", "rows": [] })),
            &["two arms are called 'DPO'"],
        ),
        (
            &["--arm", "DPO=SFT;DPO;baseline:Mine"],
            |run| run["arms"][0]["baseline"] = json!("Mine"),
            &["the baseline of arm 'DPO' is 'Mine', which is no other arm"],
        ),
        (
            &["--arm", "DPO=SFT;DPO;baseline:DPO"],
            |run| run["arms"][0]["baseline"] = json!("DPO"),
            &["the baseline of arm 'DPO' is 'DPO', which is no other arm"],
        ),
        (
            &["--table", "9="],
            |run| add(&mut run["tables"], json!({ "name": "9", "rows": [] })),
            &["table '9' has no rows"],
        ),
        (
            &["--arm", "DPO=;"],
            |run| run["arms"][0]["rows"] = json!([]),
            &["arm 'DPO' has no rows"],
        ),
        (
            &["--table", "=SFT"],
            |run| run["tables"][0]["name"] = json!(""),
            &["one of the tables has no name"],
        ),
        (
            &["--arm", " =SFT;DPO"],
            |run| run["arms"][0]["name"] = json!(" "),
            &["one of the arms has no name"],
        ),
        (
            &["score: =start/score.json"],
            |run| run["artifacts"][0]["name"] = json!(""),
            &["has no name"],
        ),
        (
            &["score:SFT =start/score.json"],
            |run| run["artifacts"][0]["name"] = json!("SFT "),
            &["is called 'SFT ', with a blank at an end"],
        ),
        (
            &["--arm", "DPO =SFT;DPO"],
            |run| run["arms"][0]["name"] = json!("DPO "),
            &["one of the arms is called 'DPO ', with a blank at an end"],
        ),
        (
            &["policy:SFT=start/answers-scored.parquet"],
            |run| {
                let policy = json!({ "kind": "policy", "name": "SFT", "path": "start/answers-scored.parquet" });
                add(&mut run["artifacts"], policy);
            },
            &["which is a file; expected a model directory"],
        ),
        (
            &["score:SFT=start"],
            |run| artifact(run, "start"),
            &["which is a folder; expected a file"],
        ),
    ];
    for (arguments, change, expected) in faults {
        fs::remove_file(&file).unwrap();
        let mut judge = Command::new(binary("judge"));
        let ran = finish(judge.args(["describe", "--run"]).arg(&dir).args(arguments));
        assert_eq!(ran.status, Some(3), "{arguments:?}\n{}", ran.stderr);
        assert!(!file.exists(), "{arguments:?}");
        let mut run = whole.clone();
        change(&mut run);
        put(&file, &run);
        for expected in expected {
            assert!(ran.stderr.contains(expected), "{expected}\n{}", ran.stderr);
        }
        for line in [
            "judge report --run known --out report.html",
            "judge table --run known --table 2",
            "judge figure --run known --out figure.svg",
        ] {
            let place = ["known/run.json", "make report RUN=known"];
            refuse(parent, line, 3, &[expected, &place[..]].concat());
        }
    }
    // No argument can say this.
    for field in ["shown", "of"] {
        let mut run = whole.clone();
        run["tables"][0]["rows"][0][field] = json!("");
        put(&file, &run);
        let expected = "table '2' has a row without a name";
        refuse(parent, "judge table --run known --table 2", 3, &[expected]);
    }
}

#[cfg(unix)]
#[test]
fn an_artifact_is_one_file_of_the_run_however_its_path_is_spelled() {
    use std::os::unix::fs::symlink;
    let dir = known_run("reported-spelled");
    let parent = dir.parent().unwrap();
    put(&parent.join("elsewhere/score.json"), &score(9.0));
    symlink("start", dir.join("alias")).unwrap();
    fs::hard_link(dir.join("start/score.json"), dir.join("hard.json")).unwrap();
    symlink("../elsewhere", dir.join("shared")).unwrap();
    symlink("../elsewhere/score.json", dir.join("shared.json")).unwrap();
    let file = dir.join("run.json");
    let whole: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let out = "which leaves the run by a link to";
    let twice = "that of 'Other', though both are one file";
    for (path, expected) in [
        ("start/score.json", twice),
        ("start//score.json", twice),
        ("./start/./score.json", twice),
        ("alias/score.json", twice),
        ("hard.json", twice),
        ("shared/score.json", out),
        ("shared.json", out),
    ] {
        let mut judge = Command::new(binary("judge"));
        judge.args(["describe", "--run"]).arg(&dir);
        judge.args(["score:SFT=start/score.json", &format!("score:Other={path}")]);
        let ran = finish(&mut judge);
        assert_eq!(ran.status, Some(3), "{path}\n{}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{path}\n{}", ran.stderr);
        let mut run = whole.clone();
        let artifacts = run["artifacts"].as_array_mut().unwrap();
        artifacts.push(json!({ "kind": "score", "name": "Other", "path": path }));
        put(&file, &run);
        let line = "judge table --run known --table 2";
        refuse(parent, line, 3, &["known/run.json", expected]);
    }
    // The run itself may be a link, and one file may be artifacts of two kinds.
    symlink("known", parent.join("linked")).unwrap();
    let line = "judge describe --run linked score:SFT=./start//score.json \
                samples:SFT=start/answers.parquet table:answers=start/answers.parquet";
    succeed(parent, line);
    let run: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(run["artifacts"][0]["path"], "start/score.json");
    assert_eq!(run["artifacts"].as_array().unwrap().len(), 3);
}

#[cfg(unix)]
#[test]
fn settings_are_a_folder_of_texts() {
    let dir = known_run("reported-settings");
    let parent = dir.parent().unwrap();
    let settings = |name: &str| {
        let folder = parent.join(name);
        fs::create_dir_all(&folder).unwrap();
        folder.join("dpo-1")
    };
    fs::write(parent.join("file"), "--learning-rate 1e-4").unwrap();
    fs::create_dir(settings("folder")).unwrap();
    fs::write(settings("latin"), b"caf\xe9").unwrap();
    std::os::unix::fs::symlink("nowhere", settings("link")).unwrap();
    let made = Command::new("mkfifo").arg(settings("fifo")).status();
    assert!(made.expect("mkfifo is there").success());
    let before = fs::read(dir.join("run.json")).unwrap();
    for (name, expected) in [
        ("file", &["file", "not a folder"][..]),
        ("folder", &["folder/dpo-1", "is a folder, expected a file"]),
        ("fifo", &["fifo/dpo-1", "is a pipe"]),
        ("latin", &["latin/dpo-1", "not UTF-8"]),
        ("link", &["link/dpo-1"]),
    ] {
        let line = format!("judge describe --run known --settings {name}");
        refuse(parent, &line, 3, expected);
    }
    assert_eq!(fs::read(dir.join("run.json")).unwrap(), before);
}

#[test]
fn a_runs_table_is_that_of_its_files() {
    let dir = known_run("reported-table");
    let parent = dir.parent().unwrap();
    let flags = "judge table --score SFT=known/start/score.json \
                 --score DPO=known/dpo-1/score.json \
                 --score APO-DPO=known/apo-dpo-1/score.json";
    for more in ["", " --json"] {
        assert_eq!(
            succeed(parent, &format!("judge table --run known --table 2{more}")),
            succeed(parent, &format!("{flags}{more}"))
        );
    }
    let refused = |line: &str, expected: &[&str]| {
        refuse(parent, &format!("judge {line}"), 3, expected);
    };
    refused(
        "table --run known --table 5",
        &["known/run.json has no table '5'", "it has: 2, 3, rounds"],
    );
    refused("data --run known", &["no table '1'"]);
    refused(
        "table --run known --table 3",
        &["no measurement of 'RM_Base'"], // not on dev pairs
    );
    succeed(parent, "judge figure --run known --out run.svg");
    let flags = "judge figure --line DPO=known/start/score.json,known/dpo-1/score.json \
                 --line APO-DPO=known/start/score.json,known/apo-dpo-1/score.json \
                 --title T --y Y --out flags.svg";
    succeed(parent, flags);
    succeed(
        parent,
        "judge figure --run known --title T --y Y --out run.svg",
    );
    let [run_svg, flags_svg] =
        ["run.svg", "flags.svg"].map(|it| fs::read_to_string(parent.join(it)).unwrap());
    assert_eq!(run_svg, flags_svg);
    refused(
        "figure --run known --by quality --out quality.svg",
        &["no quality of 'SFT'", "make figure-5"],
    );
    refused("claims --run known", &["0 seeds", "two or more"]);
    // What was made since is not passed over in silence.
    let quiet = run(parent, "judge report --run known --out report.html");
    assert!(!quiet.stderr.contains("newer"), "{}", quiet.stderr);
    let table = dir.join("apo-dpo-1/answers.parquet");
    let bytes = fs::read(&table).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(&table, bytes).unwrap();
    let ran = run(parent, "judge report --run known --out report.html");
    assert!(
        ran.stderr
            .contains("apo-dpo-1/answers.parquet is newer than known/run.json"),
        "{}",
        ran.stderr
    );
    fs::remove_file(dir.join("dpo-1/score.json")).unwrap();
    describe(&dir);
    refused(
        "table --run known --table 2",
        &["'DPO'", "a row of table 2"],
    );
    let both = "judge table --run known --table 2 --score SFT=known/start/score.json";
    assert_eq!(run(parent, both).status, Some(2));
}

#[test]
fn an_arm_is_compared_with_the_arm_that_it_names() {
    let dir = known_run("reported-baselines");
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
    let dir = known_run("reported-starts");
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
fn several_answers_to_a_query_count_by_their_mean() {
    let dir = known_run("reported-samples");
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
    let dir = known_run("reported-models");
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
fn a_run_file_that_is_not_replaced_is_to_be_moved_away() {
    let dir = known_run("reported-moved");
    let parent = dir.parent().unwrap();
    let file = dir.join("run.json");
    let whole = fs::read_to_string(&file).unwrap();
    let lines = [
        "judge report --run known --json",
        "judge describe --run known",
    ];
    fs::write(&file, whole.replace("\"version\": 2", "\"version\": 3")).unwrap();
    for line in lines {
        let expected = [
            "known/run.json has version 3",
            "newer judge",
            "move it away, and `make report RUN=known` writes it anew",
        ];
        refuse(parent, line, 3, &expected);
    }
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    for line in lines {
        refuse(parent, line, 3, &["known/run.json", "move it away"]);
    }
    fs::remove_file(&file).unwrap();
    describe(&dir);
    assert_eq!(fs::read_to_string(&file).unwrap(), whole);
}

#[test]
fn an_arm_names_policies_of_the_run() {
    let dir = known_run("reported-arms");
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

#[test]
fn a_run_file_that_lists_things_is_read_and_replaced() {
    let dir = known_run("reported-things");
    let parent = dir.parent().unwrap();
    let file = dir.join("run.json");
    let whole = fs::read_to_string(&file).unwrap();
    let line = "judge report --run known --json";
    let printed = succeed(parent, line);
    let older = whole
        .replace("\"artifacts\"", "\"things\"")
        .replace("\"version\": 2", "\"version\": 1");
    assert_ne!(older, whole);
    fs::write(&file, older).unwrap();
    assert_eq!(succeed(parent, line), printed);
    describe(&dir);
    assert_eq!(fs::read_to_string(&file).unwrap(), whole);
}

#[test]
fn a_row_may_be_a_reward_model_on_one_kind_of_pairs() {
    let dir = known_run("reported-kinds");
    let parent = dir.parent().unwrap();
    fs::copy(
        dir.join("rm-base.test.json"),
        dir.join("rm-base.truth.json"),
    )
    .unwrap();
    let described = |rows: &str| {
        let mut judge = Command::new(binary("judge"));
        judge.args(["describe", "--run"]).arg(&dir);
        judge.args(["--table", &format!("3={rows}")]);
        let artifacts = [
            "test:RM_Base=rm-base.test.json",
            "truth:RM_Base=rm-base.truth.json",
        ];
        finish(judge.args(artifacts))
    };
    let names = || {
        let json = succeed(parent, "judge table --run known --table 3 --json");
        let rows: Value = serde_json::from_str(&json).unwrap();
        let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
        rows.as_array()
            .unwrap()
            .iter()
            .map(name)
            .collect::<Vec<_>>()
    };
    let ran = described("test:RM_Base;truth:RM_Base;base=truth:RM_Base");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert_eq!(names(), ["RM_Base, test", "RM_Base, truth", "base"]);
    // Before rows had kinds, names said them.
    let file = dir.join("run.json");
    let mut run: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    run["tables"][0]["rows"] = json!([
        { "shown": "RM_Base, truth", "of": "RM_Base, truth" },
        { "shown": "base", "of": "RM_Base, test" },
    ]);
    put(&file, &run);
    assert_eq!(names(), ["RM_Base, truth", "base, test"]);
    for (rows, expected) in [
        (
            "score:RM_Base",
            "a row of the kind score; expected test, dev or truth",
        ),
        ("RM_Base=score:SFT", "a row of the kind score"),
    ] {
        let ran = described(rows);
        assert_eq!(ran.status, Some(3), "{}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    let ran = described("dev:RM_Base");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let expected = ["no measurement on dev pairs of 'RM_Base', which is a row of table 3"];
    refuse(parent, "judge table --run known --table 3", 3, &expected);
}

#[test]
fn every_command_that_reports_states_its_exit_codes() {
    for command in ["table", "data", "figure", "describe", "claims", "report"] {
        let help = succeed(&workspace(), &format!("judge {command} --help"));
        let expected = "Exit status: 0 done, 1 failed while working, 2 wrong usage, 3 bad input";
        assert!(help.contains(expected), "{command}: {help}");
    }
}

/// `fixtures/old-run`: a round of the mini world from before runs had a
/// `run.json`, and what `judge` then told of it.
#[test]
fn an_old_run_reports_the_same_once_make_has_described_it() {
    let parent = folder(env!("CARGO_TARGET_TMPDIR"), "reported-old");
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
    let mut make = Command::new("make");
    make.current_dir(workspace())
        .args(["--no-print-directory", "report", "CARGO=true"])
        .arg(format!("RUN={}", dir.display()));
    let built = binary("judge");
    let target = built.ancestors().nth(2).unwrap();
    make.env("CARGO_TARGET_DIR", target);
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "RUN"] {
        make.env_remove(name);
    }
    let ran = finish(&mut make);
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
    assert_eq!(report, report_then);
    let table = succeed(&parent, "judge table --run run --table apo-dpo-1");
    let table_then = fs::read_to_string(fixture.join("round-1.txt")).unwrap();
    assert_eq!(table, table_then);
}

#[test]
fn what_is_no_run_or_is_broken_is_named() {
    let dir = known_run("reported-refused");
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

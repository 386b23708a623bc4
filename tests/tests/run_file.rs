//! A run's file `run.json`: what `judge describe` writes, and what the commands refuse.

use std::fs;
use std::process::Command;

use apo_tests::known_run::{describe, known_run, put, score};
use apo_tests::stages::{binary, finish, refuse, run, succeed, workspace};
use serde_json::{Value, json};

#[test]
fn a_run_file_that_is_damaged_or_newer_is_refused() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "run-file-damaged");
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
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "run-file-ambiguous");
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
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "run-file-spelled");
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
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "run-file-settings");
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
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "run-file-table");
    let parent = dir.parent().unwrap();
    let flags = "judge table --score SFT=known/start/score.json \
                 --score DPO=known/dpo-1/score.json \
                 --score APO-DPO=known/apo-dpo-1/score.json";
    let rows = |line: &str| -> Value {
        serde_json::from_str(&succeed(parent, &format!("{line} --json"))).unwrap()
    };
    let mut of_run = rows("judge table --run known --table 2");
    let given = rows(flags);
    let given = given.as_array().unwrap();
    for (given, of_run) in given.iter().zip(of_run.as_array().unwrap()) {
        assert!(given["score"].is_object(), "{given}");
        for (key, value) in given.as_object().unwrap() {
            assert_eq!(of_run[key], *value, "{key}");
        }
    }
    // Only a run knows where a policy began.
    let gains = of_run.as_array_mut().unwrap().iter_mut();
    let gains: Vec<Value> = gains.map(|row| row["gain"]["mean"].take()).collect();
    assert_eq!(json!(gains), json!([null, 1.5, 2.0]));
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
fn a_row_may_be_a_reward_model_on_one_kind_of_pairs() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "run-file-kinds");
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
fn a_run_file_that_is_not_replaced_is_to_be_moved_away() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "run-file-moved");
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
fn a_run_file_that_lists_things_is_read_and_replaced() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "run-file-things");
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
fn a_ceiling_stands_below_the_accuracies_and_is_drawn_beside_them() {
    let dir = known_run(env!("CARGO_TARGET_TMPDIR"), "run-file-ceiling");
    let parent = dir.parent().unwrap();
    let split = format!(
        "hh-split --hh {} --rm 10 --dev 0 --take 20 --take-test 120 --out data",
        workspace().join("fixtures/hh").display()
    );
    succeed(parent, &split);
    let ceiling = succeed(
        parent,
        "mini-quality --pairs data/test-pairs.parquet --ceiling --json",
    );
    let ceiling: Value = serde_json::from_str(&ceiling).unwrap();
    let share = ceiling["ceiling"].as_f64().unwrap();
    // Annotators are mostly right, and not always.
    assert!((0.6..0.9).contains(&share), "{share}");
    put(&dir.join("test.ceiling.json"), &ceiling);
    let line = "judge describe --run known --table 4=test:RM_Base score:SFT=start/score.json \
                scored-answers:SFT=start/answers-scored.parquet test:RM_Base=rm-base.test.json \
                ceiling:Test=test.ceiling.json ceiling:Dev=dev.ceiling.json";
    succeed(parent, line);
    let table = succeed(parent, "judge table --run known --table 4");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert_eq!(rows[1][..2], ["RM_Base,", "test"], "{table}");
    let percent = format!("{:.1}", 100.0 * share);
    assert_eq!(rows[2], ["ceiling,", "test", &percent, "%"], "{table}");
    let report = succeed(parent, "judge report --run known --json");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["ceilings"], json!({ "test": ceiling }));
    succeed(parent, "judge report --run known --out report.html");
    let page = fs::read_to_string(parent.join("report.html")).unwrap();
    for expected in ["class=\"bar\"", "class=\"ceiling\"", "the annotators of "] {
        assert!(page.contains(expected), "{expected}");
    }
}

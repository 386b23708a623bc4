//! What `hh-split` does not take, it says: which row first, and why.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs;
use std::path::Path;

use apo_tables::{Pair, Reject};
use serde_json::{Value, json};

use common::{fresh_dir, hh_split, rows};

fn write(dir: &Path, name: &str, rows: impl IntoIterator<Item = Value>) {
    let lines: Vec<String> = rows.into_iter().map(|row| row.to_string()).collect();
    fs::write(dir.join(name), lines.join("\n")).unwrap();
}

fn good(i: usize) -> Value {
    json!({"prompt": format!("Question {i}?"), "chosen": "Yes.", "rejected": "No."})
}

#[test]
fn a_folder_gives_the_files_of_its_part_and_names_what_is_not_read() {
    let dir = fresh_dir("rejects-folder");
    fs::create_dir_all(dir.join("data")).unwrap();
    let line = |n: usize| format!("--train data --rm 50% --dev 0 --out out-{n}");
    for (i, name) in ["train-0.jsonl", "train-1.jsonl", "attested.jsonl"]
        .iter()
        .enumerate()
    {
        write(
            &dir,
            &format!("data/{name}"),
            [good(2 * i), good(2 * i + 1)],
        );
    }
    let (status, stdout, stderr) = hh_split(&dir, &line(0));
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.contains("dialogues") && !stderr.contains("not read"));
    let unread = ["a.csv", "c.json", "d.jsonl.bz2", "e.ndjson"];
    for name in unread.iter().chain(&["README.md", ".cache"]) {
        fs::write(dir.join("data").join(name), "{}").unwrap();
    }
    let (status, _, stderr) = hh_split(&dir, &line(1));
    assert_eq!(status, Some(0), "{stderr}");
    for name in unread {
        assert!(stderr.contains(&format!("`{name}`")), "{stderr}");
    }
    assert!(!stderr.contains("README") && !stderr.contains(".cache"));
    for name in [
        "test-00000-of-00001",
        "validation",
        "my_dev",
        "Eval.2",
        "valid",
    ] {
        let path = dir.join(format!("data/{name}.jsonl"));
        write(&dir, &format!("data/{name}.jsonl"), [good(9)]);
        let (status, _, stderr) = hh_split(&dir, &line(2));
        assert_eq!(status, Some(3), "{stderr}");
        for expected in ["--train data", name, "one by one"] {
            assert!(stderr.contains(expected), "{stderr}");
        }
        fs::remove_file(path).unwrap();
    }
    let (status, _, stderr) = hh_split(
        &dir,
        "--train data/attested.jsonl --test data --rm 50% --dev 0 --out out-3",
    );
    assert_eq!(status, Some(3), "{stderr}");
    assert!(stderr.contains("train-0.jsonl"), "{stderr}");
}

#[test]
fn the_files_of_a_folder_are_found_whatever_the_case_of_their_names() {
    let dir = fresh_dir("rejects-cases");
    fs::create_dir_all(dir.join("data")).unwrap();
    for (i, name) in ["a.jsonl", "PART-2.JSONL", "part-3.Jsonl"]
        .iter()
        .enumerate()
    {
        write(&dir, &format!("data/{name}"), [good(i)]);
    }
    let line = "--train data --rm 50% --dev 0 --json --out out";
    let (status, stdout, stderr) = hh_split(&dir, line);
    assert_eq!(status, Some(0), "{stderr}");
    let counts: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(counts["dialogues"], 3, "{stderr}");
    // An empty file among others, and the same rows in two forms.
    fs::write(dir.join("data/b.jsonl"), "").unwrap();
    fs::write(dir.join("data/c.jsonl"), "\n \n").unwrap();
    let (status, _, stderr) = hh_split(&dir, "--train data --rm 50% --dev 0 --out out-2");
    assert_eq!(status, Some(0), "{stderr}");
    for name in ["data/b.jsonl", "data/c.jsonl"] {
        let expected = format!("warning: {name} is empty");
        assert!(stderr.contains(&expected), "{expected}\n{stderr}");
    }
    for other in ["a.jsonl.gz", "A.parquet", "a.JSONL.GZ"] {
        fs::write(dir.join("data").join(other), "").unwrap();
        let (status, _, stderr) = hh_split(&dir, "--train data --rm 50% --dev 0 --out out-3");
        assert_eq!(status, Some(3), "{stderr}");
        for expected in ["`a.jsonl`", &format!("`{other}`"), "two forms"] {
            assert!(stderr.contains(expected), "{expected}\n{stderr}");
        }
        fs::remove_file(dir.join("data").join(other)).unwrap();
    }
}

#[test]
fn a_folder_of_hh_has_one_file_for_each_part() {
    let dir = fresh_dir("rejects-hh");
    let base = dir.join("hh/helpful-base");
    fs::create_dir_all(&base).unwrap();
    let line = "--hh hh --subset helpful-base --rm 50% --dev 0 --json --out";
    let put = |name: &str, i| write(&base, name, [good(i)]);
    let (status, _, stderr) = hh_split(&dir, &format!("{line} none"));
    assert_eq!(status, Some(3), "{stderr}");
    assert!(stderr.contains("has no train or test file"), "{stderr}");
    put("TRAIN.JSONL", 0);
    put("test.jsonl", 1);
    let (status, stdout, stderr) = hh_split(&dir, &format!("{line} out"));
    assert_eq!(status, Some(0), "{stderr}");
    assert!(!stderr.contains("not read"), "{stderr}");
    let counts: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(counts["tables"]["test-pairs"], 1);
    for name in ["train-2.jsonl", "valid.jsonl", "train.json", "notes.csv"] {
        put(name, 2);
    }
    put("README.md", 3);
    fs::create_dir(base.join("older")).unwrap();
    put("older/train.jsonl", 3);
    let (status, stdout, stderr) = hh_split(&dir, &format!("{line} more"));
    assert_eq!(status, Some(0), "{stderr}");
    let counts: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(counts["dialogues"], 2);
    for name in [
        "train-2.jsonl",
        "valid.jsonl",
        "train.json",
        "notes.csv",
        "older",
    ] {
        assert!(stderr.contains(&format!("`{name}`")), "{name}\n{stderr}");
    }
    assert!(!stderr.contains("README"), "{stderr}");
    for other in ["test.jsonl.gz", "train.parquet", "Test.parquet"] {
        put(other, 4);
        let (status, _, stderr) = hh_split(&dir, &format!("{line} two"));
        assert_eq!(status, Some(3), "{stderr}");
        for expected in ["hh/helpful-base", &format!("`{other}`"), "two forms"] {
            assert!(stderr.contains(expected), "{expected}\n{stderr}");
        }
        fs::remove_file(base.join(other)).unwrap();
    }
}

#[test]
fn a_score_that_is_missing_does_not_make_the_other_one_unknown() {
    let dir = fresh_dir("rejects-one-score");
    for (i, scores) in [
        r#""score_chosen": NaN, "score_rejected": 1"#,
        r#""score_chosen": null, "score_rejected": 1"#,
        r#""score_chosen": 1, "score_rejected": NaN"#,
    ]
    .into_iter()
    .enumerate()
    {
        let row = format!(r#"{{"prompt": "a?", "chosen": "x", "rejected": "y", {scores}}}"#);
        fs::write(dir.join("t.jsonl"), row).unwrap();
        let line = format!("--train t.jsonl --rm 100% --dev 0 --out data-{i}");
        let (status, _, stderr) = hh_split(&dir, &line);
        assert_eq!(status, Some(0), "{scores}: {stderr}");
        assert!(!stderr.contains("unknown"), "{scores}: {stderr}");
    }
}

#[test]
fn something_else_in_place_of_a_file_is_named() {
    let dir = fresh_dir("rejects-stand-in");
    let hdf5 = [&[0; 512][..], b"\x89HDF\r\n\x1a\n"].concat();
    for (bytes, expected) in [
        (
            b"\xef\xbb\xbfversion https://git-lfs.github.com/spec/v1\n".as_slice(),
            "LFS",
        ),
        (b"\nversion https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"<!-- saved -->\n<HTML>", "web page"),
        (b"<head><title>Sign in</title>", "web page"),
        (b"Entry not found", "download it again"),
        (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0", "lzma"),
        (b"\x78\x9c\x4b\x4c\x4a\x06\0", "zlib"),
        (&hdf5, "HDF5"),
    ] {
        for name in ["t.jsonl", "t.parquet"] {
            fs::write(dir.join(name), bytes).unwrap();
            let line = format!("--train {name} --rm 100% --dev 0 --out data");
            let (status, _, stderr) = hh_split(&dir, &line);
            assert_eq!(status, Some(3), "{name}: {stderr}");
            assert!(stderr.contains(expected), "{name}: {expected}\n{stderr}");
        }
    }
}

#[test]
fn rejects_are_written_even_if_nothing_is_left() {
    let dir = fresh_dir("rejects-nothing-left");
    let shareless = |i| json!({"conversations": [{"from": "human", "value": i}], "score": 1});
    let same = json!({"prompt": "a?", "chosen": "x", "rejected": "x"});
    write(&dir, "t.jsonl", (0..20).map(shareless).chain([same]));
    let line = "--train t.jsonl --rm 100% --dev 0 --out data";
    for _ in 0..2 {
        let (status, _, stderr) = hh_split(&dir, line);
        assert_eq!(status, Some(3), "{stderr}");
        for expected in [
            "none of the 21 rows is a training pair",
            "20 `malformed` (first: t/t.jsonl, line 1: `text` is missing",
            "1 `same_response` (first: t/t.jsonl, line 21: both responses are the same)",
            "data-rejects.parquet lists them",
        ] {
            assert!(stderr.contains(expected), "`{expected}` is not in {stderr}");
        }
        assert!(!stderr.contains('{'), "a map is no sentence: {stderr}");
        let left: Vec<Reject> = rows(&dir.join("data-rejects.parquet"));
        assert_eq!((left.len(), left[20].line), (21, 21));
        assert!(left[0].excerpt.contains("conversations"));
        assert!(!dir.join("data").exists() && !dir.join("data.partial").exists());
    }
    // Once there is something to split, they would only confuse.
    write(&dir, "t.jsonl", (0..4).map(good));
    let (status, _, stderr) = hh_split(&dir, line);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(!dir.join("data-rejects.parquet").exists());
}

#[test]
fn only_a_list_of_rejects_of_its_own_is_replaced_or_removed() {
    let dir = fresh_dir("rejects-lists");
    write(&dir, "good.jsonl", (0..4).map(good));
    write(&dir, "bad.jsonl", [json!({"chosen": 1, "rejected": 2})]);
    let run = |train: &str, out: &str| {
        let line = format!("--train {train} --rm 100% --dev 0 --out {out}");
        hh_split(&dir, &line)
    };
    assert_eq!(run("good.jsonl", "first").0, Some(0));
    assert_eq!(run("bad.jsonl", "list").0, Some(3));
    let listed = dir.join("data-rejects.parquet");
    let read = |name: &str| fs::read(dir.join(name)).unwrap();
    let mut cases = vec![
        ("another table", read("first/train-pairs.parquet"), false),
        ("no table", b"mine".to_vec(), false),
        ("a list", read("list-rejects.parquet"), true),
    ];
    let (file, line) = ("file".to_owned(), 1);
    let provenance = apo_provenance::Provenance::new("notes", "1");
    let path = dir.join("notes.parquet");
    let mut writer = apo_tables::Writer::create(&path, &provenance).unwrap();
    let (reason, detail, excerpt) = (String::new(), String::new(), String::new());
    let row = Reject {
        file,
        line,
        reason,
        detail,
        excerpt,
    };
    writer.write(&row).unwrap();
    writer.finish().unwrap();
    cases.push(("a list of others", read("notes.parquet"), false));
    for (name, bytes, is_ours) in cases {
        fs::write(&listed, &bytes).unwrap();
        let (status, _, stderr) = run("bad.jsonl", "data");
        assert_eq!(status, Some(3), "{name}: {stderr}");
        let expected = if is_ours {
            "data-rejects.parquet lists them"
        } else {
            "could not be listed in data-rejects.parquet"
        };
        assert!(stderr.contains(expected), "{name}: {stderr}");
        if !is_ours {
            assert_eq!(fs::read(&listed).unwrap(), bytes, "{name}");
        }

        fs::write(&listed, &bytes).unwrap();
        assert_eq!(run("good.jsonl", "data").0, Some(0), "{name}");
        assert_eq!(listed.exists(), !is_ours, "{name}");
        fs::remove_dir_all(dir.join("data")).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn an_input_is_never_at_the_path_of_the_rejects() {
    let dir = fresh_dir("rejects-input-at-list");
    write(&dir, "bad.jsonl", [json!({"chosen": 1, "rejected": 2})]);
    write(&dir, "good.jsonl", (0..4).map(good));
    let line = "--train good.jsonl --rm 100% --dev 0 --out first";
    assert_eq!(hh_split(&dir, line).0, Some(0));
    let input = dir.join("data-rejects.parquet");
    fs::rename(dir.join("first/train-pairs.parquet"), &input).unwrap();
    let bytes = fs::read(&input).unwrap();
    fs::create_dir(dir.join("parts")).unwrap();
    std::os::unix::fs::symlink(&input, dir.join("link.parquet")).unwrap();
    fs::hard_link(&input, dir.join("parts/hard.parquet")).unwrap();
    for line in [
        "--train data-rejects.parquet",
        "--train ./parts/../data-rejects.parquet",
        "--train own=link.parquet",
        "--train parts",
        "--train good.jsonl --test data-rejects.parquet",
    ] {
        let line = format!("{line} --rm 100% --dev 0 --out data");
        let (status, _, stderr) = hh_split(&dir, &line);
        assert_eq!(status, Some(3), "{line}: {stderr}");
        let expected = "is data-rejects.parquet, where --out data lists its rejects";
        assert!(stderr.contains(expected), "{line}: {stderr}");
        assert_eq!(fs::read(&input).unwrap(), bytes, "{line}");
        assert!(!dir.join("data").exists() && !dir.join("data.partial").exists());
    }
}

#[test]
fn more_than_a_fifth_rejected_is_a_warning() {
    let dir = fresh_dir("rejects-a-fifth");
    let bad = || json!({"prompt": "a?", "chosen": "x", "rejected": null});
    for (n_bad, warned) in [(2, false), (3, true)] {
        let of_both = (0..n_bad).map(|_| bad()).chain((0..8).map(good));
        write(&dir, "t.jsonl", of_both);
        let line = "--train t.jsonl --rm 100% --dev 0 --overwrite --json --out data";
        let (status, stdout, stderr) = hh_split(&dir, line);
        assert_eq!(status, Some(0), "{stderr}");
        assert_eq!(stderr.contains("warning: "), warned, "{stderr}");
        assert!(stderr.contains("line 1: `rejected` is null"), "{stderr}");
        let counts: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(counts["rejected"]["malformed"], n_bad);
        let first = counts["first_rejected"]["malformed"].as_str().unwrap();
        assert!(first.starts_with("t/t.jsonl, line 1"), "{first}");
    }
}

/// A row of messages, with what stands before the answers.
fn asked(before: &Value, chosen: &str) -> Value {
    let with = |text: &str| {
        let mut all = before.as_array().unwrap().clone();
        all.push(json!({"role": "assistant", "content": text}));
        all
    };
    json!({"chosen": with(chosen), "rejected": with("No.")})
}

#[test]
fn two_personas_are_two_queries() {
    let dir = fresh_dir("rejects-system");
    let who = |system: Value| json!([{"role": "system", "content": system}, {"role": "user", "content": "Who?"}]);
    let rows_of = [
        asked(&who(json!("You are a pirate.")), "Arr."),
        asked(&who(json!("You are a pirate.")), "Arr, arr."),
        asked(&who(json!("You are a monk.")), "Peace."),
        asked(&who(json!(null)), "I."),
    ];
    write(&dir, "t.jsonl", rows_of);
    let line = "--train t.jsonl --rm 100% --dev 0 --json --out data";
    let (status, stdout, stderr) = hh_split(&dir, line);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(!stderr.contains("warning"), "{stderr}");
    let counts: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(counts["rejected"], json!({}));
    let pairs: Vec<Pair> = rows(&dir.join("data/rm-pairs.parquet"));
    let mut prompts: Vec<&str> = pairs.iter().map(|it| it.prompt.as_str()).collect();
    prompts.sort_unstable();
    let question = "\n\nHuman: Who?\n\nAssistant:";
    let monk = format!("\n\nSystem: You are a monk.{question}");
    let pirate = format!("\n\nSystem: You are a pirate.{question}");
    assert_eq!(prompts, [question, &monk, &pirate, &pirate]);
}

#[test]
fn what_no_table_carries_is_counted_and_never_mixed() {
    let dir = fresh_dir("rejects-tools");
    let with = |tools: Value, question: &str, chosen: &str| {
        let mut row = asked(&json!([{"role": "user", "content": question}]), chosen);
        row["tools"] = tools;
        row
    };
    let (hammer, saw) = (json!([{"name": "hammer"}]), json!([{"name": "saw"}]));
    let rows_of = [
        with(hammer.clone(), "Who?", "Arr."),
        with(hammer, "Who?", "Arr, arr."),
        with(saw, "Who?", "Peace."),
        with(json!(null), "Who?", "I."),
        with(json!(null), "What?", "This."),
    ];
    write(&dir, "t.jsonl", rows_of);
    let line = "--train t.jsonl --rm 100% --dev 0 --json --out data";
    let (status, stdout, stderr) = hh_split(&dir, line);
    assert_eq!(status, Some(0), "{stderr}");
    let counts: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(counts["without_context"], 2);
    assert_eq!(counts["rejected"], json!({"other_context": 2}));
    assert_eq!(counts["tables"]["rm-pairs"], 3);
    let expected = "warning: 2 of 5 rows have tools or documents";
    assert!(stderr.contains(expected), "{stderr}");
    let rejects: Vec<Reject> = rows(&dir.join("data/rejects.parquet"));
    assert_eq!(rejects.iter().map(|it| it.line).collect::<Vec<_>>(), [3, 4]);
}

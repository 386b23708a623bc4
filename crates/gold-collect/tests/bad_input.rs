//! `gold-collect` refuses bad input: its status, a message which names the
//! file, nothing on stdout, no output, and nothing asked.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use apo_provenance::Provenance;
use apo_tables::{Pair, Query, Response, Writer};
use serde_json::{Value, json};

/// Returns a folder of this test's own, with a query and its pair.
fn fresh_dir(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bad-input-{test}"));
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    write_queries(&dir, "queries.parquet", &["q"]);
    let mut pairs = writer::<Pair>(&dir, "pairs.parquet");
    pairs
        .write(&Pair {
            query_id: "q".into(),
            pair_id: "p".into(),
            subset: "s".into(),
            prompt: "\n\nHuman: hi\n\nAssistant:".into(),
            chosen: "better".into(),
            rejected: "worse".into(),
            margin: None,
        })
        .unwrap();
    pairs.finish().unwrap();
    dir
}

fn writer<R: apo_tables::Row>(dir: &Path, name: &str) -> Writer<R> {
    Writer::create(&dir.join(name), &Provenance::new("test", "0")).unwrap()
}

fn write_queries(dir: &Path, name: &str, ids: &[&str]) {
    let mut queries = writer::<Query>(dir, name);
    for id in ids {
        queries.write(&query(id)).unwrap();
    }
    queries.finish().unwrap();
}

fn query(id: &str) -> Query {
    Query {
        query_id: id.into(),
        subset: "s".into(),
        prompt: "\n\nHuman: hi\n\nAssistant:".into(),
    }
}

fn collect(dir: &Path, args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gold-collect"));
    command.env_remove("OPENAI_API_KEY");
    let out = command
        .current_dir(dir)
        .args(args.split_whitespace())
        .output();
    out.expect("cargo has built the binary")
}

#[track_caller]
fn refuses(dir: &Path, args: &str, status: i32, expected: &[&str]) {
    let out = collect(dir, &format!("{args} --out golden.parquet"));
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(status), "{args}: {stderr}");
    for expected in expected {
        assert!(
            stderr.contains(expected),
            "{args}: expected `{expected}` in: {stderr}"
        );
    }
    assert!(
        !stderr.contains('\x1b'),
        "{args}: an escape code in {stderr:?}"
    );
    assert!(
        !stderr.contains("a bug in this program"),
        "{args}: {stderr}"
    );
    assert!(out.stdout.is_empty(), "{args}: wrote to stdout");
    for left in ["golden.parquet", "golden.parquet.partial"] {
        assert!(!dir.join(left).exists(), "{args}: left {left}");
    }
}

// Nobody listens on port 9 of this machine; nothing gets so far.
const URL: &str = "--base-url http://127.0.0.1:9/v1 --model m";
const TABLES: &str = "--queries queries.parquet --pairs pairs.parquet";

#[test]
fn a_table_at_fault_is_named() {
    let dir = fresh_dir("tables");
    fs::write(dir.join("empty.parquet"), b"").unwrap();
    fs::write(dir.join("cut.parquet"), b"PAR1 and then a kill").unwrap();
    writer::<Query>(&dir, "no-rows.parquet").finish().unwrap();
    write_queries(&dir, "twice.parquet", &["a", "b", "a"]);
    let whole = fs::read(dir.join("queries.parquet")).unwrap();
    fs::write(dir.join("half.parquet"), &whole[..whole.len() / 2]).unwrap();
    for (queries, expected) in [
        ("missing.parquet", vec!["missing.parquet", "no such file"]),
        (
            "empty.parquet",
            vec!["empty.parquet", "not a whole Parquet file"],
        ),
        (
            "cut.parquet",
            vec!["cut.parquet", "not a whole Parquet file"],
        ),
        (
            "half.parquet",
            vec!["half.parquet", "not a whole Parquet file"],
        ),
        ("no-rows.parquet", vec!["no-rows.parquet", "no rows"]),
        (
            "twice.parquet",
            vec!["twice.parquet", "row 2", "`query_id`", "`a`"],
        ),
    ] {
        let args = format!("--queries {queries} --pairs pairs.parquet {URL}");
        refuses(&dir, &args, 3, &expected);
    }
    let args = format!("--queries queries.parquet --pairs queries.parquet {URL}");
    let faults = [
        "`pair_id` is missing",
        "`chosen` is missing",
        "`rejected` is missing",
        "hh-split",
    ];
    refuses(&dir, &args, 3, &faults);
}

#[test]
fn answers_at_fault_are_named_by_line() {
    let dir = fresh_dir("answers");
    let good = r#"{"prompt": "hi", "response": "Hello."}"#;
    for (name, text, expected) in [
        (
            "garbage.jsonl",
            format!("{good}\nnot JSON\n"),
            "garbage.jsonl, line 2: ",
        ),
        (
            "other.jsonl",
            format!("{good}\n{{\"a\": 1}}\n"),
            "line 2: is not an answer: its fields are `a`; expected",
        ),
        (
            "blank.jsonl",
            "{\"prompt\": \"hi\", \"response\": \" \"}".into(),
            "the answer is empty",
        ),
        (
            "strangers.jsonl",
            "{\"prompt\": \"who?\", \"response\": \"Me.\"}\n".into(),
            "none of the 1 answers is to a query of the table",
        ),
        (
            "nothing.jsonl",
            String::new(),
            "nothing.jsonl: there are no answers",
        ),
        (
            "thought.jsonl",
            r#"{"prompt": "hi", "response": "<think>Hm."}"#.into(),
            "no answer is left: all 1 were left out",
        ),
        (
            "tokens.jsonl",
            r#"{"prompt": "hi", "response": "</s>"}"#.into(),
            "line 1: the answer is empty but for special tokens",
        ),
        ("answers.txt", good.into(), "of an unknown kind"),
        (
            "pretty.jsonl",
            "{\n  \"prompt\": \"hi\",\n  \"response\": \"Hello.\"\n}\n".into(),
            "pretty.jsonl: holds JSON over several lines",
        ),
        (
            "pretty.json",
            "{\n  \"prompt\": \"hi\"\n}\n{\n  \"prompt\": \"ho\"\n}\n".into(),
            "pretty.json: holds JSON over several lines",
        ),
        (
            "pretty-list.jsonl",
            format!("[\n  {good}\n]\n"),
            "give it a name that ends in .json",
        ),
        (
            "old-mac.jsonl",
            format!("{good}\r{good}\r"),
            "old-mac.jsonl: has lines that end with only a carriage return",
        ),
        ("list.json", "[1, 2".into(), "list.json"),
        ("bad.parquet", "PAR1".into(), "bad.parquet"),
    ] {
        fs::write(dir.join(name), text).unwrap();
        refuses(
            &dir,
            &format!("{TABLES} {URL} --answers {name}"),
            3,
            &[expected],
        );
    }
    refuses(
        &dir,
        &format!("{TABLES} {URL} --answers none.jsonl"),
        3,
        &["none.jsonl"],
    );
}

#[test]
fn a_policys_own_samples_are_not_golden_answers() {
    let dir = fresh_dir("samples");
    let row = |prompt: &str, origin: &str| json!({"prompt": prompt, "response": "Hello.", "origin": origin});
    // As `sample` wrote it; as `judge score` did; and with the column changed.
    for (name, stage, origin) in [
        ("samples.parquet", "sample", "policy"),
        ("scored.parquet", "judge score", "policy"),
        ("renamed.parquet", "sample", "human"),
    ] {
        let provenance = Provenance::new(stage, "1");
        let mut writer = Writer::create(&dir.join(name), &provenance).unwrap();
        writer
            .write(&Response::new(query("q"), "Hello.".into(), origin))
            .unwrap();
        writer.finish().unwrap();
    }
    let lines = |rows: [Value; 2]| format!("{}\n{}\n", rows[0], rows[1]);
    let mixed = [row("hi", "human"), row("ho", "policy")];
    fs::write(dir.join("mixed.jsonl"), lines(mixed.clone())).unwrap();
    fs::write(dir.join("mixed.json"), json!(mixed).to_string()).unwrap();
    for (name, evidence) in [
        ("samples.parquet", "`sample` made it"),
        ("scored.parquet", "`origin` is `policy` in line 1"),
        ("renamed.parquet", "`sample` made it"),
        ("mixed.jsonl", "`origin` is `policy` in line 2"),
        ("mixed.json", "`origin` is `policy` in line 2"),
    ] {
        let found = format!("--answers {name}: {evidence}");
        let expected = [&*found, "own samples, not golden answers", "--samples"];
        refuses(&dir, &format!("{TABLES} --answers {name}"), 3, &expected);
    }
    let others = [row("hi", "human"), row("ho", "a policy of theirs")];
    fs::write(dir.join("others.jsonl"), lines(others)).unwrap();
    let line = format!("{TABLES} --answers others.jsonl --out golden.parquet");
    let out = collect(&dir, &line);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{stderr}");
}

#[test]
fn a_journal_at_fault_is_named_by_line() {
    let dir = fresh_dir("journal");
    fs::write(dir.join("bad.jsonl"), "{\"request\": 7}\n").unwrap();
    fs::write(dir.join("empty.jsonl"), "").unwrap();
    for (name, expected) in [
        ("missing.jsonl", "there is no journal at missing.jsonl"),
        ("bad.jsonl", "bad.jsonl, line 1: "),
        (
            "queries.parquet",
            "the journal queries.parquet is a Parquet file",
        ),
        (
            "empty.jsonl",
            "empty.jsonl: no entry for 1 of 1 queries, such as q",
        ),
    ] {
        refuses(
            &dir,
            &format!("{TABLES} --model m --from-journal {name}"),
            3,
            &[expected],
        );
    }
    refuses(
        &dir,
        &format!("{TABLES} {URL} --journal bad.jsonl"),
        3,
        &["bad.jsonl, line 1: "],
    );
    assert_eq!(
        fs::read(dir.join("bad.jsonl")).unwrap(),
        b"{\"request\": 7}\n"
    );
}

/// Makes a pipe into which nobody writes.
fn pipe(dir: &Path, name: &str) {
    let made = Command::new("mkfifo").arg(dir.join(name)).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_file_that_is_not_a_journal_is_left_as_it_is_and_no_pipe_is_waited_for() {
    let dir = fresh_dir("no-journal");
    pipe(&dir, "pipe");
    fs::create_dir(dir.join("folder")).unwrap();
    let files: [(&str, &[u8]); 5] = [
        ("notes.txt", b"my notes, without an end of line"),
        (
            "data.jsonl",
            b"{\"prompt\": \"hi\", \"response\": \"Hello.\"}",
        ),
        ("old.jsonl.gz", b"\x1f\x8b\x08\0\0\0"),
        ("utf-16.jsonl", b"\xff\xfe{\0\"\0r\0"),
        ("page.jsonl", b"<!-- a --><HEAD><title>No</title>"),
    ];
    for (name, text) in files {
        fs::write(dir.join(name), text).unwrap();
    }
    for (name, expected) in [
        ("pipe", "the journal pipe is a pipe"),
        ("folder", "the journal folder is a folder"),
        ("/dev/full", "the journal /dev/full is a device"),
        (
            "notes.txt",
            "notes.txt, line 1: expected a line of a journal, found",
        ),
        (
            "data.jsonl",
            "data.jsonl, line 1: expected a line of a journal, found",
        ),
        ("old.jsonl.gz", "old.jsonl.gz is compressed by gzip"),
        ("utf-16.jsonl", "utf-16.jsonl is UTF-16"),
        ("page.jsonl", "page.jsonl is a web page"),
    ] {
        refuses(
            &dir,
            &format!("{TABLES} {URL} --journal {name}"),
            3,
            &[expected],
        );
        let replay = format!("{TABLES} --model m --from-journal {name}");
        refuses(&dir, &replay, 3, &[expected]);
    }
    for (name, text) in files {
        assert_eq!(fs::read(dir.join(name)).unwrap(), text);
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere/at-all", dir.join("dangling")).unwrap();
        let expected = "the journal dangling is a link into a folder that does not exist";
        refuses(
            &dir,
            &format!("{TABLES} {URL} --journal dangling"),
            3,
            &[expected],
        );
    }
    for name in ["absent/j", "notes.txt/j"] {
        let problem = format!("the journal {name} cannot be made: there is no folder");
        let expected = [&*problem, "make it, or name a file elsewhere"];
        refuses(
            &dir,
            &format!("{TABLES} {URL} --journal {name}"),
            3,
            &expected,
        );
    }
}

#[test]
fn an_input_is_neither_journal_nor_output() {
    let dir = fresh_dir("own-place");
    fs::create_dir(dir.join("sub")).unwrap();
    fs::write(dir.join("system.txt"), "Be kind.").unwrap();
    fs::write(dir.join("refusals.txt"), "No.").unwrap();
    fs::write(
        dir.join("answers.jsonl"),
        "{\"prompt\": \"hi\", \"response\": \"Hello.\"}\n",
    )
    .unwrap();
    let files = [
        "queries.parquet",
        "pairs.parquet",
        "system.txt",
        "refusals.txt",
        "answers.jsonl",
    ];
    let before = files.map(|name| fs::read(dir.join(name)).unwrap());
    let all = "--system system.txt --refusals refusals.txt --answers answers.jsonl";
    for name in files {
        for journal in [name.to_owned(), format!("sub/../{name}")] {
            let args = format!("{TABLES} {URL} {all} --journal {journal}");
            let expected = format!("--journal {journal} is the input {name}");
            refuses(&dir, &args, 3, &[&expected]);
        }
        let out = collect(
            &dir,
            &format!("{TABLES} {URL} {all} --out {name} --overwrite"),
        );
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(3), "{stderr}");
        let expected = format!("--out {name} is the input {name}");
        assert!(stderr.contains(&expected), "{stderr}");
    }
    assert_eq!(files.map(|name| fs::read(dir.join(name)).unwrap()), before);
}

#[test]
fn a_malformed_address_or_text_is_refused() {
    let dir = fresh_dir("address");
    for url in ["localhost:9", "http://", "ftp://127.0.0.1"] {
        let args = format!("{TABLES} --base-url {url} --model m");
        refuses(&dir, &args, 3, &["is not the address of an endpoint"]);
    }
    let args = format!("{TABLES} --base-url http://user:secret@127.0.0.1:9 --model m");
    let out = collect(&dir, &format!("{args} --out golden.parquet"));
    assert_eq!(out.status.code(), Some(3));
    assert!(!String::from_utf8_lossy(&out.stderr).contains("secret"));
    fs::write(dir.join("blank.txt"), "\n").unwrap();
    fs::write(dir.join("latin.txt"), b"caf\xe9").unwrap();
    pipe(&dir, "pipe");
    for option in ["--system", "--refusals"] {
        for (name, expected) in [
            ("pipe", "pipe: is a pipe"),
            (".", ".: is a folder"),
            ("/dev/zero", "/dev/zero: is a device"),
            ("blank.txt", "blank.txt: it is empty"),
            ("latin.txt", "latin.txt: is not UTF-8"),
            ("none.txt", "none.txt: No such file"),
        ] {
            refuses(
                &dir,
                &format!("{TABLES} {URL} {option} {name}"),
                3,
                &[expected],
            );
        }
    }
}

#[test]
fn a_wrong_option_is_a_usage_error() {
    let dir = fresh_dir("usage");
    for args in [
        TABLES.to_owned(),
        format!("{TABLES} {URL} --hh-best"),
        format!("{TABLES} {URL} --price-in -1 --price-out 1"),
        format!("{TABLES} {URL} --requests 0"),
        format!("{TABLES} --base-url http://127.0.0.1:9/v1"),
        "--queries queries.parquet --hh-best".to_owned(),
    ] {
        refuses(&dir, &args, 2, &["try '--help'"]);
    }
}

#[test]
fn an_output_that_cannot_be_written_stops_before_anything_is_asked() {
    let dir = fresh_dir("unwritable");
    fs::write(dir.join("file"), "").unwrap();
    let out = collect(&dir, &format!("{TABLES} {URL} --out file/golden.parquet"));
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("cannot write file/golden.parquet.partial"),
        "{stderr}"
    );
}

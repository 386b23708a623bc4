//! Texts that `judge` reads whole: output of other commands, and annotators' files. It
//! refuses any other file at once and says what it is.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use apo_provenance::Provenance;
use apo_tables::Response;
use apo_tests::stages::{answer, folder, refuse, run, succeed, write};

/// The line of every command that reads such a text, without the text's name.
const READS: [&str; 8] = [
    "judge figure --out figure.svg --line x=",
    "judge table --score x=",
    "judge table --quality x=",
    "judge table --accuracy x=",
    "judge table --verdicts x=",
    "judge seeds other.json ",
    "judge claims other.json ",
    "judge human tally --key sheet/key.parquet --out verdicts.parquet --votes ",
];

/// Makes a folder with a sheet and a table of two policies' responses.
fn sheet(test: &str) -> PathBuf {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), test);
    for name in ["a", "b"] {
        let rows: Vec<Response> = (0..3)
            .map(|i| {
                let prompt = format!("\n\nHuman: How is tea {i} made?\n\nAssistant:");
                answer(i, prompt, format!("By {name}."))
            })
            .collect();
        let provenance = Provenance::new("sample", "0.1.0");
        write(&dir.join(format!("{name}.parquet")), &provenance, &rows);
    }
    succeed(
        &dir,
        "judge human sheet --a a.parquet --b b.parquet --take 3 --out sheet",
    );
    dir
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn what_is_no_text_is_named_by_each_command_that_reads_one() {
    let dir = sheet("pages-kinds");
    fs::write(dir.join("other.json"), "[]").unwrap();
    let page = r#"{"mean": 1.0}"#;
    let utf_16 = page.encode_utf16().flat_map(u16::to_le_bytes);
    let files: [(&str, Vec<u8>); 5] = [
        ("utf-16.json", utf_16.collect()),
        ("packed.json", gzip(page.as_bytes())),
        ("latin.json", b"{\"mean\": \"\xe9\"}".to_vec()),
        ("page.json", b"<!doctype html>".to_vec()),
        (
            "pointer.json",
            b"version https://git-lfs.github.com/spec/v1\n".to_vec(),
        ),
    ];
    for (name, bytes) in &files {
        fs::write(dir.join(name), bytes).unwrap();
    }
    let made = Command::new("mkfifo").arg(dir.join("pipe")).status();
    assert!(made.unwrap().success());
    for line in READS {
        for (name, expected) in [
            ("utf-16.json", "is UTF-16"),
            ("packed.json", "compressed by gzip"),
            ("latin.json", "is not UTF-8"),
            ("page.json", "is a web page"),
            ("pointer.json", "Git LFS pointer"),
            ("a.parquet", "is a Parquet file"),
            ("sheet", "is a folder"),
            ("pipe", "is a pipe"),
            ("/dev/zero", "is a device"),
            ("nothing.json", "nothing.json"),
        ] {
            refuse(&dir, &format!("{line}{name}"), 3, &[name, expected]);
        }
    }
    for out in ["figure.svg", "verdicts.parquet"] {
        assert!(!dir.join(out).exists(), "{out}");
    }
}

#[test]
fn a_page_of_another_command_and_numbers_that_are_none_are_refused() {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "pages-values");
    let put = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    for (text, expected) in [
        ("", "EOF"),
        ("[]", "expected"),
        ("{}", "missing field `mean`"),
        (r#"{"mean": NaN}"#, "expected value"),
        (r#"{"mean": 1e999}"#, "out of range"),
        (r#"{"mean": null}"#, "expected f64"),
        (r#"{"mean": "1"}"#, "expected f64"),
        (r#"{"mean": 1, "mean": 2}"#, "duplicate field `mean`"),
        (r#"{"mean": 1}{"mean": 2}"#, "trailing characters"),
        (
            r#"{"mean": 1, "standard_error": -3}"#,
            "`standard_error` is -3",
        ),
        (r#"{"mean": 1, "standard_error": NaN}"#, "expected value"),
        (
            r#"{"accuracy": {"all": {"accuracy": 1}}}"#,
            "missing field `mean`",
        ),
        (r#"{"reward": {"mean": 1}}"#, "missing field `all`"),
    ] {
        put("page.json", text);
        let line = "judge figure --line x=page.json --out figure.svg";
        refuse(
            &dir,
            line,
            3,
            &["page.json", "judge score --json", expected],
        );
        assert!(!dir.join("figure.svg").exists(), "{text}");
    }
    refuse(
        &dir,
        "judge table --quality x=page.json",
        3,
        &["page.json", "missing field `mean`"],
    );
    put(
        "page.json",
        "\u{feff}{\"mean\": 1, \"standard_error\": 0.5}",
    );
    succeed(&dir, "judge figure --line x=page.json --out figure.svg");
    let shown = succeed(&dir, "judge table --quality x=page.json");
    assert!(shown.contains("1.000 ± 0.500"), "{shown}");
}

#[test]
fn a_table_with_a_row_twice_is_no_seeds() {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "pages-twice");
    let rows = r#"[{"name": "SFT", "accuracy": 0.5}, {"name": "SFT", "accuracy": 0.9}]"#;
    fs::write(dir.join("a.json"), rows).unwrap();
    fs::write(dir.join("b.json"), rows).unwrap();
    refuse(
        &dir,
        "judge claims a.json b.json",
        3,
        &["a.json", "two rows are called 'SFT'"],
    );
}

#[test]
fn a_picture_is_xml_whatever_its_names() {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "pages-xml");
    fs::write(dir.join("page.json"), r#"{"mean": 1.0}"#).unwrap();
    let mut figure = apo_tests::stages::command(&dir, "judge figure --out figure.svg");
    figure
        .args(["--title", "</title><script>\u{1}\u{1b}[2J"])
        .args(["--line", "a\u{1b}[31m<script>&\"=page.json"]);
    assert!(figure.status().unwrap().success());
    let svg = fs::read_to_string(dir.join("figure.svg")).unwrap();
    assert!(!svg.contains("<script"), "{svg}");
    assert!(
        svg.chars().all(|it| it == '\n' || !it.is_control()),
        "{svg}"
    );
    assert!(svg.contains("&lt;script&gt;"), "{svg}");
}

#[test]
fn what_is_at_the_output_and_is_not_ours_stays() {
    let dir = sheet("pages-foreign");
    fs::write(dir.join("page.json"), r#"{"mean": 1.0}"#).unwrap();
    fs::write(dir.join("mine.txt"), "mine").unwrap();
    let sheet = fs::read_to_string(dir.join("sheet/sheet.csv")).unwrap();
    let lines = sheet.lines().enumerate();
    let voted: Vec<String> = lines
        .map(|(i, it)| {
            if i == 0 {
                it.to_owned()
            } else {
                format!("{it}left")
            }
        })
        .collect();
    assert_eq!(
        voted.len(),
        4,
        "the dialogues here are one line each: {sheet}"
    );
    fs::write(dir.join("anna.csv"), voted.join("\n")).unwrap();
    succeed(
        &dir,
        "judge human tally --key sheet/key.parquet --votes anna.csv --out votes.parquet",
    );
    refuse(
        &dir,
        "judge figure --line x=page.json --out mine.txt",
        3,
        &["mine.txt exists", "not a page"],
    );
    refuse(
        &dir,
        "judge figure --line x=page.json --out page.json",
        3,
        &["is the input page.json"],
    );
    for line in [
        "judge human sheet --a a.parquet --b b.parquet --take 3 --out mine.txt",
        "judge human tally --key sheet/key.parquet --votes anna.csv --out mine.txt",
    ] {
        // No message suggests to overwrite what is then not overwritten.
        let expected = [
            "mine.txt",
            "no stage of this project made it",
            "move it away",
        ];
        refuse(&dir, line, 4, &expected);
        assert!(!run(&dir, line).stderr.contains("--overwrite"), "{line}");
        refuse(&dir, &format!("{line} --overwrite"), 3, &expected);
    }
    let mine = fs::read_to_string(dir.join("mine.txt")).unwrap();
    assert_eq!(mine, "mine");
}

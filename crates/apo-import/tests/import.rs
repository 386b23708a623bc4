//! Other people's files: compression, encodings, names, and what is none.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apo_import::{
    Answer, Columns, PREFERENCE_FIELDS, PREFERENCE_FORMS, Preferences, Record, Source, Text,
};
use apo_tables::TableError;
use arrow_array::{
    ArrayRef, BinaryArray, Float64Array, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

const ROWS: &str = "{\"prompt\": \"a\u{2028}b?\", \"chosen\": \"x\", \"rejected\": \"y\"}\r\n\r\n\
                    {\"prompt\": \"c?\", \"chosen\": \"x\", \"rejected\": \"y\"}";

fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("import")
        .join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn records(path: &Path) -> Result<Vec<Record>, TableError> {
    let mut source = Source::open(path, PREFERENCE_FIELDS)?;
    source.check_columns(PREFERENCE_FORMS, &Columns::default())?;
    let mut all = Vec::new();
    loop {
        let batch = source.batch(2)?;
        if batch.is_empty() {
            return Ok(all);
        }
        all.extend(batch);
    }
}

/// The prompts of a file of preferences.
fn prompts(path: &Path) -> Result<Vec<String>, TableError> {
    let read = |record: &Record| match Preferences::read(record, &Columns::default()) {
        Ok(Preferences::Preference(it)) => match it.prompt {
            Some(Text::Plain(prompt)) => prompt,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    Ok(records(path)?.iter().map(read).collect())
}

#[test]
fn text_is_read_whatever_packs_it() {
    let dir = folder("packed");
    let packed = gzip(ROWS.as_bytes());
    let (first, second) = ROWS.as_bytes().split_at(40);
    let list = format!("[{}]", ROWS.replace("\r\n\r\n", ", "));
    for (name, bytes) in [
        ("plain.jsonl", ROWS.into()),
        ("lines.json", ROWS.into()),
        ("list.json", list.clone().into_bytes()),
        ("list.json.gz", gzip(list.as_bytes())),
        ("bom.jsonl", [b"\xef\xbb\xbf", ROWS.as_bytes()].concat()),
        (
            "bom.jsonl.gz",
            gzip(&[b"\xef\xbb\xbf", ROWS.as_bytes()].concat()),
        ),
        ("packed.jsonl.gz", packed.clone()),
        ("PACKED.JSONL.GZ", packed.clone()),
        ("packed-in-fact.jsonl", packed.clone()),
        ("plain-in-fact.jsonl.gz", ROWS.into()),
        ("members.jsonl.gz", [gzip(first), gzip(second)].concat()),
        (
            "zeros.jsonl.gz",
            [packed.clone(), vec![0; 700_000]].concat(),
        ),
        (
            "padded-members.jsonl.gz",
            [gzip(first).as_slice(), &[0; 3], &gzip(second)].concat(),
        ),
    ] {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        let found = prompts(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found, ["a\u{2028}b?", "c?"], "{name}");
    }
}

#[test]
fn files_that_are_not_text_are_named() {
    let dir = folder("foreign");
    let utf_16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let packed = gzip(ROWS.as_bytes());
    for (name, bytes, word) in [
        ("utf-16.jsonl", utf_16(ROWS), "UTF-16"),
        (
            "utf-16-bom.json",
            utf_16(&format!("\u{feff}{ROWS}")),
            "UTF-16",
        ),
        ("utf-16.jsonl.gz", gzip(&utf_16(ROWS)), "UTF-16"),
        ("twice.jsonl.gz", gzip(&packed), "gzip twice"),
        (
            "pointer.jsonl",
            b"version https://git-lfs.github.com/spec/v1\noid".into(),
            "LFS",
        ),
        (
            "pointer.parquet",
            b"version https://git-lfs.github.com/spec/v1\noid".into(),
            "LFS",
        ),
        ("page.jsonl", b"<!DOCTYPE html>".into(), "web page"),
        ("zstd.jsonl", b"\x28\xb5\x2f\xfd\0\0".into(), "zstd"),
        ("table.jsonl", b"PAR1".into(), "Parquet"),
        ("packed.parquet", packed.clone(), "gzip"),
        ("cut.jsonl.gz", packed[..packed.len() - 9].into(), "gzip"),
        (
            "junk.jsonl.gz",
            [packed.as_slice(), b"junk"].concat(),
            "something else follows: `junk`",
        ),
        ("list.json", b"[{\"chosen\": \"x\"}, {]".into(), "JSON list"),
        (
            "list-latin-1.json",
            b"[{\"chosen\": \"\xe9\"}]".into(),
            "UTF-8",
        ),
        (
            "object.json",
            b"{\n \"data\": [{\"chosen\": \"x\"}]\n}".into(),
            "one object",
        ),
        (
            "wrapped.json",
            b"{\"data\": [{\"chosen\": \"x\", \"rejected\": \"y\"}]}".into(),
            "in the list `data`",
        ),
        (
            "rows.jsonl.gz",
            gzip(b"{\"rows\": [{\"row\": {\"chosen\": \"x\", \"rejected\": \"y\"}}]}"),
            "each in its field `row`",
        ),
        (
            "by-column.json",
            b"{\"chosen\": {\"0\": \"x\"}, \"rejected\": {\"0\": \"y\"}}".into(),
            "a column in each field",
        ),
        ("object.jsonl", b"{\n \"chosen\": \"x\"\n}".into(), "jq -c"),
        (
            "objects.jsonl.gz",
            gzip(b"{\n \"chosen\": \"x\"\n}\n{\n \"chosen\": \"y\"\n}"),
            "jq -c",
        ),
        (
            "objects.json",
            b"{\n \"a\": 1\n}\n{\n \"a\": 2\n}".into(),
            "jq -c",
        ),
        (
            "list.jsonl",
            b"[\n {\"chosen\": \"x\"}\n]".into(),
            "ends in .json",
        ),
        (
            "mac.jsonl",
            b"{\"a\": 1}\r{\"a\": 2}\r".into(),
            "carriage return",
        ),
        ("columns.jsonl", b"chosen,rejected\nx,y\n".into(), "CSV"),
        ("columns.csv", b"chosen,rejected\nx,y\n".into(), "CSV"),
        ("columns.tsv.gz", gzip(b"chosen\trejected\n"), "CSV"),
        ("zstd.jsonl.zst", b"\x28\xb5\x2f\xfd\0\0".into(), "zstd"),
        ("lines.parquet", ROWS.into(), "is JSON"),
        ("cut.parquet", b"PAR1\x15\x04".into(), "cut off"),
        ("page.parquet", b"\n<html>".into(), "web page"),
        ("notes.txt", b"a".into(), "known kind"),
        ("text.parquet", b"{}".into(), "Parquet"),
    ] {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        let error = records(&path).unwrap_err();
        assert!(error.to_string().contains(word), "{name}: {error}");
        assert!(error.to_string().contains(name), "{name}: {error}");
        assert!(error.is_bad_input(), "{name}: {error}");
    }
    let error = records(&dir).unwrap_err();
    assert!(error.to_string().contains("folder"), "{error}");
}

#[cfg(unix)]
#[test]
fn what_is_not_a_file_is_named_without_waiting() {
    let dir = folder("pipes");
    let pipe = dir.join("pipe.jsonl");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let socket = dir.join("socket.jsonl");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let device = dir.join("device.jsonl");
    std::os::unix::fs::symlink("/dev/null", &device).unwrap();
    for (path, word) in [(pipe, "pipe"), (socket, "socket"), (device, "device")] {
        let error = records(&path).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(error.is_bad_input());
        let error = apo_tables::input(&path).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn columns_that_are_not_used_do_not_matter() {
    let dir = folder("columns");
    let path = dir.join("rows.parquet");
    let texts =
        |values: [Option<&str>; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let when = TimestampMicrosecondArray::from(vec![0, 1]).with_timezone("UTC");
    let answers = || texts([Some("x"), Some("z")]);
    let columns = || {
        vec![
            ("created_at", Arc::new(when.clone()) as ArrayRef),
            ("prompt", texts([Some("a?"), None])),
            ("chosen", answers()),
            ("rejected", texts([Some("y"), Some("y")])),
            (
                "score_chosen",
                Arc::new(Float64Array::from(vec![f64::NAN, 1.0])) as ArrayRef,
            ),
            (
                "text",
                Arc::new(BinaryArray::from(vec![b"a".as_ref(), b"b"])) as ArrayRef,
            ),
        ]
    };
    let mut used = columns();
    used.pop();
    parquet(&path, used);
    let found: Vec<_> = records(&path)
        .unwrap()
        .iter()
        .map(|record| Preferences::read(record, &Columns::default()))
        .collect();
    let preference = |i: usize| match &found[i] {
        Ok(Preferences::Preference(it)) => it,
        other => panic!("{other:?}"),
    };
    assert_eq!(preference(0).prompt, Some(Text::Plain("a?".into())));
    assert_eq!(preference(0).score_chosen, None);
    assert_eq!(
        (&preference(1).prompt, preference(1).score_chosen),
        (&None, Some(1.0))
    );

    parquet(&path, columns());
    let error = records(&path).unwrap_err().to_string();
    assert!(error.contains("column `text` is Binary"), "{error}");
}

#[test]
fn columns_that_are_not_read_are_named() {
    let path = folder("unused").join("rows.parquet");
    let text = || Arc::new(StringArray::from(vec!["x"])) as ArrayRef;
    parquet(
        &path,
        vec![
            ("chosen", text()),
            ("rejected", text()),
            ("rationale", text()),
            ("source", text()),
            ("system", text()),
            ("n", Arc::new(Float64Array::from(vec![1.0]))),
        ],
    );
    let source = Source::open(&path, PREFERENCE_FIELDS).unwrap();
    assert_eq!(source.unused(), ["rationale", "n"]);
}

#[test]
fn pictures_are_refused_whatever_parts_of_them_are_read() {
    let dir = folder("pictures");
    let texts =
        |values: [Option<&str>; 1]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let bytes = || Arc::new(BinaryArray::from(vec![b"a".as_ref()])) as ArrayRef;
    let struct_of = |fields: Vec<(&str, ArrayRef)>| {
        Arc::new(StructArray::try_from(fields).unwrap()) as ArrayRef
    };
    for (name, picture) in [
        (
            "whole",
            struct_of(vec![("bytes", bytes()), ("path", texts([None]))]),
        ),
        ("bytes", struct_of(vec![("bytes", bytes())])),
        ("path", struct_of(vec![("path", texts([Some("a.png")]))])),
    ] {
        let path = dir.join(format!("{name}.parquet"));
        let columns = vec![
            ("prompt", texts([Some("a?")])),
            ("chosen", texts([Some("x")])),
            ("rejected", texts([Some("y")])),
            ("image", picture),
        ];
        parquet(&path, columns);
        let refused = match records(&path) {
            Err(error) => error.to_string(),
            Ok(rows) => {
                Preferences::read(&rows[0], &Columns::default())
                    .unwrap_err()
                    .detail
            }
        };
        assert!(refused.contains("`image`"), "{name}: {refused}");
    }
}

#[test]
fn of_several_forms_the_first_counts() {
    let answer = |json: &str| {
        let json = json.as_bytes().to_vec();
        match Answer::read(&Record { line: 1, json }).unwrap() {
            Answer::Answer {
                prompt: Text::Plain(prompt),
                answer: Text::Plain(answer),
                ..
            } => (prompt, answer),
            other => panic!("{other:?}"),
        }
    };
    let expected = ("Count.\n\nTo two.".to_owned(), "1, 2".to_owned());
    for json in [
        r#"{"instruction": "Count.", "input": "To two.", "output": "1, 2"}"#,
        r#"{"instruction": "Count.", "input": "To two.", "output": "1, 2",
            "prompt": "Below is a task. 1, 2", "text": "Below is a task. 1, 2"}"#,
        r#"{"instruction": "Count.\n\nTo two.", "input": null, "output": "1, 2", "answer": null}"#,
        r#"{"instruction": "Count.\n\nTo two.", "input": NaN, "output": "1, 2"}"#,
        r#"{"prompt": "Count.\n\nTo two.", "response": "1, 2", "output": "3"}"#,
        r#"{"prompt": null, "query": "Count.\n\nTo two.", "golden": "1, 2", "messages": []}"#,
    ] {
        assert_eq!(answer(json), expected, "{json}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a line holds, it is read or reported, and all other lines are read.
    #[test]
    fn no_line_keeps_others_from_being_read(junk in proptest::collection::vec(any::<u8>(), 0..80)) {
        let json = junk.clone();
        let record = Record { line: 1, json };
        if let Err(fault) = Preferences::read(&record, &Columns::default()) {
            prop_assert!(!fault.detail.is_empty());
        }
        let _ = Answer::read(&record);
        let _ = record.excerpt();
    }

    /// A record with one field replaced is read or told by its name.
    #[test]
    fn a_field_of_another_type_is_named(
        field in 0usize..3,
        value in prop_oneof![
            Just("null"), Just("3"), Just("true"), Just("{}"), Just("[3]"), Just("[[]]"),
            Just("[{}]"), Just("[{\"role\": 3}]"), Just("[{\"role\": \"user\", \"content\": 3}]"),
            Just("\"\\ud83d\""), Just("[{\"role\": \"user\", \"content\": [3]}]"),
        ],
    ) {
        let names = ["prompt", "chosen", "rejected"];
        let values: Vec<&str> = (0..3).map(|it| if it == field { value } else { "\"x\"" }).collect();
        let fields: Vec<String> = names.iter().zip(&values)
            .map(|(name, value)| format!("\"{name}\": {value}"))
            .collect();
        let json = format!("{{{}}}", fields.join(", ")).into_bytes();
        match Preferences::read(&Record { line: 1, json }, &Columns::default()) {
            Ok(_) => prop_assert!(field == 0 && value == "null"),
            Err(fault) => prop_assert!(fault.detail.contains(names[field]), "{}", fault.detail),
        }
    }
}

//! Files that are not what they are given for, and parts of folders: none is left out or
//! taken for another in silence.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use apo_provenance::Provenance;
use apo_tables::{Reader, Response};
use apo_tests::stages::{run, succeed, write};
use apo_tests::works::{ACCURACY, LOG_PROBS, RM_TRAIN, inputs, refuse_whole};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

/// What all tests read.
static ROUND: LazyLock<PathBuf> = LazyLock::new(|| inputs(env!("CARGO_TARGET_TMPDIR"), "parts"));

fn responses(path: &Path) -> Vec<Response> {
    let table = Reader::open(path).unwrap();
    table.map(Result::unwrap).collect()
}

/// Writes each third of the samples into a folder, under these names.
fn thirds(folder: &str, names: [&str; 3]) -> usize {
    let rows = responses(&ROUND.join("samples.parquet"));
    let dir = ROUND.join(folder);
    fs::create_dir_all(&dir).unwrap();
    let nobody = Provenance::new("another program", "1");
    for (name, rows) in names.iter().zip(rows.chunks(rows.len().div_ceil(3))) {
        write(&dir.join(name), &nobody, rows);
    }
    rows.len()
}

#[test]
fn whatever_ending_parquet_files_have_they_are_parts() {
    let n = thirds("endings", ["a.parquet", "b.parq", "c.PQ"]);
    let line = LOG_PROBS.replace("samples.parquet", "endings");
    succeed(&ROUND, &format!("{line} --out endings-out.parquet"));
    assert_eq!(responses(&ROUND.join("endings-out.parquet")).len(), n);
    fs::copy(ROUND.join("endings/c.PQ"), ROUND.join("endings/d.pq.tmp")).unwrap();
    refuse_whole(&ROUND, &line, &["endings", "`d.pq.tmp`, which is not read"]);
}

#[test]
fn a_shard_that_is_missing_is_named() {
    let dir = &*ROUND;
    let names = [
        "x-00000-of-00003.parquet",
        "x-00001-of-00003.parquet",
        "x-00002-of-00003.parquet",
    ];
    thirds("shards", names);
    let log_probs = LOG_PROBS.replace("samples.parquet", "shards");
    let raw = dir.join("raw-shards");
    fs::create_dir_all(&raw).unwrap();
    for (i, ending) in ["jsonl", "jsonl", "jsonl.gz"].into_iter().enumerate() {
        let from = dir.join("hh/helpful-base/train.jsonl.gz");
        fs::copy(from, raw.join(format!("y-{i}-of-3.{ending}"))).unwrap();
    }
    let split = "hh-split --train raw-shards --rm 12 --dev 2";
    for name in ["x-00001-of-00003", "x-00002-of-00003"] {
        let (file, away) = (dir.join(format!("shards/{name}.parquet")), dir.join("away"));
        fs::rename(&file, &away).unwrap();
        refuse_whole(
            dir,
            &log_probs,
            &[&format!("no `{name}`"), "2 of its 3 shards"],
        );
        fs::rename(&away, &file).unwrap();
    }
    fs::remove_file(raw.join("y-1-of-3.jsonl")).unwrap();
    refuse_whole(dir, split, &["no `y-1-of-3`", "2 of its 3 shards"]);
    succeed(dir, &format!("{log_probs} --out shards-out.parquet"));
}

#[test]
fn a_part_without_rows_is_reported_wherever_it_is() {
    let dir = &*ROUND;
    thirds("empty-part", ["a.parquet", "b.parquet", "c.parquet"]);
    let nobody = Provenance::new("another program", "1");
    write::<Response>(&dir.join("empty-part/d.parquet"), &nobody, &[]);
    fs::create_dir_all(dir.join("empty-pairs")).unwrap();
    fs::copy(
        dir.join("data/test-pairs.parquet"),
        dir.join("empty-pairs/a.parquet"),
    )
    .unwrap();
    write::<apo_tables::Pair>(&dir.join("empty-pairs/b.parquet"), &nobody, &[]);
    fs::create_dir_all(dir.join("empty-raw")).unwrap();
    fs::copy(
        dir.join("hh/helpful-base/train.jsonl.gz"),
        dir.join("empty-raw/a.jsonl.gz"),
    )
    .unwrap();
    fs::write(dir.join("empty-raw/b.jsonl"), "").unwrap();
    let log_probs = LOG_PROBS.replace("samples.parquet", "empty-part");
    for (line, part) in [
        (
            format!("{log_probs} --out empty-out.parquet"),
            "empty-part/d.parquet",
        ),
        (
            ACCURACY.replace("data/test-pairs.parquet", "empty-pairs"),
            "empty-pairs/b.parquet",
        ),
        (
            "hh-split --train empty-raw --rm 12 --dev 2 --out empty-split".to_owned(),
            "empty-raw/b.jsonl",
        ),
    ] {
        let ran = run(dir, &line);
        assert_eq!(ran.status, Some(0), "{line}\n{}", ran.stderr);
        let warning = format!("{part} is empty: no row was read from it");
        assert_eq!(
            ran.stderr.matches(&warning).count(),
            1,
            "{warning}\n{}",
            ran.stderr
        );
    }
}

#[test]
fn golden_answers_that_are_samples_are_counted() {
    let dir = &*ROUND;
    let golden = responses(&dir.join("golden.parquet"));
    let samples = responses(&dir.join("rm-samples.parquet"));
    let nobody = Provenance::new("another program", "1");
    // Samples with the first golden answers among them, each as one more sample.
    let with = |name: &str, n: usize| {
        let mut rows = samples.clone();
        rows.extend(golden.iter().take(n).cloned().map(|row| Response {
            sample: 1000,
            origin: "policy".into(),
            ..row
        }));
        write(&dir.join(name), &nobody, &rows);
        RM_TRAIN.replace("rm-samples.parquet", name)
    };
    let n = golden.len();
    for (name, shared) in [("all.parquet", n), ("most.parquet", n / 2 + 1)] {
        let both = format!("--golden golden.parquet and --samples {name} hold the same responses");
        let overlap = format!("{shared} of {n} golden answers");
        let expected = [
            both.as_str(),
            &overlap,
            "each answer would be compared with itself",
        ];
        refuse_whole(dir, &with(name, shared), &expected);
    }
    // What lies at --out ends the work behind the warning.
    fs::create_dir_all(dir.join("mine")).unwrap();
    fs::write(dir.join("mine/notes.txt"), "by hand").unwrap();
    let ran = run(dir, &format!("{} --out mine", with("one.parquet", 1)));
    assert_eq!(ran.status, Some(4), "{}", ran.stderr);
    let warning = format!("share responses: 1 of {n} golden answers");
    assert!(ran.stderr.contains(&warning), "{}", ran.stderr);
    assert!(ran.stderr.contains("the first is row 0"), "{}", ran.stderr);
    let ran = run(dir, &format!("{RM_TRAIN} --out mine"));
    assert!(!ran.stderr.contains("share responses"), "{}", ran.stderr);
}

#[test]
fn golden_answers_of_a_policy_are_refused_however_that_is_spelled() {
    let dir = &*ROUND;
    let nobody = Provenance::new("another program", "1");
    for (i, origin) in ["Policy", "POLICY", " policy"].into_iter().enumerate() {
        let mut rows = responses(&dir.join("golden.parquet"));
        rows[0].origin = origin.into();
        let name = format!("origin-{i}.parquet");
        write(&dir.join(&name), &nobody, &rows);
        let line = RM_TRAIN.replace("golden.parquet", &name);
        refuse_whole(dir, &line, &[&format!("{name}, row 0"), "`origin` is"]);
        let line = format!("gold-collect --queries data/rm-queries.parquet --answers {name}");
        refuse_whole(dir, &line, &[&name, "a policy's own samples"]);
    }
    // Another program dropped the column and kept what the footer says.
    let rows = responses(&dir.join("rm-samples.parquet"));
    let texts = |of: fn(&Response) -> &str| -> ArrayRef {
        Arc::new(StringArray::from(rows.iter().map(of).collect::<Vec<_>>()))
    };
    let columns = vec![
        ("prompt", texts(|it| &it.prompt)),
        ("response", texts(|it| &it.response)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let made = serde_json::to_string(&Provenance::new("sample", "1")).unwrap();
    let footer = KeyValue::new("apo".to_owned(), made);
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![footer]));
    let file = File::create(dir.join("dropped.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let line = "gold-collect --queries data/rm-queries.parquet --answers dropped.parquet";
    refuse_whole(dir, line, &["dropped.parquet", "`sample` made it"]);
}

#[test]
fn something_else_in_place_of_raw_data_is_named() {
    let dir = &*ROUND;
    let text = "{\"prompt\": \"hi\", \"chosen\": \"a\", \"rejected\": \"b\"}\n";
    let wide = |order: fn(u32) -> [u8; 4]| -> Vec<u8> {
        text.chars().flat_map(|it| order(u32::from(it))).collect()
    };
    let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let answer = "is a server's message";
    for (name, bytes, expected) in [
        (
            "u32le.jsonl",
            &wide(u32::to_le_bytes)[..],
            "iconv -f UTF-32LE",
        ),
        ("u32be.jsonl", &wide(u32::to_be_bytes), "iconv -f UTF-32BE"),
        ("u16be.jsonl", &utf_16, "iconv -f UTF-16BE"),
        (
            "s3.jsonl",
            b"<Error><Code>AccessDenied</Code></Error>",
            answer,
        ),
        ("none.jsonl", b"Not Found", answer),
        ("hub.jsonl", b"{\"error\":\"Repository not found\"}", answer),
        (
            "link.jsonl",
            b"../../blobs/0a1b2c3d",
            "is the path of a symbolic link",
        ),
        ("brotli.jsonl.br", b"\x8b\x03\x80\xe9abc", "by brotli"),
        (
            "brotli.jsonl",
            b"\x8b\x03\x80\xe9abc",
            "is binary, not text, and may be compressed",
        ),
        ("old.json", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "Excel"),
        ("snappy.jsonl", b"\xff\x06\0\0sNaPpY\x01\xe9", "snappy"),
        (
            "latin.jsonl",
            b"{\"prompt\": \"caf\xe9\"}\n",
            "iconv -f WINDOWS-1252",
        ),
    ] {
        fs::write(dir.join(name), bytes).unwrap();
        let line = format!("hh-split --train {name} --rm 12 --dev 2");
        refuse_whole(dir, &line, &[name, expected]);
    }
}

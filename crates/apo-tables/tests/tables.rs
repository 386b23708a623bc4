//! Tables written and read: foreign types, faults, folders, equal bytes.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apo_measures::{JudgedOutcome, Verdict};
use apo_provenance::Provenance;
use apo_tables::folder::empty_parts;
use apo_tables::{
    Finish, Pair, Query, Reader, Response, Row, ScoredWriter, SheetKey, Side, TableError,
    VerdictRow, Writer, verify,
};
use arrow_array::{
    Array as _, ArrayRef, Float64Array, Int64Array, LargeStringArray, NullArray, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("tables")
        .join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn query(i: usize) -> Query {
    Query {
        query_id: format!("{i:016x}"),
        subset: "helpful-base".into(),
        prompt: format!("\n\nHuman: question {i}?\n\nAssistant:"),
    }
}

fn write_queries(path: &Path, range: std::ops::Range<usize>) {
    let mut writer =
        Writer::create(path, &Provenance::new("test", "1").argument("seed", 7)).unwrap();
    for i in range {
        writer.write(&query(i)).unwrap();
    }
    writer.finish().unwrap();
}

fn foreign(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let columns = columns.into_iter().map(|(name, array)| {
        let nullable = array.logical_null_count() > 0;
        (name, array, nullable)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(LargeStringArray::from(values.to_vec()))
}

fn numbers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// A `responses` table of another writer, with a column of its own.
fn foreign_responses(path: &Path, samples: &[i64], reward: ArrayRef) {
    let same = |text| texts(&vec![text; samples.len()]);
    foreign(
        path,
        vec![
            ("note", same("n")),
            ("finish", same("stop")),
            ("origin", same("policy")),
            ("prompt", same("p")),
            ("query_id", same("q")),
            ("response", same("r")),
            ("reward", reward),
            ("sample", numbers(samples)),
            ("subset", same("s")),
        ],
    );
}

#[test]
fn what_is_written_is_read_and_equal_rows_are_equal_bytes() {
    let dir = folder("round");
    for name in ["a.parquet", "b.parquet"] {
        write_queries(&dir.join(name), 0..5000);
    }
    assert_eq!(
        fs::read(dir.join("a.parquet")).unwrap(),
        fs::read(dir.join("b.parquet")).unwrap()
    );
    let reader = Reader::<Query>::open(&dir.join("a.parquet")).unwrap();
    assert_eq!(reader.n_rows(), 5000);
    let rows: Vec<Query> = reader.map(Result::unwrap).collect();
    assert_eq!(rows, (0..5000).map(query).collect::<Vec<_>>());
    let provenance = apo_tables::provenance(&dir.join("a.parquet"))
        .unwrap()
        .unwrap();
    assert_eq!(provenance.stage, "test");
    assert_eq!(provenance.arguments["seed"], 7);
}

#[test]
fn a_folder_is_read_in_the_order_of_its_parts() {
    let dir = folder("parts");
    write_queries(&dir.join("part-1.parquet"), 10..20);
    write_queries(&dir.join("part-0.parquet"), 0..10);
    fs::write(dir.join("notes.txt"), "not a part").unwrap();
    let rows: Vec<Query> = Reader::open(&dir).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows, (0..20).map(query).collect::<Vec<_>>());
}

#[test]
fn other_writers_types_are_read_where_nothing_is_lost() {
    let path = folder("foreign").join("samples.parquet");
    foreign_responses(&path, &[3], Arc::new(Float64Array::from(vec![0.5])));
    let row = Reader::<Response>::open(&path)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!((row.sample, row.reward, row.tokens), (3, Some(0.5), None));
    assert_eq!(row.finish, Finish::Stop);
}

#[test]
fn all_faults_of_a_schema_are_reported_at_once() {
    let path = folder("faults").join("pairs.parquet");
    foreign(
        &path,
        vec![
            ("prompt", numbers(&[1])),
            ("query_id", texts(&["q"])),
            ("chosen", texts(&["c"])),
            ("subset", texts(&["s"])),
        ],
    );
    let message = Reader::<Pair>::open(&path).unwrap_err().to_string();
    for part in [
        "pairs.parquet is not a `pairs` table",
        "column `pair_id` is missing",
        "column `prompt` is Int64, expected utf8",
        "column `rejected` is missing",
        "`hh-split` writes such tables",
    ] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn a_null_or_a_number_that_does_not_fit_is_reported_with_its_row() {
    let dir = folder("values");
    let null: ArrayRef = Arc::new(StringArray::from(vec![Some("p"), None]));
    foreign(
        &dir.join("null.parquet"),
        vec![
            ("query_id", texts(&["a", "b"])),
            ("subset", texts(&["s", "s"])),
            ("prompt", null),
        ],
    );
    let mut reader = Reader::<Query>::open(&dir.join("null.parquet")).unwrap();
    let message = reader.next().unwrap().unwrap_err().to_string();
    assert!(
        message.contains("row 1 (from 0), column `prompt`: is null"),
        "{message}"
    );
    let large = dir.join("large.parquet");
    foreign_responses(&large, &[1 << 40], Arc::new(Float64Array::from(vec![0.0])));
    let mut reader = Reader::<Response>::open(&large).unwrap();
    let message = reader.next().unwrap().unwrap_err().to_string();
    assert!(message.contains("column `sample`"), "{message}");
    for (value, digits) in [(1e300, "1e300"), (-3.5e38, "-3.5e38")] {
        let reward = dir.join(format!("{digits}.parquet"));
        foreign_responses(&reward, &[1], Arc::new(Float64Array::from(vec![value])));
        let mut reader = Reader::<Response>::open(&reward).unwrap();
        let message = reader.next().unwrap().unwrap_err().to_string();
        assert!(
            message.contains(&format!("{digits} does not fit float32")),
            "{message}"
        );
    }
}

#[test]
fn a_verdict_an_outcome_and_a_side_are_read_by_name_or_refused() {
    let dir = folder("judged");
    let read = |plain: ArrayRef, outcome: &str| {
        let path = dir.join("verdicts.parquet");
        foreign(
            &path,
            vec![
                ("characters_a", numbers(&[1])),
                ("characters_b", numbers(&[2])),
                ("judge", texts(&["j"])),
                ("outcome", texts(&[outcome])),
                ("plain", plain),
                ("query_id", texts(&["q"])),
                ("repeat", numbers(&[0])),
                ("subset", texts(&["s"])),
                ("swapped", texts(&["same"])),
            ],
        );
        let mut rows = Reader::<VerdictRow>::open(&path).unwrap();
        rows.next().unwrap()
    };
    let row = read(Arc::new(NullArray::new(1)), "a").unwrap();
    assert_eq!((row.plain, row.swapped), (None, Some(Verdict::Same)));
    assert_eq!(row.outcome, JudgedOutcome::A);
    for (plain, outcome, expected) in [
        (
            "tie",
            "a",
            "column `plain`: is `tie`, expected one of a, b, same, invalid",
        ),
        (
            "a",
            "same",
            "column `outcome`: is `same`, expected one of a, b, tie, inconsistent, invalid",
        ),
    ] {
        let message = read(texts(&[plain]), outcome).unwrap_err().to_string();
        assert!(message.ends_with(expected), "{message}");
    }
    for (left, expected) in [("b", None), ("left", Some("a, b"))] {
        let path = dir.join("key.parquet");
        foreign(
            &path,
            vec![
                ("characters_a", numbers(&[1])),
                ("characters_b", numbers(&[2])),
                ("digest", texts(&["d"])),
                ("left", texts(&[left])),
                ("query_id", texts(&["q"])),
                ("subset", texts(&["s"])),
            ],
        );
        let row = Reader::<SheetKey>::open(&path).unwrap().next().unwrap();
        match (row, expected) {
            (Ok(row), None) => assert_eq!(row.left, Side::B),
            (Err(error), Some(names)) => {
                let expected = format!("column `left`: is `{left}`, expected one of {names}");
                assert!(error.to_string().ends_with(&expected), "{error}");
            }
            (row, _) => panic!("{left}: {row:?}"),
        }
    }
}

#[test]
fn what_is_no_whole_parquet_file_is_refused() {
    let dir = folder("corrupt");
    let whole = dir.join("whole.parquet");
    write_queries(&whole, 0..3000);
    let bytes = fs::read(&whole).unwrap();
    let mut damaged = bytes.clone();
    damaged[4..400].fill(0xff);
    for (name, content, expected) in [
        (
            "truncated.parquet",
            &bytes[..bytes.len() / 2],
            "was cut off",
        ),
        ("begun.parquet", &bytes[..6], "was cut off"),
        ("nearly.parquet", &bytes[..bytes.len() - 1], "was cut off"),
        (
            "tail.parquet",
            &bytes[bytes.len() / 2 + 1000..bytes.len() - 3],
            "does not begin like one",
        ),
        ("empty.parquet", &[], "is empty"),
        (
            "text.parquet",
            b"query_id,subset,prompt\n".as_slice(),
            "is text, such as CSV",
        ),
        ("lines.parquet", b"{\"query_id\": \"a\"}\n", "is JSON"),
        ("damaged.parquet", &damaged, "damaged"),
    ] {
        let path = dir.join(name);
        fs::write(&path, content).unwrap();
        let found = Reader::<Query>::open(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let error = found.map(|rows| rows.len()).unwrap_err();
        assert!(
            matches!(error, TableError::Corrupt { .. }),
            "{name}: {error}"
        );
        assert!(error.is_bad_input(), "{name}: {error}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    let missing = Reader::<Query>::open(&dir.join("missing.parquet")).unwrap_err();
    assert!(missing.to_string().contains("no such file"), "{missing}");
}

/// Where the pages of a file lie: its row groups' columns.
fn pages_of(path: &Path) -> std::ops::Range<usize> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let columns = reader.metadata().row_groups().iter();
    let ends = columns.flat_map(|group| {
        group.columns().iter().map(|column| {
            let (begin, length) = column.byte_range();
            begin + length
        })
    });
    4..ends.max().unwrap() as usize
}

#[test]
fn a_flipped_bit_in_a_page_is_never_read() {
    let dir = folder("flipped");
    let whole = dir.join("whole.parquet");
    let row = |i: i32| Response {
        query_id: format!("q{}", i / 3),
        subset: "s".into(),
        prompt: format!("\n\nHuman: question {}?\n\nAssistant:", i / 3),
        sample: i % 3,
        response: format!("answer {i}"),
        origin: "policy".into(),
        finish: Finish::Stop,
        tokens: (i % 2 == 0).then_some(i),
        log_prob: Some(-0.5 * i as f32),
        reward: None,
    };
    let rows: Vec<Response> = (0..40).map(row).collect();
    let mut writer = Writer::create(&whole, &Provenance::new("test", "1")).unwrap();
    for row in &rows {
        writer.write(row).unwrap();
    }
    writer.finish().unwrap();
    let read = |path: &Path| Reader::<Response>::open(path)?.collect::<Result<Vec<_>, _>>();
    assert_eq!(read(&whole).unwrap(), rows);

    let bytes = fs::read(&whole).unwrap();
    let damaged = dir.join("damaged.parquet");
    verify(&whole).unwrap();
    let pages = pages_of(&whole);
    assert!(pages.len() > 500, "{pages:?}");
    for at in pages {
        for bit in [0, 3, 7] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&damaged, &bytes).unwrap();
            assert!(read(&damaged).is_err(), "bit {bit} of byte {at}");
            assert!(verify(&damaged).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_flipped_bit_in_a_footer_changes_neither_rows_nor_origin() {
    let dir = folder("flipped-footer");
    let whole = dir.join("whole.parquet");
    let provenance = Provenance::new("test", "1").of_part("test");
    let mut writer = Writer::create(&whole, &provenance).unwrap();
    for i in 0..30 {
        writer.write(&query(i)).unwrap();
    }
    writer.finish().unwrap();
    let read = |path: &Path| {
        let reader = Reader::<Query>::open(path)?;
        let split = reader.split()?;
        let n_rows = reader.n_rows();
        Ok::<_, TableError>((split, n_rows, reader.collect::<Result<Vec<_>, _>>()?))
    };
    let expected = read(&whole).unwrap();
    let bytes = fs::read(&whole).unwrap();
    let damaged = dir.join("damaged.parquet");
    for at in pages_of(&whole).end..bytes.len() {
        for bit in [0, 2, 5] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&damaged, &bytes).unwrap();
            if let Ok(found) = read(&damaged) {
                assert_eq!(found, expected, "bit {bit} of byte {at}");
            }
        }
    }
}

/// Ways to read a table of responses: by rows, and in batches that carry all
/// columns.
type Reading = fn(&Path) -> Result<(), TableError>;
const READINGS: [(&str, Reading); 2] = [
    ("rows", |path| {
        let rows: Result<Vec<_>, _> = Reader::<Response>::open(path)?.collect();
        rows.map(drop)
    }),
    ("batches", |path| {
        let mut batches = Reader::<Response>::open(path)?.batches();
        batches.try_for_each(|it| it.map(drop))
    }),
];

#[test]
fn no_byte_of_a_table_can_be_changed_unseen() {
    let dir = folder("changed");
    let whole = dir.join("whole.parquet");
    let response = |i: i32| Response {
        query_id: format!("q{}", i / 3),
        subset: "s".into(),
        prompt: format!("\n\nHuman: question {}?\n\nAssistant:", i / 3),
        sample: i % 3,
        response: format!("answer {i}"),
        origin: "policy".into(),
        finish: Finish::Stop,
        tokens: Some(i),
        log_prob: Some(-0.5),
        reward: Some(0.5),
    };
    let provenance = Provenance::new("test", "1").of_part("rm");
    let mut writer = Writer::create(&whole, &provenance).unwrap();
    for i in 0..9 {
        writer.write(&response(i)).unwrap();
    }
    writer.finish().unwrap();
    let bytes = fs::read(&whole).unwrap();
    let changed = dir.join("changed.parquet");
    let is_refused = |what: &str, bytes: &[u8]| {
        fs::write(&changed, bytes).unwrap();
        for (name, read) in READINGS {
            match read(&changed) {
                Ok(()) => panic!("{what}: {name} are read"),
                Err(error) => assert!(error.is_bad_input(), "{what}: {error}"),
            }
        }
    };
    for (name, read) in READINGS {
        assert!(read(&whole).is_ok(), "{name}");
    }
    for at in 0..bytes.len() {
        for bit in [1, 6] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            is_refused(&format!("bit {bit} of byte {at}"), &bytes);
        }
        let mut longer = bytes.clone();
        longer.insert(at, b'0');
        is_refused(&format!("a byte before byte {at}"), &longer);
        is_refused(&format!("without byte {at}"), &{
            let mut shorter = bytes.clone();
            shorter.remove(at);
            shorter
        });
        is_refused(&format!("cut at byte {at}"), &bytes[..at]);
    }
}

#[test]
fn long_rows_make_small_groups_and_are_read_a_few_at_a_time() {
    let path = folder("long").join("queries.parquet");
    let long = |i: usize| Query {
        prompt: format!("{i}{}", "word ".repeat(1 << 20)),
        ..query(i)
    };
    let mut writer = Writer::create(&path, &Provenance::new("test", "1")).unwrap();
    for i in 0..20 {
        writer.write(&long(i)).unwrap();
    }
    writer.finish().unwrap();
    let rows = Reader::<Query>::open(&path).unwrap();
    for (i, row) in rows.enumerate() {
        assert_eq!(row.unwrap(), long(i));
    }
}

#[test]
fn a_column_of_nothing_but_nulls_is_null_and_others_do_not_matter() {
    let dir = folder("nulls");
    let responses = |name: &str, response: ArrayRef| {
        let path = dir.join(name);
        let when = TimestampMicrosecondArray::from(vec![0, 1]).with_timezone("UTC");
        let of_tokens: ArrayRef = Arc::new(NullArray::new(2));
        foreign(
            &path,
            vec![
                ("created_at", Arc::new(when) as ArrayRef),
                ("finish", texts(&["stop", "stop"])),
                ("origin", texts(&["policy", "policy"])),
                ("prompt", texts(&["p", "p"])),
                ("query_id", texts(&["q", "q"])),
                ("response", response),
                ("sample", numbers(&[0, 1])),
                ("subset", texts(&["s", "s"])),
                ("tokens", of_tokens),
            ],
        );
        path
    };
    let path = responses("tokens.parquet", texts(&["a", "b"]));
    let rows: Vec<Response> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
    assert_eq!((rows[0].tokens, rows[1].response.as_str()), (None, "b"));
    let path = responses("response.parquet", Arc::new(NullArray::new(2)));
    let error = Reader::<Response>::open(&path).unwrap().next().unwrap();
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("row 0 (from 0), column `response`: is null"),
        "{error}"
    );
}

#[test]
fn text_that_is_not_utf_8_is_reported_with_its_column_and_row() {
    let path = folder("not-utf-8").join("queries.parquet");
    let schema = "message schema {
        required binary query_id (UTF8); required binary prompt (UTF8);
        required binary subset (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer =
        SerializedFileWriter::new(File::create(&path).unwrap(), schema, Arc::default()).unwrap();
    for group in 0..2 {
        let mut columns = writer.next_row_group().unwrap();
        for bad in [false, true, false] {
            let text = |i| match (bad, group, i) {
                (true, 1, 2) => b"Caf\xe9?".to_vec(),
                _ => format!("text {i}").into_bytes(),
            };
            let values: Vec<ByteArray> = (0..5).map(|i| text(i).into()).collect();
            let mut column = columns.next_column().unwrap().unwrap();
            column
                .typed::<ByteArrayType>()
                .write_batch(&values, None, None)
                .unwrap();
            column.close().unwrap();
        }
        columns.close().unwrap();
    }
    writer.close().unwrap();
    let found = Reader::<Query>::open(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let error = found.unwrap_err();
    let expected = "row 7 (from 0), column `prompt`: is not UTF-8";
    assert!(error.to_string().contains(expected), "{error}");
    assert!(error.is_bad_input());
}

#[test]
fn hidden_files_are_no_parts_and_sub_folders_are_named() {
    let dir = folder("hidden");
    write_queries(&dir.join("part.parquet"), 0..3);
    let digest = |dir: &Path| Reader::<Query>::open(dir).unwrap().input().unwrap().digest;
    let before = digest(&dir);
    assert_eq!(before, apo_provenance::digest_path(&dir).unwrap());
    for name in [
        "._part.parquet",
        ".part.parquet.crc",
        "_SUCCESS",
        ".DS_Store",
    ] {
        fs::write(dir.join(name), "no table").unwrap();
    }
    fs::create_dir(dir.join("notes")).unwrap();
    fs::write(dir.join("notes/read.me"), "no table").unwrap();
    assert_eq!(Reader::<Query>::open(&dir).unwrap().count(), 3);
    assert_eq!(digest(&dir), before);
    for (name, below) in [
        ("hive", "subset=a"),
        ("nested", "x.parquet"),
        ("deep", "a/b"),
    ] {
        let dir = folder(name);
        fs::create_dir_all(dir.join(below)).unwrap();
        write_queries(&dir.join(below).join("part.parquet"), 0..3);
        if name == "deep" {
            write_queries(&dir.join("part.parquet"), 0..3);
        }
        let error = Reader::<Query>::open(&dir).unwrap_err();
        let first = below.split('/').next().unwrap();
        let message = error.to_string();
        assert!(message.contains(&format!("`{first}`")), "{message}");
        assert!(message.contains("sub-folders"), "{message}");
        assert!(error.is_bad_input());
    }
}

#[test]
fn every_part_of_a_folder_is_read_or_named() {
    let dir = folder("all-parts");
    write_queries(&dir.join("part-1.parquet"), 0..3);
    write_queries(&dir.join("PART-2.PARQUET"), 3..5);
    assert_eq!(Reader::<Query>::open(&dir).unwrap().count(), 5);
    for name in [
        "part-3.parquet.tmp",
        "part-3.parquet.gz",
        "part-3.PARQUET.1",
        "Part-1.Parquet",
    ] {
        fs::write(dir.join(name), "").unwrap();
        let error = Reader::<Query>::open(&dir).unwrap_err();
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        assert!(error.is_bad_input());
        fs::remove_file(dir.join(name)).unwrap();
    }
    // A writer that failed may leave a part without rows.
    write_queries(&dir.join("part-3.parquet"), 0..0);
    assert_eq!(Reader::<Query>::open(&dir).unwrap().count(), 5);
    assert_eq!(Reader::<Query>::open_filled(&dir).unwrap().count(), 5);
    assert_eq!(empty_parts(&dir), [dir.join("part-3.parquet")]);
    fs::remove_file(dir.join("part-3.parquet")).unwrap();
    assert!(empty_parts(&dir).is_empty());
    // What other programs call Parquet files.
    write_queries(&dir.join("part-3.parq"), 5..6);
    write_queries(&dir.join("Part-4.PQ"), 6..8);
    assert_eq!(Reader::<Query>::open(&dir).unwrap().count(), 8);
}

#[test]
fn scores_are_added_and_all_else_is_carried() {
    let dir = folder("scored");
    let path = dir.join("in.parquet");
    foreign_responses(&path, &[0, 1], Arc::new(Float64Array::from(vec![9.0, 9.0])));
    let reader = Reader::<Response>::open(&path).unwrap();
    let schema = reader.schema().unwrap();
    let out = dir.join("out.parquet");
    let mut writer = ScoredWriter::create(&out, &schema, &Provenance::new("judge", "1")).unwrap();
    for batch in reader.batches() {
        writer.write(&batch.unwrap(), &[0.25, -1.0]).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), 2);
    let reader = Reader::<Response>::open(&out).unwrap();
    assert!(reader.schema().unwrap().field_with_name("note").is_ok());
    let rewards: Vec<_> = reader.map(|row| row.unwrap().reward).collect();
    assert_eq!(rewards, [Some(0.25), Some(-1.0)]);
}

#[test]
fn names_of_columns_are_distinct() {
    for table in apo_tables::tables::ALL {
        let mut names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), table.columns.len(), "{}", table.name);
    }
    assert_eq!(Pair::TABLE.name, "pairs");
}

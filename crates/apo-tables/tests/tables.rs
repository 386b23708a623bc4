//! Tables written and read: foreign types, faults, folders, equal bytes.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apo_tables::{
    Finish, Pair, Provenance, Query, Reader, Response, Row, ScoredWriter, TableError, Writer,
};
use arrow::array::{
    ArrayRef, Float64Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
};
use parquet::arrow::ArrowWriter;

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
    let batch = RecordBatch::try_from_iter(columns).unwrap();
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
    let provenance = Provenance::read(&dir.join("a.parquet")).unwrap().unwrap();
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
fn every_fault_of_a_schema_is_told_at_once() {
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
fn a_null_or_a_number_that_does_not_fit_is_told_with_its_row() {
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
}

#[test]
fn what_is_no_whole_parquet_file_is_refused() {
    let dir = folder("corrupt");
    let whole = dir.join("whole.parquet");
    write_queries(&whole, 0..3000);
    let bytes = fs::read(&whole).unwrap();
    let mut damaged = bytes.clone();
    damaged[4..400].fill(0xff);
    for (name, content) in [
        ("truncated.parquet", &bytes[..bytes.len() / 2]),
        (
            "tail.parquet",
            &bytes[bytes.len() / 2 + 1000..bytes.len() - 3],
        ),
        ("empty.parquet", &[]),
        ("text.parquet", b"query_id,subset,prompt\n".as_slice()),
        ("damaged.parquet", &damaged),
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
    }
    let missing = Reader::<Query>::open(&dir.join("missing.parquet")).unwrap_err();
    assert!(missing.to_string().contains("no such file"), "{missing}");
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
fn the_page_of_tables_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../TABLES.md");
    let expected = apo_tables::tables::documentation();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, expected,
        "UPDATE_PAGES=1 cargo test --release -p apo-tables writes it anew"
    );
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

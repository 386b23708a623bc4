//! Other people's data, and pages about our own.

use std::path::Path;

use apo_import::{
    ANSWER_FIELDS, Answer, Columns, PREFERENCE_FIELDS, Preferences, QUERY_FIELDS, Record, Source,
    parse, query,
};
use apo_provenance::Provenance;
use apo_tables::{Pair, Reader};
use serde_json::Value;

use super::damage::chain;
use super::scratch;

/// Number of records to read at once.
const BATCH: usize = 64;

/// A little more than the bytes that gzip can make of one.
const MOST_UNPACKED: usize = 1100;

pub fn lines(bytes: &[u8]) -> String {
    imported(&scratch::file("raw.jsonl", bytes), 4 * bytes.len())
}

pub fn list(bytes: &[u8]) -> String {
    imported(&scratch::file("raw.json", bytes), 4 * bytes.len())
}

pub fn gzip(bytes: &[u8]) -> String {
    imported(
        &scratch::file("raw.jsonl.gz", bytes),
        MOST_UNPACKED * bytes.len(),
    )
}

pub fn parquet(bytes: &[u8]) -> String {
    let path = scratch::file("raw.parquet", bytes);
    let found = imported(&path, usize::MAX);
    let rows = Reader::<Pair>::open(&path).and_then(Iterator::collect::<Result<Vec<Pair>, _>>);
    let own = rows.map_or_else(|error| chain(&error), |rows| format!("{} rows", rows.len()));
    let about = match apo_tables::provenance(&path) {
        Ok(found) => found.map_or("no provenance".into(), |it| it.stage),
        Err(error) => chain(&error),
    };
    format!("{found}; {own}; {about}")
}

/// Reads a file as preferences and as answers. A record has at most `most` bytes.
fn imported(path: &Path, most: usize) -> String {
    let preferences = read(
        path,
        PREFERENCE_FIELDS,
        most,
        |record| match Preferences::read(record, &Columns::default()) {
            Ok(Preferences::Preference(found)) => {
                assert!(found.margin.is_none_or(f64::is_finite), "{found:?}");
                "preference".into()
            }
            Ok(Preferences::ScoredAnswers(found)) => {
                assert!(found.answers.len() > 1, "{found:?}");
                assert!(found.answers.iter().all(|it| it.score.is_finite()));
                "comparison".into()
            }
            Err(fault) => {
                assert!(!fault.detail.is_empty());
                fault.reason.into()
            }
        },
    );
    let answers = read(path, ANSWER_FIELDS, most, |record| {
        match Answer::read(record) {
            Ok(_) => "answer".into(),
            Err(fault) => fault.reason.into(),
        }
    });
    let asked = read(path, QUERY_FIELDS, most, |record| {
        let columns = [Columns::default(), named_columns()];
        let kinds = columns.map(|columns| match query(record, &columns) {
            Ok(found) => {
                assert!(!apo_hh::turns(&found.prompt).is_empty(), "{found:?}");
                "query".into()
            }
            Err(fault) => fault.reason.to_string(),
        });
        kinds.join(" or ")
    });
    let pairs = read(path, PREFERENCE_FIELDS, most, |record| {
        let found = apo_import::pairs(record, "s", &named_columns());
        format!("{} pairs", found.iter().filter(|it| it.is_ok()).count())
    });
    format!("{preferences}; {answers}; {asked}; {pairs}")
}

/// Columns that a user names.
fn named_columns() -> Columns {
    let renamed = ["prompt=question", "chosen=rejected", "rejected=chosen"];
    let renamed = renamed.map(|it| it.parse().expect("FIELD=COLUMN"));
    Columns {
        renamed: renamed.into(),
        subset: Some("source".into()),
    }
}

/// Returns the kinds of records in a file, each once.
fn read(path: &Path, fields: &[&str], most: usize, each: impl Fn(&Record) -> String) -> String {
    let mut source = match Source::open(path, fields) {
        Ok(source) => source,
        Err(error) => return chain(&error),
    };
    let (mut found, mut n_bytes, mut line) = (Vec::new(), 0, 0);
    loop {
        let batch = match source.batch(BATCH) {
            Ok(batch) if batch.is_empty() => break,
            Ok(batch) => batch,
            Err(error) => {
                found.push(chain(&error));
                break;
            }
        };
        for record in batch {
            assert!(
                record.line > line,
                "lines go on: {} after {line}",
                record.line
            );
            line = record.line;
            n_bytes += record.json.len();
            found.push(each(&record));
            let excerpt = record.excerpt();
            assert!(excerpt.chars().count() <= 200, "{excerpt}");
            if let Ok(Value::String(text)) = parse::<Value>(&record) {
                dialogue(&text);
            }
        }
    }
    assert!(n_bytes <= most, "{n_bytes} bytes of records");
    found.sort();
    found.dedup();
    found.join(", ")
}

/// Reads a text as a dialogue.
fn dialogue(text: &str) {
    let prompt = apo_hh::as_prompt(text);
    for turn in apo_hh::turns(&prompt) {
        assert_eq!(turn.text, turn.text.trim(), "a turn is stripped");
        assert!(!turn.text.is_empty(), "a turn says something");
    }
    let _ = apo_hh::split_pair(text, &format!("{text}!"));
}

pub fn provenance(bytes: &[u8]) -> String {
    let found: Provenance = match serde_json::from_slice(bytes) {
        Ok(found) => found,
        Err(error) => return error.to_string(),
    };
    let written = serde_json::to_vec(&found).expect("a provenance is plain data");
    let again: Provenance = serde_json::from_slice(&written).expect("ours can be read");
    assert_eq!(again, found, "it says what it said");
    assert!(found.differences(&again).is_empty());
    let other = Provenance::new("align", "0");
    format!("{:?}, {:?}", found.split(), found.differences(&other))
}

//! Damages files that stages wrote with checksums. A reader must return what was
//! written, or say that it is damaged.
//!
//! The bytes describe the damage, four for each edit: how, by how much, where.

use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use apo_endpoint::{Digest, Entry, Failure, Journal, Outcome, Reply, Request, Role};
use apo_provenance::Provenance;
use apo_spool::{Spool, read_record, write_record};
use apo_tables::{Pair, Reader};

use super::scratch;
use crate::stages;

/// Maximum number of edits.
const MOST: usize = 32;

/// Returns `whole` with the edits that `bytes` describe in its first `length` bytes.
fn damaged(whole: &[u8], length: usize, bytes: &[u8]) -> Vec<u8> {
    let mut found = whole.to_vec();
    let (edits, _) = bytes.as_chunks::<4>();
    for &[how, by, low, high] in edits.iter().take(MOST) {
        let limit = length.min(found.len());
        if limit == 0 {
            break;
        }
        let at = usize::from(u16::from_le_bytes([low, high])) % limit;
        let end = (at + 1 + usize::from(by)).min(limit);
        match how % 8 {
            0 | 1 => found[at] ^= 1 << (by % 8),
            2 => found[at] = by,
            3 => found.truncate(at),
            4 => drop(found.drain(at..end)),
            5 => found.insert(at, by),
            6 => found[at..end].fill(0),
            _ => {
                let copy = found[at..end].to_vec();
                drop(found.splice(at..at, copy));
            }
        }
    }
    found
}

/// Returns records of a spool: short and long ones, and two equal ones.
fn spooled() -> Vec<(u64, String)> {
    let text = |n: usize| "ab\0é\n".repeat(n);
    let lengths = [0, 1, 7, 7, 90, 0, 3, 40];
    (0..).zip(lengths.map(text)).collect()
}

/// A spool of [`spooled`], and the place of each record.
static SPOOL: LazyLock<(Vec<u8>, Vec<u64>)> = LazyLock::new(|| {
    let path = scratch::file("whole.spool", &[]);
    // A spool that is resumed writes each record at once.
    let opened = Spool::recover(&path, |_, _: (u64, String)| ControlFlow::Continue(()));
    let mut spool = opened.expect("a spool can be written").spool;
    let places = spooled()
        .iter()
        .map(|it| spool.append(it).expect("a record can be written").at())
        .collect();
    (fs::read(&path).expect("it was written"), places)
});

pub fn spool(bytes: &[u8]) -> String {
    // A first byte of zero is followed by new frames, any other by edits.
    let (whole, places) = &*SPOOL;
    let (found, any) = match bytes.split_first() {
        Some((0, bytes)) => (bytes.to_vec(), true),
        _ => (damaged(whole, whole.len(), bytes), false),
    };
    let path = scratch::file("damaged.spool", &found);
    let written = spooled();
    let mut kept = Vec::new();
    let recovered = Spool::recover(&path, |place, record: (u64, String)| {
        if !any {
            let number = places.iter().position(|at| *at == place.at());
            let number = number.expect("a record lies where one was written");
            assert_eq!(record, written[number], "a record is what was written");
        }
        kept.push((place, record));
        ControlFlow::Continue(())
    });
    let mut recovered = recovered.expect("a file in memory can be read");
    let more = (7, "more".to_owned());
    let place = recovered.spool.append(&more).expect("memory takes it");
    kept.push((place, more));
    for (place, record) in &kept {
        assert_eq!(&recovered.spool.read(*place).expect("it is whole"), record);
    }
    let damage = recovered.damaged;
    drop(recovered);
    if !any && found == *whole {
        assert_eq!((kept.len(), damage), (written.len() + 1, 0));
    }
    let mut again = Vec::new();
    let recovered = Spool::recover(&path, |place, record: (u64, String)| {
        again.push((place, record));
        ControlFlow::Continue(())
    });
    recovered.expect("a file in memory can be read");
    assert_eq!(again, kept, "what was kept is kept");
    format!("{} kept, {damage} damaged, {}", kept.len(), record(bytes))
}

/// Damages a file of one record in the same way.
fn record(bytes: &[u8]) -> &'static str {
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let path = scratch::file("whole.record", &[]);
        write_record(&path, &spooled()).expect("a record can be written");
        fs::read(&path).expect("it was written")
    });
    let found = damaged(&WHOLE, WHOLE.len(), bytes);
    let path = scratch::file("damaged.record", &found);
    let Ok(records) = read_record::<Vec<(u64, String)>>(&path) else {
        assert_ne!(found, *WHOLE, "a whole record is read");
        return "damaged";
    };
    assert_eq!(records, spooled(), "a record is what was written");
    "whole"
}

fn pairs() -> Vec<Pair> {
    let pair = |i: usize| Pair {
        query_id: format!("{i:016x}"),
        pair_id: format!("{:016x}", i + 1000),
        subset: "helpful-base".into(),
        prompt: format!("\n\nHuman: What is {i} and one?\n\nAssistant:"),
        chosen: format!("{}.", i + 1),
        rejected: "I do not know.".into(),
        margin: None,
    };
    (0..40).map(pair).collect()
}

pub fn table(bytes: &[u8]) -> String {
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let path = scratch::file("whole.parquet", &[]);
        stages::write(&path, &Provenance::new("fuzz", "1"), &pairs());
        fs::read(&path).expect("it was written")
    });
    let found = damaged(&WHOLE, WHOLE.len(), bytes);
    let path = scratch::file("damaged.parquet", &found);
    let rows: Result<Vec<Pair>, _> = Reader::open(&path).and_then(Iterator::collect);
    match rows {
        Ok(rows) => {
            assert_eq!(rows, pairs(), "rows are what was written");
            assert_eq!(found, *WHOLE, "no changed byte is read");
            "whole".into()
        }
        Err(error) => {
            assert_ne!(found, *WHOLE, "a whole table is read: {error}");
            chain(&error)
        }
    }
}

/// Returns an error and its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Requests with their outcomes.
fn answered() -> Vec<(Digest, Outcome)> {
    let request = |i: usize| {
        let message = apo_endpoint::Message::new(Role::User, format!("What is {i} and one?"));
        Request::new("model", vec![message]).digest()
    };
    (0..6)
        .map(|i| {
            let outcome = match i {
                4 => Outcome::Failed(Failure {
                    message: "HTTP 503: overloaded".into(),
                    attempts: 6,
                }),
                _ => Outcome::Reply(Reply {
                    content: format!("It is {}, \"é\".\n", i + 1),
                    finish_reason: Some("stop".into()),
                    usage: None,
                }),
            };
            (request(i), outcome)
        })
        .collect()
}

pub fn journal(bytes: &[u8]) -> String {
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let path = scratch::folder(&[]).join("whole.jsonl");
        let journal = Journal::open(&path).expect("a journal can be written");
        for (request, outcome) in answered() {
            let entry = Entry {
                request,
                model: "model".into(),
                outcome,
            };
            journal.append(&entry).expect("an entry can be written");
        }
        fs::read(&path).expect("it was written")
    });
    // A journal that lost its first line may be an older one.
    let found = damaged(&WHOLE, WHOLE.len(), &bytes[..bytes.len().min(4)]);
    let path = scratch::file("damaged.jsonl", &found);
    let written: HashMap<Digest, Outcome> = answered().into_iter().collect();
    let journal = match Journal::read(&path) {
        Ok(journal) => journal,
        Err(error) => {
            assert_ne!(found, *WHOLE, "a whole journal is read: {error}");
            return chain(&error);
        }
    };
    let mut n = 0;
    for (request, outcome) in &written {
        if let Some(found) = journal.get(request).expect("nobody else writes") {
            assert_eq!(&found, outcome, "an outcome is what was written");
            n += 1;
        }
    }
    assert!(
        n == written.len() || found != *WHOLE,
        "{n} of a whole journal"
    );
    assert!(journal.n_requests() == n, "requests that nobody made");
    format!("{n} kept")
}

//! A spool gives back what was written, or says that it cannot.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use apo_spool::{Place, Spool, SpoolError, checksum_of_file, read_record, write_record};
use proptest::prelude::*;

type Record = (u32, String);

fn records(n: u32) -> Vec<Record> {
    let text = |i: u32| "words ".repeat(i as usize % 7);
    (0..n).map(|i| (i, text(i))).collect()
}

fn write(path: &Path, records: &[Record]) -> Vec<Place> {
    let mut spool = Spool::create(path).unwrap();
    let places: Vec<Place> = records.iter().map(|it| spool.append(it).unwrap()).collect();
    // What is still in memory is written before it is read.
    assert_eq!(spool.read(places[0]).unwrap(), records[0]);
    places
}

/// Returns what is left of a spool, and how often it is damaged.
fn recover(path: &Path) -> (Vec<Record>, u64) {
    let mut found = Vec::new();
    let recovered = Spool::recover(path, |_, record| {
        found.push(record);
        ControlFlow::Continue(())
    });
    (found, recovered.unwrap().damaged)
}

#[test]
fn a_spool_that_was_cut_short_continues_after_its_last_whole_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it.spool");
    let all = records(5);
    write(&path, &all);
    let whole = fs::read(&path).unwrap();
    let mut lengths: Vec<usize> = (0..=whole.len()).collect();
    lengths.reverse();
    for length in lengths {
        fs::write(&path, &whole[..length]).unwrap();
        let (kept, damaged) = recover(&path);
        assert_eq!(kept, all[..kept.len()], "{length} bytes");
        assert_eq!(damaged, 0, "{length} bytes: a cut is no damage");
        // The rest is added again, as a stage would.
        let mut again = Spool::recover(&path, |_, _: Record| ControlFlow::Continue(())).unwrap();
        for record in &all[kept.len()..] {
            again.spool.append(record).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), whole, "{length} bytes");
    }
}

#[test]
fn where_the_reader_breaks_off_the_spool_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it.spool");
    let all = records(4);
    write(&path, &all);
    let until = |n: u32| {
        move |_: Place, (i, _): Record| {
            if i < n {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        }
    };
    let mut spool = Spool::recover(&path, until(2)).unwrap().spool;
    let place = spool.append(&all[3]).unwrap();
    assert_eq!(spool.read(place).unwrap(), all[3]);
    let (kept, _) = recover(&path);
    assert_eq!(kept, [all[0].clone(), all[1].clone(), all[3].clone()]);
}

#[test]
fn a_record_that_changed_since_it_was_written_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it.scratch");
    let mut spool = Spool::create(&path).unwrap();
    let all = records(3);
    let places: Vec<Place> = all.iter().map(|it| spool.append(it).unwrap()).collect();
    assert_eq!(spool.read(places[2]).unwrap(), all[2]);
    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    bytes[9] ^= 1;
    fs::write(&path, &bytes).unwrap();
    match spool.read(places[0]) {
        Err(SpoolError::Damaged { path: found, at: 0 }) => assert_eq!(found, path),
        other => panic!("{other:?}"),
    }
    assert_eq!(spool.read(places[1]).unwrap(), all[1]);
    // A frame counts where it was written, not where it was copied to.
    let mut bytes = whole.clone();
    bytes.extend(&whole);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(recover(&path).0, all);
    fs::write(&path, &whole[..20]).unwrap();
    assert!(matches!(
        spool.read(places[2]),
        Err(SpoolError::Damaged { .. })
    ));
}

#[test]
fn a_file_of_others_has_no_records() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it.spool");
    for bytes in [&b"{\"a\": 1}\n{\"a\": 2}\n"[..], &[0; 4096], b"x"] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(recover(&path).0, []);
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    }
}

#[test]
fn a_record_of_its_own_is_read_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.spool");
    let record = &records(4)[3];
    write_record(&path, record).unwrap();
    assert_eq!(read_record::<Record>(&path).unwrap(), *record);
    let whole = fs::read(&path).unwrap();
    for i in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[i] ^= 1 << (i % 8);
        fs::write(&path, &bytes).unwrap();
        assert!(read_record::<Record>(&path).is_err(), "byte {i}");
        fs::write(&path, &whole[..i]).unwrap();
        assert!(read_record::<Record>(&path).is_err(), "{i} bytes");
    }
    fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    assert!(read_record::<Record>(&path).is_err(), "a byte more");
}

#[test]
fn a_files_checksum_is_the_crc_that_others_compute() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text");
    fs::write(&path, "123456789").unwrap();
    // The check value of CRC-32/ISO-HDLC.
    assert_eq!(checksum_of_file(&path).unwrap(), 0xcbf4_3926);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damage_costs_what_it_touches_and_nothing_false_is_read(
        n in 1_u32..12, at in any::<prop::sample::Index>(), length in 1_usize..40, with in any::<u8>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("it.spool");
        let all = records(n);
        let places = write(&path, &all);
        let whole = fs::read(&path).unwrap();
        let start = at.index(whole.len());
        let end = (start + length).min(whole.len());
        let mut bytes = whole.clone();
        bytes[start..end].fill(with);
        fs::write(&path, &bytes).unwrap();
        // Records whose frames were not touched.
        let ends = places[1..].iter().map(|it| it.at()).chain([whole.len() as u64]);
        let untouched: Vec<Record> = places
            .iter()
            .zip(ends)
            .zip(&all)
            .filter(|((place, end), _)| {
                let (from, to) = (place.at() as usize, *end as usize);
                bytes[from..to] == whole[from..to]
            })
            .map(|(_, record)| record.clone())
            .collect();
        prop_assert_eq!(recover(&path).0, untouched);
    }
}

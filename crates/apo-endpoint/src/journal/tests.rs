use std::fs;

use super::*;
use crate::drawn::Drawn;
use crate::failure::Failure;
use crate::outcome::{PolicyRefusal, Reply, Unreadable, Usage};
use crate::request::{Message, Request, Role};

/// An empty folder of this test's own.
fn fresh(test: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("apo-journal-{}-{test}", std::process::id()));
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    dir.join("journal.jsonl")
}

fn request(text: &str) -> Digest {
    Request::new("m", vec![Message::new(Role::User, text)]).digest()
}

fn entry(text: &str, outcome: Outcome) -> Entry {
    Entry {
        request: request(text),
        model: "m".into(),
        outcome,
    }
}

fn reply(content: &str) -> Outcome {
    Outcome::Reply(Reply {
        content: content.into(),
        finish_reason: Some("stop".into()),
        usage: Some(Usage {
            prompt_tokens: 3,
            completion_tokens: 2,
        }),
        drawn: Vec::new(),
    })
}

fn failed() -> Outcome {
    Outcome::Failed(Failure {
        message: "HTTP 503".into(),
        attempts: 6,
    })
}

fn policy() -> Outcome {
    Outcome::Policy(PolicyRefusal {
        code: "content_filter".into(),
        message: "no".into(),
        usage: None,
    })
}

#[test]
fn a_line_reads_as_documented() {
    let digest = request("hi");
    assert_eq!(
        entry("hi", reply("Hello.\n")).line(),
        format!(
            r#"{{"request":"{digest}","model":"m","reply":{{"content":"Hello.\n","finish_reason":"stop","usage":{{"prompt_tokens":3,"completion_tokens":2}}}}}}"#
        ) + "\n"
    );
    assert_eq!(
        entry("hi", failed()).line(),
        format!(
            r#"{{"request":"{digest}","model":"m","failed":{{"message":"HTTP 503","attempts":6}}}}"#
        ) + "\n"
    );
    assert_eq!(
        entry("hi", policy()).line(),
        format!(
            r#"{{"request":"{digest}","model":"m","policy":{{"code":"content_filter","message":"no"}}}}"#
        ) + "\n"
    );
}

#[test]
fn what_was_added_is_found_again_by_this_and_the_next() {
    let path = fresh("found");
    let outcomes = [
        ("a", reply("A")),
        ("b", policy()),
        ("c", failed()),
        ("d", reply("ü\n\"D")),
    ];
    {
        let journal = Journal::open(&path).unwrap();
        for (text, outcome) in &outcomes {
            journal.append(&entry(text, outcome.clone())).unwrap();
            assert_eq!(journal.get(&request(text)).unwrap().as_ref(), Some(outcome));
        }
        assert_eq!(journal.get(&request("a")).unwrap(), Some(reply("A")));
    }
    for journal in [Journal::read(&path).unwrap(), Journal::open(&path).unwrap()] {
        assert_eq!(journal.n_requests(), 4);
        for (text, outcome) in &outcomes {
            assert_eq!(
                journal.get(&request(text)).unwrap().as_ref(),
                Some(outcome),
                "{text}"
            );
            assert_eq!(journal.kind(&request(text)), Some(outcome.kind()), "{text}");
        }
        assert_eq!(journal.get(&request("e")).unwrap(), None);
    }
}

#[test]
fn a_later_answer_counts_but_a_failure_never_hides_one() {
    let path = fresh("later");
    let journal = Journal::open(&path).unwrap();
    for outcome in [failed(), reply("first"), reply("second"), failed()] {
        journal.append(&entry("a", outcome)).unwrap();
    }
    assert_eq!(journal.get(&request("a")).unwrap(), Some(reply("second")));
    drop(journal);
    let journal = Journal::read(&path).unwrap();
    assert_eq!(journal.get(&request("a")).unwrap(), Some(reply("second")));
}

#[test]
fn a_last_line_may_be_cut_anywhere() {
    let path = fresh("torn");
    let whole = entry("a", reply("A")).line();
    let last = entry("b", reply("é B")).line();
    for cut in 0..last.len() {
        let mut bytes = whole.clone().into_bytes();
        bytes.extend_from_slice(&last.as_bytes()[..cut]);
        fs::write(&path, &bytes).unwrap();
        // A line that only lacks its end was paid for, and is kept.
        let expected = if cut == last.len() - 1 { 2 } else { 1 };
        let journal = Journal::read(&path).unwrap();
        assert_eq!(journal.n_requests(), expected, "cut after {cut} bytes");
        assert_eq!(fs::read(&path).unwrap(), bytes, "a replay changes nothing");

        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.n_requests(), expected, "cut after {cut} bytes");
        journal.append(&entry("c", reply("C"))).unwrap();
        drop(journal);
        let journal = Journal::read(&path).unwrap();
        assert_eq!(journal.n_requests(), expected + 1, "cut after {cut} bytes");
        assert_eq!(journal.get(&request("c")).unwrap(), Some(reply("C")));
    }
}

#[test]
fn a_tail_of_zero_bytes_is_torn_too() {
    let path = fresh("zeros");
    let mut bytes = entry("a", reply("A")).line().into_bytes();
    bytes.extend([0; 100]);
    fs::write(&path, bytes).unwrap();
    assert_eq!(Journal::open(&path).unwrap().n_requests(), 1);
    let left = fs::read_to_string(&path).unwrap();
    assert_eq!(left, entry("a", reply("A")).line());
}

#[test]
fn a_malformed_line_is_refused_by_its_number() {
    let path = fresh("fault");
    let whole = entry("a", reply("A")).line();
    let digest = request("a");
    for (line, problem) in [
        ("garbage\n".to_owned(), "expected value"),
        ("\u{0}\u{0}\n".to_owned(), "expected value"),
        (
            format!("{{\"request\":\"{digest}\",\"model\":\"m\"}}\n"),
            "no variant",
        ),
        (
            "{\"request\":\"abc\",\"model\":\"m\",\"failed\":{\"message\":\"\"}}\n".into(),
            "64 hex digits",
        ),
        (
            format!("{{\"request\":\"{digest}\",\"model\":\"m\",\"reply\":{{}}}}\n"),
            "content",
        ),
    ] {
        fs::write(&path, format!("{whole}\n{line}{whole}")).unwrap();
        let error = Journal::read(&path).unwrap_err();
        assert!(error.is_bad_input());
        let text = error.to_string();
        assert!(text.contains("journal.jsonl, line 3: "), "{text}");
        assert!(text.contains(problem), "{line}: {text}");
    }
}

#[test]
fn two_writers_are_kept_apart() {
    let path = fresh("locked");
    let _first = Journal::open(&path).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert!(matches!(error, JournalError::Locked { .. }), "{error}");
    assert!(Journal::read(&path).is_ok());
}

#[test]
fn a_closed_journal_is_free_though_its_handle_was_copied() {
    let path = fresh("copied");
    let first = Journal::open(&path).unwrap();
    let _copy = first.state().file.0.try_clone().unwrap();
    drop(first);
    Journal::open(&path).unwrap();
}

#[test]
fn a_missing_journal_cannot_be_replayed() {
    let error = Journal::read(&fresh("missing")).unwrap_err();
    assert!(matches!(error, JournalError::NotThere { .. }), "{error}");
}

fn unreadable() -> Outcome {
    Outcome::Unreadable(Unreadable {
        problem: "its text holds half a character".into(),
        body: "AAAA".into(),
        usage: None,
    })
}

/// Writes a journal of three entries and returns its bytes.
fn three(path: &Path) -> Vec<u8> {
    let _ = fs::remove_file(path); // absent at first
    let journal = Journal::open(path).unwrap();
    for (text, outcome) in [("a", reply("é A")), ("b", policy()), ("c", unreadable())] {
        journal.append(&entry(text, outcome)).unwrap();
    }
    fs::read(path).unwrap()
}

#[test]
fn each_line_that_is_added_has_a_checksum_after_one_that_says_so() {
    let path = fresh("checked");
    let text = String::from_utf8(three(&path)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with(r#"{"journal":"apo","lines":"checked","crc":""#));
    for line in &lines[1..] {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["crc"].as_str().unwrap().len(), 8, "{line}");
    }
    // Opened again, it says so once.
    let journal = Journal::open(&path).unwrap();
    journal.append(&entry("d", failed())).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(r#"{"journal""#).count(), 1);
    assert_eq!(text.lines().count(), 5);
}

#[test]
fn every_flipped_bit_is_reported_and_costs_only_its_own_line() {
    let path = fresh("flipped");
    let bytes = three(&path);
    let line_of = |at: usize| bytes[..at].split(|it| *it == b'\n').count() as u64;
    let known = [("a", reply("é A")), ("b", policy()), ("c", unreadable())];
    // A prime stride meets every part of the lines with every bit in time.
    for flip in (0..8 * bytes.len()).step_by(7) {
        let (at, bit) = (flip / 8, flip % 8);
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << bit;
        fs::write(&path, &damaged).unwrap();
        let journal = Journal::read(&path).unwrap();
        let damage = journal.damage();
        let line = line_of(at);
        assert!(!damage.is_empty(), "bit {bit} of byte {at} is not reported");
        assert!(
            damage
                .iter()
                .all(|it| it.line == line || it.line == line + 1),
            "bit {bit} of byte {at} in line {line}: {damage:?}"
        );
        let joins = bytes[at] == b'\n';
        for (i, (text, outcome)) in known.iter().enumerate() {
            let own = i as u64 + 2;
            let found = journal.get(&request(text)).unwrap();
            if own == line || (joins && own == line + 1) {
                assert_eq!(found, None, "bit {bit} of byte {at}: {text}");
            } else {
                assert_eq!(found.as_ref(), Some(outcome), "bit {bit} of byte {at}");
            }
        }
        drop(journal);
        // It can be continued, and what is asked again counts.
        let journal = Journal::open(&path).unwrap();
        for (text, outcome) in &known {
            journal.append(&entry(text, outcome.clone())).unwrap();
        }
        drop(journal);
        let journal = Journal::read(&path).unwrap();
        for (text, outcome) in &known {
            assert_eq!(journal.get(&request(text)).unwrap().as_ref(), Some(outcome));
        }
    }
}

#[test]
fn a_journal_without_checksums_is_taken_and_has_them_from_then_on() {
    let path = fresh("older");
    let old = entry("a", reply("A")).line() + &entry("b", failed()).line();
    fs::write(&path, &old).unwrap();
    let journal = Journal::open(&path).unwrap();
    assert_eq!(journal.damage(), []);
    journal.append(&entry("b", reply("B"))).unwrap();
    drop(journal);
    let journal = Journal::read(&path).unwrap();
    assert_eq!(journal.damage(), []);
    assert_eq!(journal.get(&request("a")).unwrap(), Some(reply("A")));
    assert_eq!(journal.get(&request("b")).unwrap(), Some(reply("B")));
    // What was there is as it was.
    assert!(fs::read_to_string(&path).unwrap().starts_with(&old));
    // A line without a checksum after one with it is damage.
    let mut text = fs::read_to_string(&path).unwrap();
    text += &entry("c", reply("C")).line();
    fs::write(&path, text).unwrap();
    let journal = Journal::read(&path).unwrap();
    assert_eq!(journal.damage().len(), 1);
    assert_eq!(journal.damage()[0].line, 5);
    assert_eq!(journal.get(&request("c")).unwrap(), None);
}

#[test]
fn a_journal_with_checksums_survives_a_cut_anywhere() {
    let path = fresh("cut");
    let bytes = three(&path);
    for cut in 0..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let whole = bytes[..=cut].split(|it| *it == b'\n').count() - 1;
        let journal = Journal::open(&path).unwrap();
        // The header is a line too.
        assert_eq!(journal.n_requests(), whole.saturating_sub(1), "{cut}");
        assert!(journal.damage().len() <= 1, "{cut}");
        journal.append(&entry("d", reply("D"))).unwrap();
        drop(journal);
        let journal = Journal::read(&path).unwrap();
        assert_eq!(journal.damage(), [], "{cut}");
        assert_eq!(journal.get(&request("d")).unwrap(), Some(reply("D")));
    }
}

#[test]
fn a_file_of_something_else_is_refused_and_left_as_it_is() {
    let path = fresh("foreign");
    for text in [
        "my notes, without an end of line",
        "my notes\nof two lines\n",
        "{\"prompt\": \"hi\", \"response\": \"Hello.\"}",
        "{\"prompt\": \"hi\"}\n{\"prompt\": \"ho\"}\n{\"pro",
        "{\"request\":\"GET /\"}",
        "\n\nPAR1\u{0}\u{15}",
        "\u{1b}[31mred",
    ] {
        fs::write(&path, text).unwrap();
        for error in [
            Journal::read(&path).unwrap_err(),
            Journal::open(&path).unwrap_err(),
        ] {
            assert!(error.is_bad_input(), "{error}");
            let message = error.to_string();
            assert!(
                message.contains("line 1: expected a line of a journal, found"),
                "{message}"
            );
            assert!(!message.contains('\u{1b}'), "{message}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    // What a crash may leave of a new one is continued.
    let whole = String::from_utf8(three(&path)).unwrap();
    for left in ["", "\0\0\0", "{\"jour\0\0", &whole[..1], &whole[..40]] {
        fs::write(&path, left).unwrap();
        assert_eq!(Journal::open(&path).unwrap().n_requests(), 0, "{left:?}");
        assert_eq!(fs::read(&path).unwrap(), b"", "{left:?}");
    }
}

#[test]
fn a_folder_a_pipe_and_a_device_are_refused_by_name() {
    let path = fresh("no-file");
    let pipe = path.with_file_name("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let folder = path.parent().unwrap().to_owned();
    for (path, expected) in [
        (folder, "is a folder"),
        (pipe, "is a pipe"),
        ("/dev/full".into(), "is a device"),
        ("/dev/null".into(), "is a device"),
    ] {
        for error in [
            Journal::read(&path).unwrap_err(),
            Journal::open(&path).unwrap_err(),
        ] {
            assert!(error.is_bad_input(), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

#[test]
fn a_reply_that_an_older_version_kept_is_what_its_finish_reason_says() {
    let path = fresh("endings");
    let ended = |reason: &str| {
        let Outcome::Reply(reply) = reply("Half") else {
            unreachable!();
        };
        Outcome::Reply(Reply {
            finish_reason: Some(reason.into()),
            ..reply
        })
    };
    let cases = [
        ("stop", OutcomeKind::Answer),
        ("length", OutcomeKind::Answer),
        ("bananas", OutcomeKind::Answer),
        ("error", OutcomeKind::Failed),
        ("abort", OutcomeKind::Failed),
        ("tool_calls", OutcomeKind::Failed),
        ("SAFETY", OutcomeKind::Policy),
    ];
    let lines = cases.map(|(reason, _)| entry(reason, ended(reason)).line());
    fs::write(&path, lines.concat()).unwrap();
    let journal = Journal::read(&path).unwrap();
    for (reason, kind) in cases {
        let request = request(reason);
        assert_eq!(journal.kind(&request), Some(kind), "{reason}");
        let found = journal.get(&request).unwrap().unwrap();
        assert_eq!(found.kind(), kind, "{reason}");
    }
}

#[test]
fn texts_are_kept_with_their_ids_and_log_probs_to_the_bit() {
    let path = fresh("texts");
    let drawn = |ids: Option<Vec<u32>>, log_probs| Drawn {
        text: " Rinse\n".into(),
        finish_reason: "stop".into(),
        ended_by: None,
        ids,
        log_probs,
    };
    let outcome = Outcome::Reply(Reply {
        content: " Rinse\n".into(),
        drawn: vec![
            drawn(Some(vec![475, 0]), Some(vec![-1.0 / 3.0, -9999.0])),
            drawn(None, None),
        ],
        ..Reply::default()
    });
    let journal = Journal::open(&path).unwrap();
    journal.append(&entry("t", outcome.clone())).unwrap();
    drop(journal);
    let journal = Journal::read(&path).unwrap();
    assert_eq!(journal.get(&request("t")).unwrap(), Some(outcome));
    // A reply to a chat has no field for texts, as in journals of older versions.
    assert!(!entry("c", reply("Hi.")).line().contains("drawn"));
}

#[test]
fn a_journal_in_another_format_is_named_and_one_with_a_byte_order_mark_is_read() {
    let path = fresh("formats");
    let whole = three(&path);
    let utf_16 = |text: &[u8]| -> Vec<u8> {
        let text = String::from_utf8_lossy(text);
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let pointer = b"version https://git-lfs.github.com/spec/v1\n".to_vec();
    for (bytes, expected) in [
        (vec![0x1f, 0x8b, 8, 0, 0, 0], "gzip"),
        (utf_16(&whole), "UTF-16"),
        ([b"\xff\xfe".to_vec(), utf_16(&whole)].concat(), "UTF-16"),
        (b"\x28\xb5\x2f\xfd\x04".to_vec(), "zstd"),
        (b"PAR1\x15".to_vec(), "Parquet"),
        (pointer, "LFS"),
        (b"<!doctype html>".to_vec(), "web page"),
    ] {
        fs::write(&path, &bytes).unwrap();
        for error in [Journal::read(&path).err(), Journal::open(&path).err()] {
            let error = error.unwrap();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.is_bad_input());
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "{expected}");
    }
    fs::write(&path, [b"\xef\xbb\xbf".as_slice(), &whole].concat()).unwrap();
    let journal = Journal::open(&path).unwrap();
    assert_eq!((journal.n_requests(), journal.damage()), (3, &[][..]));
    journal.append(&entry("more", reply("More."))).unwrap();
    drop(journal);
    let journal = Journal::read(&path).unwrap();
    assert_eq!((journal.n_requests(), journal.damage()), (4, &[][..]));
    assert_eq!(journal.get(&request("more")).unwrap(), Some(reply("More.")));
}

#[test]
fn a_journal_is_not_made_where_there_is_no_folder() {
    let path = fresh("no-folder");
    fs::write(path.with_file_name("file"), "").unwrap();
    for within in ["absent/j", "file/j"] {
        let error = Journal::open(&path.with_file_name(within)).unwrap_err();
        assert!(error.is_bad_input(), "{error}");
        let folder = within.strip_suffix("/j").unwrap();
        let expected = [within, "there is no folder", folder];
        assert!(
            expected.iter().all(|it| error.to_string().contains(it)),
            "{error}"
        );
    }
}

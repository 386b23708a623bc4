//! Journals that other programs or older versions may have written.

use std::fs;

use apo_endpoint::{Entry, Failure, Journal, Message, Outcome, Request, Role};

use super::damage::chain;
use super::scratch;

pub fn journal(bytes: &[u8]) -> String {
    let path = scratch::file("journal.jsonl", bytes);
    let read = match Journal::read(&path) {
        Ok(journal) => format!(
            "{} requests, {} damaged",
            journal.n_requests(),
            journal.damage().len()
        ),
        Err(error) => return chain(&error),
    };
    assert_eq!(
        fs::read(&path).ok().as_deref(),
        Some(bytes),
        "it is left as it is"
    );
    let message = Message::new(Role::User, "What is new?");
    let entry = Entry {
        request: Request::new("model", vec![message]).digest(),
        model: "model".into(),
        outcome: Outcome::Failed(Failure {
            message: "HTTP 503: overloaded".into(),
            attempts: 6,
        }),
    };
    let journal = Journal::open(&path).expect("what can be replayed can be added to");
    let n = journal.n_requests();
    let is_new = journal.get(&entry.request).expect("it is whole").is_none();
    journal.append(&entry).expect("memory takes it");
    drop(journal);
    let again = Journal::read(&path).expect("what was added can be read");
    assert_eq!(again.n_requests(), n + usize::from(is_new), "none is lost");
    let found = again.get(&entry.request).expect("it is whole");
    assert!(found.is_some(), "what was added is there");
    read
}

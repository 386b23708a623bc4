//! Answers of a server.

use apo_endpoint::{
    Entry, Meaning, Message, Outcome, OutcomeKind, Request, Role, Wanted, decoded, meaning,
    text_meaning,
};

/// Statuses, one for each meaning.
const STATUSES: [u16; 10] = [200, 302, 400, 401, 403, 404, 429, 451, 500, 504];

/// Maximum characters of a message that quotes the server.
const MAX_MESSAGE: usize = 600;

/// Maximum bytes of an unpacked answer.
const MOST: u64 = 1 << 16;

/// Sizes that a header may claim.
const LABELS: [&str; 6] = ["", "gzip", "deflate", "br", "zstd", "zstd, gzip"];

pub fn reply(bytes: &[u8]) -> String {
    let answers = STATUSES.map(|status| read(status, bytes));
    answers.join("; ")
}

/// Reads an answer as one to each form of question.
fn read(status: u16, bytes: &[u8]) -> String {
    let wanted = Wanted {
        model: "model".into(),
        prompt_tokens: 9,
        choices: 1,
        tokens: 4,
    };
    let texts = described(text_meaning(status, bytes, &wanted));
    format!("{}, {texts}", described(meaning(status, bytes)))
}

fn described(meaning: Meaning) -> String {
    match meaning {
        Meaning::Done(outcome) => kept(&outcome),
        Meaning::Later(message) => format!("later: {}", shown(&message)),
        Meaning::Never(message) => format!("never: {}", shown(&message)),
        Meaning::Unauthorised(message) => format!("no entry: {}", shown(&message)),
        Meaning::Refused(message) => format!("refused: {}", shown(&message)),
        Meaning::Unusable(message) => format!("unusable: {}", shown(&message)),
    }
}

/// Checks a text that a person is shown.
fn shown(message: &str) -> &str {
    assert!(!message.is_empty(), "the message is not empty");
    assert!(message.chars().count() <= MAX_MESSAGE, "{message}");
    assert!(!message.contains(char::is_control), "{message:?}");
    message
}

/// Checks an entry that the journal keeps.
fn kept(outcome: &Outcome) -> String {
    let message = Message::new(Role::User, "What is new?");
    let entry = Entry {
        request: Request::new("model", vec![message]).digest(),
        model: "model".into(),
        outcome: outcome.clone(),
    };
    let line = entry.line();
    let again: Entry = serde_json::from_str(&line).expect("a line of ours can be read");
    assert_eq!(again, entry, "it says what it said");
    let kind = outcome.kind();
    assert_ne!(kind, OutcomeKind::Failed, "a failure is tried again first");
    match outcome {
        Outcome::Reply(reply) => {
            assert!(reply.content.contains(reply.answer()), "{reply:?}");
            format!("{kind:?}, {:?}", reply.ending())
        }
        Outcome::Policy(policy) => {
            if !policy.message.is_empty() {
                shown(&policy.message);
            }
            format!("{kind:?}: {}", shown(&policy.code))
        }
        Outcome::Unreadable(unreadable) => format!("{kind:?}: {}", shown(&unreadable.problem)),
        Outcome::Failed(_) => unreachable!("asserted above"),
    }
}

pub fn packed(bytes: &[u8]) -> String {
    let answers = LABELS.map(|label| match decoded(bytes.to_vec(), label, MOST) {
        Ok(body) => {
            // An answer that is not packed keeps its size.
            let most = bytes.len().max(MOST as usize);
            assert!(body.len() <= most, "{} bytes of {most}", body.len());
            read(200, &body)
        }
        Err(unread) => format!("{unread:?}"),
    });
    answers.join("; ")
}

use serde_json::{Value, json};

mod length;
mod policy;
mod printed;
mod refusals;
mod replies;
mod text;

use super::*;
use crate::failure::FailureKind;
use crate::outcome::{OutcomeKind, Reply, Usage};

fn of(status: u16, body: &Value) -> Meaning {
    meaning(status, body.to_string().as_bytes())
}

fn reply(content: &str, finish_reason: Option<&str>, usage: Option<(u64, u64)>) -> Meaning {
    Meaning::Done(Outcome::Reply(Reply {
        content: content.into(),
        finish_reason: finish_reason.map(str::to_owned),
        usage: usage.map(|(prompt_tokens, completion_tokens)| Usage {
            prompt_tokens,
            completion_tokens,
        }),
        drawn: Vec::new(),
    }))
}

#[test]
fn each_status_has_its_meaning() {
    let body = json!({"error": {"message": "the model is\u{1b}[31m busy\n now"}});
    for (status, name) in [
        (301, "refused"),
        (307, "refused"),
        (400, "never"),
        (401, "unauthorised"),
        (402, "refused"),
        (403, "unauthorised"),
        (404, "refused"),
        (405, "refused"),
        (408, "later"),
        (409, "later"),
        (413, "never"),
        (418, "never"),
        (422, "never"),
        (425, "later"),
        (429, "later"),
        (500, "later"),
        (502, "later"),
        (503, "later"),
        (529, "later"),
    ] {
        let (found, text) = match of(status, &body) {
            Meaning::Done(outcome) => panic!("{status}: {outcome:?}"),
            Meaning::Later(text) => ("later", Some(text)),
            Meaning::Never(text) => ("never", Some(text)),
            Meaning::Refused(text) => ("refused", Some(text)),
            Meaning::Unauthorised(text) => ("unauthorised", Some(text)),
            Meaning::Unusable(text) => ("unusable", Some(text)),
        };
        assert_eq!(found, name, "HTTP {status}");
        if let Some(text) = text.filter(|_| status >= 400) {
            assert_eq!(text, format!("HTTP {status}: the model is [31m busy now"));
        }
    }
    for (code, status) in [
        ("insufficient_quota", 429),
        ("insufficient_quota", 403),
        ("insufficient_quota", 401),
        ("insufficient_balance", 402),
        ("InsufficientCredits", 403),
        ("billing_hard_limit_reached", 400),
    ] {
        let empty = json!({"error": {"code": code, "message": "pay"}});
        let expected = Meaning::Refused(format!("HTTP {status}: pay"));
        assert_eq!(of(status, &empty), expected, "{code}");
    }
    let hidden = json!({"error": {"code": 429, "type": "insufficient_quota", "message": "pay"}});
    assert_eq!(of(200, &hidden), Meaning::Refused("pay".into()));
    let forbidden = json!({"error": {"code": "forbidden", "message": "no"}});
    assert_eq!(
        of(403, &forbidden),
        Meaning::Unauthorised("HTTP 403: no".into())
    );
}

#[test]
fn a_body_that_is_not_a_completion_is_refused() {
    for (body, expected) in [
        ("data: {\"choices\":[]}\n\ndata: [DONE]\n", "streams"),
        ("event: message\ndata: {}\n", "streams"),
        ("<html>hello</html>", "found `<html>hello</html>`"),
        ("", "expected a chat completion"),
        ("{\"choices\":[{\"mess", "expected a chat completion"),
        ("{}", "choices[0].message.content"),
        ("[1, 2]", "choices[0].message.content"),
        ("{\"choices\":null}", "choices[0].message.content"),
        (
            "{\"choices\":[{\"message\":{\"content\":7}}]}",
            "choices[0].message.content",
        ),
        ("\u{fffd}\u{0}\u{1}", "expected a chat completion"),
    ] {
        let found = meaning(200, body.as_bytes());
        let Meaning::Never(text) = &found else {
            panic!("{body:?}: {found:?}");
        };
        assert!(text.contains(expected), "{body:?}: {text}");
    }
}

#[test]
fn an_error_under_status_200_is_no_reply() {
    let later = json!({"error": {"code": 503, "message": "busy"}});
    assert_eq!(of(200, &later), Meaning::Later("busy".into()));
    let never = json!({"error": {"code": 400, "message": "too long"}});
    assert_eq!(of(200, &never), Meaning::Never("too long".into()));
    let policy = json!({"error": {"code": "content_filter", "message": "no"}});
    assert!(matches!(
        of(200, &policy),
        Meaning::Done(Outcome::Policy(_))
    ));
}

#[test]
fn an_error_under_status_200_that_passes_is_asked_for_again() {
    for code in [
        json!(502),
        json!("server_error"),
        json!("overloaded_error"),
        json!("rate_limit_exceeded"),
    ] {
        let body = json!({"choices": [{"message": {"content": "Half"},
            "error": {"code": code, "message": "no"}}]});
        assert_eq!(of(200, &body), Meaning::Later("no".into()), "{code}");
    }
    // Something is said of one that says nothing.
    let body = json!({"error": {"code": 502, "message": "\u{1}"}});
    let Meaning::Later(text) = of(200, &body) else {
        panic!("it passes");
    };
    assert!(text.contains("502"), "{text}");
}

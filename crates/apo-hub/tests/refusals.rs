//! What a hub does not have, does not give, or gives in another form: told apart, and
//! told with what to do.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs;
use std::net::TcpListener;

use apo_hub::{Hub, HubError, Settings};
use mini_world::hub::{COMMIT, Reply};

use common::{
    Seen, TOKEN, WEIGHTS, cache, fail, fetch, files, ill, model, name, offline, serve, settings,
    well, with_token,
};

fn coded(status: u16, code: &str) -> Reply {
    Reply::Status(status, vec![("X-Error-Code", code.to_owned())])
}

#[track_caller]
fn tells(error: &HubError, expected: &[&str]) {
    let told = error.to_string();
    assert!(error.is_bad_input(), "{told}");
    for expected in expected {
        assert!(told.contains(expected), "expected `{expected}` in: {told}");
    }
}

#[test]
fn what_is_not_there_and_what_is_gated_are_told_apart() {
    let server = well(model());
    let (plain, token) = (
        settings(&server, &cache("missing")),
        with_token(&server, &cache("missing-token")),
    );
    for (settings, expected) in [(plain, "set HF_TOKEN"), (token, "have access")] {
        let hub = Hub::new(settings).unwrap();
        let seen = &mut Seen::default();
        let error = hub.model(&name("owner/absent"), seen).unwrap_err();
        tells(
            &error,
            &["owner/absent", "neither a path here nor", expected],
        );
        let error = hub.model(&name("owner/name@v9"), seen).unwrap_err();
        assert!(matches!(error, HubError::NoRevision { .. }), "{error}");
        tells(&error, &["owner/name", "v9"]);
        assert!(
            hub.model(&name(&format!("owner/name@{COMMIT}")), seen)
                .is_ok()
        );
    }
    // The list is public, the files are not.
    for status in [401, 403] {
        let server = ill(usize::MAX, coded(status, "GatedRepo"));
        let page = format!("{}/owner/name", server.endpoint());
        let error = fail(settings(&server, &cache("gated")));
        assert!(matches!(error, HubError::Gated { .. }), "{error}");
        tells(&error, &[&page, "set HF_TOKEN"]);
        let error = fail(with_token(&server, &cache("gated-token")));
        tells(&error, &[&page, "has none yet"]);
        assert_eq!(
            server.count(WEIGHTS),
            2,
            "asking again would change nothing"
        );
    }
    // A repository that the hub does not even list.
    let server = serve(|_| coded(403, "GatedRepo"));
    let error = fail(settings(&server, &cache("gated-list")));
    assert!(matches!(error, HubError::Gated { .. }), "{error}");
}

#[test]
fn a_token_that_the_hub_does_not_know_is_told_and_not_shown() {
    let server = serve(|_| {
        let message = format!("Invalid credentials in Authorization header: {TOKEN}");
        Reply::Status(401, vec![("X-Error-Message", message)])
    });
    let error = fail(with_token(&server, &cache("token")));
    assert!(matches!(error, HubError::InvalidToken { .. }), "{error}");
    tells(&error, &["HF_TOKEN", "HTTP 401"]);
    let server = serve(|_| {
        let message = format!("disabled for {TOKEN}");
        Reply::Status(403, vec![("X-Error-Message", message)])
    });
    let error = fail(with_token(&server, &cache("disabled")));
    tells(&error, &["owner/name", "HTTP 403: disabled for [token]"]);
    let server = serve(|_| {
        let message = format!("out of order, {TOKEN}");
        Reply::Status(503, vec![("X-Error-Message", message)])
    });
    let error = fail(with_token(&server, &cache("order")));
    assert!(error.to_string().contains("[token]"), "{error}");
    // What the hub says is cut off, and its list says what is wrong with it.
    for before in 280..300 {
        let server = serve(move |_| {
            let message = format!("{}{TOKEN}", "x".repeat(before));
            Reply::Status(403, vec![("X-Error-Message", message)])
        });
        let error = fail(with_token(&server, &cache("cut-token")));
        assert!(!error.to_string().contains("xh"), "{error}");
    }
    let list = format!(r#"{{"sha": "{COMMIT}", "siblings": "{TOKEN}"}}"#);
    let server = serve(move |_| Reply::Body(list.clone()));
    let error = fail(with_token(&server, &cache("list-token")));
    assert!(error.to_string().contains("[token]"), "{error}");
}

#[test]
fn a_list_of_another_commit_is_refused() {
    let server = well(model());
    let list = format!(r#"{{"sha": "{COMMIT}", "siblings": []}}"#);
    let liar = serve(move |_| Reply::Body(list.clone()));
    let other = name(&format!("owner/name@{}", "d".repeat(40)));
    let seen = &mut Seen::default();
    let hub = Hub::new(settings(&liar, &cache("other-commit"))).unwrap();
    let error = hub.model(&other, seen).unwrap_err();
    assert!(matches!(error, HubError::Listing { .. }), "{error}");
    assert!(error.to_string().contains(COMMIT), "{error}");
    let hub = Hub::new(settings(&server, &cache("other-commit"))).unwrap();
    assert!(
        hub.model(&name(&format!("owner/name@{COMMIT}")), seen)
            .is_ok()
    );
}

#[test]
fn what_is_no_model_in_safetensors_is_refused_before_anything_is_fetched() {
    for (test, found, expected) in [
        ("bin", "pytorch_model.bin", "only safetensors"),
        ("adapter", "adapter_model.safetensors", "PEFT"),
        ("nothing", "README.md", "has no model.safetensors"),
    ] {
        let mut repositories = model();
        let all = files(&[
            ("config.json", b"{}"),
            ("tokenizer.json", b"{}"),
            (found, b"x"),
        ]);
        repositories.insert("models/owner/name".to_owned(), all);
        let server = well(repositories);
        let error = fail(settings(&server, &cache(test)));
        assert!(matches!(error, HubError::Unsuitable { .. }), "{error}");
        tells(&error, &["owner/name", expected]);
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn a_malformed_list_is_reported() {
    // An answer without a body, as from a server that is no hub.
    let server = serve(|_| Reply::Status(200, vec![]));
    let error = fail(settings(&server, &cache("list")));
    assert!(matches!(error, HubError::Listing { .. }), "{error}");
    assert!(error.to_string().contains("HF_ENDPOINT"), "{error}");
}

#[test]
fn without_a_network_the_cache_is_named_if_it_has_the_model() {
    // A port on which nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = well(model());
    for (test, first, expected) in [
        ("unreached", false, "run the same command again"),
        ("unreached-cached", true, "HF_HUB_OFFLINE=1"),
    ] {
        let cache = cache(test);
        if first {
            fetch(settings(&server, &cache), &mut Seen::default()).unwrap();
        }
        let error = fail(Settings {
            endpoint: nobody.clone(),
            ..settings(&server, &cache)
        });
        assert!(matches!(error, HubError::Unreached { .. }), "{error}");
        assert!(!error.is_bad_input());
        let told = error.to_string();
        assert!(
            told.contains(expected) && told.contains("is no path here"),
            "{told}"
        );
    }
}

#[test]
fn offline_the_cache_is_enough_or_what_it_lacks_is_named() {
    let (server, cache) = (well(model()), cache("offline"));
    let error = fail(offline(&server, &cache));
    tells(&error, &["owner/name", "is not there", "HF_HUB_OFFLINE"]);
    assert!(server.asked().is_empty());
    let found = fetch(settings(&server, &cache), &mut Seen::default()).unwrap();
    let before = server.asked().len();
    let again = fetch(offline(&server, &cache), &mut Seen::default()).unwrap();
    assert_eq!(again, found);
    let hub = Hub::new(offline(&server, &cache)).unwrap();
    let by_commit = hub.model(&name(&format!("owner/name@{COMMIT}")), &mut Seen::default());
    assert_eq!(by_commit.unwrap(), found);
    for file in [WEIGHTS, "tokenizer.json"] {
        // As a download leaves it that was stopped: a link to nothing.
        let blob = fs::canonicalize(found.join(file)).unwrap();
        fs::remove_file(blob).unwrap();
        tells(&fail(offline(&server, &cache)), &["owner/name", file]);
        let kept = fs::read_link(found.join(file));
        assert!(kept.is_ok(), "the cache stays as it is");
        fetch(settings(&server, &cache), &mut Seen::default()).unwrap();
    }
    assert_eq!(server.asked().len(), before + 4, "two lists and two files");
}

//! Downloads from a hub on this machine that is slow, breaks off, stalls or sends
//! something else: what is kept is whole and right.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use apo_hub::{Hub, HubError, Settings, Usual, Wanted};
use mini_world::hub::{COMMIT, Reply};

use common::{
    LENGTH, Seen, TOKEN, WEIGHTS, bytes, cache, fail, fetch, files, ill, model, name, offline,
    serve, settings, under_way, well, with_token,
};

#[test]
fn a_model_comes_into_the_cache_of_hugging_faces_programs_and_is_not_sent_again() {
    let (server, cache) = (well(model()), cache("layout"));
    let mut seen = Seen::default();
    let found = fetch(settings(&server, &cache), &mut seen).unwrap();
    let place = cache.join("models--owner--name");
    assert_eq!(found, place.join("snapshots").join(COMMIT));
    assert_eq!(fs::read(found.join(WEIGHTS)).unwrap(), bytes(LENGTH));
    assert_eq!(fs::read(found.join("chat_template.jinja")).unwrap(), b"");
    let link = fs::read_link(found.join("config.json")).unwrap();
    // printf '{}' | git hash-object --stdin
    let git = "9e26dfeeb6e641a33dae4961196235bdb965b21b";
    assert_eq!(link.to_str().unwrap(), format!("../../blobs/{git}"));
    assert_eq!(fs::read(place.join("blobs").join(git)).unwrap(), b"{}");
    let branch = fs::read_to_string(place.join("refs/main")).unwrap();
    assert_eq!(branch, COMMIT);
    assert!(!found.join("README.md").exists(), "it is of no use here");
    assert_eq!(seen.missing, seen.moved, "all of it was seen to come");
    let before = server.asked().len();
    let again = fetch(settings(&server, &cache), &mut Seen::default());
    assert_eq!(again.unwrap(), found);
    let asked = &server.asked()[before..];
    assert_eq!(asked.len(), 1, "only what `main` is now: {asked:?}");
}

#[test]
fn the_parts_that_an_index_names_come_with_it() {
    let index = br#"{"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}"#;
    let parts = [bytes(10), bytes(20)];
    let mut repositories = model();
    let all = files(&[
        ("config.json", b"{}"),
        ("tokenizer.json", b"{}"),
        ("model.safetensors.index.json", index),
        ("m-1.safetensors", &parts[0]),
        ("m-2.safetensors", &parts[1]),
        ("m-3.safetensors", b"of another model"),
    ]);
    repositories.insert("models/owner/name".to_owned(), all);
    let (server, cache) = (well(repositories), cache("index"));
    let found = fetch(settings(&server, &cache), &mut Seen::default()).unwrap();
    assert_eq!(fs::read(found.join("m-2.safetensors")).unwrap(), parts[1]);
    assert!(!found.join("m-3.safetensors").exists());
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_stopped() {
    let (server, cache) = (ill(2, Reply::Cut(30_000)), cache("cut"));
    let mut seen = Seen::default();
    let found = fetch(settings(&server, &cache), &mut seen).unwrap();
    assert_eq!(fs::read(found.join(WEIGHTS)).unwrap(), bytes(LENGTH));
    let asked = server.asked();
    let from: Vec<u64> = asked
        .iter()
        .filter(|it| it.path.ends_with(WEIGHTS))
        .map(|it| it.from)
        .collect();
    assert_eq!(from, [0, 30_000, 60_000]);
    assert_eq!(seen.missing, seen.moved, "no byte counts twice");
    assert!(
        seen.notes[0].contains("30000 of 100000"),
        "{:?}",
        seen.notes
    );
    assert!(under_way(&cache).is_empty());
}

#[test]
fn attempts_that_bring_something_are_not_counted_and_others_are() {
    // More pieces than attempts.
    let (server, cache) = (ill(9, Reply::Cut(10_000)), cache("pieces"));
    assert!(fetch(settings(&server, &cache), &mut Seen::default()).is_ok());
    let cache = common::cache("nothing");
    let server = ill(usize::MAX, Reply::Cut(0));
    let error = fail(settings(&server, &cache));
    assert!(matches!(error, HubError::Unreached { .. }), "{error}");
    assert!(!error.is_bad_input());
    assert_eq!(server.count(WEIGHTS), 3);
    assert!(
        !cache.join("models--owner--name/snapshots").exists(),
        "a part of a model is no model"
    );
}

#[test]
fn the_next_process_goes_on_from_what_came() {
    let cache = cache("goes-on");
    let mut seen = Seen {
        most: Some(20_000),
        ..Seen::default()
    };
    // Slow, so that not all of it has come when it is stopped.
    let slow = ill(usize::MAX, Reply::Slow(Duration::from_millis(3)));
    let error = fetch(settings(&slow, &cache), &mut seen).unwrap_err();
    assert!(matches!(error, HubError::Stopped), "{error}");
    assert_eq!(under_way(&cache).len(), 1);
    let server = well(model());
    let found = fetch(settings(&server, &cache), &mut Seen::default()).unwrap();
    assert_eq!(fs::read(found.join(WEIGHTS)).unwrap(), bytes(LENGTH));
    let asked = server.asked();
    let asked = asked.iter().find(|it| it.path.ends_with(WEIGHTS)).unwrap();
    assert!(asked.from >= 15_000, "{asked:?}");
}

#[test]
fn what_is_no_beginning_of_the_file_is_dropped() {
    for (test, length) in [
        ("garbage", 5_000),
        ("too-long", LENGTH + 1),
        ("same", LENGTH),
    ] {
        let (server, cache) = (well(model()), cache(test));
        let first = fetch(settings(&server, &cache), &mut Seen::default()).unwrap();
        let blob = fs::canonicalize(first.join(WEIGHTS)).unwrap();
        fs::remove_file(&blob).unwrap();
        fs::write(blob.with_extension("incomplete"), vec![7; length]).unwrap();
        let found = fetch(settings(&server, &cache), &mut Seen::default()).unwrap();
        assert_eq!(
            fs::read(found.join(WEIGHTS)).unwrap(),
            bytes(LENGTH),
            "{test}"
        );
    }
}

#[test]
fn a_server_that_sends_the_whole_file_again_is_understood() {
    let server = serve(|asked| match asked.times {
        _ if !asked.path.ends_with(WEIGHTS) => Reply::Well,
        0 => Reply::Cut(30_000),
        _ => Reply::Whole,
    });
    let cache = cache("whole");
    let found = fetch(settings(&server, &cache), &mut Seen::default()).unwrap();
    assert_eq!(fs::read(found.join(WEIGHTS)).unwrap(), bytes(LENGTH));
}

#[test]
fn a_wrong_digest_is_told_and_nothing_of_the_file_stays() {
    for (test, ending) in [("wrong-large", WEIGHTS), ("wrong-small", "config.json")] {
        let server = serve(move |asked| {
            if asked.path.ends_with(ending) {
                Reply::Wrong
            } else {
                Reply::Well
            }
        });
        let cache = cache(test);
        let error = fail(settings(&server, &cache));
        assert!(matches!(error, HubError::Damaged { .. }), "{error}");
        let told = error.to_string();
        assert!(told.contains(ending) && told.contains("digest"), "{told}");
        assert!(under_way(&cache).is_empty());
        assert!(!cache.join("models--owner--name/snapshots").exists());
        assert_eq!(server.count(ending), 1, "the same file would come again");
    }
}

#[test]
fn a_silent_server_is_asked_again() {
    let (server, cache) = (
        ill(1, Reply::Silent(Duration::from_secs(5))),
        cache("silent"),
    );
    let mut seen = Seen::default();
    let since = Instant::now();
    assert!(fetch(settings(&server, &cache), &mut seen).is_ok());
    assert!(since.elapsed() < Duration::from_secs(4));
    assert!(seen.notes[0].contains("sends nothing"), "{:?}", seen.notes);
}

#[test]
fn a_slow_server_is_waited_for_as_long_as_something_comes() {
    // Each pause is shorter than the longest silence, all together are longer.
    let (server, cache) = (
        ill(1, Reply::Slow(Duration::from_millis(40))),
        cache("slow"),
    );
    let mut seen = Seen::default();
    assert!(fetch(settings(&server, &cache), &mut seen).is_ok());
    assert_eq!(server.count(WEIGHTS), 1, "{:?}", seen.notes);
}

#[test]
fn a_server_is_not_asked_before_it_wants() {
    let header = |seconds: &str| vec![("Retry-After", seconds.to_owned())];
    let (server, cache) = (ill(1, Reply::Status(429, header("0.3"))), cache("later"));
    let since = Instant::now();
    assert!(fetch(settings(&server, &cache), &mut Seen::default()).is_ok());
    assert!(since.elapsed() >= Duration::from_millis(300));
    for status in [429, 500, 503] {
        let server = ill(2, Reply::Status(status, vec![]));
        let cache = common::cache(&format!("status-{status}"));
        assert!(fetch(settings(&server, &cache), &mut Seen::default()).is_ok());
    }
    let (server, cache) = (
        ill(1, Reply::Status(429, header("86400"))),
        common::cache("much-later"),
    );
    let error = fail(settings(&server, &cache));
    assert!(matches!(error, HubError::LongPause { .. }), "{error}");
}

#[test]
fn a_redirect_is_followed_and_the_token_stays_with_the_hub() {
    let elsewhere = well(model());
    let to = elsewhere.endpoint();
    let server = serve(move |asked| {
        if asked.path.ends_with(WEIGHTS) {
            let to = format!("{to}{}", asked.path);
            Reply::Status(302, vec![("Location", to)])
        } else if asked.path.ends_with("config.json") && !asked.path.starts_with("/owner") {
            Reply::Well
        } else if asked.path.ends_with("config.json") && asked.times == 0 {
            // To the hub itself, without its name.
            Reply::Status(307, vec![("Location", asked.path.clone())])
        } else {
            Reply::Well
        }
    });
    let cache = cache("redirect");
    let found = fetch(with_token(&server, &cache), &mut Seen::default()).unwrap();
    assert_eq!(fs::read(found.join(WEIGHTS)).unwrap(), bytes(LENGTH));
    let bearer = format!("Bearer {TOKEN}");
    let sent = |it: &mini_world::hub::Asked| it.authorization.as_deref() == Some(bearer.as_str());
    assert!(server.asked().iter().all(sent), "the hub gets the token");
    assert_eq!(elsewhere.count(WEIGHTS), 1);
    let leaked = elsewhere.asked();
    assert!(
        leaked.iter().all(|it| it.authorization.is_none()),
        "{leaked:?}"
    );
}

#[test]
fn redirects_without_an_end_or_an_address_are_told() {
    for (test, to) in [("loop", None), ("nowhere", Some("somewhere"))] {
        let server = serve(move |asked| {
            let to = to.map_or_else(|| asked.path.clone(), str::to_owned);
            Reply::Status(302, vec![("Location", to)])
        });
        let error = fail(settings(&server, &cache(test)));
        assert!(error.to_string().contains("redirects"), "{error}");
    }
}

#[test]
fn two_at_once_fetch_each_file_once() {
    let server = ill(usize::MAX, Reply::Slow(Duration::from_millis(5)));
    let cache = cache("two");
    let found: Vec<_> = std::thread::scope(|scope| {
        let one = || fetch(settings(&server, &cache), &mut Seen::default());
        let started: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
        let ended = started.into_iter().map(|it| it.join().unwrap());
        ended.collect()
    });
    for found in found {
        let weights = fs::read(found.unwrap().join(WEIGHTS)).unwrap();
        assert_eq!(weights, bytes(LENGTH));
    }
    for file in [WEIGHTS, "config.json", "tokenizer.json"] {
        assert_eq!(server.count(file), 1, "{file}");
    }
}

#[test]
fn a_stop_ends_a_silent_download_at_once() {
    let (server, cache) = (ill(1, Reply::Silent(Duration::from_secs(9))), cache("stop"));
    let patient = Settings {
        longest_silence: Duration::from_secs(30),
        ..settings(&server, &cache)
    };
    let mut seen = Seen {
        // The small files have come then.
        most: Some(10),
        ..Seen::default()
    };
    let since = Instant::now();
    let error = fetch(patient, &mut seen).unwrap_err();
    assert!(matches!(error, HubError::Stopped), "{error}");
    assert!(since.elapsed() < Duration::from_secs(3));
}

/// What `--train` takes.
const TRAIN: Usual = Usual {
    name: Some("train"),
    others: &["test"],
};

#[test]
fn a_part_of_a_data_set_is_its_files_in_order() {
    let data = files(&[
        ("README.md", b"data"),
        ("data/test-00000-of-00001.parquet", b"test"),
        ("data/train-00000-of-00002.parquet", b"first"),
        ("data/train-00001-of-00002.parquet", b"second"),
    ]);
    let server = well([("datasets/owner/data".to_owned(), data)].into());
    let cache = cache("data");
    let hub = Hub::new(settings(&server, &cache)).unwrap();
    let wanted = Wanted {
        name: name("owner/data"),
        part: None,
    };
    let seen = &mut Seen::default();
    let found = hub.data(&wanted, TRAIN, seen).unwrap();
    assert_eq!(found.subset, "data");
    let read = |path| fs::read(path).unwrap();
    let bodies: Vec<_> = found.files.iter().map(read).collect();
    assert_eq!(bodies, [&b"first"[..], b"second"]);
    let error = hub.data(&wanted, Usual::default(), seen).unwrap_err();
    assert!(error.is_bad_input());
    assert!(error.to_string().contains("data/train"), "{error}");
    // The cache has the one, and not the other.
    let hub = Hub::new(offline(&server, &cache)).unwrap();
    assert_eq!(hub.data(&wanted, TRAIN, seen).unwrap(), found);
    let test = Wanted {
        part: Some("test".to_owned()),
        ..wanted
    };
    let error = hub.data(&test, Usual::default(), seen).unwrap_err();
    assert!(matches!(error, HubError::NotInCache { .. }), "{error}");
}

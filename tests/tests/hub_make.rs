//! Make takes models and data sets by their names on a hub: it chooses settings by what
//! they hold, and runs nothing that is in them. The hub is one on this machine.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use apo_tests::hub::{may_ask, repositories};
use apo_tests::stages::{Ran, finish, folder, make, small_round, succeed};
use apo_tests::works::{SAMPLE, fresh, with_out};
use mini_world::hub::{COMMIT, Hub, Reply, files_of, listing};
use serde_json::json;

/// A small round whose policy is on the hub.
static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "hub-make-round"));

/// Returns an empty folder.
fn cache(test: &str) -> PathBuf {
    folder(env!("CARGO_TARGET_TMPDIR"), &format!("hub-make-{test}"))
}

/// Runs Make with a model and data of one's own; the cache of the hub is at `home`.
fn own(hub: &Hub, home: &Path, run: &Path, arguments: &[&str]) -> Ran {
    let run = format!("RUN={}", run.display());
    let arguments = [arguments, &["CONFIG=own", &run]].concat();
    finish(&mut may_ask(hub, home, make(&arguments)))
}

#[track_caller]
fn planned(ran: &Ran) -> &str {
    assert_eq!(ran.status, Some(0), "{}{}", ran.stdout, ran.stderr);
    &ran.stdout
}

/// Returns what follows a flag at its first place.
#[track_caller]
fn value<'a>(plan: &'a str, flag: &str) -> &'a str {
    let found = plan.split_once(&format!(" {flag} "));
    let (_, after) = found.unwrap_or_else(|| panic!("expected {flag} in {plan}"));
    let found = after.split_whitespace().next().unwrap();
    // The last word of a setting has a quote after it.
    found.trim_end_matches('\'')
}

/// Writes a file of this length that takes no space.
fn sparse(path: &Path, length: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::File::create(path).unwrap().set_len(length).unwrap();
}

/// The length of the weights of a model of 350M parameters.
const LARGE: u64 = 700 << 20;

#[test]
fn make_fetches_what_the_settings_of_a_round_follow_from() {
    let cache = cache("make");
    let digest = "a".repeat(64);
    let weights = json!({
        "rfilename": "model.safetensors",
        "size": LARGE,
        "blobId": "b".repeat(40),
        "lfs": { "sha256": digest, "size": LARGE },
    });
    let mut all = repositories(&ROUND);
    let mut small = files_of(&ROUND.join("policy")).unwrap();
    for name in ["apo.json", "metrics.parquet", "model.safetensors"] {
        small.remove(name);
    }
    small.insert("chat_template.jinja".to_owned(), b"{{ messages }}".to_vec());
    let by_path = cache.join("by-path");
    for (name, body) in &small {
        fs::create_dir_all(&by_path).unwrap();
        fs::write(by_path.join(name), body).unwrap();
    }
    sparse(&by_path.join("model.safetensors"), LARGE);
    let data = vec![b' '; 3 << 20];
    let pairs = cache.join("pairs.jsonl");
    fs::write(&pairs, &data).unwrap();
    all.insert(
        "datasets/owner/large".to_owned(),
        [("pairs.jsonl".to_owned(), data)].into(),
    );
    let mut listing = listing(&small);
    listing["siblings"].as_array_mut().unwrap().push(weights);
    let listing = listing.to_string();
    all.insert("models/owner/large".to_owned(), small);
    let hub = Hub::serve(all, move |asked| {
        if asked.path.starts_with("/api/models/owner/large/") {
            Reply::Body(listing.clone())
        } else {
            Reply::Well
        }
    });
    let hub = hub.unwrap();
    // What is in the cache by its digest and length is not sent.
    let blob = format!("hub/models--owner--large/blobs/{digest}");
    sparse(&cache.join(blob), LARGE);
    let plan = |model: &str, data: &str, more: &[&str]| {
        let (model, data) = (format!("MODEL={model}"), format!("DATA={data}"));
        let first = ["-n", "round-1", &model, &data];
        own(
            &hub,
            &cache,
            &cache.join("run"),
            &[&first[..], more].concat(),
        )
    };
    planned(&plan("owner/large", "owner/large", &[]));
    let asked = hub.asked().len();
    assert!(asked > 0);
    let named = plan("owner/large", "owner/large", &[]);
    assert_eq!(
        hub.asked().len(),
        asked,
        "what was measured is not fetched again"
    );
    let named = planned(&named);
    for expected in ["--train owner/large ", "fetch --model owner/large)"] {
        assert!(named.contains(expected), "{expected}: {named}");
    }
    assert_eq!(value(named, "--learning-rate"), "1e-5", "{named}");
    assert_eq!(value(named, "--batch"), "8", "{named}");
    assert_eq!(value(named, "--template"), "chat", "{named}");
    // By the same files on a path, the same settings.
    let [by_path, pairs] = [&by_path, &pairs].map(|it| it.to_str().unwrap());
    let local = plan(by_path, pairs, &[]);
    let local = planned(&local)
        .replace(by_path, "owner/large")
        .replace(pairs, "owner/large");
    let stages = |plan: &str| {
        let lines = plan.lines().filter(|it| it.contains("/release/"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(stages(&local), stages(named));
    for (take, expected) in [("200", "4"), ("20%", "4"), ("20000", "64")] {
        let plan = plan(by_path, pairs, &[&format!("TAKE={take}")]);
        assert_eq!(value(planned(&plan), "--batch"), expected, "TAKE={take}");
    }
    let absent = plan("owner/absent", "owner/pairs", &[]);
    assert_eq!(absent.status, Some(2), "{}", absent.stderr);
    let told = &absent.stderr;
    assert!(told.contains("`owner/absent` is neither"), "{told}");
}

#[test]
fn names_of_files_that_others_choose_are_not_run_by_make() {
    let cache = cache("run");
    let ran = cache.join("ran");
    let mut all = repositories(&ROUND);
    for (i, name) in [
        format!("x$(shell touch {}).jsonl", ran.display()),
        format!("a;touch {};x.jsonl", ran.display()),
        format!(
            "`touch {}` $$(touch {}) it's.jsonl",
            ran.display(),
            ran.display()
        ),
        "a b$(error told).jsonl".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let files = [(name, vec![b' '; 3 << 20])].into();
        all.insert(format!("datasets/owner/names-{i}"), files);
    }
    let hub = Hub::serve(all, |_| Reply::Well).unwrap();
    let home = cache.join("a place");
    for i in 0..4 {
        let data = format!("DATA=owner/names-{i}");
        let arguments = ["-n", "round-1", &data, "MODEL=owner/policy"];
        for _ in 0..2 {
            let plan = own(&hub, &home, &cache.join(format!("run-{i}")), &arguments);
            assert_eq!(
                value(planned(&plan), "--batch"),
                "8",
                "all of {data} counts"
            );
            assert!(!ran.exists(), "{data}");
        }
    }
}

#[test]
fn a_round_from_a_models_name_records_the_commit_and_survives_a_cleared_cache() {
    let cache = cache("start");
    let mut all = repositories(&ROUND);
    let policy = all.get_mut("models/owner/policy").unwrap();
    policy.insert("chat_template.jinja".to_owned(), b"{{ messages }}".to_vec());
    let hub = Hub::serve(all, |_| Reply::Well).unwrap();
    let config = cache.join("run/start/policy/config.json");
    let start = || {
        let goal = config.to_str().unwrap();
        let arguments = [goal, "MODEL=owner/policy", "DATA=owner/pairs"];
        planned(&own(&hub, &cache, &cache.join("run"), &arguments)).to_owned()
    };
    start();
    let policy = config.parent().unwrap();
    let sample = || {
        let out = fresh();
        let model = format!("--model {}", policy.display());
        let line = SAMPLE.replace("--model policy", &model);
        succeed(&ROUND, &with_out(&line, &out));
        let found = apo_tables::provenance(&ROUND.join(out)).unwrap().unwrap();
        found.inputs["model"].name.clone()
    };
    assert_eq!(sample(), format!("owner/policy@{COMMIT}"));
    assert!(!start().contains("rm -rf"), "it is there");
    fs::remove_dir_all(cache.join("hub")).unwrap();
    assert!(start().contains("rm -rf"), "its links led nowhere");
    assert_eq!(sample(), format!("owner/policy@{COMMIT}"));
}

//! A hub on this machine, and commands that may ask it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use mini_world::hub::{Hub, Repositories, files_of};

use crate::stages::workspace;

/// Returns the models of a small round, and two data sets: HH's, and one of two files.
///
/// # Panics
///
/// When they cannot be read.
pub fn repositories(round: &Path) -> Repositories {
    let hh = workspace().join("fixtures/hh");
    let mut layout = BTreeMap::new();
    let mut numbered = BTreeMap::new();
    for (i, subset) in ["harmless-base", "helpful-base"].into_iter().enumerate() {
        for (name, body) in files_of(&hh.join(subset)).expect("a folder can be read") {
            if name.starts_with("train") {
                numbered.insert(
                    format!("data/train-0000{i}-of-00002.jsonl.gz"),
                    body.clone(),
                );
            }
            layout.insert(format!("{subset}/{name}"), body);
        }
    }
    numbered.insert("README.md".to_owned(), b"pairs".to_vec());
    numbered.insert("data/test-00000-of-00001.jsonl.gz".to_owned(), Vec::new());
    [
        (
            "models/owner/policy",
            files_of(&round.join("policy")).expect("a folder can be read"),
        ),
        (
            "models/owner/rm",
            files_of(&round.join("rm")).expect("a folder can be read"),
        ),
        ("datasets/owner/hh", layout),
        ("datasets/owner/pairs", numbered),
    ]
    .map(|(name, files)| (name.to_owned(), files))
    .into()
}

/// Lets a command ask a hub, without a token, and keep the cache at `home`.
pub fn may_ask(hub: &Hub, home: &Path, mut command: Command) -> Command {
    command
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_HOME", home)
        .env("HF_HUB_OFFLINE", "0")
        .env("no_proxy", "127.0.0.1");
    for name in ["HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE"] {
        command.env_remove(name);
    }
    command
}

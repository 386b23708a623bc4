//! What tests of the hub share: a hub on this machine, a cache, and who watches.
#![allow(dead_code, reason = "each test takes what it needs of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apo_hub::{Hub, HubError, Name, Settings, Token, Watch};
use mini_world::hub::{Asked, Hub as Server, Reply, Repositories};

/// The token of tests.
pub const TOKEN: &str = "hf_not_to_be_seen";

/// The weights of [`model`].
pub const WEIGHTS: &str = "model.safetensors";

/// The length of these weights.
pub const LENGTH: usize = 100_000;

/// Returns an empty cache of one test.
pub fn cache(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hub-{test}"));
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Returns bytes that repeat nowhere soon.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Returns files by their names.
pub fn files(named: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
    let files = named.iter();
    files
        .map(|(name, body)| ((*name).to_owned(), body.to_vec()))
        .collect()
}

/// Returns a hub's only repository, `models/owner/name`.
pub fn model() -> Repositories {
    let weights = bytes(LENGTH);
    let files = files(&[
        ("README.md", b"a model"),
        ("config.json", b"{}"),
        ("tokenizer.json", b"{\"a\": 1}"),
        ("chat_template.jinja", b""),
        (WEIGHTS, &weights),
    ]);
    [("models/owner/name".to_owned(), files)].into()
}

/// Starts a hub that answers well.
pub fn well(repositories: Repositories) -> Server {
    Server::serve(repositories, |_| Reply::Well).unwrap()
}

/// Starts a hub of [`model`] that answers the first requests for its weights otherwise.
pub fn ill(times: usize, reply: Reply) -> Server {
    serve(move |asked| {
        if asked.path.ends_with(WEIGHTS) && asked.times < times {
            reply.clone()
        } else {
            Reply::Well
        }
    })
}

/// Starts a hub of [`model`].
pub fn serve(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
    Server::serve(model(), reply).unwrap()
}

/// Returns settings with short pauses.
pub fn settings(server: &Server, cache: &Path) -> Settings {
    let settings = Settings::from_variables(|name| match name {
        "HF_ENDPOINT" => Some(server.endpoint().into()),
        "HF_HUB_CACHE" | "HF_HOME" => Some(cache.into()),
        _ => None,
    });
    Settings {
        attempts: 3,
        first_pause: Duration::from_millis(5),
        longest_silence: Duration::from_millis(500),
        ..settings.unwrap()
    }
}

/// Returns settings with a token.
pub fn with_token(server: &Server, cache: &Path) -> Settings {
    Settings {
        token: Token::new(TOKEN, "HF_TOKEN").unwrap(),
        ..settings(server, cache)
    }
}

/// Returns settings with which nothing is asked.
pub fn offline(server: &Server, cache: &Path) -> Settings {
    Settings {
        offline: true,
        ..settings(server, cache)
    }
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// Asks for `owner/name`, and checks that no message shows the token.
pub fn fetch(settings: Settings, seen: &mut Seen) -> Result<PathBuf, HubError> {
    let found = Hub::new(settings).unwrap().model(&name("owner/name"), seen);
    if let Err(error) = &found {
        let told = format!("{error} {error:?}");
        assert!(!told.contains(TOKEN), "{told}");
    }
    assert!(!seen.notes.join(" ").contains(TOKEN), "{:?}", seen.notes);
    found
}

/// Asks for `owner/name`, which must fail.
pub fn fail(settings: Settings) -> HubError {
    fetch(settings, &mut Seen::default()).unwrap_err()
}

/// What was seen of a download.
#[derive(Debug, Default)]
pub struct Seen {
    pub missing: u64,
    pub moved: u64,
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
    /// Stops after so many bytes.
    pub most: Option<u64>,
}

impl Watch for Seen {
    fn started(&mut self, _: &str, bytes: u64) {
        self.missing += bytes;
    }

    fn advanced(&mut self, bytes: u64) {
        self.moved += bytes;
    }

    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    fn warn(&mut self, text: &str) {
        self.warnings.push(text.to_owned());
    }

    fn is_stopped(&self) -> bool {
        self.most.is_some_and(|most| self.moved >= most)
    }
}

/// Returns the paths of a cache's contents that are under way.
pub fn under_way(cache: &Path) -> Vec<PathBuf> {
    let blobs = cache.join("models--owner--name/blobs");
    let entries = fs::read_dir(blobs).into_iter().flatten().flatten();
    let paths = entries.map(|it| it.path());
    paths
        .filter(|it| it.extension().is_some_and(|it| it == "incomplete"))
        .collect()
}

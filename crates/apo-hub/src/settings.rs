//! Where the hub and its cache are, as the environment says.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::HubError;
use crate::token::Token;

/// The hub's address.
const ENDPOINT: &str = "https://huggingface.co";

/// How the hub is asked, and where its files are kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The hub's address, as `https://huggingface.co`.
    pub endpoint: String,
    /// The cache's folder.
    pub cache: PathBuf,
    /// What private and gated repositories ask for.
    pub token: Option<Token>,
    /// Whether only the cache is used, and nothing is asked.
    pub offline: bool,
    /// Attempts at a request, including the first.
    pub attempts: u32,
    /// The approximate first pause between attempts; each next one doubles.
    pub first_pause: Duration,
    /// Longest pause that the hub may ask for.
    pub longest_pause: Duration,
    /// Longest time in which a server sends nothing.
    pub longest_silence: Duration,
    /// Longest time until a connection is made.
    pub connect_timeout: Duration,
}

impl Settings {
    /// Reads the settings from the variables of Hugging Face's own programs:
    /// `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`, and `HF_TOKEN` or
    /// else the file that `hf auth login` writes.
    ///
    /// # Errors
    ///
    /// When there is no folder for the cache, or the token cannot be sent or read.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_variables(|name| env::var_os(name))
    }

    /// Reads the settings from variables, as [`Self::from_env`]. An empty variable
    /// counts as not set.
    ///
    /// # Errors
    ///
    /// As [`Self::from_env`].
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, HubError> {
        let find = |name: &str| variable(name).filter(|it| !it.is_empty());
        let text = |name: &str| find(name).map(|it| it.to_string_lossy().into_owned());
        let folder = |name: &str| find(name).map(PathBuf::from);
        let home = folder("HF_HOME")
            .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("huggingface")))
            .or_else(|| Some(folder("HOME")?.join(".cache/huggingface")))
            .ok_or(HubError::NoHome)?;
        let file = folder("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = match text("HF_TOKEN") {
            Some(value) => Token::new(&value, "HF_TOKEN")?,
            None => token_of(&file)?,
        };
        let offline = text("HF_HUB_OFFLINE").unwrap_or_default().to_uppercase();
        Ok(Self {
            endpoint: text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned()),
            cache: folder("HF_HUB_CACHE").unwrap_or_else(|| home.join("hub")),
            token,
            offline: ["1", "ON", "YES", "TRUE"].contains(&offline.as_str()),
            attempts: 6,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(10),
            longest_silence: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(10),
        })
    }
}

/// Reads the token of a file; there is none where there is no file.
fn token_of(path: &Path) -> Result<Option<Token>, HubError> {
    match fs::read_to_string(path) {
        Ok(text) => Token::new(&text, &path.display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(HubError::Cache {
            action: "read",
            path: path.into(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Settings {
        let found = Settings::from_variables(|name| {
            let found = variables.iter().find(|it| it.0 == name);
            found.map(|it| it.1.into())
        });
        found.expect("the settings can be read")
    }

    #[test]
    fn the_cache_is_where_hugging_faces_programs_have_it() {
        for (variables, expected) in [
            (&[("HOME", "/h")][..], "/h/.cache/huggingface/hub"),
            (
                &[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")],
                "/x/huggingface/hub",
            ),
            (&[("HOME", "/h"), ("HF_HOME", "/f")], "/f/hub"),
            (&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")], "/c"),
            (
                &[("HF_HOME", ""), ("HOME", "/h")],
                "/h/.cache/huggingface/hub",
            ),
        ] {
            assert_eq!(of(variables).cache, Path::new(expected));
        }
        assert!(Settings::from_variables(|_| None).is_err());
    }

    #[test]
    fn the_token_is_that_of_the_variable_or_else_of_the_file() {
        let dir = env::temp_dir().join(format!("apo-hub-token-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder can be made");
        let home = dir.to_str().expect("a plain path");
        assert_eq!(of(&[("HF_HOME", home)]).token, None);
        fs::write(dir.join("token"), "hf_file\n").expect("a file can be written");
        let token = |text| Token::new(text, "").expect("plain");
        assert_eq!(of(&[("HF_HOME", home)]).token, token("hf_file"));
        let both = of(&[("HF_HOME", home), ("HF_TOKEN", "hf_own")]);
        assert_eq!(both.token, token("hf_own"));
    }

    #[test]
    fn offline_is_what_hugging_faces_programs_take_for_it() {
        for (value, expected) in [("1", true), ("true", true), ("0", false), ("", false)] {
            let found = of(&[("HOME", "/h"), ("HF_HUB_OFFLINE", value)]);
            assert_eq!(found.offline, expected, "{value}");
        }
    }
}

//! What made an output: stage, version, arguments, inputs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::error::TableError;
use crate::{file, reader};

/// The key of the Parquet footer under which the provenance stands.
pub const FOOTER_KEY: &str = "apo";

/// The page with the provenance in a model directory or a folder of tables.
pub const MANIFEST: &str = "apo.json";

/// What made an output. No times, hosts or paths: equal work gives equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The stage.
    pub stage: String,
    /// Its version.
    pub version: String,
    /// The arguments that the output depends on, by name.
    pub arguments: BTreeMap<String, Value>,
    /// What was read, by the argument that named it.
    pub inputs: BTreeMap<String, Input>,
    /// The part of the data that this is, where it was split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

/// A part of split data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// What tells this split from others: a digest of what made it, hex.
    pub of: String,
    /// The part, as `rm`, `llm` or [`TEST`].
    pub part: String,
}

/// The part that nothing is to be learnt from.
pub const TEST: &str = "test";

/// A file or folder that an output was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Its name, without the path.
    pub name: String,
    /// Its rows, where it is a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// SHA-256 of its content, hex.
    pub digest: String,
    /// The part of the data that its queries are, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

impl Input {
    /// Describes a file or folder.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn of(path: &Path) -> Result<Self, TableError> {
        // What cannot be digested cannot be read either: a pipe, a device.
        if !path.is_dir() {
            file::open(path)?;
        }
        let digest = digest_path(path).map_err(|error| TableError::reading(path, error))?;
        Ok(Self {
            name: file::name(path),
            rows: None,
            digest,
            split: None,
        })
    }
}

impl Provenance {
    /// Starts the provenance of a stage's output.
    pub fn new(stage: &str, version: &str) -> Self {
        Self {
            stage: stage.to_owned(),
            version: version.to_owned(),
            ..Self::default()
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.arguments.insert(name.to_owned(), value.into());
        self
    }

    /// Adds an input.
    #[must_use]
    pub fn input(mut self, name: &str, input: Input) -> Self {
        self.inputs.insert(name.to_owned(), input);
        self
    }

    /// Returns the provenance of a part of the data that this splits.
    #[must_use]
    pub fn of_part(&self, part: &str) -> Self {
        let json = serde_json::to_vec(self).expect("a provenance is plain data");
        let of = hex(&Sha256::digest(json)[..8]);
        let part = part.to_owned();
        Self {
            split: Some(Split { of, part }),
            ..self.clone()
        }
    }

    /// Returns the part of the data that the output's queries are: its own, or
    /// that of what it was made from; the test part first.
    pub fn split(&self) -> Option<&Split> {
        let inputs = self.inputs.values().filter_map(|it| it.split.as_ref());
        let mut all = self.split.iter().chain(inputs);
        let test = all.clone().find(|it| it.part == TEST);
        test.or_else(|| all.next())
    }

    /// Reads the provenance from a table's footer; none where another program
    /// wrote it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is no whole Parquet file.
    pub fn read(path: &Path) -> Result<Option<Self>, TableError> {
        let found = reader::footer_value(path, FOOTER_KEY)?;
        Ok(found.and_then(|json| serde_json::from_str(&json).ok()))
    }

    /// Returns how another run differs from this one, a sentence each; none
    /// where it made the same.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.stage != other.stage {
            found.push(format!("stage {} there, {} here", self.stage, other.stage));
        }
        if self.version != other.version {
            found.push(format!(
                "version {} there, {} here",
                self.version, other.version
            ));
        }
        for name in keys(&self.arguments, &other.arguments) {
            let (there, here) = (self.arguments.get(name), other.arguments.get(name));
            if there != here {
                let show = |value: Option<&Value>| value.map_or("none".into(), Value::to_string);
                found.push(format!(
                    "`{name}` {} there, {} here",
                    show(there),
                    show(here)
                ));
            }
        }
        for name in keys(&self.inputs, &other.inputs) {
            match (self.inputs.get(name), other.inputs.get(name)) {
                (Some(there), Some(here)) if there.digest == here.digest => {}
                (Some(there), Some(here)) if there.name == here.name => {
                    found.push(format!("`{name}` ({}) has changed since", here.name));
                }
                (there, here) => {
                    let show =
                        |input: Option<&Input>| input.map_or("none".into(), |i| i.name.clone());
                    found.push(format!(
                        "`{name}` {} there, {} here",
                        show(there),
                        show(here)
                    ));
                }
            }
        }
        found
    }
}

fn keys<'a, T>(a: &'a BTreeMap<String, T>, b: &'a BTreeMap<String, T>) -> Vec<&'a str> {
    let mut keys: Vec<&str> = a.keys().chain(b.keys()).map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Returns the SHA-256 of a file, hex.
///
/// # Errors
///
/// When it cannot be read.
pub fn digest_file(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    hash_file(path, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

/// Returns the SHA-256 of a file, or of a folder's names and files, hex.
///
/// # Errors
///
/// When something in it cannot be read.
pub fn digest_path(path: &Path) -> io::Result<String> {
    if !path.is_dir() {
        return digest_file(path);
    }
    let mut hasher = Sha256::new();
    hash_folder(path, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

/// Returns the SHA-256 of a table's parts: what [`digest_path`] says of a folder
/// that holds nothing else.
pub(crate) fn digest_parts(parts: &[PathBuf]) -> io::Result<String> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.file_name().unwrap_or_default().as_encoded_bytes());
        hasher.update([0]);
        hash_file(part, &mut hasher)?;
        hasher.update([0]);
    }
    Ok(hex(&hasher.finalize()))
}

fn hash_folder(path: &Path, hasher: &mut Sha256) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(path)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        hasher.update(name.as_encoded_bytes());
        hasher.update([0]);
        if entry.path().is_dir() {
            hash_folder(&entry.path(), hasher)?;
        } else {
            hash_file(&entry.path(), hasher)?;
        }
        hasher.update([0]);
    }
    Ok(())
}

fn hash_file(path: &Path, hasher: &mut Sha256) -> io::Result<()> {
    // A pipe among a folder's files would be waited for.
    if !fs::metadata(path)?.is_file() {
        let problem = format!("{} is no regular file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        hasher.update(&buffer[..n]);
    }
}

/// Returns bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

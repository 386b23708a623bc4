//! Names on the hub, and what is a path instead.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use crate::error::HubError;

/// The revision of a name without one.
const MAIN: &str = "main";

/// Endings of files that somebody names by their path.
const FILE_ENDINGS: [&str; 6] = [".parquet", ".jsonl", ".json", ".gz", ".csv", ".safetensors"];

/// The most characters of an owner's or a repository's name.
const LONGEST: usize = 96;

/// A repository on the hub: `owner/name`, or `owner/name@revision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// `owner/name`.
    pub repository: String,
    /// A branch, a tag, or a commit, if one is given.
    pub revision: Option<String>,
}

impl Name {
    /// Reads a name; returns `None` for a text that cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let (repository, revision) = match text.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (text, None),
        };
        let (owner, name) = repository.split_once('/')?;
        let is_name = is_word(owner) && is_word(name);
        (is_name && revision.is_none_or(is_revision)).then(|| Self {
            repository: repository.to_owned(),
            revision: revision.map(str::to_owned),
        })
    }

    /// Returns the revision, which is `main` if none is given.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }

    fn owner(&self) -> &str {
        self.repository.split('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

/// What is asked of a data set: `owner/name`, `owner/name@revision`, either with
/// `:PART`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The data set.
    pub name: Name,
    /// A split, a folder or a file of it, if one is given.
    pub part: Option<String>,
}

impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        let (name, part) = match text.split_once(':') {
            Some((name, part)) => (name, Some(part)),
            None => (text, None),
        };
        let name = Name::parse(name)?;
        part.is_none_or(|it| !it.is_empty()).then(|| Self {
            name,
            part: part.map(str::to_owned),
        })
    }
}

/// Returns the model that a text names on the hub, or `None` if the text is a path.
/// What exists is a path, whatever it is called.
///
/// # Errors
///
/// When the text may be either: nothing is there, but the folder `owner` is, and the
/// text has no revision. A mistyped path is not told to the hub.
pub fn named(path: &Path) -> Result<Option<Name>, HubError> {
    if !is_absent(path) {
        return Ok(None);
    }
    match path.to_str().and_then(Name::parse) {
        Some(name) => unlike_a_path(name.clone(), name.revision.is_some(), &name).map(Some),
        None => Ok(None),
    }
}

/// Returns the part of a data set that a text names on the hub, or `None` if the text
/// is a path.
///
/// # Errors
///
/// As [`named`]; a text with a part is no path.
pub fn wanted(path: &Path) -> Result<Option<Wanted>, HubError> {
    if !is_absent(path) {
        return Ok(None);
    }
    let found = path.to_str().and_then(Wanted::parse);
    let Some(wanted) = found.filter(|it| it.part.is_some() || !ends_as_file(&it.name)) else {
        return Ok(None);
    };
    let is_sure = wanted.part.is_some() || wanted.name.revision.is_some();
    let name = wanted.name.clone();
    unlike_a_path(wanted, is_sure, &name).map(Some)
}

/// Whether nothing is at a path. What cannot be looked at is there: reading it tells
/// why.
fn is_absent(path: &Path) -> bool {
    let found = fs::symlink_metadata(path);
    found.is_err_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
    })
}

fn unlike_a_path<T>(found: T, is_sure: bool, name: &Name) -> Result<T, HubError> {
    if !is_sure && Path::new(name.owner()).is_dir() {
        return Err(HubError::LocalFolder {
            name: name.to_string(),
            owner: name.owner().to_owned(),
        });
    }
    Ok(found)
}

fn ends_as_file(name: &Name) -> bool {
    let name = name.repository.to_lowercase();
    FILE_ENDINGS.iter().any(|it| name.ends_with(it))
}

/// Whether a text may be an owner's or a repository's name.
fn is_word(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_edge = |c: char| c == '-' || c == '.';
    !text.is_empty()
        && text.len() <= LONGEST
        && text.chars().all(is_plain)
        && !text.starts_with(is_edge)
        && !text.ends_with(is_edge)
        && !text.contains("--")
        && !text.contains("..")
}

/// Whether a text may be a branch, a tag or a commit, such as `main`, `v1.0` or
/// `refs/pr/1`.
fn is_revision(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(is_plain) && !part.starts_with('.');
    text.len() <= 2 * LONGEST && !text.contains("..") && text.split('/').all(is_part)
}

/// Whether a text is a commit: 40 hexadecimal digits.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && is_hex(text)
}

/// Whether a text consists of lower-case hexadecimal digits.
pub(crate) fn is_hex(text: &str) -> bool {
    let is_digit = |it: &u8| it.is_ascii_digit() || (b'a'..=b'f').contains(it);
    text.as_bytes().iter().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_and_a_name_are_a_name_with_or_without_a_revision() {
        let name = Name::parse("HuggingFaceTB/SmolLM2-135M-Instruct").unwrap();
        assert_eq!(name.revision(), "main");
        let name = Name::parse("a_b/c.d@refs/pr/1").unwrap();
        assert_eq!(
            (name.repository.as_str(), name.revision()),
            ("a_b/c.d", "refs/pr/1")
        );
        assert_eq!(name.to_string(), "a_b/c.d@refs/pr/1");
        for text in [
            "",
            "name",
            "/name",
            "owner/",
            "./name",
            "../name",
            "owner/name/more",
            "owner/na--me",
            "owner/na..me",
            "-owner/name",
            "owner/name.",
            "owner/n ame",
            "owner/naïve",
            "owner/name@",
            "owner/name@../x",
            "owner/name@a//b",
            "owner/name@a b",
            "owner/name:part",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_data_set_may_have_a_part_and_a_path_of_a_file_is_none() {
        let found = wanted(Path::new("owner/name@v1:data/train"))
            .unwrap()
            .unwrap();
        assert_eq!(found.part.as_deref(), Some("data/train"));
        assert_eq!(found.name.to_string(), "owner/name@v1");
        let found = wanted(Path::new("owner/name")).unwrap().unwrap();
        assert_eq!(found.part, None);
        for text in ["owner/pairs.jsonl", "owner/pairs.json.gz", "owner/name:"] {
            assert_eq!(wanted(Path::new(text)).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn what_exists_is_a_path_and_so_is_what_may_be_a_slip() {
        // Tests run in the folder of their crate.
        assert_eq!(named(Path::new("src/lib.rs")).unwrap(), None);
        let error = named(Path::new("src/absent")).unwrap_err();
        assert!(error.is_bad_input());
        let told = error.to_string();
        assert!(told.contains("src/absent@main"), "{told}");
        assert!(named(Path::new("src/absent@main")).unwrap().is_some());
        assert!(named(Path::new("nobody/absent")).unwrap().is_some());
        assert!(wanted(Path::new("src/absent:train")).unwrap().is_some());
    }
}

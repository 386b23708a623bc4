//! What the hub lists of a repository: a revision's commit, and its files.

use serde::Deserialize;

use crate::digest::Digest;
use crate::name::is_commit;

/// The files of a revision.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The commit that the revision is now.
    pub(crate) commit: String,
    pub(crate) files: Vec<Listed>,
}

/// A file as the hub lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its path in the repository.
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
}

#[derive(Deserialize)]
struct Answered {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

impl Listing {
    /// Reads the hub's answer to a question for a revision.
    ///
    /// # Errors
    ///
    /// When it is not such a list, or that of another commit than was asked for, as a
    /// phrase.
    pub(crate) fn read(body: &[u8], revision: &str) -> Result<Self, String> {
        let found: Answered = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if !is_commit(&found.sha) {
            return Err("its `sha` is not a commit".to_owned());
        }
        if is_commit(revision) && found.sha != revision {
            return Err(format!("it is that of the commit {}", found.sha));
        }
        let files = found.siblings.into_iter().map(Sibling::listed);
        Ok(Self {
            commit: found.sha,
            files: files.collect::<Result<_, _>>()?,
        })
    }

    /// Returns the files' paths in the repository.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.files.iter().map(|it| it.name.as_str()).collect()
    }

    /// Returns the file with this path.
    pub(crate) fn file(&self, name: &str) -> Option<&Listed> {
        self.files.iter().find(|it| it.name == name)
    }
}

impl Sibling {
    fn listed(self) -> Result<Listed, String> {
        let name = self.rfilename;
        // Each path has one spelling, so that a link is where its name says.
        let is_plain = |part: &str| !["", ".", ".."].contains(&part);
        let is_bad = |it: char| it == '\\' || it.is_control();
        if name.contains(is_bad) || !name.split('/').all(is_plain) {
            return Err(format!("{name:?} is no path within a repository"));
        }
        let (size, digest) = match self.lfs {
            Some(lfs) => (Some(lfs.size), Digest::sha256(&lfs.sha256)),
            None => (self.size, self.blob_id.as_deref().and_then(Digest::git)),
        };
        match (size, digest) {
            (Some(size), Some(digest)) => Ok(Listed { name, size, digest }),
            _ => Err(format!("it has no size or digest of {name:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_have_a_sha_256_and_small_ones_gits() {
        let (commit, git, sha) = ("c".repeat(40), "a".repeat(40), "b".repeat(64));
        let body = format!(
            r#"{{"id": "o/n", "sha": "{commit}", "siblings": [
                {{"rfilename": "config.json", "size": 7, "blobId": "{git}"}},
                {{"rfilename": "data/m.parquet", "size": 9, "blobId": "{git}",
                  "lfs": {{"sha256": "{sha}", "size": 9, "pointerSize": 134}}}}]}}"#
        );
        let found = Listing::read(body.as_bytes(), "main").unwrap();
        assert_eq!(found.commit, commit);
        assert_eq!(found.names(), ["config.json", "data/m.parquet"]);
        assert_eq!(found.file("config.json").unwrap().digest, Digest::Git(git));
        let large = found.file("data/m.parquet").unwrap();
        assert_eq!((large.size, &large.digest), (9, &Digest::Sha256(sha)));
    }

    #[test]
    fn what_would_lead_out_of_the_cache_is_refused() {
        let (commit, git) = ("c".repeat(40), "a".repeat(40));
        for name in [
            "../x",
            "/etc/passwd",
            "a/../../x",
            "",
            "./x",
            "a\\\\b",
            // Other spellings of a path, and what ends a line.
            "a/./x",
            "a//x",
            "a/",
            "a\\nb",
            "a\\u007fb",
        ] {
            let body = format!(
                r#"{{"sha": "{commit}", "siblings": [{{"rfilename": "{name}", "size": 1, "blobId": "{git}"}}]}}"#
            );
            assert!(Listing::read(body.as_bytes(), "main").is_err(), "{name}");
        }
        for body in [
            r#"{"sha": "../../x"}"#.to_owned(),
            "<html>".to_owned(),
            format!(
                r#"{{"sha": "{commit}", "siblings": [{{"rfilename": "x", "size": 1, "blobId": "../x"}}]}}"#
            ),
            format!(r#"{{"sha": "{commit}", "siblings": [{{"rfilename": "x"}}]}}"#),
        ] {
            assert!(Listing::read(body.as_bytes(), "main").is_err(), "{body}");
        }
    }

    #[test]
    fn a_commit_that_was_not_asked_for_is_refused() {
        let [asked, other] = ["c", "d"].map(|it| it.repeat(40));
        let body = format!(r#"{{"sha": "{asked}"}}"#);
        assert!(Listing::read(body.as_bytes(), &asked).is_ok());
        let problem = Listing::read(body.as_bytes(), &other).unwrap_err();
        assert!(problem.contains(&asked), "{problem}");
    }
}

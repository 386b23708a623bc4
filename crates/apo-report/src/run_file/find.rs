//! Finds what a run's file names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
use apo_stage::bad_input;

use super::{Artifact, ArtifactKind, Entry, NAME, RunFile};

impl RunFile {
    /// Returns the path of a thing.
    pub fn at(&self, thing: &Artifact) -> PathBuf {
        self.dir.join(&thing.path)
    }

    /// Returns the file's own path, for messages.
    pub fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    /// Returns the path of the thing with this name.
    pub fn find(&self, kind: ArtifactKind, name: &str) -> Option<PathBuf> {
        let thing = self
            .things
            .iter()
            .find(|it| it.kind == kind && it.name == name);
        thing.map(|it| self.at(it))
    }

    /// Returns all things of these kinds.
    pub fn of(&self, kinds: &[ArtifactKind]) -> impl Iterator<Item = &Artifact> {
        self.things
            .iter()
            .filter(move |it| kinds.contains(&it.kind))
    }

    /// Returns the error for what a command wants of `name` and the run does not have;
    /// `shown` says who wants it and what to do.
    pub fn lacks(&self, what: &str, name: &str, shown: &str) -> Error {
        let path = self.path();
        bad_input(format!(
            "{} has no {what} of '{name}', {shown}",
            path.display()
        ))
    }

    /// Returns the error for a row of a table that cannot be shown.
    pub fn lacks_row(&self, what: &str, entry: &Entry, table: &str) -> Error {
        let shown = format!("which is a row of table {table}; `make` the table first");
        self.lacks(what, &entry.of, &shown)
    }

    /// Returns the rows of a table.
    ///
    /// # Errors
    ///
    /// When the run has no table of this name.
    pub fn table(&self, name: &str) -> Result<&[Entry]> {
        let table = self.tables.iter().find(|it| it.name == name);
        table.map(|it| &it.rows[..]).ok_or_else(|| {
            let known: Vec<&str> = self.tables.iter().map(|it| it.name.as_str()).collect();
            bad_input(format!(
                "{} has no table '{name}'; it has: {}",
                self.path().display(),
                known.join(", ")
            ))
        })
    }

    /// Tells whether a file of the run changed after this one was written, so that the
    /// run may hold more than it names.
    pub fn is_older_than(&self, path: &Path) -> bool {
        let changed = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
        changed(&self.path()) < changed(path)
    }

    /// Returns the round of a policy in its arm. The start is round 0 of every arm.
    pub fn round(&self, policy: &str) -> Option<usize> {
        let mut arms = self.arms.iter();
        arms.find_map(|arm| arm.rows.iter().position(|it| it == policy))
    }
}

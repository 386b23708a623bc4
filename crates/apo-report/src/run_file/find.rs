//! Finds what a run's file names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
use apo_stage::bad_input;

use super::contents::{Arm, Artifact, ArtifactKind, Entry, NAME, RunFile};

/// How the names of APO's policies begin in files from before arms had baselines; the
/// rest is the baseline's name.
const APO: &str = "APO-";

impl RunFile {
    /// Returns the path of an artifact.
    pub fn at(&self, artifact: &Artifact) -> PathBuf {
        self.dir.join(&artifact.path)
    }

    /// Returns the file's own path, for messages.
    pub fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    /// Returns the path of the artifact with this name.
    pub fn find(&self, kind: ArtifactKind, name: &str) -> Option<PathBuf> {
        let artifact = self
            .artifacts
            .iter()
            .find(|it| it.kind == kind && it.name == name);
        artifact.map(|it| self.at(it))
    }

    /// Returns all artifacts of these kinds.
    pub fn of(&self, kinds: &[ArtifactKind]) -> impl Iterator<Item = &Artifact> {
        self.artifacts
            .iter()
            .filter(move |it| kinds.contains(&it.kind))
    }

    /// Returns the error for something of `name` that a command needs and the run lacks;
    /// `shown` says who needs it and what to do.
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

    /// Returns the round of a policy in its arm, whose start is round 0.
    pub fn round(&self, policy: &str) -> Option<usize> {
        let mut arms = self.arms.iter();
        arms.find_map(|arm| arm.round(policy))
    }

    /// Returns the policy from which another came: the start of its arm. A policy outside
    /// all arms came from the run's first start that has a score.
    pub fn start(&self, policy: &str) -> Option<&str> {
        let mut arms = self.arms.iter();
        let is_later = |arm: &&Arm| arm.round(policy).is_some_and(|round| round > 0);
        if let Some(arm) = arms.find(is_later) {
            return arm.list.rows.first().map(String::as_str);
        }
        if self.round(policy).is_some() {
            return None; // it is a start itself
        }
        let mut scored = self.of(&[ArtifactKind::Score]).map(|it| it.name.as_str());
        scored.find(|name| self.round(name) == Some(0))
    }

    /// Returns the policy that another is compared with: that of the same round in the
    /// baseline of its arm.
    pub fn baseline<'a>(&'a self, policy: &'a str) -> Option<&'a str> {
        let compared = self.arms.iter().find_map(|arm| {
            let round = arm.round(policy).filter(|it| *it > 0)?;
            Some((arm.baseline.as_ref()?, round))
        });
        let Some((name, round)) = compared else {
            return policy.strip_prefix(APO);
        };
        let baseline = self.arms.iter().find(|it| it.list.name == *name)?;
        let other = baseline.list.rows.get(round).map(String::as_str);
        other.filter(|it| *it != policy)
    }
}

impl Arm {
    /// Returns the round of a policy in this arm.
    fn round(&self, policy: &str) -> Option<usize> {
        self.list.rows.iter().position(|it| it == policy)
    }
}

//! Checks what the types of a run's file do not express: a name means one thing, and a
//! path is one file of the run. What is written and what is read is checked in the same
//! way, except for the policies of arms: a file that was read names only what existed when
//! it was written.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::path::{Component, Path, PathBuf};

use super::contents::{Arm, Artifact, ArtifactKind, Entry, List, RunFile};

/// The kinds that a row of a table may name: accuracies of a reward model.
const OF_ROWS: [ArtifactKind; 3] = [ArtifactKind::Test, ArtifactKind::Dev, ArtifactKind::Truth];

/// The kinds of artifacts that belong to a policy.
const OF_POLICIES: [ArtifactKind; 9] = [
    ArtifactKind::Policy,
    ArtifactKind::RmSamples,
    ArtifactKind::Samples,
    ArtifactKind::Answers,
    ArtifactKind::ScoredAnswers,
    ArtifactKind::Score,
    ArtifactKind::ScoreAll,
    ArtifactKind::Kl,
    ArtifactKind::Quality,
];

impl RunFile {
    /// Checks names and paths. The path of a file that does not exist is checked by its
    /// spelling alone.
    ///
    /// # Errors
    ///
    /// When a path leaves the run, an artifact, arm, table or row has no name or that of
    /// another, two artifacts of one kind are one file, a list has no rows, or a
    /// baseline is no other arm.
    pub(super) fn check(&self) -> Result<(), String> {
        for artifact in &self.artifacts {
            self.check_place(artifact)?;
            check_name(&artifact.name, || {
                format!(
                    "the {} at '{}'",
                    artifact.kind.name(),
                    artifact.path.display()
                )
            })?;
            self.check_shape(artifact)?;
        }
        let name = |it: &Artifact| (it.kind, it.name.clone());
        if let Some((first, second)) = twins(&self.artifacts, name) {
            return Err(format!(
                "{} and {} are both the {} of '{}'; expected names of their own",
                first.path.display(),
                second.path.display(),
                first.kind.name(),
                first.name
            ));
        }
        // A table of the data may be a policy's samples, too.
        let file = |it: &Artifact| (it.kind, it.file_in(&self.dir));
        if let Some((first, second)) = twins(&self.artifacts, file) {
            return Err(format!(
                "{} is the {} of '{}', and {} that of '{}', though both are one file; expected a \
                 file for each",
                first.path.display(),
                first.kind.name(),
                first.name,
                second.path.display(),
                second.name
            ));
        }
        let arms: Vec<&List<String>> = self.arms.iter().map(|it| &it.list).collect();
        check_lists("arm", &arms, |it| [it, it])?;
        check_baselines(&self.arms)?;
        let tables: Vec<&List<Entry>> = self.tables.iter().collect();
        check_lists("table", &tables, |it| [&it.shown, &it.of])?;
        for table in &self.tables {
            let other = |kind: &ArtifactKind| !OF_ROWS.contains(kind);
            if let Some(kind) = table.rows.iter().filter_map(|it| it.kind).find(other) {
                return Err(format!(
                    "table '{}' has a row of the kind {}; expected test, dev or truth, or none",
                    table.name,
                    kind.name()
                ));
            }
        }
        Ok(())
    }

    /// Gives a kind to rows that state it in their name, as in `NAME, truth`: rows of
    /// older files had no kinds.
    pub(super) fn give_kinds(&mut self) {
        let artifacts = &self.artifacts;
        let is_artifact = |row: &Entry| artifacts.iter().any(|it| it.name == row.of);
        let rows = self.tables.iter_mut().flat_map(|it| &mut it.rows);
        for row in rows.filter(|it| it.kind.is_none() && !is_artifact(it)) {
            let named = OF_ROWS.into_iter().find_map(|kind| {
                let of = row.of.strip_suffix(&format!(", {}", kind.name()))?;
                Some((of.to_owned(), kind))
            });
            let Some((of, kind)) = named else { continue };
            let is_said = row.shown.ends_with(&format!(", {}", kind.name()));
            if !is_said {
                row.shown = Entry::name_of(&row.shown, Some(kind));
            }
            (row.of, row.kind) = (of, Some(kind));
        }
    }

    /// Checks that a model is a folder, and that what is neither a model nor a table is a
    /// file. An artifact that does not exist passes.
    fn check_shape(&self, artifact: &Artifact) -> Result<(), String> {
        use ArtifactKind as Kind;
        let at = self.dir.join(&artifact.path);
        let expected = match artifact.kind {
            Kind::Policy | Kind::RewardModel if at.is_file() => "a model directory",
            Kind::Score
            | Kind::ScoreAll
            | Kind::Kl
            | Kind::Quality
            | Kind::Test
            | Kind::Dev
            | Kind::Truth
            | Kind::Verdicts
            | Kind::Votes
            | Kind::Seed
            | Kind::Times
                if at.is_dir() =>
            {
                "a file"
            }
            _ => return Ok(()),
        };
        Err(format!(
            "the {} of '{}' is at '{}', which is a {}; expected {expected}",
            artifact.kind.name(),
            artifact.name,
            artifact.path.display(),
            if at.is_dir() { "folder" } else { "file" }
        ))
    }

    /// Checks that an artifact lies in the run, by its path and where links in it lead.
    fn check_place(&self, artifact: &Artifact) -> Result<(), String> {
        let leaves = |how: &str| {
            Err(format!(
                "the {} of '{}' is at '{}', which leaves the run{how}",
                artifact.kind.name(),
                artifact.name,
                artifact.path.display()
            ))
        };
        if !artifact.is_inside() {
            return leaves("; expected a path inside its folder, without `..`");
        }
        let Ok(run) = self.dir.canonicalize() else {
            return Ok(()); // the folder is checked before
        };
        match self.dir.join(&artifact.path).canonicalize() {
            Ok(at) if !at.starts_with(&run) => leaves(&format!(
                " by a link to {}; copy or move that into its folder",
                at.display()
            )),
            _ => Ok(()),
        }
    }
}

impl Artifact {
    /// Whether the path stays inside the run by its spelling. A `..` after a link may lead
    /// anywhere, so no `..` is accepted.
    pub(super) fn is_inside(&self) -> bool {
        let mut parts = self.path.components();
        let inside = |it| matches!(it, Component::Normal(_) | Component::CurDir);
        parts.clone().all(inside) && parts.any(|it| it != Component::CurDir)
    }

    /// Returns the same artifact with its path in the shortest spelling: no `.`, no second
    /// slash.
    pub(super) fn tidy(mut self) -> Self {
        let parts = self.path.components();
        let tidy: PathBuf = parts.filter(|it| *it != Component::CurDir).collect();
        if !tidy.as_os_str().is_empty() {
            self.path = tidy;
        }
        self
    }

    /// Returns the file that this is, however its path is spelled and whichever of its
    /// names that is.
    fn file_in(&self, run: &Path) -> FileKey {
        let at = run.join(&self.path);
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            if let Ok(found) = at.metadata() {
                return FileKey::Numbers(found.dev(), found.ino());
            }
        }
        FileKey::Path(at.canonicalize().unwrap_or(at))
    }
}

/// What tells a file from all others.
#[derive(PartialEq, Eq, Hash)]
enum FileKey {
    /// Its device and its number there, which hard links share.
    #[cfg(unix)]
    Numbers(u64, u64),
    /// Its path without links.
    Path(PathBuf),
}

/// Checks that a name is not empty and has no blanks around it, which nobody sees; `of`
/// says whose name it is.
fn check_name(name: &str, of: impl FnOnce() -> String) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err(format!("{} has no name", of()));
    }
    if name.trim() != name {
        return Err(format!(
            "{} is called '{name}', with a blank at an end; remove the blank",
            of()
        ));
    }
    Ok(())
}

/// Finds two items with the same key.
fn twins<T, K: Eq + Hash>(items: &[T], key: impl Fn(&T) -> K) -> Option<(&T, &T)> {
    let mut seen = HashMap::new();
    items
        .iter()
        .find_map(|it| Some((seen.insert(key(it), it)?, it)))
}

/// Checks that lists have rows and names of their own, and so do the rows of each;
/// `names` are those of a row, the one that is shown first.
fn check_lists<T>(
    what: &str,
    lists: &[&List<T>],
    names: impl Fn(&T) -> [&String; 2],
) -> Result<(), String> {
    if let Some((twice, _)) = twins(lists, |it| it.name.clone()) {
        return Err(format!("two {what}s are called '{}'", twice.name));
    }
    for list in lists {
        let name = &list.name;
        check_name(name, || format!("one of the {what}s"))?;
        if list.rows.is_empty() {
            return Err(format!("{what} '{name}' has no rows"));
        }
        let all = || list.rows.iter().flat_map(&names);
        if all().any(|it| it.trim().is_empty()) {
            return Err(format!("{what} '{name}' has a row without a name"));
        }
        for row in all() {
            check_name(row, || format!("a row of {what} '{name}'"))?;
        }
        if let Some((twice, _)) = twins(&list.rows, |it| names(it)[0].clone()) {
            let twice = names(twice)[0];
            return Err(format!("{what} '{name}' names '{twice}' twice"));
        }
    }
    Ok(())
}

/// Checks that every policy of an arm is one to which an artifact belongs, even if its
/// file does not exist yet: a misspelt name, or `Baseline:NAME`, would be a policy that
/// nobody finds.
pub(super) fn check_policies(arms: &[Arm], artifacts: &[Artifact]) -> Result<(), String> {
    let of_policies = artifacts.iter().filter(|it| OF_POLICIES.contains(&it.kind));
    let known: HashSet<&str> = of_policies.map(|it| it.name.as_str()).collect();
    for arm in arms {
        let mut policies = arm.list.rows.iter();
        if let Some(unknown) = policies.find(|it| !known.contains(it.as_str())) {
            return Err(format!(
                "arm '{}' names '{unknown}', and no artifact of a policy has this name; expected \
                 a policy, such as NAME of score:NAME=PATH, or baseline:ARM for the arm that it is \
                 compared with",
                arm.list.name
            ));
        }
    }
    Ok(())
}

/// Checks that the baseline of an arm is another arm.
fn check_baselines(arms: &[Arm]) -> Result<(), String> {
    for arm in arms {
        let Some(baseline) = &arm.baseline else {
            continue;
        };
        let name = &arm.list.name;
        let mut others = arms.iter().map(|it| &it.list.name).filter(|it| *it != name);
        if !others.any(|it| it == baseline) {
            return Err(format!(
                "the baseline of arm '{name}' is '{baseline}', which is no other arm of the run"
            ));
        }
    }
    Ok(())
}

//! `run.json`: what a run's folder holds.
//!
//! The tables, the claims and the figure know a run by this file alone. The report
//! also searches the folder for metrics, and for the tables and models that its
//! lineage shows.
//!
//! It lists artifacts, each with its kind, name and path; arms, which are policies in
//! the order of their rounds, each with the arm that it is compared with; and the rows
//! of the paper's tables.

mod arguments;
mod check;
mod contents;
mod find;

pub use self::contents::{Arm, Artifact, ArtifactKind, Entry, List, NAME, RunFile};

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_stage::{bad_input, join_names, lacks_locks, pages};
use apo_tables::file;
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::check::check_policies;

/// Version of the file's layout. In the first one, `artifacts` could be called `things`.
const VERSION: u32 = 2;

/// Maximum number of missing files that an error names.
const MOST_NAMED: usize = 5;

/// What every version of the file has. The rest may differ between versions.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Distinguishes such a file from other JSON.
#[derive(Deserialize)]
struct Ours {
    version: u32,
    #[serde(rename = "artifacts", alias = "things")]
    _artifacts: IgnoredAny,
}

impl RunFile {
    /// Describes a run with those of `artifacts` that exist.
    ///
    /// # Errors
    ///
    /// When `dir` is not a folder, a name or path is not clear, a path leaves the run, an
    /// arm names a policy to which none of `artifacts` belongs, or a setting cannot be
    /// read.
    pub fn describe(
        dir: &Path,
        settings: Option<&Path>,
        arms: &[Arm],
        tables: &[List<Entry>],
        artifacts: &[Artifact],
    ) -> Result<Self> {
        check_folder(dir)?;
        let mut run = Self {
            dir: dir.to_owned(),
            version: VERSION,
            settings: settings.map_or_else(|| Ok(BTreeMap::new()), read_settings)?,
            arms: arms.to_vec(),
            tables: tables.to_vec(),
            artifacts: artifacts.iter().cloned().map(Artifact::tidy).collect(),
        };
        run.give_kinds();
        // A path outside the run is refused even if nothing is there.
        run.artifacts
            .retain(|it| !it.is_inside() || dir.join(&it.path).exists());
        run.check().map_err(bad_input)?;
        check_policies(arms, artifacts).map_err(bad_input)?;
        Ok(run)
    }

    /// Writes the file into the run's folder, whole or not at all.
    ///
    /// # Errors
    ///
    /// When something else or a newer version has its name, or it cannot be written.
    pub fn write(&self) -> Result<PathBuf> {
        let path = self.path();
        if let Some(text) = file::find_text(&path)? {
            let Ours { version, .. } = serde_json::from_str(&text).map_err(|_| {
                bad_input(format!(
                    "{} is not a file that `judge describe` wrote; move it away",
                    path.display()
                ))
            })?;
            check_version(&self.dir, version)?;
        }
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        pages::write(&path, &text)?;
        Ok(path)
    }

    /// Reads a run's file.
    ///
    /// # Errors
    ///
    /// When it is missing, damaged or of a newer version, a name or path is not clear, a
    /// path leaves the run, or a file that it names does not exist.
    pub fn read(dir: &Path) -> Result<Self> {
        check_folder(dir)?;
        let path = dir.join(NAME);
        let at = path.display();
        let again = format!("`make report RUN={}` writes it", dir.display());
        let text = file::find_text(&path)?.ok_or_else(|| {
            let dir = dir.display();
            bad_input(format!(
                "{dir} has no {NAME}, which says what the run holds; {again}"
            ))
        })?;
        // What does not look like such a file is not replaced.
        let is_ours = serde_json::from_str::<Ours>(&text).is_ok();
        let first = if is_ours { "" } else { "move it away, and " };
        let damaged = |problem: &dyn Display| {
            bad_input(format!(
                "{at}: not what `judge describe` writes: {problem}; {first}{again} anew"
            ))
        };
        let Versioned { version } = serde_json::from_str(&text).map_err(|error| damaged(&error))?;
        check_version(dir, version)?;
        if version == 0 {
            let problem = format!("version {version}, expected 1 to {VERSION}");
            return Err(damaged(&problem));
        }
        let mut run: Self = serde_json::from_str(&text).map_err(|error| damaged(&error))?;
        dir.clone_into(&mut run.dir);
        run.artifacts = run.artifacts.into_iter().map(Artifact::tidy).collect();
        run.give_kinds();
        run.check().map_err(|problem| damaged(&problem))?;
        let missing: Vec<String> = run
            .artifacts
            .iter()
            .filter(|it| !dir.join(&it.path).exists())
            .map(|it| it.path.display().to_string())
            .collect();
        if !missing.is_empty() {
            return Err(bad_input(format!(
                "{at} names files that do not exist: {}; {again} anew",
                join_names(missing, MOST_NAMED)
            )));
        }
        Ok(run)
    }
}

/// Refuses the file of a newer version, which is neither read nor replaced.
fn check_version(dir: &Path, version: u32) -> Result<()> {
    if version <= VERSION {
        return Ok(());
    }
    Err(bad_input(format!(
        "{} has version {version}, and this judge reads versions up to {VERSION}; use the newer \
         judge that wrote it, or move it away, and `make report RUN={}` writes it anew",
        dir.join(NAME).display(),
        dir.display()
    )))
}

fn check_folder(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    Err(bad_input(format!(
        "{} is not a folder; expected the folder of a run, such as `make round-1` makes",
        dir.display()
    )))
}

/// Holds other writers of the same run's file off until it is dropped, so that
/// the last one to write has seen the newest state.
///
/// # Errors
///
/// When the folder cannot be opened.
pub fn lock(dir: &Path) -> Result<File> {
    check_folder(dir)?;
    let folder = File::open(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    match folder.lock() {
        // Without locks the file is still written whole.
        Err(error) if !lacks_locks(&error) => {
            Err(error).with_context(|| format!("cannot lock {}", dir.display()))
        }
        _ => Ok(folder),
    }
}

/// Reads a folder with one file for each setting, by the file's name.
fn read_settings(dir: &Path) -> Result<BTreeMap<String, String>> {
    let cannot = |path: &Path| format!("cannot read {}", path.display());
    let mut found = BTreeMap::new();
    if !dir.exists() {
        return Ok(found);
    }
    if !dir.is_dir() {
        return Err(bad_input(format!(
            "--settings {}: not a folder; expected one with a file for each setting",
            dir.display()
        )));
    }
    for entry in fs::read_dir(dir).with_context(|| cannot(dir))? {
        let path = entry.with_context(|| cannot(dir))?.path();
        let text = file::text(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text: Vec<&str> = text.split_whitespace().collect();
        found.insert(name.into_owned(), text.join(" "));
    }
    Ok(found)
}

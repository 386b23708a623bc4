//! Outputs that appear whole or not at all.
//!
//! Work goes on in `<out>.partial/`, a folder with a lock, the provenance of
//! what is being made, and whatever the work keeps there to go on from. When
//! all is done, one rename puts the result in its place.
//!
//! A kill may come between any two steps; the next run of the same command
//! then finds one of these and finishes what was begun:
//!
//! | left behind | what follows |
//! |---|---|
//! | `<out>.partial/` with its provenance | the work goes on |
//! | `<out>.partial/ready` of the same provenance | it is put in its place |
//! | `<out>` is there, and `<out>.partial/` of the same provenance too | the folder is removed |
//! | `<out>.discarded/` | it is removed |

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_llama::Manifest;
use apo_spool::sync_folder;
use apo_tables::Provenance;

use crate::args::OutputArgs;
use crate::exit::bad_input;
use crate::place::{self, Occupied};
use crate::report;
use crate::seal;

const PROVENANCE: &str = "provenance.json";

/// The finished result in the working folder.
const READY: &str = "ready";

/// The checksums of the finished result.
const SEAL: &str = "ready.checksums";

/// What stood in the output's place, where a file system cannot exchange two
/// folders at once.
const REPLACED: &str = "replaced";

/// A training's checkpoints.
const CHECKPOINTS: &str = "checkpoints";

/// What kind of output a stage makes; its provenance stands in the footer of a
/// table, in `apo.json` of a model or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Parquet file.
    Table,
    /// A model directory.
    Model,
    /// A folder of tables.
    Folder,
}

/// The output is there, and was made otherwise.
#[derive(Debug)]
pub struct Conflict {
    path: PathBuf,
    differences: Vec<String>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was made otherwise: {}. Choose another --out, or replace it with --overwrite",
            self.path.display(),
            self.differences.join("; ")
        )
    }
}

impl std::error::Error for Conflict {}

/// What a claim found.
#[derive(Debug)]
pub enum Claim {
    /// The output is there, made of the same by the same.
    UpToDate,
    /// There is work to do.
    Work(Output),
}

/// An output that this process alone is making.
#[derive(Debug)]
pub struct Output {
    out: PathBuf,
    partial: PathBuf,
    resumed: bool,
    published: bool,
    /// Held until the work ends, however it ends.
    _lock: File,
}

/// Whether a working folder holds what would be lost with it; all else is made
/// anew from the inputs within moments.
fn has_work(partial: &Path) -> bool {
    let Ok(entries) = fs::read_dir(partial) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let path = entry.path();
        let is_filled = || match fs::read_dir(&path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => fs::metadata(&path).is_ok_and(|it| it.len() > 0),
        };
        let name = entry.file_name();
        let is_kept = [READY, REPLACED, CHECKPOINTS].iter().any(|it| name == **it)
            || path.extension().is_some_and(|it| it == apo_spool::KEPT);
        is_kept && is_filled()
    })
}

/// Removes a working folder: renamed first, so that a kill meanwhile leaves
/// nothing that looks like work to go on with.
fn discard(out: &Path, partial: &Path) -> std::io::Result<()> {
    let discarded = beside(out, ".discarded");
    remove_discarded(out)?;
    match fs::rename(partial, &discarded) {
        Ok(()) => remove_discarded(out),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes what a kill left of a working folder that was being removed.
fn remove_discarded(out: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(beside(out, ".discarded")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Drop for Output {
    /// A run that failed before it had anything to keep leaves nothing.
    fn drop(&mut self) {
        if !self.published && !has_work(&self.partial) {
            let _ = discard(&self.out, &self.partial);
        }
    }
}

impl OutputArgs {
    /// Claims the output for this process; `inputs` are the files and folders
    /// that it is made of.
    ///
    /// # Errors
    ///
    /// When the output is one of its inputs, holds one, or lies in one; when what
    /// stands there cannot be replaced, as a device, a mount point, or a folder
    /// that no stage made; [`Conflict`] when it, or a
    /// stopped run of it, was made with other arguments or inputs and
    /// `--overwrite` is not given; when another process is making it; when its
    /// folder cannot be written.
    pub fn claim<'a>(
        &self,
        provenance: &Provenance,
        kind: Kind,
        inputs: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Claim> {
        for input in inputs {
            check_apart(&self.out, input)?;
        }
        Output::claim(&self.out, provenance, self.overwrite, kind)
    }
}

/// Checks that writing an output does not touch an input.
fn check_apart(out: &Path, input: &Path) -> Result<()> {
    let Ok(input_at) = input.canonicalize() else {
        return Ok(()); // what is not there is not touched
    };
    let out_at = out.canonicalize().or_else(|_| {
        let parent = out.parent().filter(|it| !it.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new(".")).canonicalize();
        parent.map(|parent| parent.join(out.file_name().unwrap_or_default()))
    });
    let Ok(out_at) = out_at else {
        return Ok(());
    };
    let how = if out_at == input_at {
        "is the input"
    } else if input_at.starts_with(&out_at) {
        "holds the input"
    } else if out_at.starts_with(&input_at) {
        "lies in the input"
    } else {
        return Ok(());
    };
    Err(bad_input(format!(
        "--out {} {how} {}; choose a place of its own",
        out.display(),
        input.display()
    )))
}

/// Returns the provenance of what stands at `out`; none where others made it.
fn provenance_of(out: &Path, kind: Kind) -> Option<Provenance> {
    match kind {
        Kind::Table => Provenance::read(out).ok().flatten(),
        Kind::Model => Manifest::read(out).ok().flatten().map(|it| it.provenance),
        Kind::Folder => read_provenance(&out.join("apo.json")),
    }
}

fn read_provenance(path: &Path) -> Option<Provenance> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    out.with_file_name(name)
}

/// What stands where the output is to be.
enum Standing {
    /// The same, made of the same by the same.
    Same,
    /// Nothing, or what `--overwrite` replaces.
    Free,
}

/// Tells what stands where the output is to be.
///
/// # Errors
///
/// As [`OutputArgs::claim`].
fn standing(out: &Path, provenance: &Provenance, overwrite: bool, kind: Kind) -> Result<Standing> {
    if !out.exists() {
        return Ok(Standing::Free);
    }
    let found = provenance_of(out, kind);
    if overwrite {
        let is_filled = |dir: &Path| fs::read_dir(dir).is_ok_and(|mut it| it.next().is_some());
        if found.is_none() && is_filled(out) {
            return Err(bad_input(format!(
                "{} is a folder that no stage of this project made; it is not replaced, remove it \
                 or choose another --out",
                out.display()
            )));
        }
        return Ok(if found.as_ref() == Some(provenance) {
            Standing::Same
        } else {
            Standing::Free
        });
    }
    let differences = match found {
        None => vec!["no stage of this project made it".to_owned()],
        Some(found) => found.differences(provenance),
    };
    if differences.is_empty() {
        return Ok(Standing::Same);
    }
    Err(Conflict {
        path: out.into(),
        differences,
    }
    .into())
}

impl Output {
    fn claim(out: &Path, provenance: &Provenance, overwrite: bool, kind: Kind) -> Result<Claim> {
        let out = place::check(out).map_err(|it| refuse(out, &it))?;
        let partial = beside(&out, ".partial");
        let _ = remove_discarded(&out);
        if !out.exists() && partial.join(REPLACED).exists() {
            let lock = place::lock(&partial)?;
            restore(&out, &partial, provenance, kind)?;
            drop(lock);
        }
        if let Standing::Same = standing(&out, provenance, overwrite, kind)? {
            remove_leftover(&out, &partial, provenance);
            return Ok(Claim::UpToDate);
        }
        let lock = place::lock(&partial)?;
        // Another process may have put it there while this one waited for the lock.
        if let Standing::Same = standing(&out, provenance, overwrite, kind)? {
            let _ = discard(&out, &partial);
            return Ok(Claim::UpToDate);
        }
        let resumed = resume(&partial, provenance, overwrite)?;
        let output = Self {
            out,
            partial,
            resumed,
            published: false,
            _lock: lock,
        };
        if is_ready(&output.partial, provenance, kind) {
            output.put()?;
            return Ok(Claim::UpToDate);
        }
        Ok(Claim::Work(output))
    }

    /// Returns the folder in which the work goes on.
    pub fn dir(&self) -> &Path {
        &self.partial
    }

    /// Whether an earlier run of the same work was stopped.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Puts the file or folder `name` of the working folder in the output's
    /// place and ends the work.
    ///
    /// # Errors
    ///
    /// When it cannot be put there; then it stays in the working folder, and the
    /// same command puts it there without doing the work again.
    pub fn publish(self, name: &str) -> Result<()> {
        let made = self.partial.join(name);
        let cannot = || format!("cannot write {}", self.out.display());
        place::sync_all(&made).with_context(cannot)?;
        let ready = self.partial.join(READY);
        place::remove(&ready).with_context(cannot)?;
        seal::write(&made, &self.partial.join(SEAL)).with_context(cannot)?;
        fs::rename(&made, &ready).with_context(cannot)?;
        self.put()
    }

    /// Puts the finished result in its place and removes the working folder.
    fn put(mut self) -> Result<()> {
        self.published = true;
        let Self { out, partial, .. } = &self;
        let ready = partial.join(READY);
        place::exchange(&ready, out, &partial.join(REPLACED)).with_context(|| {
            format!(
                "cannot put the result in its place, {}; it is whole in {}, and the same command \
                 tries again",
                out.display(),
                ready.display()
            )
        })?;
        // What follows costs nobody the result.
        let parent = out.parent().filter(|it| !it.as_os_str().is_empty());
        if let Err(error) = sync_folder(parent.unwrap_or(Path::new("."))) {
            report::warn(&format!(
                "{} is in its place, but the disk does not confirm it: {error}",
                out.display()
            ));
        }
        if let Err(error) = discard(out, partial) {
            report::warn(&format!(
                "{} is in its place, but its working folder {} cannot be removed: {error}",
                out.display(),
                partial.display()
            ));
        }
        report::made(out);
        Ok(())
    }
}

/// The error of a place that cannot be written as a whole.
fn refuse(out: &Path, occupied: &Occupied) -> anyhow::Error {
    bad_input(format!("--out {}: {occupied}", out.display()))
}

/// Whether a working folder holds the finished result, as it was when it was
/// finished.
fn is_ready(partial: &Path, provenance: &Provenance, kind: Kind) -> bool {
    let ready = partial.join(READY);
    let found = provenance_of(&ready, kind);
    if !ready.exists() || found.as_ref().is_some_and(|it| it != provenance) {
        return false;
    }
    let holds = found.is_some() && seal::holds(&ready, &partial.join(SEAL));
    if !holds {
        report::warn(&format!(
            "{} is damaged, and is made again",
            ready.display()
        ));
    }
    holds
}

/// Finishes a replacement that a kill stopped when the old output was out of its
/// place and the new one not yet in it.
fn restore(out: &Path, partial: &Path, provenance: &Provenance, kind: Kind) -> Result<()> {
    let (ready, replaced) = (partial.join(READY), partial.join(REPLACED));
    if !ready.exists() {
        // The new one was put in its place; somebody removed it since.
        return place::remove(&replaced)
            .with_context(|| format!("cannot remove {}", replaced.display()));
    }
    let is_meant = is_ready(partial, provenance, kind);
    let back = if is_meant { ready } else { replaced };
    fs::rename(back, out).with_context(|| format!("cannot write {}", out.display()))
}

/// Removes a working folder that a kill left beside its finished output.
fn remove_leftover(out: &Path, partial: &Path, provenance: &Provenance) {
    if !partial.exists() {
        return;
    }
    // Another process may be working there, on the same with other arguments.
    let Ok(_lock) = place::lock(partial) else {
        return;
    };
    let page = partial.join(PROVENANCE);
    let is_of_this = read_provenance(&page).as_ref() == Some(provenance);
    if is_of_this || !page.exists() {
        let _ = discard(out, partial);
    }
}

/// Makes a working folder ready: as a stopped run of the same left it, or empty.
/// Tells which.
fn resume(partial: &Path, provenance: &Provenance, overwrite: bool) -> Result<bool> {
    let cannot = || format!("cannot write {}", partial.display());
    let page = partial.join(PROVENANCE);
    let found = read_provenance(&page);
    if found.is_none() && page.exists() && has_work(partial) && !overwrite {
        return Err(bad_input(format!(
            "{} is damaged: what it is the work of cannot be told. Remove {}, or begin anew with \
             --overwrite",
            page.display(),
            partial.display()
        )));
    }
    if let Some(found) = found {
        let differences = found.differences(provenance);
        if differences.is_empty() {
            return Ok(true);
        }
        if !overwrite && has_work(partial) {
            return Err(Conflict {
                path: partial.into(),
                differences,
            }
            .into());
        }
    }
    clear(partial).with_context(cannot)?;
    let text = serde_json::to_vec_pretty(provenance)?;
    write_whole(&page, &text)?;
    Ok(false)
}

/// Writes a file that is made within moments, whole or not at all; one that is
/// there is replaced.
///
/// # Errors
///
/// When what stands there is no file, or it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let path = &place::check(path).map_err(|it| refuse(path, &it))?;
    let fresh = beside(path, ".new");
    let written = fs::write(&fresh, bytes)
        .and_then(|()| File::open(&fresh)?.sync_all())
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Empties the working folder, the lock excepted; its provenance goes first, so
/// that a kill leaves no half of it to go on with.
fn clear(partial: &Path) -> std::io::Result<()> {
    place::remove(&partial.join(PROVENANCE))?;
    for entry in fs::read_dir(partial)? {
        let entry = entry?;
        if entry.file_name() != place::LOCK {
            place::remove(&entry.path())?;
        }
    }
    Ok(())
}

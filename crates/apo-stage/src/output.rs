//! Outputs that appear whole or not at all.
//!
//! Work goes on in `<out>.partial/`, a folder with a lock, the provenance of
//! what is being made, and whatever the work keeps there to go on from. When
//! all is done, one rename puts the result in its place.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_llama::Manifest;
use apo_tables::Provenance;

use crate::args::OutputArgs;
use crate::exit::bad_input;
use crate::report;

const LOCK: &str = "lock";
const PROVENANCE: &str = "provenance.json";
const REPLACED: &str = "replaced";

/// What a stopped run is worth keeping for; all else is made anew from the
/// inputs within moments.
const KEPT: [&str; 4] = [
    "checkpoints",
    "reference.bin",
    "finished.jsonl",
    "values.bin",
];

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

/// Whether a working folder holds what would be lost with it.
fn has_work(partial: &Path) -> bool {
    let is_filled = |path: PathBuf| match fs::read_dir(&path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => fs::metadata(&path).is_ok_and(|it| it.len() > 0),
    };
    partial.join(REPLACED).exists() || KEPT.iter().any(|name| is_filled(partial.join(name)))
}

impl Drop for Output {
    /// A run that failed before it had anything to keep leaves nothing.
    fn drop(&mut self) {
        if !self.published && !has_work(&self.partial) {
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

impl OutputArgs {
    /// Claims the output for this process; `inputs` are the files and folders
    /// that it is made of.
    ///
    /// # Errors
    ///
    /// When the output is one of its inputs, holds one, or lies in one; when a
    /// folder stands there that no stage made; [`Conflict`] when it, or a
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

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl Output {
    fn claim(out: &Path, provenance: &Provenance, overwrite: bool, kind: Kind) -> Result<Claim> {
        let partial = beside(out, ".partial");
        let replaced = partial.join(REPLACED);
        if replaced.exists() && !out.exists() {
            // A kill between the two renames of a replacement.
            fs::rename(&replaced, out)
                .with_context(|| format!("cannot write {}", out.display()))?;
        }
        if out.exists() && !overwrite {
            let differences = match provenance_of(out, kind) {
                None => vec!["no stage of this project made it".to_owned()],
                Some(found) => found.differences(provenance),
            };
            if differences.is_empty() {
                return Ok(Claim::UpToDate);
            }
            return Err(Conflict {
                path: out.into(),
                differences,
            }
            .into());
        }
        let is_filled = |dir: &Path| fs::read_dir(dir).is_ok_and(|mut it| it.next().is_some());
        if is_filled(out) && provenance_of(out, kind).is_none() {
            return Err(bad_input(format!(
                "{} is a folder that no stage of this project made; it is not replaced, remove it \
                 or choose another --out",
                out.display()
            )));
        }
        if overwrite && provenance_of(out, kind).as_ref() == Some(provenance) {
            return Ok(Claim::UpToDate);
        }
        let cannot = || format!("cannot write {}", partial.display());
        fs::create_dir_all(&partial).with_context(cannot)?;
        let lock = lock(&partial)?;
        let page = partial.join(PROVENANCE);
        let mut resumed = false;
        if let Some(found) = read_provenance(&page) {
            let differences = found.differences(provenance);
            resumed = differences.is_empty();
            if !resumed && !overwrite && has_work(&partial) {
                return Err(Conflict {
                    path: partial,
                    differences,
                }
                .into());
            }
        }
        if !resumed {
            clear(&partial).with_context(cannot)?;
            let text = serde_json::to_vec_pretty(provenance)?;
            let fresh = partial.join("provenance.new");
            let written = fs::write(&fresh, text).and_then(|()| sync(&fresh));
            written
                .and_then(|()| fs::rename(&fresh, &page))
                .with_context(cannot)?;
        }
        Ok(Claim::Work(Self {
            out: out.into(),
            partial,
            resumed,
            published: false,
            _lock: lock,
        }))
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
    /// When it cannot be put there.
    pub fn publish(mut self, name: &str) -> Result<()> {
        let Self { out, partial, .. } = &self;
        let cannot = || format!("cannot write {}", out.display());
        let made = partial.join(name);
        sync(&made).with_context(cannot)?;
        if out.is_dir() {
            fs::rename(out, partial.join(REPLACED)).with_context(cannot)?;
        }
        fs::rename(&made, out).with_context(cannot)?;
        let parent = out.parent().filter(|it| !it.as_os_str().is_empty());
        sync(parent.unwrap_or(Path::new("."))).with_context(cannot)?;
        fs::remove_dir_all(partial)
            .with_context(|| format!("cannot remove {}", partial.display()))?;
        report::made(out);
        self.published = true;
        Ok(())
    }
}

/// Writes a file that is made within moments, whole or not at all; one that is
/// there is replaced.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let fresh = beside(path, ".new");
    fs::write(&fresh, bytes)
        .and_then(|()| sync(&fresh))
        .and_then(|()| fs::rename(&fresh, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn lock(partial: &Path) -> Result<File> {
    let path = partial.join(LOCK);
    let cannot = || format!("cannot write {}", path.display());
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "another process is working in {}; wait for it, or stop it",
            partial.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
    }
}

/// Empties the working folder, the lock excepted.
fn clear(partial: &Path) -> io::Result<()> {
    for entry in fs::read_dir(partial)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.path().is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

//! Outputs that appear whole or not at all.
//!
//! Work goes on in `<out>.partial/`. When all is done, one rename puts the result
//! in its place, if that is as it was when the work began.
//!
//! A kill may come between any two steps; the next run of the same command
//! then finds one of these and finishes what was begun:
//!
//! | left behind | what follows |
//! |---|---|
//! | `<out>.partial/` with its provenance | the work goes on |
//! | `<out>.partial/ready` of the same provenance | it is put in its place |
//! | `<out>` is there, and `<out>.partial/` of the same provenance too | the folder is removed |
//! | `<out>.partial.discarded/` | it is removed |

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_provenance::Provenance;
use apo_spool::sync_folder;

use crate::args::OutputArgs;
use crate::exit::bad_input;
use crate::place::{self, Occupied, Seen};
use crate::report;
use crate::standing::{Standing, is_whole, standing};
use crate::working::{Page, READY, REPLACED, Working};

pub use crate::standing::{Conflict, Kind, write_page};

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
    /// What stood there when the work began.
    seen: Option<Seen>,
    working: Working,
    published: bool,
    /// Held until the work ends, however it ends.
    _lock: File,
}

impl Drop for Output {
    /// A run that failed before it had anything to keep leaves nothing.
    fn drop(&mut self) {
        if !self.published && !self.working.has_work() {
            let _ = self.working.discard();
        }
    }
}

impl OutputArgs {
    /// Claims the output for this process; `inputs` are the files and folders
    /// that it is made of.
    ///
    /// # Errors
    ///
    /// When the output, or the folder in which it is made, is one of its inputs,
    /// holds one, or lies in one; when what stands there cannot be replaced, as a
    /// device, a mount point, or what no stage made; [`Conflict`] when it, or a
    /// stopped run of it, was made with other arguments or inputs and
    /// `--overwrite` is not given; when another process is making it; when its
    /// folder cannot be written.
    pub fn claim<'a>(
        &self,
        provenance: &Provenance,
        kind: Kind,
        inputs: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Claim> {
        let out = place::check(&self.out).map_err(|it| refuse(&self.out, &it))?;
        for input in inputs {
            self.check_apart(&out, input)?;
        }
        if let Some(times) = report::times()? {
            self.keep_apart("APO_TIMES", &times)?;
        }
        Output::claim(out, provenance, self.overwrite, kind)
    }

    /// Checks that what `flag` names is not written where the output, or the
    /// folder in which it is made, comes and goes as a whole.
    ///
    /// # Errors
    ///
    /// When it is.
    pub fn keep_apart(&self, flag: &str, path: &Path) -> Result<()> {
        let out = place::check(&self.out).map_err(|it| refuse(&self.out, &it))?;
        let at = place::resolve(path);
        for taken in places(&out) {
            if at.starts_with(&taken) {
                return Err(bad_input(format!(
                    "{flag} {} lies in {}, which is replaced as a whole; choose another place",
                    path.display(),
                    taken.display()
                )));
            }
        }
        Ok(())
    }

    /// Checks that writing the output does not touch an input.
    fn check_apart(&self, out: &Path, input: &Path) -> Result<()> {
        let Ok(input_at) = input.canonicalize() else {
            return Ok(()); // what is not there is not touched
        };
        for (i, taken) in places(out).into_iter().enumerate() {
            let how = if taken == input_at {
                "is the input"
            } else if input_at.starts_with(&taken) {
                "holds the input"
            } else if taken.starts_with(&input_at) {
                "lies in the input"
            } else {
                continue;
            };
            let (out, input) = (self.out.display(), input.display());
            let what = match i {
                0 => format!("--out {out} {how} {input}"),
                _ => format!(
                    "--out {out} is made in {}, which {how} {input}",
                    taken.display()
                ),
            };
            return Err(bad_input(format!("{what}; choose a place of its own")));
        }
        Ok(())
    }
}

/// Where an output, and the folders in which it is made, come and go.
fn places(out: &Path) -> [PathBuf; 3] {
    let working = Working::of(out);
    let [partial, discarded] = working.places();
    [out, partial, discarded].map(place::resolve)
}

impl Output {
    fn claim(out: PathBuf, provenance: &Provenance, overwrite: bool, kind: Kind) -> Result<Claim> {
        let working = Working::of(&out);
        let is_ours = working.check(&out);
        if is_ours.is_ok() {
            let _ = working.sweep();
            if !out.exists() && working.join(REPLACED).exists() {
                let _lock = working.lock()?;
                restore(&out, &working, provenance, kind)?;
            }
        }
        let seen = place::see(&out);
        if let Standing::Same = standing(&out, provenance, overwrite, kind)? {
            if is_ours.is_ok() {
                remove_leftover(&working, provenance);
            }
            return Ok(Claim::UpToDate);
        }
        is_ours?;
        let lock = working.lock()?;
        // Another process may have put it there while this one waited for the lock.
        let now = place::see(&out);
        if now != seen
            && let Standing::Same = standing(&out, provenance, overwrite, kind)?
        {
            let _ = working.discard();
            return Ok(Claim::UpToDate);
        }
        let lock = working.resume(lock, provenance, overwrite)?;
        let output = Self {
            out,
            seen: now,
            working,
            published: false,
            _lock: lock,
        };
        if is_ready(&output.working, provenance, kind) {
            output.put()?;
            return Ok(Claim::UpToDate);
        }
        Ok(Claim::Work(output))
    }

    /// Returns the folder in which the work goes on.
    pub fn dir(&self) -> &Path {
        self.working.path()
    }

    /// Puts the file or folder `name` of the working folder in the output's
    /// place and ends the work.
    ///
    /// # Errors
    ///
    /// When it cannot be put there; then it stays in the working folder, and the
    /// same command puts it there without doing the work again.
    pub fn publish(self, name: &str) -> Result<()> {
        let made = self.working.join(name);
        let ready = self.working.join(READY);
        place::sync_all(&made)
            .and_then(|()| place::remove(&ready))
            .and_then(|()| fs::rename(&made, &ready))
            .with_context(|| format!("cannot write {}", self.out.display()))?;
        self.put()
    }

    /// Puts the finished result in its place and removes the working folder.
    fn put(mut self) -> Result<()> {
        self.published = true;
        let Self { out, working, .. } = &self;
        let ready = working.join(READY);
        place::exchange(&ready, out, &working.join(REPLACED), self.seen.as_ref()).with_context(|| {
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
        if let Err(error) = working.discard() {
            report::warn(&format!(
                "{} is in its place, but its working folder {} cannot be removed: {error}",
                out.display(),
                working.path().display()
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
fn is_ready(working: &Working, provenance: &Provenance, kind: Kind) -> bool {
    let ready = working.join(READY);
    let is_whole = is_whole(&ready, provenance, kind);
    if is_whole == Some(false) {
        report::warn(&format!(
            "{} is damaged, and is made again",
            ready.display()
        ));
    }
    is_whole == Some(true)
}

/// Finishes a replacement that a kill stopped when the old output was out of its
/// place and the new one not yet in it.
fn restore(out: &Path, working: &Working, provenance: &Provenance, kind: Kind) -> Result<()> {
    let (ready, replaced) = (working.join(READY), working.join(REPLACED));
    if !ready.exists() {
        // The new one was put in its place; somebody removed it since.
        return place::remove(&replaced)
            .with_context(|| format!("cannot remove {}", replaced.display()));
    }
    let is_meant = is_ready(working, provenance, kind);
    let back = if is_meant { ready } else { replaced };
    fs::rename(back, out).with_context(|| format!("cannot write {}", out.display()))
}

/// Removes a working folder that a kill left beside its finished output.
fn remove_leftover(working: &Working, provenance: &Provenance) {
    if !working.path().exists() {
        return;
    }
    // Another process may be working there, on the same with other arguments.
    let Ok(_lock) = working.lock() else {
        return;
    };
    let is_of_this = match working.page() {
        Page::Of(found) => *found == *provenance,
        Page::Missing => true,
        Page::Damaged => false,
    };
    if is_of_this {
        let _ = working.discard();
    }
}

//! Outputs that appear whole or not at all.
//!
//! A stage works in `<out>.partial/`. When it is done, one rename puts the result
//! in its place, provided that nobody has changed that place since the work
//! began.
//!
//! A kill may come between any two steps. The next command with the same `--out`
//! may then find:
//!
//! | left behind | what the next command does |
//! |---|---|
//! | `<out>.partial/` with its provenance | continues the work |
//! | `<out>.partial/` of another command | refuses; with `--overwrite`, removes the folder and starts anew |
//! | `<out>.partial/` whose `provenance.json` is damaged | the same; nobody can tell whose work it is, unless `ready` does and `<out>` does not exist |
//! | `<out>.partial/ready`, the whole result of the same command | puts it in its place, even if the folder's `provenance.json` is damaged |
//! | `<out>.partial/ready`, the whole result of another command | refuses; with `--overwrite`, puts that result in its place, and replaces it once its own is done, unless somebody has put files into it |
//! | `<out>.partial/ready` of the same command, from which files are missing | makes it anew |
//! | `<out>.partial/ready` of the same command, edited or damaged since | refuses; with `--overwrite`, makes it anew |
//! | `<out>.partial/ready` of another command, edited since | refuses, with `--overwrite` too |
//! | `<out>.partial/ready` with files that no stage put there, as far as their names and footers tell | refuses, with `--overwrite` too |
//! | `<out>`, and `<out>.partial/` with its provenance | removes the folder |
//! | `<out>.partial.discarded/` | removes it |
//! | either folder with something that no stage wrote | refuses and leaves it alone |
//!
//! A finished result is thus removed only when another finished result replaces
//! it.

mod recovery;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_provenance::Provenance;
use apo_spool::sync_folder;

use crate::args::OutputArgs;
use crate::decision::{Decision, check_removable, decide};
use crate::error::bad_input;
use crate::exchange::{exchange, remove, sync_all};
use crate::existing::OutputKind;
use crate::place::{self, NotReplaceable};
use crate::print::{warn, warn_of_empty_parts};
use crate::snapshot::Snapshot;
use crate::times::{TIMES, set_output, times_file};
use crate::working::{PROVENANCE, READY, REPLACED, WorkOwner, WorkingFolder};

use recovery::{WaitingResult, find_waiting, recover_replacement, remove_leftover};

/// What a claim found.
#[derive(Debug)]
pub enum Claim {
    /// The output exists, and the same command made it from the same inputs.
    UpToDate,
    /// There is work to do.
    Work(Output),
}

/// An output that this process alone is making.
#[derive(Debug)]
pub struct Output {
    out: PathBuf,
    /// What was in the output's place when the work began.
    before: Option<Snapshot>,
    working: WorkingFolder,
    published: bool,
    /// Held until the work ends, however it ends.
    _lock: File,
}

impl Drop for Output {
    /// A run that failed before it had anything to keep leaves nothing behind.
    fn drop(&mut self) {
        if !self.published && !self.working.has_work() {
            let _ = self.working.discard();
        }
    }
}

impl Output {
    /// Claims the output for this process; `inputs` are the files and folders
    /// from which it is made.
    ///
    /// # Errors
    ///
    /// - When the output, or a folder in which it is made, is one of its inputs,
    ///   contains one, or is inside one.
    /// - When its place cannot be replaced as a whole, because it is a device or a
    ///   mount point, or because it holds something that no stage made.
    /// - When it, or an unfinished run of it, was made with other arguments or
    ///   inputs and `--overwrite` is not given; the exit code is then
    ///   [`CONFLICT`](crate::exit::CONFLICT).
    /// - When another process is making it, or its folder cannot be written.
    pub fn claim<'a>(
        args: &OutputArgs,
        provenance: &Provenance,
        kind: OutputKind,
        inputs: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Claim> {
        let out = place::check(&args.out).map_err(|it| not_replaceable(&args.out, &it))?;
        for input in inputs {
            check_input(args, &out, input)?;
            warn_of_empty_parts(input);
        }
        if let Some(times) = times_file()? {
            Self::check_outside(args, TIMES, &times)?;
        }
        Self::claim_place(out, provenance, args.overwrite, kind)
    }

    /// Checks that the file or folder that `flag` names is not inside the output,
    /// or inside a folder in which the output is made: these are replaced and
    /// removed as a whole.
    ///
    /// # Errors
    ///
    /// When it is.
    pub fn check_outside(args: &OutputArgs, flag: &str, path: &Path) -> Result<()> {
        let out = place::check(&args.out).map_err(|it| not_replaceable(&args.out, &it))?;
        let at = place::resolve(path);
        for taken in reserved_paths(&out) {
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

    /// Claims a place that is checked.
    fn claim_place(
        out: PathBuf,
        provenance: &Provenance,
        overwrite: bool,
        kind: OutputKind,
    ) -> Result<Claim> {
        let working = WorkingFolder::of(&out);
        let is_ours = working.check(&out);
        if is_ours.is_ok() {
            let _ = working.remove_discarded();
            if !out.exists() && working.join(REPLACED).exists() {
                let _lock = working.lock()?;
                recover_replacement(&out, &working, provenance)?;
            }
        }
        let before = Snapshot::take(&out);
        if decide(&out, provenance, overwrite, kind)? == Decision::Keep {
            if is_ours.is_ok() {
                remove_leftover(&working, provenance);
            }
            return Ok(Claim::UpToDate);
        }
        is_ours?;
        let lock = working.lock()?;
        // Another process may have made it while this one waited for the lock.
        let now = Snapshot::take(&out);
        if now != before && decide(&out, provenance, overwrite, kind)? == Decision::Keep {
            let _ = working.discard();
            return Ok(Claim::UpToDate);
        }
        let owner = working.owner();
        let waiting = find_waiting(&out, &working, &owner, provenance);
        let is_removed = match waiting {
            // Without `overwrite` a damaged `provenance.json` is refused below.
            WaitingResult::Damaged => overwrite || matches!(owner, WorkOwner::Command(_)),
            WaitingResult::Nothing => overwrite,
            WaitingResult::OfThisCommand | WaitingResult::OfAnotherCommand => false,
        };
        if is_removed {
            let is_own = matches!(&owner, WorkOwner::Command(by) if **by == *provenance);
            check_removable(&working.join(READY), provenance, is_own, overwrite, kind)?;
        }
        let locked = LockedOutput {
            out,
            before: now,
            working,
            lock,
        };
        let decide = |out: &Path| decide(out, provenance, overwrite, kind);
        let Some(mut locked) = locked.put_waiting_in_place(waiting, &owner, overwrite, decide)?
        else {
            return Ok(Claim::UpToDate);
        };
        let owner = locked.working.owner();
        locked.lock = locked
            .working
            .resume(locked.lock, &owner, provenance, overwrite)?;
        if waiting == WaitingResult::Damaged {
            warn(&format!(
                "{} is incomplete or damaged and will be made again",
                locked.working.join(READY).display()
            ));
        }
        Ok(Claim::Work(locked.into_output()))
    }

    /// Returns the folder in which the stage works.
    pub fn dir(&self) -> &Path {
        self.working.path()
    }

    /// Puts the file or folder `name` of the working folder in the output's
    /// place, and ends the work.
    ///
    /// # Errors
    ///
    /// When it cannot be put there. It then stays in the working folder, and the
    /// same command puts it in its place without doing the work again.
    pub fn publish(self, name: &str) -> Result<()> {
        let made = self.working.join(name);
        let ready = self.working.join(READY);
        sync_all(&made)
            .and_then(|()| remove(&ready))
            .and_then(|()| fs::rename(&made, &ready))
            .with_context(|| format!("cannot write {}", self.out.display()))?;
        self.put_in_place()
    }

    /// Puts the finished result in its place and removes the working folder.
    fn put_in_place(mut self) -> Result<()> {
        self.published = true;
        let Self { out, working, .. } = &self;
        let ready = working.join(READY);
        let replaced = working.join(REPLACED);
        exchange(&ready, out, &replaced, self.before.as_ref()).with_context(|| {
            format!(
                "cannot put the result in its place, {}; it is complete in {}, and the same \
                 command will try again",
                out.display(),
                ready.display()
            )
        })?;
        // The result is in its place: nothing from here on may fail the stage.
        let parent = out.parent().filter(|it| !it.as_os_str().is_empty());
        if let Err(error) = sync_folder(parent.unwrap_or(Path::new("."))) {
            warn(&format!(
                "{} is in its place, but may not be on the disk yet: {error}",
                out.display()
            ));
        }
        if let Err(error) = working.discard() {
            warn(&format!(
                "{} is in its place, but its working folder {} cannot be removed: {error}",
                out.display(),
                working.path().display()
            ));
        }
        set_output(out);
        Ok(())
    }
}

/// The place of an output, and its working folder, which this process has locked. Nothing
/// is removed when it is dropped: what is there may still turn out to be others' work.
struct LockedOutput {
    out: PathBuf,
    /// What is in the output's place.
    before: Option<Snapshot>,
    working: WorkingFolder,
    lock: File,
}

impl LockedOutput {
    /// Puts the finished result that waits in the working folder into its place, if there
    /// is one that may go there. Returns `None` if it was that of this command, which has
    /// nothing left to do. `decide` decides what to do about another command's result once
    /// it is there.
    ///
    /// # Errors
    ///
    /// When it cannot be put there, or when it is another command's, `provenance.json` is
    /// damaged and `overwrite` is not given. When another command's is there and may not be
    /// replaced, because it holds files that no stage put there.
    fn put_waiting_in_place(
        self,
        waiting: WaitingResult,
        owner: &WorkOwner,
        overwrite: bool,
        decide: impl FnOnce(&Path) -> Result<Decision>,
    ) -> Result<Option<Self>> {
        let ready = self.working.join(READY);
        match waiting {
            WaitingResult::OfThisCommand => {
                self.into_output().put_in_place()?;
                Ok(None)
            }
            WaitingResult::OfAnotherCommand if overwrite => {
                let (out, working) = (self.out.clone(), self.working.clone());
                self.into_output().put_in_place()?;
                let before = Snapshot::take(&out);
                let told = format!(
                    "{} was the finished result of another command",
                    ready.display()
                );
                let decision = decide(&out);
                let decision =
                    decision.with_context(|| format!("{told}, and is in its place now"))?;
                if decision == Decision::Keep {
                    return Ok(None);
                }
                warn(&format!(
                    "{told}; it is in its place now, and will be replaced when this command is done"
                ));
                let lock = working.lock()?;
                Ok(Some(Self {
                    out,
                    before,
                    working,
                    lock,
                }))
            }
            WaitingResult::OfAnotherCommand if matches!(owner, WorkOwner::Damaged) => {
                Err(bad_input(format!(
                    "{} is the finished result of another command, and the `{PROVENANCE}` beside \
                     it is damaged; move it to where it belongs, or give --overwrite, which puts \
                     it in the place of --out until this command is done",
                    ready.display()
                )))
            }
            WaitingResult::OfAnotherCommand | WaitingResult::Damaged | WaitingResult::Nothing => {
                Ok(Some(self))
            }
        }
    }

    /// Returns the output, to be made or put in its place.
    fn into_output(self) -> Output {
        Output {
            out: self.out,
            before: self.before,
            working: self.working,
            published: false,
            _lock: self.lock,
        }
    }
}

/// Checks that writing the output does not touch an input.
fn check_input(args: &OutputArgs, out: &Path, input: &Path) -> Result<()> {
    let Ok(input_at) = input.canonicalize() else {
        return Ok(()); // a missing input cannot be touched
    };
    for (i, taken) in reserved_paths(out).into_iter().enumerate() {
        let how = if taken == input_at {
            "is the input"
        } else if input_at.starts_with(&taken) {
            "holds the input"
        } else if taken.starts_with(&input_at) {
            "lies in the input"
        } else {
            continue;
        };
        let (out, input) = (args.out.display(), input.display());
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

/// Returns the output's place, and the two folders beside it that come and go
/// while it is made.
fn reserved_paths(out: &Path) -> [PathBuf; 3] {
    let working = WorkingFolder::of(out);
    let [partial, discarded] = working.paths();
    [out, partial, discarded].map(place::resolve)
}

/// Returns the error of a place that cannot be replaced as a whole.
fn not_replaceable(out: &Path, problem: &NotReplaceable) -> anyhow::Error {
    bad_input(format!("--out {}: {problem}", out.display()))
}

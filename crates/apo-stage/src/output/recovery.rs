//! What a killed command left in a working folder.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use apo_provenance::Provenance;

use crate::exchange::remove;
use crate::existing::{is_whole, provenance_of};
use crate::working::{READY, REPLACED, WorkOwner, WorkingFolder};

/// The finished result that waits in a working folder to be put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitingResult {
    /// No result that may be put in its place.
    Nothing,
    /// A whole result of this command.
    OfThisCommand,
    /// A whole result of another command.
    OfAnotherCommand,
    /// A result of this command that is not whole any more.
    Damaged,
}

/// Finds what waits in the working folder of `out`, which is the work of `owner`.
pub(super) fn find_waiting(
    out: &Path,
    working: &WorkingFolder,
    owner: &WorkOwner,
    provenance: &Provenance,
) -> WaitingResult {
    let ready = working.join(READY);
    let by = match owner {
        // A `ready` that was not made by the owner's command is what that command
        // replaced: its own result is in its place.
        WorkOwner::Command(by) => Some((**by).clone()),
        // Nothing was replaced where nothing is in its place.
        WorkOwner::Damaged if !out.exists() => provenance_of(&ready),
        WorkOwner::Damaged | WorkOwner::Foreign(_) | WorkOwner::Missing => None,
    };
    if let Some(by) = by
        && by != *provenance
    {
        return match is_whole(&ready, &by) {
            Some(true) => WaitingResult::OfAnotherCommand,
            _ => WaitingResult::Nothing,
        };
    }
    // Where `provenance.json` is damaged, the result still says what made it.
    match is_whole(&ready, provenance) {
        Some(true) => WaitingResult::OfThisCommand,
        Some(false) => WaitingResult::Damaged,
        None => WaitingResult::Nothing,
    }
}

/// Finishes a replacement that a kill stopped, or undoes it: the old output was moved out
/// of its place, and the new one was not put there yet.
pub(super) fn recover_replacement(
    out: &Path,
    working: &WorkingFolder,
    provenance: &Provenance,
) -> Result<()> {
    let (ready, replaced) = (working.join(READY), working.join(REPLACED));
    if !ready.exists() {
        // The new output was put in its place, and somebody has removed it since.
        return remove(&replaced).with_context(|| format!("cannot remove {}", replaced.display()));
    }
    let is_meant = is_whole(&ready, provenance) == Some(true);
    let back = if is_meant { ready } else { replaced };
    fs::rename(back, out).with_context(|| format!("cannot write {}", out.display()))
}

/// Removes a working folder that a kill left beside its finished output.
pub(super) fn remove_leftover(working: &WorkingFolder, provenance: &Provenance) {
    if !working.path().exists() {
        return;
    }
    // Another process may be working there with other arguments.
    let Ok(_lock) = working.lock() else {
        return;
    };
    let is_of_this = match working.owner() {
        WorkOwner::Command(found) => *found == *provenance,
        WorkOwner::Missing => true,
        WorkOwner::Damaged | WorkOwner::Foreign(_) => false,
    };
    if is_of_this {
        let _ = working.discard();
    }
}

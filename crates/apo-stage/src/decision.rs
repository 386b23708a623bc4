//! Decides about what is at an output's path: whether a command keeps it, replaces it,
//! or refuses. Nothing that others made is ever replaced.

use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};
use apo_provenance::Provenance;

use crate::error::{Conflict, bad_input};
use crate::existing::{
    Existing, ExistingOutput, OutputKind, lacks_manifest, unlisted_foreign_files,
};
use crate::text::join_names;

/// The most names in an error.
const MOST_NAMED: usize = 3;

/// What a command does about its output, if it does not refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It keeps the output: it is whole, and the same command made it from the same
    /// inputs.
    Keep,
    /// It makes the output, and replaces whatever is in its place.
    Make,
}

/// Decides what a command does about its output. `kind` is that of the command's own
/// output.
///
/// # Errors
///
/// [`Conflict`] when the output was made with different arguments or inputs, or has
/// changed since, and `overwrite` is not given. Bad input when others made it or put
/// files into it.
pub fn decide(
    out: &Path,
    provenance: &Provenance,
    overwrite: bool,
    kind: OutputKind,
) -> Result<Decision> {
    decide_about(Existing::find(out), out, provenance, overwrite, kind)
}

/// Decides as [`decide`] does; `existing` is what is there.
fn decide_about(
    existing: Option<Existing>,
    out: &Path,
    provenance: &Provenance,
    overwrite: bool,
    kind: OutputKind,
) -> Result<Decision> {
    let at = out.display();
    match existing {
        None => Ok(Decision::Make),
        Some(Existing::EmptyFolder | Existing::DamagedTable(_)) if overwrite => Ok(Decision::Make),
        Some(Existing::EmptyFolder) => {
            Err(Conflict::foreign(out, "is an empty folder".into()).into())
        }
        Some(Existing::DamagedTable(problem)) => Err(Conflict::changed(out, vec![problem]).into()),
        // Without its manifest, nobody can tell which files in the folder are others'.
        Some(Existing::DamagedFolder(problem)) if overwrite => {
            Err(not_replaced(&format!("{at}: {problem}")))
        }
        Some(Existing::DamagedFolder(problem)) => {
            let conflict = Conflict::changed(out, vec![problem]);
            Err(conflict.without_overwrite().into())
        }
        Some(Existing::Foreign(problem)) if overwrite => {
            Err(not_replaced(&format!("{at} {problem}")))
        }
        Some(Existing::Foreign(problem)) => {
            let conflict = Conflict::foreign(out, problem);
            Err(conflict.without_overwrite().into())
        }
        Some(Existing::Output(output)) => {
            decide_about_output(&output, out, provenance, overwrite, kind)
        }
    }
}

/// Returns the error of something that `--overwrite` does not replace; `what` describes
/// it, with its path.
fn not_replaced(what: &str) -> anyhow::Error {
    bad_input(format!(
        "{what}; it is not replaced; move it away, or choose another --out"
    ))
}

/// Decides as [`decide`] does about an output that a stage made.
fn decide_about_output(
    output: &ExistingOutput,
    out: &Path,
    provenance: &Provenance,
    overwrite: bool,
    kind: OutputKind,
) -> Result<Decision> {
    let differences = output.provenance().differences(provenance);
    if !differences.is_empty() && !overwrite {
        return Err(Conflict::differs(out, differences).into());
    }
    // Another command may have made another kind.
    let kind = if differences.is_empty() {
        kind
    } else {
        output.kind()
    };
    let faults = output.faults(kind);
    if differences.is_empty() {
        if faults.is_empty() {
            return Ok(Decision::Keep);
        }
        if !faults.changed.is_empty() && !overwrite {
            return Err(Conflict::changed(out, faults.changed).into());
        }
    } else if !faults.changed.is_empty() && kind != OutputKind::Table {
        // The user would not learn of these changes before they are replaced.
        return Err(bad_input(format!(
            "{} is not replaced, because it was edited or damaged since a stage made it: {}; \
             move it away, or choose another --out",
            out.display(),
            join_names(faults.changed, MOST_NAMED)
        )));
    }
    refuse_foreign_files(out, output.foreign_files(kind))?;
    Ok(Decision::Make)
}

/// Refuses to replace a folder that holds `foreign` files, which no stage put there.
fn refuse_foreign_files(out: &Path, foreign: io::Result<Vec<String>>) -> Result<()> {
    let foreign = foreign.with_context(|| format!("cannot read {}", out.display()))?;
    if foreign.is_empty() {
        return Ok(());
    }
    Err(bad_input(format!(
        "{} is not replaced, because it holds files that no stage put there: {}; move them \
         away, or choose another --out",
        out.display(),
        join_names(foreign, MOST_NAMED)
    )))
}

/// Checks that a finished result that waits in a working folder may be removed for
/// another, as [`decide`] decides it for an output. `is_own` says that the folder is the
/// work of this command; then the result is, too, even if it does not say so any more.
///
/// # Errors
///
/// As [`decide`].
pub fn check_removable(
    made: &Path,
    provenance: &Provenance,
    is_own: bool,
    overwrite: bool,
    kind: OutputKind,
) -> Result<()> {
    // A stage killed while it removed a folder leaves a part that does not say what it was.
    let is_part = lacks_manifest(made);
    match Existing::find(made) {
        None | Some(Existing::EmptyFolder) => Ok(()),
        Some(
            Existing::Foreign(problem)
            | Existing::DamagedTable(problem)
            | Existing::DamagedFolder(problem),
        ) if is_own => {
            if !is_part && !overwrite {
                return Err(Conflict::changed(made, vec![problem]).into());
            }
            refuse_foreign_files(made, unlisted_foreign_files(made, kind))
        }
        Some(Existing::Foreign(_)) if is_part => Ok(()),
        existing => decide_about(existing, made, provenance, overwrite, kind).map(|_| ()),
    }
}

//! What is in an output's place: nothing, an output of ours, which says what made it
//! and how its files are to read, or something of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_provenance::{MANIFEST, METRICS, Provenance, SealedError, digest_file};
use apo_tables::CHECKSUM_KEY;
use serde::{Deserialize, Serialize};

use crate::error::{Conflict, bad_input};
use crate::report::join_names;

/// What stages wrote before `apo.json` listed the files: extensions, and names.
const OLDER: [&str; 4] = ["json", "safetensors", "parquet", "jinja"];
const OLDER_NAMES: [&str; 2] = ["merges.txt", "tokenizer.model"];

/// The most names in an error.
const MOST_NAMED: usize = 3;

/// A file that every model directory has, and no folder of tables.
const CONFIG: &str = "config.json";

/// Bytes at a file's end that hold at least the checksum in a table's footer.
const END: u64 = 1 << 16;

/// What Parquet files begin and end with.
const PARQUET: &[u8] = b"PAR1";

/// What kind of output a stage makes. The provenance is in the footer of a table,
/// and in `apo.json` of a model or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// A Parquet file.
    Table,
    /// A model directory.
    Model,
    /// A folder of tables.
    Folder,
}

/// What the `apo.json` of a model or folder says, as far as outputs need it.
#[derive(Serialize, Deserialize)]
struct FolderManifest {
    /// SHA-256 of each file, hex, by its path in the folder; earlier versions wrote
    /// none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, String>,
    #[serde(flatten)]
    provenance: Provenance,
}

/// What is at a path.
enum Found {
    Nothing,
    /// No stage made it, as far as can be told: what it is instead, as a phrase that
    /// follows its path.
    Foreign(String),
    /// A stage may have made it, but it cannot be read: why.
    Damaged(String),
    Ours(Box<FolderManifest>),
}

fn find(out: &Path) -> Found {
    let Ok(metadata) = fs::metadata(out) else {
        return Found::Nothing;
    };
    let nobody = |what: &str| format!("is {what}, and no stage of this project made it");
    if metadata.is_dir() {
        return match apo_provenance::find(&out.join(MANIFEST)) {
            Ok(None) if is_empty_folder(out) => Found::Foreign("is an empty folder".into()),
            Ok(None) | Err(SealedError::Foreign) => Found::Foreign(nobody("a folder")),
            Ok(Some(manifest)) => Found::Ours(manifest),
            Err(error) => Found::Damaged(format!("its {MANIFEST} cannot be read: {error}")),
        };
    }
    match apo_tables::provenance(out) {
        Ok(Some(provenance)) => Found::Ours(Box::new(FolderManifest {
            files: BTreeMap::new(),
            provenance,
        })),
        Err(error) if metadata.len() == 0 || begins(out, PARQUET) && ends_as_ours(out) => {
            Found::Damaged(error.to_string())
        }
        Err(error) if begins(out, PARQUET) => Found::Foreign(format!(
            "is a damaged table ({error}), and whether a stage of this project made it cannot be \
             told"
        )),
        Ok(None) | Err(_) => Found::Foreign(nobody("a file")),
    }
}

/// Whether no stage made a table, as far as can be told.
fn is_foreign_table(path: &Path) -> bool {
    matches!(find(path), Found::Foreign(_))
}

/// Whether the end of a damaged file still holds the name of our checksum.
fn ends_as_ours(path: &Path) -> bool {
    let end = |mut file: File| {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(end)
    };
    let end: io::Result<Vec<u8>> = File::open(path).and_then(end);
    let mark = CHECKSUM_KEY.as_bytes();
    end.is_ok_and(|it| it.windows(mark.len()).any(|it| it == mark))
}

/// Whether a file begins with these bytes.
fn begins(path: &Path, with: &[u8]) -> bool {
    let mut head = vec![0; with.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == with
}

impl FolderManifest {
    /// Returns the kind of this output. What is about to replace it may be of another.
    fn kind(&self, out: &Path) -> OutputKind {
        // Earlier versions listed no files.
        let is_older_model = || self.files.is_empty() && out.join(CONFIG).exists();
        if !out.is_dir() {
            OutputKind::Table
        } else if self.files.contains_key(CONFIG) || is_older_model() {
            OutputKind::Model
        } else {
            OutputKind::Folder
        }
    }

    /// Returns the files that are missing from the output, and a phrase for each
    /// other fault: what is not as it was written.
    fn faults(&self, out: &Path, kind: OutputKind) -> (Vec<String>, Vec<String>) {
        let (mut missing, mut changed) = (Vec::new(), Vec::new());
        let mut table = |path: &Path| match apo_tables::verify(path) {
            Ok(()) => {}
            Err(_) if !path.exists() => missing.push(METRICS.to_owned()),
            Err(error) => changed.push(error.to_string()),
        };
        match kind {
            OutputKind::Table => table(out),
            OutputKind::Model => table(&out.join(METRICS)),
            OutputKind::Folder => {}
        }
        for (name, digest) in &self.files {
            match digest_file(&out.join(name)) {
                Ok(found) if found == *digest => {}
                Ok(_) => changed.push(format!("{name} has changed")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(name.clone()),
                Err(error) => changed.push(format!("{name} cannot be read: {error}")),
            }
        }
        (missing, changed)
    }

    /// Returns the files in a folder that no stage put there.
    fn foreign(&self, out: &Path, kind: OutputKind) -> io::Result<Vec<String>> {
        if !out.is_dir() {
            return Ok(Vec::new());
        }
        let mut there = BTreeSet::new();
        list(out, Path::new(""), &mut there)?;
        let ours = |name: &PathBuf| {
            let is = |it: &str| name == Path::new(it);
            let is_listed = if self.files.is_empty() {
                let ending = name.extension();
                let is_of_ours = ending.is_some_and(|it| OLDER.iter().any(|known| it == *known));
                let is_table = ending.is_some_and(|it| it == "parquet");
                // A table says in its footer whether a stage made it.
                OLDER_NAMES.iter().any(|it| is(it))
                    || (is_of_ours && !(is_table && is_foreign_table(&out.join(name))))
            } else {
                name.to_str().is_some_and(|it| self.files.contains_key(it))
            };
            is_listed || is(MANIFEST) || (kind == OutputKind::Model && is(METRICS))
        };
        there.retain(|name| !ours(name));
        Ok(there.iter().map(|it| it.display().to_string()).collect())
    }

    /// Decides what to do about this output, as [`standing`] does.
    fn standing(
        &self,
        out: &Path,
        provenance: &Provenance,
        overwrite: bool,
        kind: OutputKind,
    ) -> Result<Standing> {
        let differences = self.provenance.differences(provenance);
        if !differences.is_empty() && !overwrite {
            return Err(Conflict::differs(out, differences).into());
        }
        // Another command may have made another kind.
        let kind = if differences.is_empty() {
            kind
        } else {
            self.kind(out)
        };
        let (missing, changed) = self.faults(out, kind);
        if differences.is_empty() {
            if missing.is_empty() && changed.is_empty() {
                return Ok(Standing::Same);
            }
            if !changed.is_empty() && !overwrite {
                return Err(Conflict::changed(out, changed).into());
            }
        } else if !changed.is_empty() && kind != OutputKind::Table {
            // The user would not learn of these changes before they are replaced.
            return Err(bad_input(format!(
                "{} is not replaced, because it was edited or damaged since a stage made it: {}; \
                 move it away, or choose another --out",
                out.display(),
                join_names(changed, MOST_NAMED)
            )));
        }
        self.check_foreign(out, kind)?;
        Ok(Standing::Free)
    }

    /// Checks that a folder holds only files that a stage put there.
    fn check_foreign(&self, out: &Path, kind: OutputKind) -> Result<()> {
        let foreign = self
            .foreign(out, kind)
            .with_context(|| format!("cannot read {}", out.display()))?;
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
}

/// Lists a folder's files, and its empty folders, by their paths within it.
fn list(folder: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    let mut is_empty = true;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        is_empty = false;
        let name = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &name, found)?;
        } else {
            found.insert(name);
        }
    }
    if is_empty && !below.as_os_str().is_empty() {
        found.insert(below.into());
    }
    Ok(())
}

/// What to do about an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: it is whole, and the same command made it from the same inputs.
    Same,
    /// Make it, and replace whatever is in its place.
    Free,
}

/// Decides what to do about an output. Nothing that others made is ever replaced. `kind`
/// is that of the command's own output.
///
/// # Errors
///
/// [`Conflict`] when the output was made with different arguments or inputs, or has
/// changed since, and `overwrite` is not given. Bad input when others made it or put
/// files into it.
pub fn standing(
    out: &Path,
    provenance: &Provenance,
    overwrite: bool,
    kind: OutputKind,
) -> Result<Standing> {
    let at = out.display();
    match find(out) {
        Found::Nothing => Ok(Standing::Free),
        Found::Foreign(problem) => {
            let told = format!("{at} {problem}");
            let conflict = Conflict::foreign(out, problem);
            of_others(is_empty_folder(out), overwrite, &told, conflict)
        }
        Found::Damaged(problem) => {
            let told = format!("{at}: {problem}");
            let conflict = Conflict::changed(out, vec![problem]);
            of_others(!out.is_dir(), overwrite, &told, conflict)
        }
        Found::Ours(manifest) => manifest.standing(out, provenance, overwrite, kind),
    }
}

/// Decides what to do about something that may be other people's: `overwrite` replaces
/// it only if `is_replaceable`. `told` describes it, with its path.
fn of_others(
    is_replaceable: bool,
    overwrite: bool,
    told: &str,
    conflict: Conflict,
) -> Result<Standing> {
    match (overwrite, is_replaceable) {
        (true, true) => Ok(Standing::Free),
        (true, false) => Err(bad_input(format!(
            "{told}; it is not replaced, move it away or choose another --out"
        ))),
        (false, true) => Err(conflict.into()),
        (false, false) => Err(conflict.of_others().into()),
    }
}

fn is_empty_folder(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut it| it.next().is_none())
}

/// Returns what made a finished result, or `None` if it does not say.
pub fn made_by(made: &Path) -> Option<Provenance> {
    match find(made) {
        Found::Ours(manifest) => Some(manifest.provenance),
        Found::Nothing | Found::Foreign(_) | Found::Damaged(_) => None,
    }
}

/// Checks that a finished result that waits in a working folder may be removed for
/// another, as [`standing`] decides it for an output. `is_own` says that the folder is the
/// work of this command; then the result is, too, even if it does not say so any more.
///
/// # Errors
///
/// As [`standing`].
pub fn check_removable(
    made: &Path,
    provenance: &Provenance,
    is_own: bool,
    overwrite: bool,
    kind: OutputKind,
) -> Result<()> {
    // A stage killed while it removed a folder leaves a part that does not say what it was.
    let is_part = made.is_dir() && !made.join(MANIFEST).exists();
    match find(made) {
        Found::Nothing => Ok(()),
        Found::Foreign(problem) | Found::Damaged(problem) if is_own => {
            if !is_part && !overwrite {
                return Err(Conflict::changed(made, vec![problem]).into());
            }
            let unlisted = FolderManifest {
                files: BTreeMap::new(),
                provenance: provenance.clone(),
            };
            unlisted.check_foreign(made, kind)
        }
        Found::Foreign(_) if is_part => Ok(()),
        Found::Foreign(_) | Found::Damaged(_) | Found::Ours(_) => {
            standing(made, provenance, overwrite, kind).map(|_| ())
        }
    }
}

/// Returns whether a finished result is whole, or `None` if it does not exist or
/// was made by something else.
pub fn is_whole(made: &Path, provenance: &Provenance) -> Option<bool> {
    match find(made) {
        Found::Nothing => None,
        Found::Foreign(_) | Found::Damaged(_) => Some(false),
        Found::Ours(manifest) if manifest.provenance != *provenance => None,
        Found::Ours(manifest) => {
            let (missing, changed) = manifest.faults(made, manifest.kind(made));
            Some(missing.is_empty() && changed.is_empty())
        }
    }
}

/// Writes the `apo.json` of a finished folder: what made it, and the digest of each
/// of its files.
///
/// # Errors
///
/// When a file cannot be read, or `apo.json` cannot be written.
pub fn write_manifest(dir: &Path, provenance: &Provenance) -> Result<()> {
    let cannot = || format!("cannot write {}", dir.display());
    let mut names = BTreeSet::new();
    list(dir, Path::new(""), &mut names).with_context(cannot)?;
    let mut files = BTreeMap::new();
    for name in names {
        let digest = digest_file(&dir.join(&name)).with_context(cannot)?;
        files.insert(name.to_string_lossy().into_owned(), digest);
    }
    let manifest = FolderManifest {
        files,
        provenance: provenance.clone(),
    };
    fs::write(dir.join(MANIFEST), apo_provenance::seal(&manifest)).with_context(cannot)
}

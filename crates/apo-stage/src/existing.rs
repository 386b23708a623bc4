//! Recognises what is at an output's path: nothing, an output that a stage made, or
//! something that others made. It changes nothing there.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use apo_provenance::{MANIFEST, METRICS, Manifest, Provenance, SealedError, digest_file};
use apo_tables::CHECKSUM_KEY;

use crate::manifest::list_files;

/// What stages wrote before `apo.json` listed the files: extensions, and names.
const OLDER_EXTENSIONS: [&str; 4] = ["json", "safetensors", "parquet", "jinja"];
const OLDER_NAMES: [&str; 2] = ["merges.txt", "tokenizer.model"];

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

/// What is at an output's path.
pub enum Existing {
    /// A folder with nothing in it.
    EmptyFolder,
    /// No stage made it, as far as can be told: what it is instead, as a phrase that
    /// follows its path.
    Foreign(String),
    /// A stage may have made the table, but it cannot be read: why.
    DamagedTable(String),
    /// A stage may have made the folder, but its `apo.json` cannot be read: why.
    DamagedFolder(String),
    /// A stage made it.
    Output(ExistingOutput),
}

impl Existing {
    /// Recognises what is at a path. Returns `None` if nothing is there.
    pub fn find(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(if metadata.is_dir() {
            Self::of_folder(path)
        } else {
            Self::of_file(path, metadata.len())
        })
    }

    fn of_folder(path: &Path) -> Self {
        match apo_provenance::find(&path.join(MANIFEST)) {
            Ok(Some(manifest)) => Self::output(path, manifest),
            Ok(None) if is_empty_folder(path) => Self::EmptyFolder,
            Ok(None) | Err(SealedError::Foreign) => Self::foreign("a folder"),
            Err(error) => Self::DamagedFolder(format!("its {MANIFEST} cannot be read: {error}")),
        }
    }

    fn of_file(path: &Path, length: u64) -> Self {
        match apo_tables::provenance(path) {
            Ok(Some(provenance)) => Self::output(path, Box::new(provenance.into())),
            Err(error) if length == 0 || begins_with(path, PARQUET) && has_our_checksum(path) => {
                Self::DamagedTable(error.to_string())
            }
            Err(error) if begins_with(path, PARQUET) => Self::Foreign(format!(
                "is a damaged table ({error}), and whether a stage of this project made it cannot \
                 be told"
            )),
            Ok(None) | Err(_) => Self::foreign("a file"),
        }
    }

    fn output(path: &Path, manifest: Box<Manifest>) -> Self {
        let path = path.into();
        Self::Output(ExistingOutput { path, manifest })
    }

    fn foreign(what: &str) -> Self {
        Self::Foreign(format!("is {what}, and no stage of this project made it"))
    }
}

/// Whether no stage made a table, as far as can be told.
fn is_foreign_table(path: &Path) -> bool {
    matches!(
        Existing::find(path),
        Some(Existing::EmptyFolder | Existing::Foreign(_))
    )
}

/// Whether the end of a damaged file still holds the name of our checksum.
fn has_our_checksum(path: &Path) -> bool {
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
fn begins_with(path: &Path, start: &[u8]) -> bool {
    let mut head = vec![0; start.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == start
}

fn is_empty_folder(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut it| it.next().is_none())
}

/// An output that a stage made, and that may have changed since.
pub struct ExistingOutput {
    path: PathBuf,
    manifest: Box<Manifest>,
}

/// How an output differs from what was written.
pub struct Faults {
    /// The files that are missing.
    pub missing: Vec<String>,
    /// A phrase for each other fault.
    pub changed: Vec<String>,
}

impl Faults {
    /// Whether the output is as it was written.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.changed.is_empty()
    }
}

impl ExistingOutput {
    /// Returns what made the output.
    pub fn provenance(&self) -> &Provenance {
        &self.manifest.provenance
    }

    /// Returns the kind of the output; what is about to replace it may be of another kind.
    pub fn kind(&self) -> OutputKind {
        let files = &self.manifest.files;
        // Earlier versions listed no files.
        let is_older_model = || files.is_empty() && self.path.join(CONFIG).exists();
        if !self.path.is_dir() {
            OutputKind::Table
        } else if files.contains_key(CONFIG) || is_older_model() {
            OutputKind::Model
        } else {
            OutputKind::Folder
        }
    }

    /// Returns how the output differs from what was written. `kind` tells whether the
    /// output is or has a table, which the manifest does not list.
    pub fn faults(&self, kind: OutputKind) -> Faults {
        let (mut missing, mut changed) = (Vec::new(), Vec::new());
        let mut check_table = |path: &Path| match apo_tables::verify(path) {
            Ok(()) => {}
            Err(_) if !path.exists() => missing.push(METRICS.to_owned()),
            Err(error) => changed.push(error.to_string()),
        };
        match kind {
            OutputKind::Table => check_table(&self.path),
            OutputKind::Model => check_table(&self.path.join(METRICS)),
            OutputKind::Folder => {}
        }
        for (name, digest) in &self.manifest.files {
            match digest_file(&self.path.join(name)) {
                Ok(found) if found == *digest => {}
                Ok(_) => changed.push(format!("{name} has changed")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(name.clone()),
                Err(error) => changed.push(format!("{name} cannot be read: {error}")),
            }
        }
        Faults { missing, changed }
    }

    /// Returns the files in the output that no stage put there; a table has none. `kind`
    /// tells whether a table of metrics belongs to it.
    ///
    /// # Errors
    ///
    /// When a folder cannot be read.
    pub fn foreign_files(&self, kind: OutputKind) -> io::Result<Vec<String>> {
        let files = &self.manifest.files;
        if files.is_empty() {
            return unlisted_foreign_files(&self.path, kind);
        }
        foreign_files(&self.path, kind, |name| {
            name.to_str().is_some_and(|it| files.contains_key(it))
        })
    }
}

/// Returns the files in a folder that no stage put there, as far as their names and
/// footers tell. This is for folders without a manifest, and for those of earlier
/// versions, whose manifest lists no files. A file has none.
///
/// # Errors
///
/// When a folder cannot be read.
pub fn unlisted_foreign_files(path: &Path, kind: OutputKind) -> io::Result<Vec<String>> {
    foreign_files(path, kind, |name| {
        let extension = name.extension();
        let has_known_extension =
            extension.is_some_and(|it| OLDER_EXTENSIONS.iter().any(|known| it == *known));
        let is_table = extension.is_some_and(|it| it == "parquet");
        // A table says in its footer whether a stage made it.
        OLDER_NAMES.iter().any(|it| name == Path::new(it))
            || (has_known_extension && !(is_table && is_foreign_table(&path.join(name))))
    })
}

/// Returns the files in a folder that no stage put there; `is_ours` tells this of all
/// but the manifest and the metrics.
fn foreign_files(
    path: &Path,
    kind: OutputKind,
    is_ours: impl Fn(&Path) -> bool,
) -> io::Result<Vec<String>> {
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = list_files(path)?;
    names.retain(|name| {
        let is = |it: &str| name == Path::new(it);
        !(is_ours(name) || is(MANIFEST) || (kind == OutputKind::Model && is(METRICS)))
    });
    Ok(names.iter().map(|it| it.display().to_string()).collect())
}

/// Whether a path is a folder without a manifest.
pub fn lacks_manifest(path: &Path) -> bool {
    path.is_dir() && !path.join(MANIFEST).exists()
}

/// Returns what made a finished result, or `None` if it does not say.
pub fn provenance_of(made: &Path) -> Option<Provenance> {
    match Existing::find(made)? {
        Existing::Output(output) => Some(output.manifest.provenance),
        Existing::EmptyFolder
        | Existing::Foreign(_)
        | Existing::DamagedTable(_)
        | Existing::DamagedFolder(_) => None,
    }
}

/// Returns whether a finished result is whole, or `None` if it does not exist or
/// was made by something else.
pub fn is_whole(made: &Path, provenance: &Provenance) -> Option<bool> {
    match Existing::find(made)? {
        Existing::Output(output) if output.provenance() != provenance => None,
        Existing::Output(output) => Some(output.faults(output.kind()).is_empty()),
        Existing::EmptyFolder
        | Existing::Foreign(_)
        | Existing::DamagedTable(_)
        | Existing::DamagedFolder(_) => Some(false),
    }
}

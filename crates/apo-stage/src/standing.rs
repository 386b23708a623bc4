//! What stands where an output is to be: nothing, an output of ours with what
//! made it and the checksums of its files, or something of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_provenance::{MANIFEST, Provenance, digest_file};
use apo_tables::{CHECKSUM_KEY, file};
use serde::{Deserialize, Serialize};

use crate::exit::bad_input;
use crate::report::few;

/// The table of a training's metrics: part of the output, and not of the model.
const METRICS: &str = "metrics.parquet";

/// What stages wrote when pages did not list the files yet: endings, and names.
const OLDER: [&str; 4] = ["json", "safetensors", "parquet", "jinja"];
const OLDER_NAMES: [&str; 2] = ["merges.txt", "tokenizer.model"];

/// Names that an error tells, at most.
const MOST_NAMED: usize = 3;

/// Bytes of a file's end in which a table's footer stands, at least its checksum.
const END: u64 = 1 << 16;

/// What Parquet files begin and end with.
const PARQUET: &[u8] = b"PAR1";

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

/// The output is there, and is not what the command makes.
#[derive(Debug)]
pub struct Conflict {
    path: PathBuf,
    how: &'static str,
    details: Vec<String>,
    /// What may be done with it.
    way: &'static str,
}

/// What `--overwrite` replaces, and what it does not.
const OURS: &str = "replace it with --overwrite";
const OTHERS: &str = "move it away";

impl Conflict {
    /// It was made otherwise.
    pub fn differs(path: &Path, differences: Vec<String>) -> Self {
        Self {
            path: path.into(),
            how: "was made otherwise",
            details: differences,
            way: OURS,
        }
    }

    /// It may be what others made: `--overwrite` does not replace it.
    fn of_others(self) -> Self {
        Self {
            way: OTHERS,
            ..self
        }
    }

    /// It was made of the same, and changed since.
    fn changed(path: &Path, faults: Vec<String>) -> Self {
        Self {
            path: path.into(),
            how: "is not as it was made",
            details: faults,
            way: OURS,
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}. Choose another --out, or {}",
            self.path.display(),
            self.how,
            self.details.join("; "),
            self.way
        )
    }
}

impl std::error::Error for Conflict {}

/// The page of a model or folder, as far as outputs go.
#[derive(Serialize, Deserialize)]
struct Page {
    /// SHA-256 of each file, hex, by its path in the folder; older pages of
    /// folders have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, String>,
    #[serde(flatten)]
    provenance: Provenance,
}

/// What was found.
enum Found {
    Nothing,
    /// No stage made it: what it is instead.
    Foreign(String),
    /// A stage may have made it, but it cannot be read: why.
    Damaged(String),
    Ours(Box<Page>),
}

fn find(out: &Path) -> Found {
    let Ok(metadata) = fs::metadata(out) else {
        return Found::Nothing;
    };
    let nobody = || "no stage of this project made it".to_owned();
    if metadata.is_dir() {
        return match file::find_text(&out.join(MANIFEST)) {
            Ok(None) => Found::Foreign(nobody()),
            Err(error) => Found::Damaged(error.to_string()),
            Ok(Some(text)) => match apo_provenance::read(&text) {
                Ok(page) => Found::Ours(Box::new(page)),
                Err(error) => Found::Damaged(format!("its {MANIFEST} cannot be read: {error}")),
            },
        };
    }
    match apo_tables::provenance(out) {
        Ok(Some(provenance)) => Found::Ours(Box::new(Page {
            files: BTreeMap::new(),
            provenance,
        })),
        Err(error) if metadata.len() == 0 || begins(out, PARQUET) && ends_as_ours(out) => {
            Found::Damaged(error.to_string())
        }
        Err(error) if begins(out, PARQUET) => Found::Foreign(format!(
            "{error}; whether a stage of this project made it cannot be told"
        )),
        Ok(None) | Err(_) => Found::Foreign(nobody()),
    }
}

/// Whether the end of a file, damaged as it is, holds the name of our checksum.
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

impl Page {
    /// The files that are missing from the output, and what else of it is not as
    /// it was written.
    fn faults(&self, out: &Path, kind: Kind) -> (Vec<String>, Vec<String>) {
        let (mut missing, mut changed) = (Vec::new(), Vec::new());
        let mut table = |path: &Path| match apo_tables::verify(path) {
            Ok(()) => {}
            Err(_) if !path.exists() => missing.push(METRICS.to_owned()),
            Err(error) => changed.push(error.to_string()),
        };
        match kind {
            Kind::Table => table(out),
            Kind::Model => table(&out.join(METRICS)),
            Kind::Folder => {}
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

    /// The files in a folder that no stage put there.
    fn foreign(&self, out: &Path, kind: Kind) -> io::Result<Vec<String>> {
        if !out.is_dir() {
            return Ok(Vec::new());
        }
        let mut there = BTreeSet::new();
        list(out, Path::new(""), &mut there)?;
        let ours = |name: &PathBuf| {
            let is = |it: &str| name == Path::new(it);
            let is_listed = if self.files.is_empty() {
                let ending = name.extension();
                OLDER_NAMES.iter().any(|it| is(it))
                    || ending.is_some_and(|it| OLDER.iter().any(|known| it == *known))
            } else {
                name.to_str().is_some_and(|it| self.files.contains_key(it))
            };
            is_listed || is(MANIFEST) || (kind == Kind::Model && is(METRICS))
        };
        there.retain(|name| !ours(name));
        Ok(there.iter().map(|it| it.display().to_string()).collect())
    }
}

/// Lists a folder's files, and its empty folders, by their paths in it.
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

/// What is to be done about an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there and whole, made of the same by the same.
    Same,
    /// It is to be made; what stands there, if anything does, is replaced.
    Free,
}

/// Tells what stands where the output is to be. Nothing that others made is
/// ever free to be replaced.
///
/// # Errors
///
/// [`Conflict`] when it was made otherwise, or changed since, and `overwrite` is
/// not given; when others made it, or put files into it.
pub fn standing(
    out: &Path,
    provenance: &Provenance,
    overwrite: bool,
    kind: Kind,
) -> Result<Standing> {
    let page = match find(out) {
        Found::Nothing => return Ok(Standing::Free),
        Found::Foreign(_) if overwrite && is_empty_folder(out) => return Ok(Standing::Free),
        Found::Damaged(_) if overwrite && !out.is_dir() => return Ok(Standing::Free),
        Found::Foreign(problem) | Found::Damaged(problem) if overwrite => {
            return Err(bad_input(format!(
                "{}: {problem}; it is not replaced, move it away or choose another --out",
                out.display()
            )));
        }
        Found::Foreign(problem) => {
            return Err(Conflict::differs(out, vec![problem]).of_others().into());
        }
        Found::Damaged(problem) => {
            let conflict = Conflict::changed(out, vec![problem]);
            let is_replaced = !out.is_dir();
            return Err(if is_replaced {
                conflict
            } else {
                conflict.of_others()
            }
            .into());
        }
        Found::Ours(page) => page,
    };
    let differences = page.provenance.differences(provenance);
    if !differences.is_empty() && !overwrite {
        return Err(Conflict::differs(out, differences).into());
    }
    let (missing, changed) = page.faults(out, kind);
    if differences.is_empty() {
        if missing.is_empty() && changed.is_empty() {
            return Ok(Standing::Same);
        }
        if !changed.is_empty() && !overwrite {
            return Err(Conflict::changed(out, changed).into());
        }
    } else if !changed.is_empty() && kind != Kind::Table {
        // Whoever replaces it by something else was not told of these.
        return Err(bad_input(format!(
            "{} is not replaced, for it was edited or damaged since a stage made it: {}; move it \
             away, or choose another --out",
            out.display(),
            few(changed, MOST_NAMED)
        )));
    }
    let foreign = page
        .foreign(out, kind)
        .with_context(|| format!("cannot read {}", out.display()))?;
    if foreign.is_empty() {
        return Ok(Standing::Free);
    }
    Err(bad_input(format!(
        "{} is not replaced, for it holds what no stage put there: {}; move that away, or \
         choose another --out",
        out.display(),
        few(foreign, MOST_NAMED)
    )))
}

fn is_empty_folder(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut it| it.next().is_none())
}

/// Whether a finished result is what this makes, and whole; none where something
/// else was made.
pub fn is_whole(made: &Path, provenance: &Provenance, kind: Kind) -> Option<bool> {
    match find(made) {
        Found::Nothing => None,
        Found::Foreign(_) | Found::Damaged(_) => Some(false),
        Found::Ours(page) if page.provenance != *provenance => None,
        Found::Ours(page) => {
            let (missing, changed) = page.faults(made, kind);
            Some(missing.is_empty() && changed.is_empty())
        }
    }
}

/// Writes the page of a finished folder: what made it, and the digests of the
/// files in it.
///
/// # Errors
///
/// When a file cannot be read, or the page cannot be written.
pub fn write_page(dir: &Path, provenance: &Provenance) -> Result<()> {
    let cannot = || format!("cannot write {}", dir.display());
    let mut names = BTreeSet::new();
    list(dir, Path::new(""), &mut names).with_context(cannot)?;
    let mut files = BTreeMap::new();
    for name in names {
        let digest = digest_file(&dir.join(&name)).with_context(cannot)?;
        files.insert(name.to_string_lossy().into_owned(), digest);
    }
    let page = Page {
        files,
        provenance: provenance.clone(),
    };
    fs::write(dir.join(MANIFEST), apo_provenance::seal(&page)).with_context(cannot)
}

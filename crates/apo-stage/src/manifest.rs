//! Writing the `apo.json` of a folder that a stage made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_provenance::{MANIFEST, Manifest, Provenance, digest_file};

/// Writes the `apo.json` of a finished folder: what made it, and the digest of each
/// of its files.
///
/// # Errors
///
/// When a file cannot be read, or `apo.json` cannot be written.
pub fn write_manifest(dir: &Path, provenance: &Provenance) -> Result<()> {
    let cannot = || format!("cannot write {}", dir.display());
    let mut files = BTreeMap::new();
    for name in list_files(dir).with_context(cannot)? {
        let digest = digest_file(&dir.join(&name)).with_context(cannot)?;
        files.insert(name.to_string_lossy().into_owned(), digest);
    }
    let manifest = Manifest {
        files,
        provenance: provenance.clone(),
    };
    fs::write(dir.join(MANIFEST), apo_provenance::seal(&manifest)).with_context(cannot)
}

/// Lists a folder's files, and the empty folders in it, by their paths within it.
///
/// # Errors
///
/// When a folder cannot be read.
pub fn list_files(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    collect_files(folder, Path::new(""), &mut found)?;
    Ok(found)
}

fn collect_files(folder: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    let mut is_empty = true;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        is_empty = false;
        let name = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect_files(&entry.path(), &name, found)?;
        } else {
            found.insert(name);
        }
    }
    if is_empty && !below.as_os_str().is_empty() {
        found.insert(below.into());
    }
    Ok(())
}

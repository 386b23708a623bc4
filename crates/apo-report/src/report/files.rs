//! The files in a run's folder.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// The folder in a run that holds the runs of seeds.
pub const SEEDS: &str = "seeds";

/// Returns the paths of all files in the run, sorted. Leaves out unfinished
/// outputs and the runs of seeds.
///
/// # Errors
///
/// When a folder cannot be read.
pub fn files_of(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let path = dir.join(&folder);
        let cannot = || format!("cannot read {}", path.display());
        for entry in fs::read_dir(&path).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let at = if folder.is_empty() {
                name.clone()
            } else {
                format!("{folder}/{name}")
            };
            let kind = entry.file_type().with_context(cannot)?;
            if !entry.path().is_dir() {
                found.push(at);
            } else if kind.is_symlink() {
                // It may lead anywhere, even back here.
            } else if at != SEEDS && !name.ends_with(".partial") {
                folders.push(at);
            }
        }
    }
    found.sort();
    Ok(found)
}

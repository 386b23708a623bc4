//! Things that other people may have put where a stage writes.

use std::fs;
use std::path::Path;

/// Puts something at a path.
pub type Put = fn(&Path);

/// Puts a text.
///
/// # Panics
///
/// When it cannot be written.
pub fn text(at: &Path) {
    fs::write(at, "notes of somebody\n").expect("a file can be written");
}

/// Puts a folder that holds a folder with a file.
///
/// # Panics
///
/// When it cannot be written.
pub fn folder(at: &Path) {
    fs::create_dir_all(at.join("deeper")).expect("a folder can be made");
    fs::write(at.join("deeper/notes.txt"), "mine").expect("a file can be written");
}

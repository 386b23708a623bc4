//! Lists the files of a folder that is an input.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::TableError;
use crate::file::name;

/// The most names in an error.
const MOST_NAMED: usize = 3;

/// What is in a folder, in the order of the names. Hidden files, whose names begin with
/// a dot, do not count.
#[derive(Debug, Default)]
pub struct Folder {
    /// The files with one of the endings that were asked for.
    pub files: Vec<PathBuf>,
    /// The other files.
    pub others: Vec<PathBuf>,
    /// The sub-folders that hold files with one of the endings, at any depth.
    pub deeper: Vec<PathBuf>,
}

impl Folder {
    /// Lists a folder by the endings of the files that are read, whatever the case of
    /// their letters.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or two of the files are one in two forms by their names,
    /// such as `a.jsonl` and `a.jsonl.gz`.
    pub fn list(folder: &Path, endings: &[&str]) -> Result<Self, TableError> {
        let mut found = Self::default();
        for path in visible(folder)? {
            if path.is_dir() {
                if holds(&path, endings) {
                    found.deeper.push(path);
                }
            } else if stem(&path, endings).is_some() {
                found.files.push(path);
            } else {
                found.others.push(path);
            }
        }
        let mut by_stem = HashMap::new();
        for path in &found.files {
            let stem = stem(path, endings).unwrap_or_default().to_lowercase();
            if let Some(first) = by_stem.insert(stem, path) {
                let problem = format!(
                    "the folder has `{}` and `{}`, which are one file in two forms by their names; \
                     move one of them away",
                    name(first),
                    name(path)
                );
                return Err(fault(folder, problem));
            }
        }
        Ok(found)
    }

    /// Lists a folder all of whose files with these endings are read.
    ///
    /// # Errors
    ///
    /// As [`Self::list`], and when there are no such files, or when some are in
    /// sub-folders, which are not read.
    pub fn flat(folder: &Path, endings: &[&str]) -> Result<Self, TableError> {
        let found = Self::list(folder, endings)?;
        let expected = match endings.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        };
        if let Some(first) = found.deeper.first() {
            let problem = format!(
                "the folder has {expected} files in sub-folders ({}), which are not read; pass one \
                 of these folders, such as {}, or move all files into one folder",
                quoted(&found.deeper),
                first.display()
            );
            return Err(fault(folder, problem));
        }
        if found.files.is_empty() {
            return Err(fault(folder, format!("the folder has no {expected} files")));
        }
        Ok(found)
    }
}

/// Returns a table's parts: a folder's `.parquet` files in the order of their names.
///
/// # Errors
///
/// As [`Folder::flat`], and when another file looks like a part that is not ready, or
/// not unpacked, such as `b.parquet.tmp`.
pub(crate) fn parts(folder: &Path) -> Result<Vec<PathBuf>, TableError> {
    const ENDING: &str = ".parquet";
    let found = Folder::flat(folder, &[ENDING])?;
    let is_like_one = |path: &PathBuf| name(path).to_lowercase().contains(ENDING);
    let unread: Vec<PathBuf> = found.others.into_iter().filter(is_like_one).collect();
    if unread.is_empty() {
        return Ok(found.files);
    }
    let problem = format!(
        "the folder also has {}, which is not read; give every part a name that ends in {ENDING}, \
         and move other files away",
        quoted(&unread)
    );
    Err(fault(folder, problem))
}

/// Returns a file's name without the ending, one of `endings` in letters of either case;
/// `None` if it has none of them.
pub fn stem(path: &Path, endings: &[&str]) -> Option<String> {
    let name = name(path);
    let stem = |ending: &&str| {
        let at = name.len().checked_sub(ending.len())?;
        let (stem, found) = name.split_at_checked(at)?;
        found.eq_ignore_ascii_case(ending).then(|| stem.to_owned())
    };
    endings.iter().find_map(stem)
}

fn fault(folder: &Path, problem: String) -> TableError {
    TableError::Import {
        path: folder.into(),
        problem,
    }
}

/// Returns the first names, for people.
fn quoted(paths: &[PathBuf]) -> String {
    let names = paths.iter().take(MOST_NAMED);
    let names: Vec<_> = names.map(|it| format!("`{}`", name(it))).collect();
    let more = if paths.len() > MOST_NAMED {
        ", …"
    } else {
        ""
    };
    names.join(", ") + more
}

/// Returns what is in a folder and not hidden, in the order of the names.
fn visible(folder: &Path) -> Result<Vec<PathBuf>, TableError> {
    let reading = |error| TableError::reading(folder, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(reading)? {
        let entry = entry.map_err(reading)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a folder holds files with one of these endings, at any depth.
fn holds(folder: &Path, endings: &[&str]) -> bool {
    let found = visible(folder).unwrap_or_default();
    found.iter().any(|path| match fs::symlink_metadata(path) {
        // Links are not followed: they may lead back up.
        Ok(it) if it.is_dir() => holds(path, endings),
        Ok(_) => stem(path, endings).is_some(),
        Err(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_counts_in_letters_of_either_case() {
        let endings = [".jsonl", ".jsonl.gz", ".parquet"];
        for (name, expected) in [
            ("a.jsonl", Some("a")),
            ("d/PART-2.PARQUET", Some("PART-2")),
            ("Test.Jsonl.GZ", Some("Test")),
            ("é.jsonl", Some("é")),
            (".jsonl", Some("")),
            ("a.jsonl.bz2", None),
            ("jsonl", None),
            ("é", None),
        ] {
            let found = stem(Path::new(name), &endings);
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }
}

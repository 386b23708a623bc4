//! Lists the files of a folder that is an input.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::alternatives::alternatives;
use crate::columns::Columns;
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
    /// When it cannot be read, or two of the files are by their names one file in two
    /// forms, such as `a.jsonl` and `a.jsonl.gz`.
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
                    "the folder has `{}` and `{}`, which by their names are one file in two forms; \
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
    /// As [`Self::list`], and when there are no such files, when some are in
    /// sub-folders, which are not read, or when a numbered one is missing, such as
    /// `x-00001-of-00003.parquet`.
    pub fn flat(folder: &Path, endings: &[&str]) -> Result<Self, TableError> {
        let found = Self::list(folder, endings)?;
        let expected = alternatives(endings);
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
        if let Some(problem) = missing_shard(&found.files, endings) {
            return Err(fault(folder, problem));
        }
        Ok(found)
    }
}

/// The endings of Parquet files.
const PARQUET: [&str; 3] = [".parquet", ".parq", ".pq"];

/// Returns a table's parts: a folder's Parquet files, such as `*.parquet`, in the order
/// of their names.
///
/// # Errors
///
/// As [`Folder::flat`], and when another file looks like a part that is not ready, or
/// not unpacked, such as `b.parquet.tmp`.
pub(crate) fn parts(folder: &Path) -> Result<Vec<PathBuf>, TableError> {
    let found = Folder::flat(folder, &PARQUET)?;
    let is_like_one = |path: &PathBuf| {
        let name = name(path).to_lowercase();
        [".parq", ".pq."].iter().any(|it| name.contains(it))
    };
    let unread: Vec<PathBuf> = found.others.into_iter().filter(is_like_one).collect();
    if unread.is_empty() {
        return Ok(found.files);
    }
    let problem = format!(
        "the folder also has {}, which is not read; give every part a name that ends in {}, and \
         move other files away",
        quoted(&unread),
        PARQUET[0]
    );
    Err(fault(folder, problem))
}

/// Returns the parts of a table that have no rows, if others have some, as a writer that
/// failed may leave them. Files, and folders that are no table, have none.
pub fn empty_parts(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return Vec::new();
    }
    let is_empty = |path: &PathBuf| {
        let columns = Columns::open(path, |_| false);
        columns.is_ok_and(|it| it.n_rows() == 0)
    };
    let (empty, filled): (Vec<_>, Vec<_>) = parts(path)
        .unwrap_or_default()
        .into_iter()
        .partition(is_empty);
    if filled.is_empty() { filled } else { empty }
}

/// A file's place among the shards of one table, by a name such as
/// `train-00000-of-00003`.
#[derive(Debug, PartialEq, Eq)]
struct Shard {
    /// What comes before the number.
    table: String,
    /// Its number, as it is written.
    number: String,
    /// How many shards there are, as it is written.
    count: String,
}

impl Shard {
    /// Reads a file's name without its ending. Some programs add a digest after the
    /// numbers.
    fn of(stem: &str) -> Option<Self> {
        let (before, after) = stem.rsplit_once("-of-")?;
        let (table, number) = before.rsplit_once('-').unwrap_or(("", before));
        let count = after.split_once('-').map_or(after, |(count, _)| count);
        let is_number =
            |it: &str| (1..=9).contains(&it.len()) && it.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(number) && is_number(count)).then(|| Self {
            table: table.to_owned(),
            number: number.to_owned(),
            count: count.to_owned(),
        })
    }
}

/// Says which shard is missing from the files of a folder, if one is. Shards count from
/// 0, or from 1 if that number is the last one's.
fn missing_shard(files: &[PathBuf], endings: &[&str]) -> Option<String> {
    let mut tables: BTreeMap<(String, String), BTreeSet<u32>> = BTreeMap::new();
    for shard in files.iter().filter_map(|it| Shard::of(&stem(it, endings)?)) {
        let found = tables.entry((shard.table, shard.count)).or_default();
        found.extend(shard.number.parse::<u32>());
    }
    tables.iter().find_map(|((table, count), found)| {
        let n: u32 = count.parse().ok()?;
        let first = u32::from(found.contains(&n));
        let missing = (first..n + first).find(|it| !found.contains(it))?;
        let width = count.len();
        let table = if table.is_empty() {
            String::new()
        } else {
            format!("{table}-")
        };
        Some(format!(
            "the folder has no `{table}{missing:0width$}-of-{count}`, only {} of its {n} shards; \
             fetch the rest, or give the files other names if these are all that you want",
            found.len()
        ))
    })
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

    #[test]
    fn a_missing_shard_is_named() {
        for (names, expected) in [
            (
                &["x-00000-of-00003", "x-00002-of-00003"][..],
                Some("`x-00001-of-00003`"),
            ),
            (&["x-00000-of-00002-0a1b"], Some("`x-00001-of-00002`")),
            (&["x-00002-of-00002"], Some("`x-00001-of-00002`")),
            (&["0-of-2"], Some("`1-of-2`")),
            (&["x-1-of-2", "x-2-of-2"], None),
            (&["x-00000-of-00001"], None),
            (&["a-0-of-2", "a-1-of-2", "b-0-of-1"], None),
            (&["a-0-of-2", "b-1-of-2"], Some("`a-1-of-2`")),
            (&["best-of-3", "one-of-many", "a-of-b-of-c"], None),
        ] {
            let files: Vec<PathBuf> = names.iter().map(|it| format!("{it}.pq").into()).collect();
            let found = missing_shard(&files, &PARQUET);
            assert_eq!(found.is_some(), expected.is_some(), "{names:?}: {found:?}");
            let found = found.unwrap_or_default();
            assert!(
                found.contains(expected.unwrap_or_default()),
                "{names:?}: {found}"
            );
        }
    }
}

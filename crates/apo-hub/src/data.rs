//! Which files of a data set make a part of it.
//!
//! A part is a split, such as `train_prefs`: one file, or the numbered files
//! `train_prefs-00000-of-00002.parquet` and so on. Its name is the files' path without
//! number and kind, as `data/train_prefs`; its last words are enough where they are
//! unique.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A part of a data set on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// What its rows are called as a subset: the part's folder, or else the data set.
    pub subset: String,
    /// Its files, in order.
    pub files: Vec<PathBuf>,
}

/// The part of a data set that is taken where none is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usual {
    /// Its name, such as `train`, where there is one.
    pub name: Option<&'static str>,
    /// Words in the names of parts that are taken only if they are asked for, such as
    /// `test`.
    pub others: &'static [&'static str],
}

impl Usual {
    /// The part to train on.
    pub const TRAIN: Self = Self {
        name: Some("train"),
        others: &["test", "validation", "valid", "val", "dev", "eval"],
    };

    /// Whether a part or a file is another one by its name, as `data/test_prefs` is.
    pub fn excludes(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let mut words = name.split(|it: char| !it.is_alphanumeric());
        words.any(|it| self.others.contains(&it))
    }
}

/// The kinds of files that hold rows.
const KINDS: [&str; 3] = [".parquet", ".jsonl", ".jsonl.gz"];

/// The kinds that often describe the data instead: taken where there is no other, or
/// where one is named.
const LESSER_KINDS: [&str; 2] = [".json", ".json.gz"];

/// Files that describe a data set.
const DESCRIPTIONS: [&str; 2] = ["dataset_infos.json", "dataset_info.json"];

/// Folders whose names say nothing of what is in them.
const PLAIN_FOLDERS: [&str; 2] = ["data", "default"];

/// What is told of a data set without parts.
const NO_FILES: &str = "has no Parquet, JSONL or JSON files";

/// The most parts that a refusal lists.
const MOST_LISTED: usize = 30;

/// A part of a data set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    name: String,
    pub(crate) files: Vec<String>,
    /// How many files it has by their numbers.
    total: Option<usize>,
}

impl Part {
    /// Returns what its rows are called as a subset.
    pub(crate) fn subset(&self, repository: &str) -> String {
        let folder = self.name.rsplit('/').nth(1);
        let folder = folder.filter(|it| !PLAIN_FOLDERS.contains(it));
        let last = repository.rsplit('/').next().unwrap_or(repository);
        folder.unwrap_or(last).to_owned()
    }

    fn is_called(&self, name: &str) -> bool {
        let before = self.name.strip_suffix(name);
        before.is_some_and(|it| it.is_empty() || it.ends_with('/'))
    }
}

/// Chooses a part of a data set: the one asked for, or that with the usual name, or the
/// only one unless its name says that it is another.
///
/// # Errors
///
/// When there is none, or there are several, or it lacks a numbered file, as a phrase
/// that begins with a verb.
pub(crate) fn choose(names: &[&str], asked: Option<&str>, usual: Usual) -> Result<Part, String> {
    whole(match asked {
        Some(asked) if names.contains(&asked) => file(asked)?,
        Some(asked) => part_called(names, asked, usual)?,
        None => one(parts(names)?, usual, None)?,
    })
}

/// Chooses a part among files that may not be all of a data set: only the one whose
/// whole name is asked for.
///
/// # Errors
///
/// As [`choose`].
pub(crate) fn choose_among_some(names: &[&str], asked: Option<&str>) -> Result<Part, String> {
    if let Some(asked) = asked.filter(|it| names.contains(it)) {
        return whole(file(asked)?);
    }
    let (called, others): (Vec<Part>, Vec<Part>) = parts(names)?
        .into_iter()
        .partition(|it| Some(it.name.as_str()) == asked);
    match called.into_iter().next() {
        Some(part) => whole(part),
        None => Err(format!(
            "was made by another program, so that the names of its other parts are not known; {}",
            listed(&others)
        )),
    }
}

/// Whether a file, without its kind, has this path.
pub(crate) fn is_stem(file: &str, path: &str) -> bool {
    let mut stems = KINDS.iter().filter_map(|it| file.strip_suffix(*it));
    stems.any(|it| it == path)
}

/// Returns a part that has all of its numbered files.
fn whole(part: Part) -> Result<Part, String> {
    match part.total {
        Some(total) if total != part.files.len() => {
            let (n, name) = (part.files.len(), part.name);
            Err(format!("has {n} of the {total} files of `{name}`"))
        }
        _ => Ok(part),
    }
}

/// Returns a single file as a part.
fn file(name: &str) -> Result<Part, String> {
    let kinds = KINDS.iter().chain(&LESSER_KINDS);
    let mut stems = kinds.filter_map(|kind| name.strip_suffix(*kind));
    let stem = stems.next().ok_or_else(|| {
        format!("has a file `{name}` of another kind; expected .parquet, .jsonl or .json")
    })?;
    Ok(Part {
        name: stem.to_owned(),
        files: vec![name.to_owned()],
        total: None,
    })
}

/// Returns the part with a name, or that in a folder with this name.
fn part_called(names: &[&str], asked: &str, usual: Usual) -> Result<Part, String> {
    let parts = parts(names)?.into_iter();
    let (called, others): (Vec<Part>, Vec<Part>) = parts.partition(|it| it.is_called(asked));
    if !called.is_empty() {
        return one(called, Usual::default(), Some(asked));
    }
    let folder = format!("{}/", asked.trim_end_matches('/'));
    let others = others.into_iter();
    let (within, others): (Vec<Part>, Vec<Part>) =
        others.partition(|it| it.name.starts_with(&folder));
    if within.is_empty() {
        return Err(format!("has no part `{asked}`; {}", listed(&others)));
    }
    one(within, usual, Some(asked))
}

/// Returns the only one of some parts, or the only one with the usual name.
fn one(parts: Vec<Part>, usual: Usual, asked: Option<&str>) -> Result<Part, String> {
    let is_usual = |part: &Part| usual.name.is_some_and(|it| part.is_called(it));
    let n_usual = parts.iter().filter(|it| is_usual(it)).count();
    if parts.len() > 1 && n_usual != 1 {
        let of = asked.map_or(String::new(), |it| format!(" of `{it}`"));
        return Err(format!("has several parts{of}; {}", listed(&parts)));
    }
    let is_it = |part: &Part| n_usual == 0 || is_usual(part);
    let found = parts.into_iter().find(is_it);
    let found = found.ok_or_else(|| NO_FILES.to_owned())?;
    if !is_usual(&found) && usual.excludes(&found.name) {
        let name = found.name;
        return Err(format!(
            "has only `{name}`, which by its name is another part; if it is meant, add `:{name}`"
        ));
    }
    Ok(found)
}

/// Says how to name a part, and lists them.
fn listed(parts: &[Part]) -> String {
    let names = parts.iter().take(MOST_LISTED);
    let names: Vec<&str> = names.map(|it| it.name.as_str()).collect();
    let more = match parts.len().saturating_sub(MOST_LISTED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("add `:` and one of {}{more}", names.join(", "))
}

/// Returns all parts, in the order of their names.
///
/// # Errors
///
/// When there are none, as a phrase that begins with a verb.
fn parts(names: &[&str]) -> Result<Vec<Part>, String> {
    let all = [&KINDS[..], &LESSER_KINDS[..]].into_iter();
    let mut all = all.map(|kinds| parts_of(names, kinds));
    all.find(|it| !it.is_empty())
        .ok_or_else(|| NO_FILES.to_owned())
}

/// Returns the parts that files of these kinds make.
fn parts_of(names: &[&str], kinds: &[&str]) -> Vec<Part> {
    let mut found: BTreeMap<(String, usize), Part> = BTreeMap::new();
    let mut names = names.to_vec();
    names.sort_unstable();
    for name in names {
        let last = name.rsplit('/').next().unwrap_or(name);
        if DESCRIPTIONS.contains(&last) {
            continue;
        }
        let mut stems = kinds
            .iter()
            .map(|kind| name.strip_suffix(*kind))
            .enumerate();
        let Some((kind, stem)) = stems.find_map(|(i, it)| Some((i, it?))) else {
            continue;
        };
        let (stem, total) = without_number(stem);
        let part = found
            .entry((stem.to_owned(), kind))
            .or_insert_with(|| Part {
                name: stem.to_owned(),
                files: Vec::new(),
                total,
            });
        part.files.push(name.to_owned());
    }
    let mut parts: Vec<Part> = found.into_values().collect();
    // A part that comes in several kinds is the same rows again.
    parts.dedup_by(|later, first| later.name == first.name);
    parts
}

/// Splits the number off a file's name, such as `-00000-of-00003`, which a digest may
/// follow; also returns how many such files there are.
fn without_number(stem: &str) -> (&str, Option<usize>) {
    numbered(stem)
        .or_else(|| numbered(stem.rsplit_once('-')?.0))
        .unwrap_or((stem, None))
}

fn numbered(stem: &str) -> Option<(&str, Option<usize>)> {
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, total) = stem.rsplit_once("-of-")?;
    let (name, number) = rest.rsplit_once('-')?;
    (is_number(number) && is_number(total)).then(|| (name, total.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINARIZED: [&str; 6] = [
        "README.md",
        "data/test_prefs-00000-of-00001.parquet",
        "data/train_prefs-00000-of-00002.parquet",
        "data/train_prefs-00001-of-00002.parquet",
        "data/train_sft-00000-of-00001-b42a775f407cee45.parquet",
        "dataset_infos.json",
    ];

    const HH: [&str; 4] = [
        "harmless-base/test.jsonl.gz",
        "harmless-base/train.jsonl.gz",
        "helpful-base/test.jsonl.gz",
        "helpful-base/train.jsonl.gz",
    ];

    const NONE: Usual = Usual {
        name: None,
        others: &[],
    };

    const TRAIN: Usual = Usual {
        name: Some("train"),
        others: &["test"],
    };

    const TEST: Usual = Usual {
        name: Some("test"),
        others: &["train"],
    };

    #[test]
    fn a_part_is_named_by_its_path_or_by_the_end_of_it() {
        for asked in ["train_prefs", "data/train_prefs"] {
            let part = choose(&BINARIZED, Some(asked), NONE).unwrap();
            assert_eq!(part.files, BINARIZED[2..4]);
            assert_eq!(part.subset("o/ultrafeedback"), "ultrafeedback");
        }
        let part = choose(&BINARIZED, Some("train_sft"), NONE).unwrap();
        assert_eq!(part.files, BINARIZED[4..5]);
        let part = choose(&BINARIZED, Some(BINARIZED[3]), NONE).unwrap();
        assert_eq!(part.files, BINARIZED[3..4]);
        let part = choose(&BINARIZED, Some("dataset_infos.json"), NONE).unwrap();
        assert_eq!(part.files, ["dataset_infos.json"]);
        assert!(choose(&BINARIZED, Some("README.md"), NONE).is_err());
    }

    #[test]
    fn several_parts_are_listed_unless_one_has_the_usual_name() {
        let problem = choose(&BINARIZED, None, TRAIN).unwrap_err();
        for name in ["data/test_prefs", "data/train_prefs", "data/train_sft"] {
            assert!(problem.contains(name), "{problem}");
        }
        let problem = choose(&HH, None, TRAIN).unwrap_err();
        assert!(problem.contains("helpful-base/train"), "{problem}");
        let part = choose(&HH, Some("helpful-base"), TRAIN).unwrap();
        assert_eq!(part.files, HH[3..4]);
        assert_eq!(part.subset("Anthropic/hh-rlhf"), "helpful-base");
        let names = ["train.jsonl", "test.jsonl"];
        let part = choose(&names, None, TEST).unwrap();
        assert_eq!(part.files, ["test.jsonl"]);
        assert!(choose(&names, None, NONE).is_err());
        let problem = choose(&HH, Some("dev"), NONE).unwrap_err();
        assert!(problem.contains("no part `dev`"), "{problem}");
    }

    #[test]
    fn json_counts_where_there_is_nothing_else() {
        let part = choose(&["rows.json", "dataset_infos.json"], None, NONE).unwrap();
        assert_eq!(part.files, ["rows.json"]);
        let part = choose(&["rows.json", "pairs.jsonl"], None, NONE).unwrap();
        assert_eq!(part.files, ["pairs.jsonl"]);
        assert!(choose(&["README.md"], None, NONE).is_err());
        let part = choose(&["train.jsonl", "train.parquet"], None, NONE).unwrap();
        assert_eq!(part.files, ["train.parquet"], "the same rows in two kinds");
    }

    #[test]
    fn a_part_without_one_of_its_files_is_refused_and_others_are_not() {
        let problem = choose(&BINARIZED[..3], Some("train_prefs"), NONE).unwrap_err();
        assert!(problem.contains("1 of the 2"), "{problem}");
        assert!(choose(&BINARIZED[..3], Some("test_prefs"), NONE).is_ok());
    }

    #[test]
    fn a_number_is_split_off_a_name() {
        for (stem, expected) in [
            ("train-00000-of-00003", ("train", Some(3))),
            (
                "a-b/c-d-00001-of-00002-0123456789abcdef",
                ("a-b/c-d", Some(2)),
            ),
            ("train", ("train", None)),
            ("part-00001", ("part-00001", None)),
            ("one-of-00003", ("one-of-00003", None)),
            ("of-00003", ("of-00003", None)),
        ] {
            assert_eq!(without_number(stem), expected, "{stem}");
        }
    }

    #[test]
    fn the_only_part_is_not_taken_for_another_one() {
        let names = ["data/test-00000-of-00001.parquet"];
        for (names, asked, usual) in [
            (&names[..], None, TRAIN),
            (&names, Some("data"), TRAIN),
            (&["train.jsonl"], None, TEST),
            (&["test/0000.parquet"], None, TRAIN),
        ] {
            let problem = choose(names, asked, usual).unwrap_err();
            assert!(problem.contains("if it is meant, add `:"), "{problem}");
        }
        for (names, asked, usual) in [
            (&names[..], Some("test"), TRAIN),
            (&names, Some(names[0]), TRAIN),
            (&names, None, TEST),
            (&names, None, NONE),
            (&["latest.jsonl"], None, TRAIN),
            (&["test-of-time/train.jsonl"], None, TRAIN),
        ] {
            assert!(choose(names, asked, usual).is_ok(), "{names:?} {asked:?}");
        }
    }

    #[test]
    fn among_some_files_only_a_whole_name_is_enough() {
        for asked in ["helpful-base/train", HH[3]] {
            let part = choose_among_some(&HH, Some(asked)).unwrap();
            assert_eq!(part.files, HH[3..4]);
        }
        for asked in [None, Some("helpful-base")] {
            let problem = choose_among_some(&HH[3..], asked).unwrap_err();
            assert!(problem.contains("one of helpful-base/train"), "{problem}");
        }
        assert!(choose_among_some(&BINARIZED[..3], Some("data/train_prefs")).is_err());
    }
}

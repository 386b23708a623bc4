//! The raw files that the tables are made of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_import::{PREFERENCE_FIELDS, QUERY_FIELDS};
use apo_provenance::stage_names::HH_SPLIT;
use apo_provenance::{Input, Provenance};
use apo_stage::hub::Usual;
use apo_stage::{NamedInput, bad_input, check_distinct, join_names, warn};
use apo_tables::file;
use apo_tables::folder::{self, Folder};
use serde_json::Value;

use crate::args::{Amount, Args, Named};
use crate::tools;

/// A raw file, and the name of its subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub subset: String,
    pub path: PathBuf,
}

impl Source {
    /// Returns what the rejects call it: its subset and its file's name.
    pub fn name(&self) -> String {
        format!("{}/{}", self.subset, file::name(&self.path))
    }
}

/// The raw files of both parts, and of queries without responses.
#[derive(Debug, Default)]
pub struct Sources {
    pub train: Vec<Source>,
    pub test: Vec<Source>,
    pub prompts: Vec<Source>,
}

impl Sources {
    /// Finds the raw files that the arguments name.
    ///
    /// # Errors
    ///
    /// When one does not exist, or when there are neither training pairs nor queries.
    pub fn find(args: &Args) -> Result<Self> {
        let mut sources = Self::default();
        if let Some(hh) = &args.hh {
            for subset in &args.subset {
                let [train, test] = of_hh(&hh.join(subset), subset)?;
                sources.train.extend(train);
                sources.test.extend(test);
            }
        }
        for named in &args.train {
            sources.train.extend(files(named, Part::Train)?);
        }
        for named in &args.test {
            sources.test.extend(files(named, Part::Test)?);
        }
        for named in &args.prompts {
            sources.prompts.extend(files(named, Part::Prompts)?);
        }
        if sources.train.is_empty() && sources.prompts.is_empty() {
            return Err(bad_input(
                "there are no training pairs: name them with --hh DIR (with SUBSET/train.jsonl.gz) \
                 or --train PATH, or queries alone with --prompts PATH",
            ));
        }
        Ok(sources)
    }

    /// Returns their paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let all = self.train.iter().chain(&self.test).chain(&self.prompts);
        all.map(|it| it.path.as_path())
    }
}

/// The part of the data that files are given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Train,
    Test,
    Prompts,
}

impl Part {
    /// Returns the usual name of such a part in a data set, and the words that mean that
    /// a file belongs to another, as in `validation-00000-of-00001.parquet`.
    pub fn usual(self) -> Usual {
        match self {
            Self::Train => Usual::TRAIN,
            Self::Test => Usual {
                name: Some("test"),
                others: &["train", "training"],
            },
            Self::Prompts => Usual::default(),
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Self::Train => "--train",
            Self::Test => "--test",
            Self::Prompts => "--prompts",
        }
    }
}

/// How many unread files of a folder a warning names at most.
const MOST_NAMED: usize = 5;

/// The kinds of files that are read from a folder; `.json` files often describe the
/// data instead.
const ENDINGS: [&str; 3] = [".jsonl", ".jsonl.gz", ".parquet"];

/// The kinds of files that are read only if they are named themselves.
const SINGLE_ENDINGS: [&str; 2] = [".json", ".json.gz"];

/// Returns a file's name without its kind.
fn stem(path: &Path) -> String {
    let endings = [&ENDINGS[..], &SINGLE_ENDINGS].concat();
    folder::stem(path, &endings).unwrap_or_else(|| file::name(path))
}

/// Returns a file's subset: its name, or its folder's name if the file is called
/// `train` or `test`.
fn subset_of(path: &Path) -> String {
    let stem = stem(path);
    let folder = path.parent().and_then(Path::file_name);
    match folder {
        Some(folder) if stem == "train" || stem == "test" => folder.to_string_lossy().into_owned(),
        _ => stem,
    }
}

/// Returns the files that an argument names: a file, or those of a folder.
///
/// # Errors
///
/// When there are none, or a folder also holds files of another part.
fn files(named: &Named, part: Part) -> Result<Vec<Source>> {
    let path = &named.path;
    let source = |path: PathBuf| Source {
        subset: named.name.clone().unwrap_or_else(|| subset_of(&path)),
        path,
    };
    if !path.is_dir() {
        if !path.exists() {
            return Err(bad_input(format!(
                "{}: no such file or folder",
                path.display()
            )));
        }
        return Ok(vec![source(path.clone())]);
    }
    let found = Folder::flat(path, &ENDINGS)?;
    check_part(path, part, &found.files)?;
    let read = format!(
        "in a folder, only files that end in {} are read",
        ENDINGS.join(", ")
    );
    warn_of_unread(path, &found.others, &read);
    Ok(found.files.into_iter().map(source).collect())
}

/// Returns the training and the test file of one of HH's folders.
///
/// # Errors
///
/// When it has neither, or one of them in two forms.
fn of_hh(dir: &Path, subset: &str) -> Result<[Option<Source>; 2]> {
    let mut found = if dir.is_dir() {
        Folder::list(dir, &ENDINGS)?
    } else {
        Folder::default()
    };
    let mut part = |part: &str| {
        let is_part = |path: &PathBuf| stem(path).eq_ignore_ascii_case(part);
        let at = found.files.iter().position(is_part)?;
        Some(Source {
            subset: subset.to_owned(),
            path: found.files.remove(at),
        })
    };
    let parts = [part("train"), part("test")];
    if parts.iter().all(Option::is_none) {
        return Err(bad_input(format!(
            "{}: has no train or test file; expected {subset}/train.jsonl.gz and so on",
            dir.display()
        )));
    }
    let unread = [found.files, found.others, found.deeper].concat();
    warn_of_unread(
        dir,
        &unread,
        "only `train` and `test` are read; --train FILE adds others",
    );
    Ok(parts)
}

/// Checks that no file of a folder has the name of another part.
fn check_part(folder: &Path, part: Part, found: &[PathBuf]) -> Result<()> {
    let usual = part.usual();
    let Some(other) = found.iter().find(|it| usual.excludes(&stem(it))) else {
        return Ok(());
    };
    let (flag, folder) = (part.flag(), folder.display());
    Err(bad_input(format!(
        "{flag} {folder}: the folder also holds {}, which by its name belongs to another part; \
         name the files of this part one by one, {flag} {folder}/FILE …",
        file::name(other)
    )))
}

/// Warns of the files of a folder that are not read, unless they are prose about the
/// data; `read` says which ones are read.
fn warn_of_unread(folder: &Path, unread: &[PathBuf], read: &str) {
    let is_prose = |path: &Path| {
        let ending = path.extension().unwrap_or_default();
        ending == "md" || ending == "txt" || file::name(path) == "LICENSE"
    };
    let unread = unread.iter().filter(|it| !is_prose(it));
    let unread: Vec<String> = unread.map(|it| format!("`{}`", file::name(it))).collect();
    if !unread.is_empty() {
        warn(&format!(
            "{}: not read: {}; {read}",
            folder.display(),
            join_names(unread, MOST_NAMED)
        ));
    }
}

/// Returns what the output depends on.
///
/// # Errors
///
/// When a file cannot be read, or is given for training and for testing.
pub fn provenance(args: &Args, sources: &Sources) -> Result<Provenance> {
    let amount = |amount: &Amount| match amount {
        Amount::Count(count) => count.to_string(),
        Amount::Percent(percent) => format!("{percent}%"),
    };
    let mut provenance = Provenance::new(HH_SPLIT, env!("CARGO_PKG_VERSION"))
        .argument("rm", amount(&args.rm))
        .argument("dev", amount(&args.dev))
        .argument("hold_out", args.hold_out.as_ref().map(amount))
        .argument("take", args.take.as_ref().map(amount))
        .argument("take_test", args.take_test.as_ref().map(amount))
        .argument("seed", args.seed);
    // What is not given leaves no trace, so that a split of an earlier version stays up to date.
    for (name, given) in [("llm", &args.llm), ("answer_test", &args.answer_test)] {
        if let Some(given) = given {
            provenance = provenance.argument(name, amount(given));
        }
    }
    if !args.columns.is_empty() {
        let columns = args.columns.iter();
        let columns = columns.map(|it| (it.field.clone(), Value::from(it.column.as_str())));
        provenance = provenance.argument("columns", Value::Object(columns.collect()));
    }
    if let Some(column) = &args.subset_column {
        provenance = provenance.argument("subset_column", column.as_str());
    }
    if let Some(model) = &args.tools_for {
        provenance = provenance.input("chat-template", tools::input(model)?);
    }
    let mut names = BTreeMap::new();
    let mut inputs = Vec::new();
    for (part, sources, fields) in [
        ("train", &sources.train, PREFERENCE_FIELDS),
        ("test", &sources.test, PREFERENCE_FIELDS),
        ("prompts", &sources.prompts, QUERY_FIELDS),
    ] {
        for (i, source) in sources.iter().enumerate() {
            let name = format!("{part}-{i}");
            names.insert(name.clone(), source.subset.clone());
            let input = input(&source.path, args, fields)?;
            provenance = provenance.input(&name, input.clone());
            inputs.push((format!("--{part}"), &source.path, input));
        }
    }
    let roles = inputs.iter().map(|(option, path, input)| NamedInput {
        option,
        path,
        input,
    });
    check_distinct(
        roles,
        "nothing would be left to train on. To split one file, use --hold-out 10% instead of \
         --test",
    )?;
    Ok(provenance.argument("subsets", serde_json::to_value(names)?))
}

/// Describes a raw file as an input, after checking that it holds rows.
fn input(path: &Path, args: &Args, fields: &[&str]) -> Result<Input> {
    apo_import::Source::open(path, &args.named_columns().with(fields))?;
    Ok(apo_tables::input(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_is_named_after_file_or_folder() {
        for (path, expected) in [
            ("hh/helpful-base/train.jsonl.gz", "helpful-base"),
            ("data/mine.parquet", "mine"),
            ("webgpt/test.json.gz", "webgpt"),
        ] {
            assert_eq!(subset_of(Path::new(path)), expected);
        }
    }
}

//! The command line of `hh-split`.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;
use apo_stage::{OutputArgs, ReportArgs, bad_input, warn};
use apo_tables::import::{self, PREFERENCE_FIELDS};
use apo_tables::{Provenance, file};
use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

const EXAMPLES: &str = concat!(
    "\
Examples:
  The paper's data, from a folder that holds helpful-base/train.jsonl.gz and so on:
    hh-split --hh hh-rlhf --out data

  One's own preferences, a tenth held out as a test part:
    hh-split --train mine.parquet --hold-out 10% --rm 40% --dev 5% --out data

  WebGPT's and GPT4LLM's comparisons, as they are published:
    hh-split --train webgpt=comparisons.jsonl --train gpt4llm=comparison_data.json \\
        --hold-out 10% --rm 40% --dev 5% --out data

Writes into --out: rm-pairs, rm-queries, llm-pairs, llm-queries, dev-pairs,
train-pairs, test-pairs, test-queries and rejects, each .parquet.

",
    apo_stage::exit_status!()
);

/// Split dialogue pairs into the tables of a run
///
/// Each pair is cut where its query ends, cleaned, and dealt out by a hash of
/// its query: reward-model pairs, policy queries, development pairs. What is
/// not taken is counted, and listed in rejects.parquet with its reason.
#[derive(Debug, Parser)]
#[command(name = "hh-split", version, after_help = EXAMPLES)]
pub struct Args {
    /// Folder in HH's layout: SUBSET/train.jsonl[.gz], SUBSET/test.jsonl[.gz]
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub hh: Option<PathBuf>,

    /// Subset to take from --hh (repeatable)
    #[arg(long, value_name = "NAME", help_heading = "Data", requires = "hh")]
    #[arg(default_values_t = ["helpful-base".to_owned(), "harmless-base".to_owned()])]
    pub subset: Vec<String>,

    /// File or folder of training pairs; as NAME=PATH to name its subset
    /// (repeatable)
    ///
    /// .jsonl, .jsonl.gz or .parquet; also .json and .json.gz, a list or lines,
    /// but not out of a folder. Rows are told apart by their fields, the first
    /// of these counts: `chosen` and `rejected`, with or without `prompt`;
    /// WebGPT's `question`, answers and scores; the lists `text` and `score` of
    /// APO's authors; GPT4LLM's `user_input` with `completion_a` and
    /// `completion_b`, or with `responses_and_scores`. A field of null is none.
    /// In whole conversations the last message is the response. System messages
    /// and tools cannot be kept: such rows are taken without them, and counted.
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    #[arg(value_parser = OsStringValueParser::new().try_map(Named::try_from))]
    pub train: Vec<Named>,

    /// File or folder of test pairs (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    #[arg(value_parser = OsStringValueParser::new().try_map(Named::try_from))]
    pub test: Vec<Named>,

    /// Queries whose pairs train reward models: a count or a percentage
    #[arg(
        long,
        value_name = "AMOUNT",
        default_value = "20000",
        help_heading = "Split"
    )]
    pub rm: Amount,

    /// Development pairs, drawn from the policy's side
    #[arg(
        long,
        value_name = "AMOUNT",
        default_value = "10000",
        help_heading = "Split"
    )]
    pub dev: Amount,

    /// Training queries to hold out as a test part, for data without one
    #[arg(long, value_name = "AMOUNT", help_heading = "Split")]
    pub hold_out: Option<Amount>,

    /// Training queries to take at all, for a smaller run [default: all]
    #[arg(long, value_name = "AMOUNT", help_heading = "Split")]
    pub take: Option<Amount>,

    /// Test queries to take at all [default: all]
    #[arg(long, value_name = "AMOUNT", help_heading = "Split")]
    pub take_test: Option<Amount>,

    /// Seed of the split
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Split")]
    pub seed: u64,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// A path, perhaps with the name of its subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    name: Option<String>,
    path: PathBuf,
}

impl TryFrom<OsString> for Named {
    type Error = &'static str;

    fn try_from(text: OsString) -> Result<Self, Self::Error> {
        // A path need not be UTF-8; a name is.
        let bytes = text.as_encoded_bytes();
        let at = bytes.iter().position(|it| *it == b'=');
        let name = at
            .filter(|at| !bytes[..*at].contains(&b'/'))
            .and_then(|at| std::str::from_utf8(&bytes[..at]).ok());
        let path = match name {
            None => PathBuf::from(&text),
            Some(name) => after(&text, name.len() + 1),
        };
        if path.as_os_str().is_empty() || name == Some("") {
            return Err("expected PATH or NAME=PATH");
        }
        Ok(Self {
            name: name.map(str::to_owned),
            path,
        })
    }
}

/// A path without its first bytes.
#[cfg(unix)]
fn after(text: &OsString, n: usize) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(&text.as_bytes()[n..]).into()
}

/// A path without its first bytes.
#[cfg(not(unix))]
fn after(text: &OsString, n: usize) -> PathBuf {
    String::from_utf8_lossy(&text.as_encoded_bytes()[n..])
        .into_owned()
        .into()
}

/// How many: a count, or a percentage of what there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    Count(u64),
    Percent(f64),
}

impl FromStr for Amount {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a count as 20000 or a percentage as 25%";
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| EXPECTED),
            Some(number) => match number.parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Percent(percent)),
                _ => Err(EXPECTED),
            },
        }
    }
}

impl Amount {
    /// Returns how many of `n` that is.
    ///
    /// # Errors
    ///
    /// When it is more than there is.
    pub fn of(self, n: u64, option: &str, what: &str) -> Result<u64> {
        match self {
            Self::Percent(percent) => {
                let found = (n as f64 * percent / 100.0).round() as u64;
                if found == 0 && n > 0 && percent > 0.0 {
                    warn(&format!("`{option} {percent}%` of {n} {what} rounds to 0"));
                }
                Ok(found)
            }
            Self::Count(count) if count <= n => Ok(count),
            Self::Count(count) => Err(bad_input(format!(
                "`{option} {count}`: there are only {n} {what}; \
                 give a smaller count, or a percentage as 25%"
            ))),
        }
    }
}

/// A raw file, and what its dialogues are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub subset: String,
    pub path: PathBuf,
}

/// The raw files of both parts.
#[derive(Debug, Default)]
pub struct Sources {
    pub train: Vec<Source>,
    pub test: Vec<Source>,
}

impl Sources {
    /// Returns where all of them lie.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let all = self.train.iter().chain(&self.test);
        all.map(|it| it.path.as_path())
    }
}

/// What is taken of a folder: not `.json`, which is often about the data.
const KINDS: [&str; 3] = ["jsonl", "jsonl.gz", "parquet"];

/// What may be named only file by file.
const SINGLE_KINDS: [&str; 2] = ["json", "json.gz"];

/// What a file's name is without its kind.
fn stem(path: &Path) -> String {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let stem = KINDS
        .iter()
        .chain(&SINGLE_KINDS)
        .find_map(|kind| name.strip_suffix(&format!(".{kind}")));
    stem.map_or(name.clone(), str::to_owned)
}

/// A file's subset: its name, or its folder's where the file is only called
/// `train` or `test`.
fn subset_of(path: &Path) -> String {
    let stem = stem(path);
    let folder = path.parent().and_then(Path::file_name);
    match folder {
        Some(folder) if stem == "train" || stem == "test" => folder.to_string_lossy().into_owned(),
        _ => stem,
    }
}

fn files(named: &Named) -> Result<Vec<Source>> {
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
    let found = file::listed(path, &[".jsonl", ".jsonl.gz", ".parquet"])?;
    Ok(found.into_iter().map(source).collect())
}

impl Args {
    /// Returns the raw files, each found to be there.
    ///
    /// # Errors
    ///
    /// When one is not, or when there is no training part at all.
    pub fn sources(&self) -> Result<Sources> {
        let mut sources = Sources::default();
        if let Some(hh) = &self.hh {
            for subset in &self.subset {
                let part = |part: &str| {
                    let candidates = KINDS.iter().map(|kind| format!("{part}.{kind}"));
                    let mut paths = candidates.map(|name| hh.join(subset).join(name));
                    paths.find(|path| path.exists()).map(|path| Source {
                        subset: subset.clone(),
                        path,
                    })
                };
                let (train, test) = (part("train"), part("test"));
                if train.is_none() && test.is_none() {
                    return Err(bad_input(format!(
                        "{}: no train or test file there; expected {subset}/train.jsonl.gz and so on",
                        hh.join(subset).display()
                    )));
                }
                sources.train.extend(train);
                sources.test.extend(test);
            }
        }
        for named in &self.train {
            sources.train.extend(files(named)?);
        }
        for named in &self.test {
            sources.test.extend(files(named)?);
        }
        if sources.train.is_empty() {
            return Err(bad_input(
                "there are no training pairs: name them by --hh DIR (with SUBSET/train.jsonl.gz) \
                 or --train PATH",
            ));
        }
        Ok(sources)
    }

    /// Returns the files and folders that the tables are made of.
    pub fn inputs(&self) -> impl Iterator<Item = &Path> {
        let named = self.train.iter().chain(&self.test);
        let named = named.map(|it| it.path.as_path());
        named.chain(self.hh.as_deref())
    }

    /// Returns what the output depends on.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn provenance(&self, sources: &Sources) -> Result<Provenance> {
        let amount = |amount: &Amount| match amount {
            Amount::Count(count) => count.to_string(),
            Amount::Percent(percent) => format!("{percent}%"),
        };
        let mut provenance = Provenance::new("hh-split", env!("CARGO_PKG_VERSION"))
            .argument("rm", amount(&self.rm))
            .argument("dev", amount(&self.dev))
            .argument("hold_out", self.hold_out.as_ref().map(amount))
            .argument("take", self.take.as_ref().map(amount))
            .argument("take_test", self.take_test.as_ref().map(amount))
            .argument("seed", self.seed);
        let mut names = BTreeMap::new();
        let mut digests = HashMap::new();
        for (part, sources) in [("train", &sources.train), ("test", &sources.test)] {
            for (i, source) in sources.iter().enumerate() {
                let name = format!("{part}-{i}");
                names.insert(name.clone(), source.subset.clone());
                // What is no file of rows is told as what it is, before contents
                // are compared.
                import::Source::open(&source.path, PREFERENCE_FIELDS)?;
                let input = apo_tables::input(&source.path)?;
                let (other, other_part) = digests
                    .entry(input.digest.clone())
                    .or_insert((&source.path, part));
                if *other_part != part {
                    return Err(bad_input(format!(
                        "--train {} and --test {} have the same content, so nothing would be left \
                         to train on. To split one file, use --hold-out 10% instead of --test",
                        other.display(),
                        source.path.display()
                    )));
                }
                provenance = provenance.input(&name, input);
            }
        }
        Ok(provenance.argument("subsets", serde_json::to_value(names)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_declaration_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn amounts_are_counts_or_percentages() {
        assert_eq!("25%".parse(), Ok(Amount::Percent(25.0)));
        assert_eq!("20000".parse(), Ok(Amount::Count(20_000)));
        for text in ["-1", "101%", "half", "", "1.5"] {
            assert!(text.parse::<Amount>().is_err(), "{text:?} is no amount");
        }
        assert_eq!(Amount::Percent(25.0).of(10, "--rm", "queries").unwrap(), 3);
        assert!(Amount::Count(11).of(10, "--rm", "queries").is_err());
    }

    #[test]
    fn a_subset_is_named_after_file_or_folder() {
        assert_eq!(
            subset_of(Path::new("hh/helpful-base/train.jsonl.gz")),
            "helpful-base"
        );
        assert_eq!(subset_of(Path::new("data/mine.parquet")), "mine");
        assert_eq!(subset_of(Path::new("webgpt/test.json.gz")), "webgpt");
        let named = Named::try_from(OsString::from("web=a/b.jsonl")).unwrap();
        assert_eq!(named.path, Path::new("a/b.jsonl"));
        assert_eq!(named.name.as_deref(), Some("web"));
    }
}

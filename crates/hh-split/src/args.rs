//! The command line of `hh-split`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use apo_import::{Columns, Renamed};
use apo_stage::{OutputArgs, ReportArgs};
use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

const EXAMPLES: &str = concat!(
    "\
Examples:
  The paper's data, from a folder that holds helpful-base/train.jsonl.gz and so on:
    hh-split --hh hh-rlhf --out data

  Your own preferences, with a tenth held out as a test part:
    hh-split --train mine.parquet --hold-out 10% --rm 40% --dev 5% --out data

  A data set on Hugging Face's hub, two parts of it:
    hh-split --train HuggingFaceH4/ultrafeedback_binarized:train_prefs \\
        --test HuggingFaceH4/ultrafeedback_binarized:test_prefs --rm 40% --dev 5% --out data

  Queries alone, to be answered by a policy and by gold-collect:
    hh-split --prompts prompts.jsonl --hold-out 10% --rm 40% --dev 0 --out data

  Columns of other names, and a subset for each source:
    hh-split --train mine.parquet --columns prompt=question,chosen=better,rejected=worse \\
        --subset-column source --hold-out 10% --rm 40% --dev 5% --out data

  WebGPT's and GPT4LLM's comparisons as published:
    hh-split --train webgpt=comparisons.jsonl --train gpt4llm=comparison_data.json \\
        --hold-out 10% --rm 40% --dev 5% --out data

  With the results of tools, where the model's chat template renders them:
    hh-split --train agent.jsonl --tools-for Qwen3-0.6B --hold-out 10% --rm 40% --dev 5% --out data

  All pairs for the judging reward model, fewer queries for what takes longer:
    hh-split --train mine.parquet --hold-out 10% --rm 1000 --llm 1000 --dev 200 \\
        --answer-test 500 --out data

Writes into --out: rm-pairs, rm-queries, llm-pairs, llm-queries, dev-pairs,
train-pairs, test-pairs, test-queries and rejects, each .parquet.

",
    apo_stage::exit_status!()
);

/// Split dialogue pairs into the tables of a run
///
/// Each pair is cut where its query ends, cleaned, and assigned to a part by a
/// hash of its query: reward-model pairs, policy queries, development pairs.
/// Rows that are rejected are counted, and listed in rejects.parquet with the
/// reason.
#[derive(Debug, Parser)]
#[command(name = "hh-split", version, after_help = EXAMPLES)]
pub struct Args {
    /// Folder in HH's layout: SUBSET/train.jsonl[.gz], SUBSET/test.jsonl[.gz]; or
    /// `owner/name` or `owner/name@revision` of such a data set on Hugging Face's hub
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub hh: Option<PathBuf>,

    /// Subset to take from --hh (repeatable)
    #[arg(long, value_name = "NAME", help_heading = "Data", requires = "hh")]
    #[arg(default_values_t = ["helpful-base".to_owned(), "harmless-base".to_owned()])]
    pub subset: Vec<String>,

    /// File or folder of training pairs, or a data set on the hub; NAME=PATH also
    /// names its subset (repeatable)
    ///
    /// On Hugging Face's hub, `owner/name:part` is a part of a data set: a split such as
    /// `train_prefs`, a folder or a file. Without a part, it is the part named `train`, or
    /// else the only one, unless its name marks it as another, as `test` does.
    /// `owner/name@revision:part` is that of a branch, a tag or a commit.
    /// A path that exists is taken as it is. `HF_TOKEN` is the token for private and
    /// gated data; with `HF_HUB_OFFLINE=1` only the cache is used.
    ///
    /// .jsonl, .jsonl.gz or .parquet; a single file may also be .json or .json.gz,
    /// with a JSON list or one record per line. The fields of a row determine its
    /// form: `chosen` and `rejected`, with or without `prompt`, as most sets have
    /// them; or those of HelpSteer3, ms-swift, the arena, WebGPT, GPT4LLM and APO's
    /// authors, which TABLES.md lists. A field that is null counts as absent. In
    /// whole conversations the last message is the response. A system message is
    /// part of the query. Tools cannot be kept: such rows are used without them,
    /// and counted.
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    #[arg(value_parser = OsStringValueParser::new().try_map(Named::try_from))]
    pub train: Vec<Named>,

    /// File or folder of test pairs, or a data set on the hub (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    #[arg(value_parser = OsStringValueParser::new().try_map(Named::try_from))]
    pub test: Vec<Named>,

    /// File or folder of queries without responses, or a data set on the hub
    /// (repeatable)
    ///
    /// They are dealt to the `queries` tables by the same shares as the queries of
    /// pairs. A row has `prompt`, `query`, `question`, `instruction`, `messages` or
    /// `conversations`; an answer that messages end with is left out.
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    #[arg(value_parser = OsStringValueParser::new().try_map(Named::try_from))]
    pub prompts: Vec<Named>,

    /// Columns of these files that have other names: FIELD=COLUMN, with commas
    /// between, such as prompt=question,chosen=better,rejected=worse
    #[arg(
        long,
        value_name = "FIELD=COLUMN",
        help_heading = "Data",
        value_delimiter = ','
    )]
    pub columns: Vec<Renamed>,

    /// Column that names the subset of each row [default: the file's or folder's
    /// name]
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    pub subset_column: Option<String>,

    /// Keep dialogues with the results of tools if this model's chat template renders
    /// them: a model directory, or its name on the hub
    ///
    /// Without it, they are rejected (`tool_turn`). Its weights are not read. Messages
    /// that call a tool in fields of their own, such as `tool_calls`, are rejected in
    /// any case: the tables hold texts.
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub tools_for: Option<PathBuf>,

    /// Queries whose pairs train reward models: a count or a percentage
    #[arg(
        long,
        value_name = "AMOUNT",
        default_value = "20000",
        help_heading = "Split"
    )]
    pub rm: Amount,

    /// Queries for the policy, drawn from those that --rm leaves [default: all of them]
    ///
    /// A count or a percentage. The pairs of other queries are in train-pairs alone.
    #[arg(long, value_name = "AMOUNT", help_heading = "Split")]
    pub llm: Option<Amount>,

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

    /// Training queries to use, for a smaller run [default: all]
    #[arg(long, value_name = "AMOUNT", help_heading = "Split")]
    pub take: Option<Amount>,

    /// Test queries to use [default: all]
    #[arg(long, value_name = "AMOUNT", help_heading = "Split")]
    pub take_test: Option<Amount>,

    /// Test queries that policies answer [default: all that are used]
    ///
    /// The others are not in test-queries; test-pairs holds the pairs of all.
    #[arg(long, value_name = "AMOUNT", help_heading = "Split")]
    pub answer_test: Option<Amount>,

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
    pub name: Option<String>,
    pub path: PathBuf,
}

impl TryFrom<OsString> for Named {
    type Error = &'static str;

    fn try_from(text: OsString) -> Result<Self, Self::Error> {
        // A path need not be UTF-8; a name must be.
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
fn after(text: &OsString, n: usize) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(&text.as_bytes()[n..]).into()
}

/// An amount: a count, or a percentage of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    Count(u64),
    Percent(f64),
}

impl FromStr for Amount {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a count such as 20000, or a percentage such as 25%";
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| EXPECTED),
            Some(number) => match number.parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Percent(percent)),
                _ => Err(EXPECTED),
            },
        }
    }
}

impl Args {
    /// Returns what is said of the files' columns.
    pub fn named_columns(&self) -> Columns {
        Columns {
            renamed: self.columns.clone(),
            subset: self.subset_column.clone(),
        }
    }

    /// Returns the files and folders that the tables are made of.
    pub fn inputs(&self) -> impl Iterator<Item = &Path> {
        let named = self.train.iter().chain(&self.test).chain(&self.prompts);
        let named = named.map(|it| it.path.as_path());
        named
            .chain(self.hh.as_deref())
            .chain(self.tools_for.as_deref())
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
            assert!(text.parse::<Amount>().is_err(), "{text:?} is not an amount");
        }
    }

    #[test]
    fn a_path_may_have_the_name_of_its_subset() {
        let named = Named::try_from(OsString::from("web=a/b.jsonl")).unwrap();
        assert_eq!(named.path, Path::new("a/b.jsonl"));
        assert_eq!(named.name.as_deref(), Some("web"));
    }
}

//! Arguments of the commands that judge.

#![expect(clippy::doc_markdown, reason = "help texts are shown as they stand")]
#![expect(
    missing_docs,
    reason = "a doc comment is a help text; arguments without one have that of their type"
)]

use std::path::PathBuf;

use apo_endpoint_stage::EndpointArgs;
use apo_stage::{OutputArgs, ReportArgs};
use clap::{ArgGroup, Subcommand};

const COMPARE: &str = concat!(
    "\
Examples:
  An aligned policy against the one it came from:
    judge compare --a round-1/answers.parquet --b sft/answers.parquet \\
      --base-url https://api.openai.com/v1 --model gpt-4 --out verdicts.parquet

  The same again without the endpoint, from what it answered:
    judge compare --a round-1/answers.parquet --b sft/answers.parquet \\
      --from-journal verdicts.parquet.journal.jsonl --model gpt-4 --out again.parquet

The responses are shown in both orders. A verdict that follows the position counts
as inconsistent, and as a tie in the rates. A verdict that cannot be read is asked
for once more; if that fails, it counts as invalid and is left out of the rates. A
request without a reply is sent again by the next run, once the output is removed.

",
    apo_stage::exit_status!()
);

const TALLY: &str = concat!(
    "\
Examples:
  A model of AlpacaEval's leaderboard:
    judge tally --annotations results/alpaca-7b/alpaca_eval_gpt4/annotations.json

",
    apo_stage::exit_status!(no output)
);

const SHEET: &str = concat!(
    "\
Examples:
  A sheet of 100 queries for annotators, and what they send back:
    judge human sheet --a round-1/answers.parquet --b sft/answers.parquet --out sheet
    judge human tally --key sheet/key.parquet --votes anna.json --votes ben.csv \\
      --out verdicts.parquet

The folder holds sheet.html, which annotators open in a browser and work through by
keyboard, and sheet.csv, the same for a spreadsheet. Keep key.parquet and apo.json to
yourself: they tell which side is which policy.

",
    apo_stage::exit_status!()
);

const HUMAN_TALLY: &str = concat!(
    "\
Examples:
  Two annotators' files, one of the page and one of the spreadsheet:
    judge human tally --key sheet/key.parquet --votes anna.json --votes ben.csv \\
      --out verdicts.parquet

An annotator has the name given in the page, or else the name of the file. Rows
without a vote, or whose texts differ from the sheet's, are reported and left out. A
file of another sheet is refused.

",
    apo_stage::exit_status!()
);

#[derive(Debug, Subcommand)]
pub enum HumanCommand {
    /// Write a page and a spreadsheet on which annotators compare two policies
    Sheet(SheetArgs),
    /// Turn annotators' files into verdicts, win rates and agreement
    Tally(HumanTallyArgs),
}

/// Two policies' responses to the same queries.
#[derive(Debug, clap::Args)]
pub struct PoliciesArgs {
    /// The first policy's responses, one to each query, a `responses` table
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub a: PathBuf,

    /// The second policy's, to the same queries
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub b: PathBuf,
}

/// How intervals are computed.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Measures")]
pub struct BootstrapArgs {
    /// Bootstrap samples
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub draws: usize,

    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, clap::Args)]
#[command(after_help = COMPARE)]
#[command(group(ArgGroup::new("whom").required(true).args(["base_url", "from_journal"])))]
pub struct CompareArgs {
    #[command(flatten)]
    pub policies: PoliciesArgs,

    /// Number of queries to judge; ids are hashes, and the lowest ones are taken
    /// [default: all]
    #[arg(long, value_name = "N", help_heading = "Tables")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub take: Option<u32>,

    /// URL of an OpenAI-compatible endpoint; a key, if it needs one, is taken from
    /// OPENAI_API_KEY
    #[arg(long, value_name = "URL", help_heading = "Judges")]
    pub base_url: Option<String>,

    /// Replay this journal without asking an endpoint
    #[arg(long, value_name = "FILE", help_heading = "Judges")]
    pub from_journal: Option<PathBuf>,

    /// Name of the judge at the endpoint, such as gpt-4 (repeatable)
    #[arg(
        long = "model",
        value_name = "NAME",
        required = true,
        help_heading = "Judges"
    )]
    pub models: Vec<String>,

    /// How often to ask each judge, which measures its agreement with itself
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Judges")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeats: u32,

    #[command(flatten)]
    pub endpoint: EndpointArgs,

    #[command(flatten)]
    pub bootstrap: BootstrapArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = SHEET)]
pub struct SheetArgs {
    #[command(flatten)]
    pub policies: PoliciesArgs,

    /// Number of queries on the sheet
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub take: u32,

    /// Seed for the choice of queries, their order and their sides
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = HUMAN_TALLY)]
pub struct HumanTallyArgs {
    /// The sheet's key
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub key: PathBuf,

    /// An annotator's file: .json from the page, or the filled-in .csv (repeatable)
    #[arg(long, value_name = "FILE", required = true, help_heading = "Tables")]
    pub votes: Vec<PathBuf>,

    #[command(flatten)]
    pub bootstrap: BootstrapArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = TALLY)]
pub struct TallyArgs {
    /// Annotations of one model against a baseline (.json, .jsonl, each also with
    /// .gz): `generator_1`, `generator_2`, `preference`; with `output_1` and
    /// `output_2` for the rate without length
    #[arg(long, value_name = "FILE")]
    pub annotations: PathBuf,

    #[command(flatten)]
    pub bootstrap: BootstrapArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

impl CompareArgs {
    /// Refuses a judge that is named twice.
    ///
    /// # Errors
    ///
    /// The judge's name, and what to use instead.
    pub fn check(&self) -> Result<(), String> {
        let mut names = self.models.clone();
        names.sort();
        match names.windows(2).find(|it| it[0] == it[1]) {
            Some(twice) => Err(format!(
                "--model {} is given twice; --repeats asks one judge several times",
                twice[0]
            )),
            None => Ok(()),
        }
    }
}

//! The command line of `judge`.

#![expect(clippy::doc_markdown, reason = "help texts are shown as they stand")]

use std::path::{Path, PathBuf};
use std::str::FromStr;

use apo_dialogue::Template;
use apo_endpoint_stage::EndpointArgs;
use apo_model_stage::ComputeArgs;
use apo_stage::{OutputArgs, ReportArgs};
use clap::{ArgGroup, Parser, Subcommand, ValueEnum};

use crate::run_file::{Entry, List, Thing};

const EXIT_STATUS: &str = concat!(
    "\
",
    apo_stage::exit_status!()
);

const SCORE: &str = concat!(
    "\
Examples:
  A policy's test answers, scored by RM_Test:
    judge score --model rm-test --responses answers.parquet --out scored.parquet

  The same numbers again, as JSON; nothing is computed twice:
    judge score --model rm-test --responses answers.parquet --out scored.parquet --json

A stopped run goes on where it was when the same command is given again.

",
    apo_stage::exit_status!()
);

const ACCURACY: &str = concat!(
    "\
Examples:
  How often a reward model agrees with people, and how well it is calibrated:
    judge accuracy --model round-1/rm --pairs data/test-pairs.parquet

",
    apo_stage::exit_status!(no output)
);

const TABLE: &str = "\
Examples:
  Two policies and a reward model:
    judge table --score SFT=sft.json --score 'round 1'=round-1.json \\
      --accuracy 'RM round 1'=rm.json

  Table 2 of a run that the Makefile made:
    judge table --run runs/mini --table 2";

const COMPARE: &str = concat!(
    "\
Examples:
  An aligned policy against the one it came from:
    judge compare --a round-1/answers.parquet --b sft/answers.parquet \\
      --base-url https://api.openai.com/v1 --model gpt-4 --out verdicts.parquet

  The same again without the endpoint, from what it answered:
    judge compare --a round-1/answers.parquet --b sft/answers.parquet \\
      --from-journal verdicts.parquet.journal.jsonl --model gpt-4 --out again.parquet

The responses are shown in both orders. A verdict that follows the position is a
tie in the rates, and counted; one that cannot be read is asked for once more,
then counted and in no rate; a request without a reply is asked again by the
next run, once the output is removed.

",
    apo_stage::exit_status!()
);

const TALLY: &str = "\
Examples:
  A model of AlpacaEval's leaderboard:
    judge tally --annotations results/alpaca-7b/alpaca_eval_gpt4/annotations.json";

const SHEET: &str = concat!(
    "\
Examples:
  A sheet of 100 queries for annotators, and what they send back:
    judge human sheet --a round-1/answers.parquet --b sft/answers.parquet --out sheet
    judge human tally --key sheet/key.parquet --votes anna.json --votes ben.csv \\
      --out verdicts.parquet

The folder holds sheet.html, to be opened in a browser and worked through by
keyboard, sheet.csv with the same for a spreadsheet, and key.parquet with apo.json,
which tell sides apart and stay with you.

",
    apo_stage::exit_status!()
);

const HUMAN_TALLY: &str = concat!(
    "\
Examples:
  Two annotators' files, one of the page and one of the spreadsheet:
    judge human tally --key sheet/key.parquet --votes anna.json --votes ben.csv \\
      --out verdicts.parquet

An annotator is called as in the page, else as the file. Rows without a vote, and
those whose texts are not as the sheet showed them, are told and left out; a file
of another sheet is refused.

",
    apo_stage::exit_status!()
);

const KL: &str = concat!(
    "\
Examples:
  A round's policy against the one it was aligned from, on its test answers:
    judge kl --model round-1/policy --reference sft --responses round-1/answers.parquet

The estimate is the mean of log π(y) − log π_ref(y) over the responses, a token
each; both log-probs are of the text, at temperature 1. Of responses that were
sampled at another temperature it is an estimate of how far these are.

",
    apo_stage::exit_status!(no output)
);

const DATA: &str = "\
Examples:
  The parts of a split:
    judge data --table HH_RM=data/rm-pairs.parquet --table HH_Test=data/test-pairs.parquet";

const FIGURE: &str = "\
Examples:
  Two methods over two rounds from one start:
    judge figure --line RJS=start.json,rjs-1.json,rjs-2.json \
      --line APO-RJS=start.json,apo-rjs-1.json,apo-rjs-2.json --out figure-5.svg";

const REPORT: &str = concat!(
    "\
Examples:
  What the Makefile's rules made in a run's folder, as one page:
    judge report --run runs/mini --out report.html

It shows what is there: tables 1 to 4 beside the paper's, Figure 5, verdicts
(*.verdicts.json of `judge compare --json`, *.votes.json of `judge human tally
--json`), calibration, rewards, the curves of all trainings, a few dialogues, what
was made from what, settings and times. The page needs no network.

",
    apo_stage::exit_status!(no output)
);

const DESCRIBE: &str = "\
Examples:
  A run of a policy and a reward model, and a table of both:
    judge describe --run run --table 'all=SFT;RM_Test' score:SFT=start/score.json \\
      test:RM_Test=rm-test.test.json dev:RM_Test=rm-test.dev.json
    judge table --run run --table all

The file is DIR/run.json. The Makefile writes it for the runs that it makes.";

const CLAIMS: &str = "\
Examples:
  Five runs that differ in their seed alone:
    judge claims seeds/*/table.json

A claim holds where the 95 % interval of the mean difference lies on its side,
fails where it lies on the other, and is open where it lies on both.";

/// Judge policies and reward models: rewards, accuracy, win rates, drift
#[derive(Debug, Parser)]
#[command(name = "judge", version, after_help = EXIT_STATUS)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Rewards of a table of responses, with their mean overall and by subset
    Score(ScoreArgs),
    /// Accuracy and calibration of a reward model on people's preferences
    Accuracy(AccuracyArgs),
    /// Two policies before a language model as judge, in both orders: win rates
    Compare(CompareArgs),
    /// Two policies before people: sheets out, votes in (Figure 4)
    Human {
        #[command(subcommand)]
        command: HumanCommand,
    },
    /// Win rates of annotations that others published, as AlpacaEval's
    Tally(TallyArgs),
    /// How far a policy has gone from its reference: nats a token
    Kl(KlArgs),
    /// Log-probs of a table of responses under a policy: a reference's, kept for
    /// many alignments
    LogProbs(ScoreArgs),
    /// Rows and queries of the data, beside the paper's (Table 1)
    Data(DataArgs),
    /// Lay out what the other commands found (--json) as one table
    Table(TableArgs),
    /// Draw what policies are worth, round by round, as SVG (Figure 5)
    Figure(FigureArgs),
    /// Whether the paper's claims hold, from the tables of several seeds
    Claims(ClaimsArgs),
    /// Write down what a run's folder holds, for the commands that read runs
    Describe(DescribeArgs),
    /// A run's folder as one page for someone who was not there
    Report(RunReportArgs),
}

#[derive(Debug, Subcommand)]
pub enum HumanCommand {
    /// A page and a table in which annotators compare two policies' responses
    Sheet(SheetArgs),
    /// Annotators' files back into verdicts, win rates and agreement
    Tally(HumanTallyArgs),
}

/// The model, and how responses come before it.
#[derive(Debug, clap::Args)]
pub struct ScorerArgs {
    /// Directory of the reward model; for `kl` and `log-probs`, of the policy
    #[arg(long, value_name = "DIR", help_heading = "Models")]
    pub model: PathBuf,

    /// hh, or chat for the model's own chat template [default: what the model
    /// was trained with; hh for one without a chat template]
    #[arg(long, value_name = "TEMPLATE", help_heading = "Models")]
    pub template: Option<Template>,

    /// Tokens of prompt and response at most; longer ones are cut, and counted
    #[arg(
        long,
        value_name = "N",
        default_value = "512",
        help_heading = "Compute"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(8..))]
    pub limit: u32,

    /// Tokens computed at once: memory and speed, not what comes out
    #[arg(
        long,
        value_name = "N",
        default_value = "4096",
        help_heading = "Compute"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_tokens: u32,

    #[command(flatten)]
    pub compute: ComputeArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = SCORE)]
pub struct ScoreArgs {
    #[command(flatten)]
    pub scorer: ScorerArgs,

    /// What to compute on, a `responses` table; `score` keeps its further columns
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub responses: PathBuf,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = ACCURACY)]
pub struct AccuracyArgs {
    #[command(flatten)]
    pub scorer: ScorerArgs,

    /// People's preferences, a `pairs` table
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub pairs: PathBuf,

    /// Bins of the calibration
    #[arg(
        long,
        value_name = "N",
        default_value = "10",
        help_heading = "Measures"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub bins: u32,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// How intervals are drawn.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Measures")]
pub struct BootstrapArgs {
    /// Draws of the bootstrap
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
    /// The first policy's responses, one to each query, a `responses` table
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub a: PathBuf,

    /// The second policy's, to the same queries
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub b: PathBuf,

    /// Queries to judge at all, the first by their ids, which are hashes [default:
    /// all]
    #[arg(long, value_name = "N", help_heading = "Tables")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub take: Option<u32>,

    /// Address of an OpenAI-compatible endpoint; the key, where it wants one, is
    /// taken from OPENAI_API_KEY
    #[arg(long, value_name = "URL", help_heading = "Judges")]
    pub base_url: Option<String>,

    /// Replay this journal; nothing is asked
    #[arg(long, value_name = "FILE", help_heading = "Judges")]
    pub from_journal: Option<PathBuf>,

    /// Name of the judge at the endpoint, as gpt-4 (repeatable)
    #[arg(
        long = "model",
        value_name = "NAME",
        required = true,
        help_heading = "Judges"
    )]
    pub models: Vec<String>,

    /// Times that each judge is asked, for its agreement with itself
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
    /// The first policy's responses, one to each query, a `responses` table
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub a: PathBuf,

    /// The second policy's, to the same queries
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub b: PathBuf,

    /// Queries on the sheet
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub take: u32,

    /// Seed of queries, order and sides
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

    /// An annotator's file: .json of the page, or the filled .csv (repeatable)
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

#[derive(Debug, clap::Args)]
#[command(after_help = KL)]
pub struct KlArgs {
    #[command(flatten)]
    pub scorer: ScorerArgs,

    /// Directory of the reference: the policy that an alignment started from, or
    /// the first of all rounds
    #[arg(long, value_name = "DIR", help_heading = "Models")]
    pub reference: PathBuf,

    /// The policy's own responses, a `responses` table
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub responses: PathBuf,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = DATA)]
pub struct DataArgs {
    /// A table of pairs, queries or responses, and what it is; the paper's parts
    /// are HH_Train, HH_RM, HH_LLM, HH_Dev and HH_Test
    #[arg(
        long = "table",
        value_name = "NAME=PARQUET",
        required_unless_present = "run"
    )]
    pub tables: Vec<Named>,

    /// Folder of a run, for its Table 1
    #[arg(long, value_name = "DIR", conflicts_with = "tables")]
    pub run: Option<PathBuf>,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// What policies are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Mean reward by `RM_Test`
    Score,
    /// True quality, where it is known
    Quality,
}

#[derive(Debug, clap::Args)]
#[command(after_help = FIGURE)]
pub struct FigureArgs {
    /// A line: its name, and what `judge score --json` printed of each round,
    /// the start first; or pages with `mean` and `standard_error`
    #[arg(
        long = "line",
        value_name = "NAME=JSON,…",
        required_unless_present = "run"
    )]
    pub lines: Vec<Series>,

    /// Folder of a run, for its Figure 5
    #[arg(long, value_name = "DIR", conflicts_with = "lines")]
    pub run: Option<PathBuf>,

    /// What the figure of a run shows
    #[arg(long, value_enum, default_value_t = Measure::Score, requires = "run")]
    pub by: Measure,

    /// Title of the picture [default: what it shows]
    #[arg(long)]
    pub title: Option<String>,

    /// What the rounds are called
    #[arg(long, default_value = "round")]
    pub x: String,

    /// What is measured, with its unit [default: the mean reward, or the run's
    /// measure, of the test answers, ± standard error]
    #[arg(long)]
    pub y: Option<String>,

    /// The SVG file to write
    #[arg(long, value_name = "SVG")]
    pub out: PathBuf,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = CLAIMS)]
pub struct ClaimsArgs {
    /// What `judge table --json` printed of each seed; rows have the names of
    /// the paper's tables
    #[arg(value_name = "JSON", required_unless_present = "run", num_args = 2..)]
    pub tables: Vec<PathBuf>,

    /// Folder of a run, for the tables of its seeds
    #[arg(long, value_name = "DIR", conflicts_with = "tables")]
    pub run: Option<PathBuf>,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = REPORT)]
pub struct RunReportArgs {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,

    /// The page to write
    #[arg(long, value_name = "HTML", required_unless_present = "json")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = TABLE)]
#[command(group(ArgGroup::new("rows").required(true).multiple(true).args(["score", "quality", "accuracy", "verdicts", "run"])))]
pub struct TableArgs {
    /// Folder of a run, for one of its tables
    #[arg(
        long,
        value_name = "DIR",
        requires = "table",
        conflicts_with_all = ["score", "score_all", "quality", "kl", "accuracy", "verdicts"],
        help_heading = "Run"
    )]
    pub run: Option<PathBuf>,

    /// Which of the run's tables, as 2 or rounds
    #[arg(long, value_name = "NAME", requires = "run", help_heading = "Run")]
    pub table: Option<String>,

    /// A policy: what `judge score --json` printed of its answers
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub score: Vec<Named>,

    /// What a second reward model says of the same answers, as the paper's does
    /// with more data; beside the score of the same name
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub score_all: Vec<Named>,

    /// The true quality of a policy's answers, where it is known: a page with
    /// `mean` and `standard_error`; beside the score of the same name, if any
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub quality: Vec<Named>,

    /// How far a policy is from its reference: what `judge kl --json` printed;
    /// beside the score of the same name
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub kl: Vec<Named>,

    /// A reward model: what `judge accuracy --json` printed of it
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub accuracy: Vec<Named>,

    /// A policy against another: what `judge compare --json` printed of them
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub verdicts: Vec<Named>,

    #[command(flatten)]
    pub report: ReportArgs,
}

impl Args {
    /// Refuses what the command line's shape lets through.
    ///
    /// # Errors
    ///
    /// What does not fit together.
    pub fn check(&self) -> Result<(), String> {
        match &self.command {
            Command::Table(table) => table.check(),
            Command::Compare(compare) => compare.check(),
            _ => Ok(()),
        }
    }
}

impl CompareArgs {
    /// Refuses a judge that would count twice.
    fn check(&self) -> Result<(), String> {
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

impl TableArgs {
    /// Refuses two rows of one name. A score and the quality beside it are one
    /// row.
    fn check(&self) -> Result<(), String> {
        let rows = self.score.iter().chain(&self.accuracy);
        let rows = rows.chain(&self.verdicts);
        let alone = [&self.quality, &self.kl, &self.score_all].map(|it| it.iter().collect());
        for mut names in [vec![rows.collect::<Vec<_>>()], alone.to_vec()].concat() {
            names.sort_by_key(|it| &it.name);
            if let Some(twice) = names.windows(2).find(|it| it[0].name == it[1].name) {
                return Err(format!("two rows have the name '{}'", twice[0].name));
            }
        }
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = DESCRIBE)]
pub struct DescribeArgs {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,

    /// Folder with the settings, a file each
    #[arg(long, value_name = "DIR")]
    pub settings: Option<PathBuf>,

    /// Policies of one method in the order of their rounds, the start first
    /// (repeatable)
    #[arg(long = "arm", value_name = "NAME=POLICY;…")]
    pub arms: Vec<List<String>>,

    /// A table's rows: names of things, perhaps shown under another name
    /// (repeatable)
    #[arg(long = "table", value_name = "NAME=[SHOWN=]ROW;…")]
    pub tables: Vec<List<Entry>>,

    /// What may lie in the run, with its path there; what does not is left out
    #[arg(value_name = "KIND:NAME=PATH")]
    pub things: Vec<Thing>,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// A name, and the files of its rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    pub name: String,
    pub paths: Vec<PathBuf>,
}

impl FromStr for Series {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Named { name, path } = text.parse().map_err(|_| "expected NAME=FILE,FILE,…")?;
        let paths = path.to_str().unwrap_or_default().split(',');
        Ok(Self {
            name,
            paths: paths.map(PathBuf::from).collect(),
        })
    }
}

/// A name, and the file that goes by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    pub path: PathBuf,
}

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(Self {
                name: name.to_owned(),
                path: Path::new(path).to_owned(),
            }),
            _ => Err("expected NAME=FILE"),
        }
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
    fn a_name_stands_before_the_first_equals_sign() {
        let named: Named = "round 1=a=b.json".parse().unwrap();
        assert_eq!(
            (named.name.as_str(), named.path.as_path()),
            ("round 1", Path::new("a=b.json"))
        );
        for text in ["round-1.json", "=a", "a="] {
            assert!(text.parse::<Named>().is_err(), "{text:?} names no file");
        }
    }
}

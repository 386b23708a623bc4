//! Arguments of the commands that report.

#![expect(clippy::doc_markdown, reason = "help texts are shown as they stand")]
#![expect(
    missing_docs,
    reason = "a doc comment is a help text; arguments without one have that of their type"
)]

use std::path::{Path, PathBuf};
use std::str::FromStr;

use apo_stage::ReportArgs;
use clap::{ArgGroup, ValueEnum};

use crate::run_file::{Arm, Artifact, ArtifactKind, Entry, List};

const TABLE: &str = concat!(
    "\
Examples:
  Two policies and a reward model:
    judge table --score SFT=sft.json --score 'round 1'=round-1.json \\
      --accuracy 'RM round 1'=rm.json

  Table 2 of a run that the Makefile made:
    judge table --run runs/mini --table 2

",
    apo_stage::exit_status!(no output)
);

const DATA: &str = concat!(
    "\
Examples:
  The parts of a split:
    judge data --table HH_RM=data/rm-pairs.parquet --table HH_Test=data/test-pairs.parquet

",
    apo_stage::exit_status!(no output)
);

const FIGURE: &str = concat!(
    "\
Examples:
  Two methods over two rounds from one start:
    judge figure --line RJS=start.json,rjs-1.json,rjs-2.json \\
      --line APO-RJS=start.json,apo-rjs-1.json,apo-rjs-2.json --out figure-5.svg

",
    apo_stage::exit_status!(no output)
);

const REPORT: &str = concat!(
    "\
Examples:
  A run of the Makefile as one page:
    judge report --run runs/mini --out report.html

The page shows what the folder's run.json names: tables 1 to 4 beside the paper's,
Figure 5, verdicts, calibration, rewards, learning curves, a few dialogues, lineage,
settings and times. It needs no network.

",
    apo_stage::exit_status!(no output)
);

const DESCRIBE: &str = concat!(
    "\
Examples:
  A run of a policy and a reward model, and a table of both:
    judge describe --run run --table 'all=SFT;RM_Test' score:SFT=start/score.json \\
      test:RM_Test=rm-test.test.json dev:RM_Test=rm-test.dev.json
    judge table --run run --table all

It writes DIR/run.json. The Makefile does so for every run that it makes.

",
    apo_stage::exit_status!(no output)
);

const SEEDS: &str = concat!(
    "\
Examples:
  Three runs that differ only in their seed, and by how much APO-DPO is above DPO:
    judge seeds seeds/*/real.json --difference APO-DPO=DPO

A row that only some of the seeds have is summed up over these; the interval (95 %,
Student's t) needs two. `gain at like length` is a policy's gain over its start. A
difference compares two such gains.

",
    apo_stage::exit_status!(no output)
);

const CLAIMS: &str = concat!(
    "\
Examples:
  Five runs that differ only in their seed:
    judge claims seeds/*/table.json

A claim holds if the 95 % interval of the mean difference lies on its side, fails
if the interval lies on the other side, and is open if it covers both.

",
    apo_stage::exit_status!(no output)
);

const MAP: &str = concat!(
    "\
Examples:
  All runs of a map that the Makefile made, as a table and as a picture:
    judge map runs/map/voice-*/seed-*/temperature-*/pairs-*/beta-2-*/run --out map.svg

  The same for programs:
    judge map runs/map/voice-*/seed-*/temperature-*/pairs-*/beta-2-*/run --json

The setting CELL of a run says what its conditions are. A cell is above or below zero if
its p value, corrected over all cells (Holm), is under 0.05; leaning if only its own 95 %
interval excludes zero; open otherwise; diverged if a training did.

",
    apo_stage::exit_status!(no output)
);

/// A measure of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyMeasure {
    /// Mean reward by `RM_Test`
    Score,
    /// True quality, where it is known
    Quality,
}

#[derive(Debug, clap::Args)]
#[command(after_help = DATA)]
pub struct DataArgs {
    /// A table of pairs, queries or responses, and its name; the paper's are
    /// HH_Train, HH_RM, HH_LLM, HH_Dev and HH_Test
    #[arg(
        long = "table",
        value_name = "NAME=PARQUET",
        required_unless_present = "run"
    )]
    pub tables: Vec<Named>,

    /// Folder of a run; shows its Table 1
    #[arg(long, value_name = "DIR", conflicts_with = "tables")]
    pub run: Option<PathBuf>,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = FIGURE)]
pub struct FigureArgs {
    /// A line: its name and the output of `judge score --json` for each round, the
    /// start first; or JSON files with `mean` and `standard_error`
    #[arg(
        long = "line",
        value_name = "NAME=JSON,…",
        required_unless_present = "run"
    )]
    pub lines: Vec<Series>,

    /// Folder of a run; shows its Figure 5
    #[arg(long, value_name = "DIR", conflicts_with = "lines")]
    pub run: Option<PathBuf>,

    /// What to plot for a run
    #[arg(long, value_enum, default_value_t = PolicyMeasure::Score, requires = "run")]
    pub by: PolicyMeasure,

    /// Title of the picture [default: names what it shows]
    #[arg(long)]
    pub title: Option<String>,

    /// Label of the x axis
    #[arg(long, default_value = "round")]
    pub x: String,

    /// Label of the y axis [default: names the measure]
    #[arg(long)]
    pub y: Option<String>,

    /// The SVG file to write
    #[arg(long, value_name = "SVG")]
    pub out: PathBuf,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = SEEDS)]
pub struct SeedsArgs {
    /// Output of `judge table --json` for each seed
    #[arg(value_name = "JSON", required = true)]
    pub tables: Vec<PathBuf>,

    /// A row minus another, by every measure that both have (repeatable)
    #[arg(long = "difference", value_name = "ROW=ROW")]
    pub differences: Vec<Difference>,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = CLAIMS)]
pub struct ClaimsArgs {
    /// Output of `judge table --json` for each seed; rows have the names of the
    /// paper's tables
    #[arg(value_name = "JSON", required_unless_present = "run", num_args = 2..)]
    pub tables: Vec<PathBuf>,

    /// Folder of a run; reads the tables of its seeds
    #[arg(long, value_name = "DIR", conflicts_with = "tables")]
    pub run: Option<PathBuf>,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = MAP)]
pub struct MapArgs {
    /// Folders of runs of one commit, every seed in every cell
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,

    /// The SVG file to write
    #[arg(long, value_name = "SVG")]
    pub out: Option<PathBuf>,

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
    /// Folder of a run; shows the table that --table names
    #[arg(
        long,
        value_name = "DIR",
        requires = "table",
        conflicts_with_all = ["score", "score_all", "quality", "kl", "accuracy", "verdicts"],
        help_heading = "Run"
    )]
    pub run: Option<PathBuf>,

    /// Table of the run, such as 2 or rounds
    #[arg(long, value_name = "NAME", requires = "run", help_heading = "Run")]
    pub table: Option<String>,

    /// A policy: output of `judge score --json` for its answers
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub score: Vec<Named>,

    /// Scores of the same answers by a second reward model, such as the paper's
    /// RM_All; goes with the score of the same name
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub score_all: Vec<Named>,

    /// True quality of a policy's answers, if it is known: JSON with `mean` and
    /// `standard_error`; goes with the score of the same name, if there is one
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub quality: Vec<Named>,

    /// Distance of a policy from its reference: output of `judge kl --json`; goes
    /// with the score of the same name
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub kl: Vec<Named>,

    /// A reward model: output of `judge accuracy --json`
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub accuracy: Vec<Named>,

    /// A policy against another: output of `judge compare --json`
    #[arg(long, value_name = "NAME=JSON", help_heading = "Rows")]
    pub verdicts: Vec<Named>,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = DESCRIBE)]
pub struct DescribeArgs {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,

    /// Folder with one file per setting; a run without such a folder has no settings
    #[arg(long, value_name = "DIR")]
    pub settings: Option<PathBuf>,

    /// A method's policies in the order of rounds, the start first, each the NAME of a
    /// KIND:NAME=PATH; baseline:ARM among them names the arm with which the report compares
    /// them, round by round (repeatable)
    #[arg(long = "arm", value_name = "NAME=POLICY;…")]
    pub arms: Vec<Arm>,

    /// A table and its rows, each the NAME of a KIND:NAME=PATH, or SHOWN=NAME if the
    /// table uses another name; test:NAME, dev:NAME or truth:NAME shows a reward model
    /// on these pairs alone (repeatable)
    #[arg(long = "table", value_name = "NAME=[SHOWN=]ROW;…")]
    pub tables: Vec<List<Entry>>,

    #[arg(value_name = "KIND:NAME=PATH", help = help_of_artifacts())]
    pub artifacts: Vec<Artifact>,

    #[command(flatten)]
    pub report: ReportArgs,
}

fn help_of_artifacts() -> String {
    let kinds = ArtifactKind::value_variants().iter().map(|it| it.name());
    format!(
        "A file or folder of the run, by its kind, its name and its path in the run; left out \
         if the path does not exist. Kinds: {}",
        kinds.collect::<Vec<_>>().join(", ")
    )
}

impl TableArgs {
    /// Refuses two rows with the same name. A score and the quality that goes with it
    /// are one row.
    ///
    /// # Errors
    ///
    /// When two rows have the same name.
    pub fn check(&self) -> Result<(), String> {
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

/// A name and the files of its rounds.
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

/// Two rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub of: String,
    /// The row that is taken away.
    pub from: String,
}

impl FromStr for Difference {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((of, from)) if !of.is_empty() && !from.is_empty() => Ok(Self {
                of: of.to_owned(),
                from: from.to_owned(),
            }),
            _ => Err("expected ROW=ROW"),
        }
    }
}

/// A name and its file.
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

    #[test]
    fn the_first_equals_sign_ends_the_name() {
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

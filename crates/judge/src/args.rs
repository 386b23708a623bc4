//! The command line of `judge`.

#![expect(
    clippy::doc_markdown,
    reason = "help texts are shown as they are written"
)]

use std::path::PathBuf;

use apo_judging::args::{CompareArgs, HumanCommand, TallyArgs};
use apo_model_stage::POLICY_LIMIT;
use apo_report::args::{
    ClaimsArgs, DataArgs, DescribeArgs, FigureArgs, MapArgs, RunReportArgs, SeedsArgs, TableArgs,
};
use apo_scoring::args::{AccuracyArgs, KlArgs, LOG_PROBS, ScoreArgs, ValuesArgs};
use apo_stage::ReportArgs;
use clap::{Parser, Subcommand};

/// Measure, compare and report policies and reward models; fetch them from the hub
#[derive(Debug, Parser)]
#[command(name = "judge", version, after_help = apo_stage::exit_status!())]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Score a table of responses with a reward model; print the mean reward overall
    /// and by subset
    Score(ScoreArgs),
    /// Measure a reward model's accuracy and calibration on human preferences
    Accuracy(AccuracyArgs),
    /// Let a language model compare two policies, in both orders
    Compare(CompareArgs),
    /// Let people compare two policies (Figure 4)
    Human {
        #[command(subcommand)]
        command: HumanCommand,
    },
    /// Compute win rates of published annotations in AlpacaEval's format
    Tally(TallyArgs),
    /// Measure a policy's KL from its reference, in nats per token
    Kl(KlArgs),
    /// Compute log-probs of responses under a policy, for use as a reference's
    // As many tokens as `align` reads.
    #[command(after_help = LOG_PROBS)]
    #[command(mut_arg("limit", |it| it.default_value(POLICY_LIMIT.to_string())))]
    LogProbs(ValuesArgs),
    /// Bring a model or a data set from Hugging Face's hub, and print where it is
    Fetch(FetchArgs),
    /// Count the rows and queries of the data, beside the paper's (Table 1)
    Data(DataArgs),
    /// Show what the other commands printed with --json as one table
    Table(TableArgs),
    /// Draw scores or quality of policies over rounds as SVG (Figure 5)
    Figure(FigureArgs),
    /// Show the rows of several seeds' tables, and their differences, with intervals
    Seeds(SeedsArgs),
    /// Test the paper's claims on the tables of several seeds
    Claims(ClaimsArgs),
    /// Map the conditions under which APO-DPO beats DPO and random pairs, over seeds
    Map(MapArgs),
    /// Write a run's run.json, which says what the run holds
    Describe(DescribeArgs),
    /// Show a run as one page
    Report(RunReportArgs),
}

const FETCH: &str = concat!(
    "\
Examples:
  A model and a data set for a machine without a network:
    judge fetch --model HuggingFaceTB/SmolLM2-135M-Instruct
    judge fetch --data HuggingFaceH4/ultrafeedback_binarized:train_prefs

They lie in Hugging Face's own cache. For a path that exists, it is that path.

",
    apo_stage::exit_status!(no output)
);

#[derive(Debug, clap::Args)]
#[command(after_help = FETCH)]
pub struct FetchArgs {
    #[command(flatten)]
    pub what: Fetched,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// What is fetched.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Fetched {
    /// The model on the hub: `owner/name` or `owner/name@revision`
    #[arg(long, value_name = "NAME", help_heading = "Hub")]
    pub model: Option<PathBuf>,

    /// The data set on the hub, or a part of it: `owner/name`, `owner/name:part`;
    /// without a part, the one named train, or else the only one
    #[arg(long, value_name = "NAME", help_heading = "Hub")]
    pub data: Option<PathBuf>,
}

impl Args {
    /// Refuses arguments that clap accepts but that contradict each other.
    ///
    /// # Errors
    ///
    /// When two of them do.
    pub fn check(&self) -> Result<(), String> {
        match &self.command {
            Command::Table(table) => table.check(),
            Command::Compare(compare) => compare.check(),
            _ => Ok(()),
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
    fn only_score_compares_with_other_responses() {
        let parse = |command| {
            let line = format!("judge {command} --model m --responses r --out o --against x");
            Args::try_parse_from(line.split_whitespace())
        };
        assert!(parse("score").is_ok());
        let error = parse("log-probs").unwrap_err().to_string();
        assert!(error.contains("--against"), "{error}");
    }
}

//! The command line of `judge`.

#![expect(clippy::doc_markdown, reason = "help texts are shown as they stand")]

use apo_judging::args::{CompareArgs, HumanCommand, TallyArgs};
use apo_report::args::{ClaimsArgs, DataArgs, DescribeArgs, FigureArgs, RunReportArgs, TableArgs};
use apo_scoring::args::{AccuracyArgs, KlArgs, ScoreArgs};
use clap::{Parser, Subcommand};

const EXIT_STATUS: &str = concat!(
    "\
",
    apo_stage::exit_status!()
);

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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_declaration_is_consistent() {
        Args::command().debug_assert();
    }
}

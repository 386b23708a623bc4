//! The command line of `rm-train`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_dialogue::{Codec, Template};
use apo_llama::{Start, Weights, directory};
use apo_stage::training::Defaults;
use apo_stage::{ComputeArgs, OutputArgs, ReportArgs, TrainingArgs, not_negative};
use apo_tables::{Pair, Provenance, Reader, Response};
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  The reward model of round 1:
    rm-train --model base --pairs data/rm-pairs.parquet --golden golden.parquet \\
      --samples round-1/rm-samples.parquet --out round-1/rm

  RM_Base: people's preferences alone:
    rm-train --model base --pairs data/rm-pairs.parquet --out rm-base

A stopped run goes on where it was when the same command is given again.

Exit status: 0 done, 1 failed while working, 2 wrong usage, 3 bad input,
4 the output exists and was made otherwise, 130 or 143 stopped by a signal.";

/// Train a reward model on preferences and golden answers
///
/// Minimises APO eq. 17: golden responses are to be rewarded above the
/// policy's samples, without forgetting which response people preferred.
/// Every query's parts are taken in one step. Without --golden it is plain
/// ranking of the pairs.
#[derive(Debug, Parser)]
#[command(name = "rm-train", version, after_help = EXAMPLES)]
pub struct Args {
    /// Model directory to start from; a policy gets a new reward head
    #[arg(long, value_name = "DIR", help_heading = "Models")]
    pub model: PathBuf,

    /// hh, or chat for the model's own chat template [default: what the model
    /// was trained with; hh for one without a chat template]
    #[arg(long, value_name = "TEMPLATE", help_heading = "Models")]
    pub template: Option<Template>,

    #[command(flatten)]
    pub tables: TableArgs,

    /// Weight of people's preferences, β₂ of APO eq. 17
    #[arg(
        long,
        value_name = "WEIGHT",
        default_value = "10",
        value_parser = not_negative,
        help_heading = "Objective"
    )]
    pub beta_2: f64,

    /// Tokens of prompt and response at most; longer ones are cut, and counted
    #[arg(
        long,
        value_name = "N",
        default_value = "512",
        help_heading = "Objective"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(8..))]
    pub limit: u32,

    #[command(flatten)]
    pub training: TrainingArgs,

    #[command(flatten)]
    pub compute: ComputeArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tables")]
pub struct TableArgs {
    /// People's preferences, a `pairs` table
    #[arg(long, value_name = "PARQUET")]
    pub pairs: PathBuf,

    /// Golden answers, a `responses` table
    #[arg(long, value_name = "PARQUET", requires = "samples")]
    pub golden: Option<PathBuf>,

    /// The policy's answers to the same queries, a `responses` table
    #[arg(long, value_name = "PARQUET", requires = "golden")]
    pub samples: Option<PathBuf>,
}

/// The tables, found to be what they should be.
#[derive(Debug)]
pub struct Tables {
    pub pairs: Reader<Pair>,
    pub golden: Option<Reader<Response>>,
    pub samples: Option<Reader<Response>>,
}

impl TableArgs {
    /// Opens all tables.
    ///
    /// # Errors
    ///
    /// When one is missing, empty, or has other columns.
    pub fn open(&self) -> Result<Tables> {
        let responses = |path: &Option<PathBuf>| -> Result<Option<Reader<Response>>> {
            Ok(path.as_deref().map(Reader::open_filled).transpose()?)
        };
        Ok(Tables {
            pairs: Reader::open_filled(&self.pairs)?,
            golden: responses(&self.golden)?,
            samples: responses(&self.samples)?,
        })
    }
}

impl Args {
    /// Returns the weight of people's preferences; plain ranking weighs them 1.
    pub fn beta_2(&self) -> f64 {
        if self.tables.golden.is_some() {
            self.beta_2
        } else {
            1.0
        }
    }

    /// Returns the files and folders that the model is made of.
    pub fn inputs(&self) -> impl Iterator<Item = &Path> {
        let tables = [&self.tables.golden, &self.tables.samples];
        let tables = tables.into_iter().filter_map(Option::as_deref);
        tables.chain([self.model.as_path(), &self.tables.pairs])
    }

    /// Returns where the parameters come from.
    ///
    /// # Errors
    ///
    /// When the weights cannot be opened.
    pub fn start(&self, model: &Path) -> Result<Start> {
        if Weights::open(model)?.has_reward_head() {
            return Ok(Start::Saved);
        }
        Ok(Start::NewHead(self.training.seed))
    }

    /// Returns what the output depends on.
    ///
    /// # Errors
    ///
    /// When an input cannot be read.
    pub fn provenance(&self, tables: &Tables, codec: &Codec) -> Result<Provenance> {
        let mut provenance = Provenance::new("rm-train", env!("CARGO_PKG_VERSION"))
            .argument("beta_2", self.beta_2())
            .argument("limit", self.limit)
            .argument("template", codec.template().to_string())
            .argument("precision", self.compute.precision_name())
            .input("model", directory::input(&self.model)?)
            .input("pairs", tables.pairs.input()?);
        for (name, table) in [("golden", &tables.golden), ("samples", &tables.samples)] {
            if let Some(table) = table {
                provenance = provenance.input(name, table.input()?);
            }
        }
        Ok(self.training.provenance(provenance, Defaults::REWARD_MODEL))
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

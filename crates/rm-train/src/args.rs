//! The command line of `rm-train`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_dialogue::{Codec, Template};
use apo_llama::{ModelDirectory, Start, directory};
use apo_model_stage::training::Defaults;
use apo_model_stage::{ComputeArgs, TrainingArgs, models};
use apo_objectives::Adversarial;
use apo_stage::{OutputArgs, ReportArgs, bad_input, not_negative, value_name};
use apo_tables::{Pair, Provenance, Reader, Response};
use clap::{Parser, ValueEnum};

const EXAMPLES: &str = concat!(
    "\
Examples:
  The reward model of round 1:
    rm-train --model base --pairs data/rm-pairs.parquet --golden golden.parquet \\
      --samples round-1/rm-samples.parquet --out round-1/rm

  RM_Base: people's preferences alone:
    rm-train --model base --pairs data/rm-pairs.parquet --out rm-base

  The paper's ablations: without people's preferences, and RM_Base trained on:
    rm-train --objective gail --model base --golden golden.parquet \\
      --samples round-1/rm-samples.parquet --out rm-gail
    rm-train --objective ab --model rm-base --pairs data/rm-pairs.parquet --out rm-ab

A stopped run goes on where it was when the same command is given again.

",
    apo_stage::exit_status!()
);

/// Train a reward model on preferences and golden answers
///
/// Minimises APO eq. 17: golden responses are to be rewarded above the
/// policy's samples, without forgetting which response people preferred.
/// Every query's parts are taken in one step. Without --golden it is plain
/// ranking of the pairs; --objective names the paper's other ones.
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

    /// What is minimised [default: apo with --golden, else rank]
    #[arg(long, value_name = "NAME", value_enum, help_heading = "Objective")]
    pub objective: Option<Objective>,

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

/// The reward models of the paper (Tables 3 and 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Objective {
    /// Golden answers above samples, and people's preferences (eq. 17)
    Apo,
    /// People's preferences alone (eq. 1): the baseline and the test reward model
    Rank,
    /// Eq. 17 with the plain difference of rewards between golden and samples
    /// (eq. 14)
    Wgan,
    /// Golden answers above samples alone (β₂ = 0)
    Gail,
    /// People's preferences alone, on from --model, the baseline (AB)
    Ab,
    /// Eq. 17, on from --model, the previous round's reward model
    Seq,
}

impl Objective {
    fn uses_golden(self) -> bool {
        matches!(self, Self::Apo | Self::Wgan | Self::Gail | Self::Seq)
    }

    fn uses_pairs(self) -> bool {
        self != Self::Gail
    }

    fn continues_rm(self) -> bool {
        matches!(self, Self::Ab | Self::Seq)
    }

    /// Returns what golden answers against samples cost.
    pub fn adversarial(self) -> Adversarial {
        if self == Self::Wgan {
            Adversarial::Difference
        } else {
            Adversarial::Ranking
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tables")]
pub struct TableArgs {
    /// People's preferences, a `pairs` table
    #[arg(long, value_name = "PARQUET")]
    pub pairs: Option<PathBuf>,

    /// Golden answers, a `responses` table
    #[arg(long, value_name = "PARQUET")]
    pub golden: Option<PathBuf>,

    /// The policy's answers to the same queries, a `responses` table
    #[arg(long, value_name = "PARQUET")]
    pub samples: Option<PathBuf>,
}

/// The tables, found to be what they should be.
#[derive(Debug)]
pub struct Tables {
    pub pairs: Option<Reader<Pair>>,
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
            pairs: self.pairs.as_deref().map(Reader::open_filled).transpose()?,
            golden: responses(&self.golden)?,
            samples: responses(&self.samples)?,
        })
    }
}

impl Args {
    /// Checks that the tables are those of the objective.
    ///
    /// # Errors
    ///
    /// When some lack or are not used: all of them.
    pub fn check_tables(&self) -> Result<(), String> {
        let objective = self.objective();
        let tables = &self.tables;
        let mut needed = Vec::new();
        let mut unused = Vec::new();
        for (name, table, uses) in [
            ("--pairs", &tables.pairs, objective.uses_pairs()),
            ("--golden", &tables.golden, objective.uses_golden()),
            ("--samples", &tables.samples, objective.uses_golden()),
        ] {
            match table {
                None if uses => needed.push(name),
                Some(_) if !uses => unused.push(name),
                _ => {}
            }
        }
        let mut problems = Vec::new();
        if !needed.is_empty() {
            problems.push(format!("needs {}", needed.join(" and ")));
        }
        if !unused.is_empty() {
            problems.push(format!("does not use {}", unused.join(" and ")));
        }
        if problems.is_empty() {
            return Ok(());
        }
        let name = value_name(&objective);
        Err(format!("--objective {name} {}", problems.join("; it ")))
    }

    /// Returns what is minimised.
    pub fn objective(&self) -> Objective {
        let has_golden = self.tables.golden.is_some() || self.tables.samples.is_some();
        self.objective.unwrap_or(if has_golden {
            Objective::Apo
        } else {
            Objective::Rank
        })
    }

    /// Returns the weight of people's preferences: 1 for an objective of
    /// preferences alone, 0 for GAIL.
    pub fn beta_2(&self) -> f64 {
        match self.objective() {
            Objective::Rank | Objective::Ab => 1.0,
            Objective::Gail => 0.0,
            Objective::Apo | Objective::Wgan | Objective::Seq => self.beta_2,
        }
    }

    /// Returns the files and folders that the model is made of.
    pub fn inputs(&self) -> impl Iterator<Item = &Path> {
        let tables = [
            &self.tables.pairs,
            &self.tables.golden,
            &self.tables.samples,
        ];
        let tables = tables.into_iter().filter_map(Option::as_deref);
        tables.chain([self.model.as_path()])
    }

    /// Returns where the parameters come from.
    ///
    /// # Errors
    ///
    /// When the weights cannot be opened, or the objective goes on from a reward
    /// model and this is none.
    pub fn start(&self, model: &Path) -> Result<Start> {
        if ModelDirectory::open(model)?.has_reward_head()? {
            return Ok(Start::Saved);
        }
        if self.objective().continues_rm() {
            return Err(bad_input(format!(
                "{}: has no reward head, and --objective {} goes on from a reward model",
                model.display(),
                value_name(&self.objective())
            )));
        }
        Ok(Start::NewHead(self.training.seed))
    }

    /// Returns what the output depends on.
    ///
    /// # Errors
    ///
    /// When an input cannot be read.
    pub fn provenance(&self, tables: &Tables, codec: &Codec) -> Result<Provenance> {
        let provenance = Provenance::new("rm-train", env!("CARGO_PKG_VERSION"))
            .argument("objective", value_name(&self.objective()))
            .argument("beta_2", self.beta_2())
            .argument("limit", self.limit)
            .argument("precision", self.compute.precision()?.name())
            .input("model", directory::input(&self.model)?);
        let mut provenance = models::rendering(provenance, codec);
        if let Some(pairs) = &tables.pairs {
            provenance = provenance.input("pairs", pairs.input()?);
        }
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

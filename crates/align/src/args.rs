//! The command line of `align`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_decoder::Start;
use apo_model_stage::{ComputeArgs, LimitArgs, ModelArgs, POLICY_LIMIT};
use apo_stage::{OutputArgs, ReportArgs, hub, not_negative};
use apo_training::Objective;
use apo_training_stage::TrainingArgs;
use clap::{Parser, Subcommand, ValueEnum};

use crate::loss::LossArgs;

const EXAMPLES: &str = concat!(
    "\
Examples:
  A starting policy, on the responses that people preferred:
    align sft --model base --pairs data/rm-pairs.parquet --out sft

  Round 1 by DPO, on the policy's own responses as a reward model scores them:
    align dpo --model sft --responses round-1/scored.parquet --out round-1/policy

  DPO on people's preferences, without a reward model:
    align dpo --model sft --pairs-table data/train-pairs.parquet --out policy

To resume a stopped run, run the same command again.

",
    apo_stage::exit_status!()
);

/// Train a policy: fine-tune it, or align it on its own scored responses
#[derive(Debug, Parser)]
#[command(name = "align", version, after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    pub method: Method,
}

#[derive(Debug, Subcommand)]
pub enum Method {
    /// Supervised fine-tuning on chosen responses, golden answers, or
    /// instructions: next-token loss on response tokens
    Sft(Sft),
    /// Rejection sampling: fine-tuning on each query's best response (APO eq. 6)
    Rjs(Rjs),
    /// Rank responses to align human feedback (APO eq. 5)
    Rrhf(Rrhf),
    /// Direct preference optimisation, each query's best response against its
    /// worst, or people's pairs (DPO eq. 7), or another loss on such pairs (--loss)
    Dpo(Dpo),
}

/// The arguments of every method.
#[derive(Debug, clap::Args)]
pub struct Common {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub limit: LimitArgs<POLICY_LIMIT>,

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
#[group(id = "what", required = true, multiple = false)]
pub struct SftTable {
    /// Train on the chosen responses of a `pairs` table
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub pairs: Option<PathBuf>,

    /// Train on the responses of a `responses` table, as golden answers
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub golden: Option<PathBuf>,

    /// Train on instructions and their outputs, Alpaca's JSON (also .gz, .jsonl)
    #[arg(long, value_name = "JSON", help_heading = "Tables")]
    pub instructions: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Sft {
    #[command(flatten)]
    pub table: SftTable,

    /// Draw all weights at random; --model gives only config and tokenizer
    #[arg(long, help_heading = "Models")]
    pub from_scratch: bool,

    #[command(flatten)]
    pub common: Common,
}

/// The scored responses that alignment learns from.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tables")]
pub struct Scored {
    /// The policy's responses with their rewards, as `judge score` writes them
    #[arg(long, value_name = "PARQUET")]
    pub responses: PathBuf,
}

/// How rewards become those that alignment learns from.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Objective")]
pub struct RewardArgs {
    /// Reward less for each token of a response, so that length alone is no reason to
    /// prefer it (DICE, arXiv 2406.09760)
    #[arg(long, value_name = "REWARD", default_value = "0", value_parser = not_negative)]
    pub length_penalty: f64,
}

#[derive(Debug, clap::Args)]
pub struct Rjs {
    #[command(flatten)]
    pub scored: Scored,

    #[command(flatten)]
    pub rewards: RewardArgs,

    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, clap::Args)]
pub struct Rrhf {
    #[command(flatten)]
    pub scored: Scored,

    #[command(flatten)]
    pub rewards: RewardArgs,

    /// Weight of the best response's likelihood, λ of APO eq. 5
    #[arg(
        long,
        value_name = "WEIGHT",
        default_value = "1",
        value_parser = not_negative,
        help_heading = "Objective"
    )]
    pub lambda: f64,

    /// Sum log-probs over tokens, as eq. 5 is printed, instead of averaging
    /// them
    #[arg(long, help_heading = "Objective")]
    pub sum_log_probs: bool,

    #[command(flatten)]
    pub common: Common,
}

/// What alignment by pairs learns from.
#[derive(Debug, clap::Args)]
#[group(id = "learned", required = true, multiple = false)]
#[command(next_help_heading = "Tables")]
pub struct DpoTable {
    /// The policy's responses with their rewards, as `judge score` writes them
    #[arg(long, value_name = "PARQUET")]
    pub responses: Option<PathBuf>,

    /// People's preferences, a `pairs` table, to learn from without a reward model
    /// (offline DPO)
    #[arg(long, value_name = "PARQUET")]
    #[arg(conflicts_with_all = ["reference_log_probs", "length_penalty"])]
    pub pairs_table: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Dpo {
    #[command(flatten)]
    pub table: DpoTable,

    /// Model directory of the reference, or its name on the hub [default: --model];
    /// simpo and slic have none
    #[arg(long, value_name = "DIR", help_heading = "Models")]
    pub reference: Option<PathBuf>,

    /// Log-probs of the responses under the reference, which `judge log-probs`
    /// wrote for the same table (not kto) [default: computed here]
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub reference_log_probs: Option<PathBuf>,

    #[command(flatten)]
    pub loss: LossArgs,

    #[command(flatten)]
    pub rewards: RewardArgs,

    /// Pairs to make of a query's responses: best-worst is its best response
    /// against its worst; all is every pair with different rewards, with a total
    /// weight of one; random is one of these pairs, drawn by --seed. An empty
    /// response is never the better one
    #[arg(
        long = "pair-selection",
        alias = "pairs",
        value_name = "WHICH",
        value_enum,
        default_value = "best-worst",
        conflicts_with = "pairs_table",
        help_heading = "Objective"
    )]
    pub pairs: WhichPairs,

    #[command(flatten)]
    pub common: Common,
}

/// The pairs of a query that DPO compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WhichPairs {
    /// The best response against the worst.
    BestWorst,
    /// Every pair with different rewards.
    All,
    /// One of these, drawn at random.
    Random,
}

impl Args {
    /// Checks that the options belong to the loss.
    ///
    /// # Errors
    ///
    /// As [`LossArgs::check`].
    pub fn check_loss(&self) -> Result<(), String> {
        match &self.method {
            Method::Dpo(dpo) => {
                let log_probs = dpo.reference_log_probs.as_deref();
                dpo.loss.check(dpo.reference.as_deref(), log_probs)
            }
            _ => Ok(()),
        }
    }
}

impl Method {
    pub fn common(&self) -> &Common {
        match self {
            Self::Sft(sft) => &sft.common,
            Self::Rjs(rjs) => &rjs.common,
            Self::Rrhf(rrhf) => &rrhf.common,
            Self::Dpo(dpo) => &dpo.common,
        }
    }

    /// Brings those of its models from the hub that are named there.
    ///
    /// # Errors
    ///
    /// As [`hub::model`].
    pub fn fetch_models(&mut self) -> Result<()> {
        let common = match self {
            Self::Sft(sft) => &mut sft.common,
            Self::Rjs(rjs) => &mut rjs.common,
            Self::Rrhf(rrhf) => &mut rrhf.common,
            Self::Dpo(dpo) => {
                if let Some(reference) = &mut dpo.reference {
                    hub::model(reference, &dpo.common.report)?;
                }
                &mut dpo.common
            }
        };
        common.model.fetch(&common.report)?;
        Ok(())
    }

    /// Returns the method's name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sft(_) => "sft",
            Self::Rjs(_) => "rjs",
            Self::Rrhf(_) => "rrhf",
            Self::Dpo(_) => "dpo",
        }
    }

    /// Returns the file of instructions, if the policy learns from one.
    pub fn instructions(&self) -> Option<&Path> {
        match self {
            Self::Sft(sft) => sft.table.instructions.as_deref(),
            _ => None,
        }
    }

    /// Returns what each token of a response costs of its reward; 0 for methods without
    /// rewards.
    pub fn length_penalty(&self) -> f64 {
        match self {
            Self::Sft(_) => 0.0,
            Self::Rjs(rjs) => rjs.rewards.length_penalty,
            Self::Rrhf(rrhf) => rrhf.rewards.length_penalty,
            Self::Dpo(dpo) => dpo.rewards.length_penalty,
        }
    }

    /// Returns the files and folders that the policy is made of.
    pub fn inputs(&self) -> impl Iterator<Item = &Path> {
        let table = match self {
            Self::Sft(Sft { table, .. }) => {
                let paths = [&table.pairs, &table.golden, &table.instructions];
                paths.into_iter().find_map(Option::as_deref)
            }
            Self::Rjs(rjs) => Some(rjs.scored.responses.as_path()),
            Self::Rrhf(rrhf) => Some(rrhf.scored.responses.as_path()),
            Self::Dpo(dpo) => {
                let paths = [&dpo.table.responses, &dpo.table.pairs_table];
                paths.into_iter().find_map(Option::as_deref)
            }
        };
        let model = self.common().model.dir.as_path();
        let log_probs = match self {
            Self::Dpo(dpo) => dpo.reference_log_probs.as_deref(),
            _ => None,
        };
        let models = self.reference().into_iter().chain([model]);
        table.into_iter().chain(log_probs).chain(models)
    }

    /// Returns where the parameters come from.
    pub fn start(&self) -> Start {
        match self {
            Self::Sft(sft) if sft.from_scratch => Start::Scratch(sft.common.training.seed),
            _ => Start::Saved,
        }
    }

    /// Returns the reference's directory, for methods with a reference.
    pub fn reference(&self) -> Option<&Path> {
        match self {
            Self::Dpo(dpo) if dpo.loss.pair_loss().needs_reference() => {
                Some(dpo.reference.as_ref().unwrap_or(&dpo.common.model.dir))
            }
            _ => None,
        }
    }

    pub fn objective(&self) -> Objective {
        match self {
            Self::Sft(_) | Self::Rjs(_) => Objective::Likelihood,
            Self::Rrhf(rrhf) => Objective::Rrhf {
                lambda: rrhf.lambda,
                sum_log_probs: rrhf.sum_log_probs,
            },
            Self::Dpo(dpo) => Objective::Pairs {
                loss: dpo.loss.pair_loss(),
                sft_weight: dpo.loss.sft_weight,
            },
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

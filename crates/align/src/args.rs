//! The command line of `align`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_dialogue::{Codec, Template};
use apo_llama::{Start, directory};
use apo_model_stage::training::Defaults;
use apo_model_stage::{ComputeArgs, TrainingArgs, models};
use apo_stage::{OutputArgs, ReportArgs, bad_input, not_negative, value_name};
use apo_tables::import::{self, ANSWER_FIELDS};
use apo_tables::{Input, Pair, Provenance, Reader, Response};
use apo_training::Objective;
use clap::{Parser, Subcommand, ValueEnum};

use crate::instructions;
use crate::loss::LossArgs;
use crate::reference::KnownLogProbs;

const EXAMPLES: &str = concat!(
    "\
Examples:
  A starting policy, on the responses that people preferred:
    align sft --model base --pairs data/rm-pairs.parquet --out sft

  Round 1 by DPO, on the policy's own responses as a reward model scores them:
    align dpo --model sft --responses round-1/scored.parquet --out round-1/policy

A stopped run goes on where it was when the same command is given again.

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
    /// worst (DPO eq. 7), or another loss on such pairs (--loss)
    Dpo(Dpo),
}

/// What every method takes.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// Model directory to start from
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
        default_value = "1024",
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

    /// Draw all weights anew: only config and tokenizer are read from --model
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

#[derive(Debug, clap::Args)]
pub struct Rjs {
    #[command(flatten)]
    pub scored: Scored,

    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, clap::Args)]
pub struct Rrhf {
    #[command(flatten)]
    pub scored: Scored,

    /// Weight of the best response's likelihood, λ of APO eq. 5
    #[arg(
        long,
        value_name = "WEIGHT",
        default_value = "1",
        value_parser = not_negative,
        help_heading = "Objective"
    )]
    pub lambda: f64,

    /// Sum log-probs over tokens, as eq. 5 is printed, instead of their mean
    #[arg(long, help_heading = "Objective")]
    pub sum_log_probs: bool,

    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, clap::Args)]
pub struct Dpo {
    #[command(flatten)]
    pub scored: Scored,

    /// Model directory of the reference [default: --model]; simpo and slic have none
    #[arg(long, value_name = "DIR", help_heading = "Models")]
    pub reference: Option<PathBuf>,

    /// Log-probs of the responses under the reference, as `judge log-probs` wrote
    /// them of the same table [default: computed here]
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub reference_log_probs: Option<PathBuf>,

    #[command(flatten)]
    pub loss: LossArgs,

    /// Which pairs of a query: its best response against its worst, or all whose
    /// rewards differ, together weighing as one; an empty response is never the
    /// better one
    #[arg(
        long,
        value_name = "WHICH",
        value_enum,
        default_value = "best-worst",
        help_heading = "Objective"
    )]
    pub pairs: Which,

    #[command(flatten)]
    pub common: Common,
}

/// The pairs of a query that DPO compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// The best response against the worst.
    BestWorst,
    /// Every ordered pair.
    All,
}

/// The table that a method learns from.
#[derive(Debug)]
pub enum Tables {
    Pairs(Reader<Pair>),
    Golden(Reader<Response>),
    Scored(Reader<Response>),
    Instructions(import::Source, Input),
}

impl Args {
    /// Checks that the options are those of the loss.
    ///
    /// # Errors
    ///
    /// As [`LossArgs::check`].
    pub fn check_loss(&self) -> Result<(), String> {
        match &self.method {
            Method::Dpo(dpo) => {
                let log_probs = dpo.reference_log_probs.is_some();
                dpo.loss.check(dpo.reference.is_some(), log_probs)
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

    fn name(&self) -> &'static str {
        match self {
            Self::Sft(_) => "sft",
            Self::Rjs(_) => "rjs",
            Self::Rrhf(_) => "rrhf",
            Self::Dpo(_) => "dpo",
        }
    }

    /// Opens the table.
    ///
    /// # Errors
    ///
    /// When it is missing, empty, or has other columns.
    pub fn open(&self) -> Result<Tables> {
        let scored = match self {
            Self::Sft(Sft { table, .. }) => {
                if let Some(path) = &table.pairs {
                    return Ok(Tables::Pairs(Reader::open_filled(path)?));
                }
                if let Some(path) = &table.golden {
                    return Ok(Tables::Golden(Reader::open_filled(path)?));
                }
                let path = table.instructions.as_deref().unwrap_or(Path::new(""));
                return Ok(Tables::Instructions(
                    import::Source::open(path, ANSWER_FIELDS)?,
                    instructions::input(path)?,
                ));
            }
            Self::Rjs(rjs) => &rjs.scored,
            Self::Rrhf(rrhf) => &rrhf.scored,
            Self::Dpo(dpo) => &dpo.scored,
        };
        let reader = Reader::<Response>::open_filled(&scored.responses)?;
        if reader.schema()?.field_with_name("reward").is_err() {
            return Err(bad_input(format!(
                "{}: column `reward` is missing; `judge score` adds it",
                scored.responses.display()
            )));
        }
        Ok(Tables::Scored(reader))
    }

    /// Returns the file of instructions, where the policy learns from one.
    pub fn instructions(&self) -> Option<&Path> {
        match self {
            Self::Sft(sft) => sft.table.instructions.as_deref(),
            _ => None,
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
            Self::Dpo(dpo) => Some(dpo.scored.responses.as_path()),
        };
        let model = self.common().model.as_path();
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

    /// Returns the reference's directory, for methods that have one.
    pub fn reference(&self) -> Option<&Path> {
        match self {
            Self::Dpo(dpo) if dpo.loss.pair_loss().has_reference() => {
                Some(dpo.reference.as_ref().unwrap_or(&dpo.common.model))
            }
            _ => None,
        }
    }

    /// Reads the reference's log-probs, where they are given.
    ///
    /// # Errors
    ///
    /// As [`KnownLogProbs::read`].
    pub fn known_log_probs(
        &self,
        provenance: &Provenance,
        codec: &Codec,
    ) -> Result<Option<KnownLogProbs>> {
        let (Self::Dpo(dpo), Some(dir)) = (self, self.reference()) else {
            return Ok(None);
        };
        let reference = (dir, &provenance.inputs["reference"]);
        let path = dpo.reference_log_probs.as_deref();
        path.map(|path| KnownLogProbs::read(path, reference, &dpo.common, codec))
            .transpose()
    }

    /// Whether responses are held against each other, so that margins may grow
    /// while all of them become less likely.
    pub fn compares(&self) -> bool {
        matches!(self, Self::Rrhf(_) | Self::Dpo(_))
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

    /// Returns what the output depends on.
    ///
    /// # Errors
    ///
    /// When an input cannot be read.
    pub fn provenance(&self, tables: &Tables, codec: &Codec) -> Result<Provenance> {
        let common = self.common();
        let (name, input) = match tables {
            Tables::Pairs(reader) => ("pairs", reader.input()?),
            Tables::Golden(reader) => ("golden", reader.input()?),
            Tables::Scored(reader) => ("responses", reader.input()?),
            Tables::Instructions(_, input) => ("instructions", input.clone()),
        };
        let provenance = Provenance::new("align", env!("CARGO_PKG_VERSION"))
            .argument("method", self.name())
            .argument("limit", common.limit)
            .argument("precision", common.compute.precision()?.name())
            .input(name, input);
        let mut provenance = models::rendering(provenance, codec);
        let model = directory::input(&common.model)?;
        if let Some(dir) = self.reference() {
            // All of a model is read for its digest: once is enough.
            let reference = if dir == common.model {
                model.clone()
            } else {
                directory::input(dir)?
            };
            provenance = provenance.input("reference", reference);
        }
        provenance = provenance.input("model", model);
        if let Self::Dpo(dpo) = self
            && let Some(path) = &dpo.reference_log_probs
        {
            provenance = provenance.input("reference_log_probs", apo_tables::input(path)?);
        }
        provenance = match self {
            Self::Sft(sft) => provenance.argument("from_scratch", sft.from_scratch),
            Self::Rjs(_) => provenance,
            Self::Rrhf(rrhf) => provenance
                .argument("lambda", rrhf.lambda)
                .argument("sum_log_probs", rrhf.sum_log_probs),
            Self::Dpo(dpo) => dpo
                .loss
                .provenance(provenance)
                .argument("pairs", value_name(&dpo.pairs)),
        };
        Ok(common.training.provenance(provenance, Defaults::POLICY))
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

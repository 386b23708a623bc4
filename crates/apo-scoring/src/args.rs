//! Arguments of the commands that measure.

#![expect(
    missing_docs,
    reason = "a doc comment is a help text; arguments without one have that of their type"
)]

use std::path::PathBuf;

use apo_model_stage::{ComputeArgs, LimitArgs, MicroTokensArgs, ModelArgs, SCORING_MICRO_TOKENS};
use apo_stage::{OutputArgs, ReportArgs};

use crate::read_at::ReadAt;

const SCORE: &str = concat!(
    "\
Examples:
  A policy's test answers, scored by RM_Test:
    judge score --model rm-test --responses answers.parquet --out scored.parquet

  The same by a ready reward model, on dialogues as its chat template renders them:
    judge score --model Skywork-Reward-V2-Qwen3-0.6B --template chat \\
        --responses answers.parquet --out scored.parquet

  How much better a round's answers are than those of its start:
    judge score --model rm-test --responses round-1/answers.parquet \\
        --against start/answers-scored.parquet --out round-1/answers-scored.parquet

  The same numbers again, as JSON; nothing is computed twice:
    judge score --model rm-test --responses answers.parquet --out scored.parquet --json

If rewards and lengths of the responses have a correlation beyond ±0.5, a warning
says so: whoever learns from such rewards learns length.

To resume a stopped run, run the same command again.

",
    apo_stage::exit_status!()
);

/// What `--help` says after the options of `judge log-probs`.
pub const LOG_PROBS: &str = concat!(
    "\
Examples:
  The reference's log-probs, for several alignments of the same responses:
    judge log-probs --model sft --responses round-1/scored.parquet \\
      --out reference.parquet
    align dpo --model sft --responses round-1/scored.parquet \\
      --reference-log-probs reference.parquet --out round-1/policy

To resume a stopped run, run the same command again.

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

const KL: &str = concat!(
    "\
Examples:
  A round's policy against the one it was aligned from, on its test answers:
    judge kl --model round-1/policy --reference sft --responses round-1/answers.parquet

The estimate is the mean of log π(y) − log π_ref(y) over the responses, per token
and per response. Both log-probs are of the text, at temperature 1. If the responses
were sampled at another temperature, it tells how far they are from the reference,
which is not the policy's own KL.

",
    apo_stage::exit_status!(no output)
);

/// The model of `score`, `accuracy`, `kl` and `log-probs`, and how it reads responses.
#[derive(Debug, clap::Args)]
pub struct ScorerArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub limit: LimitArgs<512>,

    /// Where a reward model that others trained on its chat template is read: at the
    /// last token of the whole dialogue, as `transformers` does, or at the last one
    /// that ends a turn [default: last]
    #[arg(long, value_name = "WHERE", value_enum, help_heading = "Models")]
    pub read_at: Option<ReadAt>,

    #[command(flatten)]
    pub micro_tokens: MicroTokensArgs<SCORING_MICRO_TOKENS>,

    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// The arguments of `log-probs`, which `score` has, too.
#[derive(Debug, clap::Args)]
pub struct ValuesArgs {
    #[command(flatten)]
    pub scorer: ScorerArgs,

    /// The responses, a `responses` table; `score` keeps additional columns
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub responses: PathBuf,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = SCORE)]
pub struct ScoreArgs {
    #[command(flatten)]
    pub values: ValuesArgs,

    /// Other responses to the same queries, scored by the same model: prints by how
    /// much these rewards are higher, and by how much they would be at like length
    #[arg(long, value_name = "PARQUET", help_heading = "Measures")]
    pub against: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = ACCURACY)]
pub struct AccuracyArgs {
    #[command(flatten)]
    pub scorer: ScorerArgs,

    /// People's preferences, a `pairs` table
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub pairs: PathBuf,

    /// Number of calibration bins
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

#[derive(Debug, clap::Args)]
#[command(after_help = KL)]
pub struct KlArgs {
    #[command(flatten)]
    pub scorer: ScorerArgs,

    /// Directory of the reference, or its name on the hub: the policy before an
    /// alignment, or before all rounds
    #[arg(long, value_name = "DIR", help_heading = "Models")]
    pub reference: PathBuf,

    /// The policy's own responses, a `responses` table
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub responses: PathBuf,

    #[command(flatten)]
    pub report: ReportArgs,
}

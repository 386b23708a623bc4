//! The command line of `sample`.

use std::path::PathBuf;

use apo_model_stage::{ComputeArgs, ModelArgs};
use apo_stage::{OutputArgs, ReportArgs};
use clap::Parser;

const EXAMPLES: &str = concat!(
    "\
Examples:
  Four samples for each query, as for APO's training:
    sample --model sft --queries data/rm-queries.parquet --out rm-samples.parquet

  One answer to each query, as in the paper's evaluation:
    sample --model sft --queries data/test-queries.parquet --samples 1 \\
      --temperature 0.3 --top-k 5 --top-p 0.85 --repetition-penalty 1.05 \\
      --max-new-tokens 512 --out answers.parquet

To resume a stopped run, run the same command again.

",
    apo_stage::exit_status!()
);

/// Sample a policy's responses to queries
///
/// A response ends at the end of text or before another human turn, which is
/// cut off. A sample depends on --seed, its query and its number, but, except
/// for rounding, not on the batch, the order of the queries, or the threads.
#[derive(Debug, Parser)]
#[command(name = "sample", version, after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    pub model: ModelArgs,

    /// Queries to answer: a `queries` table, or any table with its columns
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub queries: PathBuf,

    /// Number of responses to each query
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Sampling")]
    pub samples: u16,

    /// Temperature: divides the logits; 0 always takes the likeliest token
    #[arg(
        long,
        value_name = "T",
        default_value = "1.2", value_parser = temperature,
        help_heading = "Sampling"
    )]
    pub temperature: f32,

    /// Keep only this many of the likeliest tokens; 0 keeps all
    #[arg(long, value_name = "K", default_value_t = 0, help_heading = "Sampling")]
    pub top_k: usize,

    /// Keep only the likeliest tokens that together reach this probability
    #[arg(
        long,
        value_name = "P",
        default_value = "1", value_parser = top_p,
        help_heading = "Sampling"
    )]
    pub top_p: f32,

    /// Makes tokens that are in the prompt or response less likely; 1 has no effect
    #[arg(
        long,
        value_name = "X",
        default_value = "1", value_parser = penalty,
        help_heading = "Sampling"
    )]
    pub repetition_penalty: f32,

    /// Maximum number of tokens in a response
    #[arg(
        long,
        value_name = "N",
        default_value = "256", value_parser = clap::value_parser!(u32).range(1..=1_000_000),
        help_heading = "Sampling"
    )]
    pub max_new_tokens: u32,

    /// Maximum number of tokens in a prompt; longer prompts lose their beginning
    #[arg(
        long,
        visible_alias = "max-prompt-length",
        value_name = "N",
        default_value = "512", value_parser = clap::value_parser!(u32).range(2..=1_000_000),
        help_heading = "Sampling"
    )]
    pub prompt_limit: u32,

    /// Seed of all samples
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Sampling")]
    pub seed: u64,

    /// Number of responses computed at once; affects memory and speed, not the samples.
    /// `auto` takes as many as half of the free memory holds, at most 128; on a GPU, 32
    #[arg(
        long,
        value_name = "N",
        default_value = "auto",
        value_parser = batch,
        help_heading = "Compute"
    )]
    pub batch: Batch,

    #[command(flatten)]
    pub compute: ComputeArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// How many responses are computed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// As many as memory holds.
    Auto,
    /// This many.
    Of(u16),
}

fn batch(text: &str) -> Result<Batch, &'static str> {
    if text == "auto" {
        return Ok(Batch::Auto);
    }
    let found = text.parse().ok().filter(|it| *it > 0);
    found
        .map(Batch::Of)
        .ok_or("expected auto, or a number from 1 to 65535")
}

fn number(text: &str, holds: impl Fn(f32) -> bool) -> Option<f32> {
    text.parse()
        .ok()
        .filter(|it: &f32| it.is_finite() && holds(*it))
}

fn temperature(text: &str) -> Result<f32, &'static str> {
    // With a lower temperature, divided logits overflow f32.
    let found = number(text, |it| it == 0.0 || it >= 1e-3);
    found.ok_or("expected 0, or a number of at least 0.001")
}

fn top_p(text: &str) -> Result<f32, &'static str> {
    number(text, |it| it > 0.0 && it <= 1.0).ok_or("expected a number above 0 and at most 1")
}

fn penalty(text: &str) -> Result<f32, &'static str> {
    number(text, |it| it > 0.0).ok_or("expected a number above 0")
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

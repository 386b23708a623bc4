//! How much text models read, and how much of it at once.

/// Tokens that a policy reads by default, in training and where its log-probs are stored for it.
pub const POLICY_LIMIT: u32 = 1024;

/// Tokens that `judge` computes at once by default.
pub const SCORING_MICRO_TOKENS: u32 = 4096;

/// Tokens that a training computes at once by default.
pub const TRAINING_MICRO_TOKENS: u32 = 2048;

/// The longest text that a stage gives to a model; `DEFAULT` is the stage's.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct LimitArgs<const DEFAULT: u32> {
    /// Most tokens of prompt and response; longer texts are truncated, and
    /// counted
    #[arg(
        id = "limit",
        long = "limit",
        visible_alias = "max-length",
        value_name = "N",
        default_value = DEFAULT.to_string(),
        value_parser = clap::value_parser!(u32).range(8..),
        help_heading = "Models"
    )]
    pub tokens: u32,
}

/// The size of a micro-batch; `DEFAULT` is the stage's.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct MicroTokensArgs<const DEFAULT: u32> {
    /// Tokens computed at once; affects memory and speed, not the results
    #[arg(
        id = "micro_tokens",
        long = "micro-tokens",
        visible_alias = "batch-tokens",
        value_name = "N",
        default_value = DEFAULT.to_string(),
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Compute"
    )]
    pub tokens: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Stage<const LIMIT: u32, const MICRO_TOKENS: u32> {
        #[command(flatten)]
        limit: LimitArgs<LIMIT>,
        #[command(flatten)]
        micro_tokens: MicroTokensArgs<MICRO_TOKENS>,
    }

    fn read<const LIMIT: u32, const MICRO_TOKENS: u32>(line: &str) -> Option<(u32, u32)> {
        let words = line.split_whitespace();
        let stage = Stage::<LIMIT, MICRO_TOKENS>::try_parse_from(words).ok()?;
        Some((stage.limit.tokens, stage.micro_tokens.tokens))
    }

    #[test]
    fn each_stage_has_its_defaults_and_all_have_the_same_names() {
        assert_eq!(read::<512, 4096>("judge"), Some((512, 4096)));
        assert_eq!(read::<1024, 2048>("align"), Some((1024, 2048)));
        for line in [
            "_ --limit 8 --micro-tokens 1",
            "_ --max-length 8 --batch-tokens 1",
        ] {
            assert_eq!(read::<512, 2048>(line), Some((8, 1)), "{line}");
        }
        for line in ["_ --limit 7", "_ --micro-tokens 0"] {
            assert_eq!(read::<512, 2048>(line), None, "{line}");
        }
    }
}

//! The options of stages that ask an endpoint.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apo_endpoint::{Counts, OutcomeKind, Settings};
use apo_stage::not_negative;
use clap::ValueEnum;

use crate::token_cost::Asked;

/// Options for asking any endpoint.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Endpoint")]
pub struct AskingArgs {
    /// Requests at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub requests: u16,

    /// File that keeps the endpoint's answers; lines are only added to it
    /// [default: --out with .journal.jsonl]
    #[arg(long, value_name = "FILE", requires = "base_url")]
    pub journal: Option<PathBuf>,

    /// Longest duration of an attempt, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,

    /// Attempts at a request before it counts as failed
    #[arg(long, value_name = "N", default_value_t = 6)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    pub attempts: u32,

    /// Approximate first pause between attempts, in seconds; it doubles each time
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub first_pause: Duration,

    /// Number of failed requests in a row after which the stage stops
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub max_failures: u32,
}

/// Options for asking a chat endpoint.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Endpoint")]
pub struct EndpointArgs {
    /// How it is asked.
    #[command(flatten)]
    pub asking: AskingArgs,

    /// Answers in the journal to ask for once more: empty (replies without an
    /// answer), unreadable (replies that are not UTF-8), policy (refusals by the
    /// content policy); separated by commas. Failed requests are always asked
    /// again. The output must not exist yet
    #[arg(
        long,
        value_name = "KIND",
        requires = "base_url",
        value_delimiter = ','
    )]
    #[arg(conflicts_with = "from_journal")]
    pub ask_again: Vec<AskAgain>,

    /// Sampling temperature [default: the endpoint's default]
    #[arg(long, value_name = "TEMPERATURE", value_parser = not_negative)]
    pub temperature: Option<f64>,

    /// Most tokens of a reply [default: the endpoint's default]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: Option<u32>,

    /// Price of a million request tokens, in any currency
    #[arg(long, value_name = "PRICE", requires = "price_out", value_parser = not_negative)]
    pub price_in: Option<f64>,

    /// Price of a million reply tokens, in the same currency
    #[arg(long, value_name = "PRICE", requires = "price_in", value_parser = not_negative)]
    pub price_out: Option<f64>,
}

/// What `--ask-again` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AskAgain {
    /// Replies that are empty, or only a thought.
    Empty,
    /// Replies whose text cannot be read.
    Unreadable,
    /// Refusals by the content policy.
    Policy,
}

impl From<AskAgain> for OutcomeKind {
    fn from(again: AskAgain) -> Self {
        match again {
            AskAgain::Empty => Self::Empty,
            AskAgain::Unreadable => Self::Unreadable,
            AskAgain::Policy => Self::Policy,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = not_negative(text)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "expected a number of seconds")
}

impl AskingArgs {
    /// Returns the settings of the client.
    pub(crate) fn settings(&self, base_url: &str) -> Settings {
        Settings {
            timeout: Duration::from_secs(self.timeout),
            attempts: self.attempts,
            first_pause: self.first_pause,
            connections: self.requests.into(),
            ..Settings::new(base_url)
        }
    }

    /// Returns the path of the journal.
    pub fn journal(&self, out: &Path) -> PathBuf {
        self.journal.clone().unwrap_or_else(|| {
            let mut path = OsString::from(out);
            path.push(".journal.jsonl");
            path.into()
        })
    }
}

impl EndpointArgs {
    /// Returns the path of the journal.
    pub fn journal(&self, out: &Path) -> PathBuf {
        self.asking.journal(out)
    }

    /// Returns the prices of a million request tokens and a million reply tokens.
    pub fn prices(&self) -> Option<(f64, f64)> {
        self.price_in.zip(self.price_out)
    }

    /// Returns what was asked so far, as the progress line shows it.
    pub fn message(&self, counts: &Counts) -> String {
        Asked::new(*counts, self.prices()).message()
    }
}

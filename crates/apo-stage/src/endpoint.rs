//! How stages ask a chat endpoint: their arguments, the journal, what it took,
//! and whose fault an error is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Error, Result};
use apo_endpoint::{
    Client, Counts, Endpoint, EndpointError, Journal, JournalError, Key, Settings, Usage,
};
use serde::Serialize;

use crate::args::not_negative;
use crate::exit::bad_input;
use crate::signals;

/// How the endpoint is asked.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Endpoint")]
pub struct EndpointArgs {
    /// Requests at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub requests: u16,

    /// Where what the endpoint answers is kept, added to and never changed
    /// [default: --out with .journal.jsonl]
    #[arg(long, value_name = "FILE", requires = "base_url")]
    pub journal: Option<PathBuf>,

    /// Longest time of an attempt, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,

    /// Attempts at a request before it counts as failed
    #[arg(long, value_name = "N", default_value_t = 6)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    pub attempts: u32,

    /// About the first pause between attempts, in seconds; it doubles each time
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub first_pause: Duration,

    /// Failed requests in a row after which the stage stops
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub max_failures: u32,

    /// Sampling temperature [default: the endpoint's own]
    #[arg(long, value_name = "TEMPERATURE", value_parser = not_negative)]
    pub temperature: Option<f64>,

    /// Most tokens of a reply [default: the endpoint's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: Option<u32>,

    /// Price of a million tokens of requests, in any currency
    #[arg(long, value_name = "PRICE", requires = "price_out", value_parser = not_negative)]
    pub price_in: Option<f64>,

    /// Price of a million tokens of replies, in the same
    #[arg(long, value_name = "PRICE", requires = "price_in", value_parser = not_negative)]
    pub price_out: Option<f64>,
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = not_negative(text)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "expected seconds")
}

impl EndpointArgs {
    /// Returns whom to ask: the endpoint at `base_url` with its journal beside
    /// `out`, or a journal alone; none where neither is named.
    ///
    /// # Errors
    ///
    /// When the address or key is none, or the journal cannot be used.
    pub fn open(
        &self,
        base_url: Option<&str>,
        from_journal: Option<&Path>,
        out: &Path,
    ) -> Result<Option<Endpoint>> {
        if let Some(path) = from_journal {
            let journal = Journal::read(path).map_err(|error| sorted(error.into()))?;
            return Ok(Some(Endpoint::replay(journal)));
        }
        let Some(url) = base_url else {
            return Ok(None);
        };
        let key = Key::from_env().map_err(sorted)?;
        let client = Client::new(self.settings(url), key).map_err(sorted)?;
        let journal = Journal::open(&self.journal(out)).map_err(|error| sorted(error.into()))?;
        Ok(Some(Endpoint::online(client, journal, self.max_failures)))
    }

    fn settings(&self, base_url: &str) -> Settings {
        Settings {
            timeout: Duration::from_secs(self.timeout),
            attempts: self.attempts,
            first_pause: self.first_pause,
            connections: self.requests.into(),
            ..Settings::new(base_url)
        }
    }

    /// Returns where replies are kept.
    pub fn journal(&self, out: &Path) -> PathBuf {
        self.journal.clone().unwrap_or_else(|| {
            let mut path = OsString::from(out);
            path.push(".journal.jsonl");
            path.into()
        })
    }

    /// Returns prices of a request's and a reply's million tokens.
    pub fn prices(&self) -> Option<(f64, f64)> {
        self.price_in.zip(self.price_out)
    }

    /// Returns what was asked so far, as the progress tells it.
    pub fn message(&self, counts: &Counts) -> String {
        let asked = Asked::new(*counts, self.prices());
        let tokens = asked.tokens.prompt_tokens + asked.tokens.completion_tokens;
        let text = format!(
            "requests={} failed={} tokens={tokens}",
            asked.requests, asked.failed
        );
        match asked.tokens.cost {
            Some(cost) => format!("{text} cost={cost:.2}"),
            None => text,
        }
    }
}

/// What a run asked.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// Requests that were sent, however often.
    pub requests: u64,
    /// Each attempt at one.
    pub attempts: u64,
    /// Those that came to nothing.
    pub failed: u64,
    /// Replies that did not tell their tokens.
    pub without_usage: u64,
    /// What it took.
    #[serde(flatten)]
    pub tokens: Spent,
}

impl Asked {
    /// Counts what was asked, at prices of a million of a request's and a
    /// reply's tokens.
    pub fn new(counts: Counts, prices: Option<(f64, f64)>) -> Self {
        let usage = Usage {
            prompt_tokens: counts.prompt_tokens,
            completion_tokens: counts.completion_tokens,
        };
        Self {
            requests: counts.requests,
            attempts: counts.attempts,
            failed: counts.failed,
            without_usage: counts.without_usage,
            tokens: Spent::new(usage, prices),
        }
    }
}

/// Tokens, and what they cost where prices are given.
#[derive(Debug, Serialize)]
pub struct Spent {
    /// Of requests.
    pub prompt_tokens: u64,
    /// Of replies.
    pub completion_tokens: u64,
    /// In the prices' currency.
    pub cost: Option<f64>,
}

impl Spent {
    /// Counts tokens, at prices of a million of a request's and a reply's.
    pub fn new(usage: Usage, prices: Option<(f64, f64)>) -> Self {
        let Usage {
            prompt_tokens,
            completion_tokens,
        } = usage;
        let cost = prices.map(|(price_in, price_out)| {
            (prompt_tokens as f64 * price_in + completion_tokens as f64 * price_out) / 1e6
        });
        Self {
            prompt_tokens,
            completion_tokens,
            cost,
        }
    }
}

/// Sorts an error by whose fault it is.
pub fn sorted(error: EndpointError) -> Error {
    if matches!(error, EndpointError::Stopped)
        && let Err(stopped) = signals::check()
    {
        return stopped.into();
    }
    let is_bad_input = match &error {
        EndpointError::BadUrl { .. } | EndpointError::BadKey => true,
        EndpointError::Journal(error) => JournalError::is_bad_input(error),
        _ => false,
    };
    if is_bad_input {
        return bad_input(error.to_string());
    }
    Error::from(error).context("not all could be asked; replies so far are in the journal")
}

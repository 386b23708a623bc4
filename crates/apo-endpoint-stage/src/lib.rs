//! What stages that ask a chat endpoint share: arguments, the journal, the tokens
//! and costs, and whose fault an error is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Error, Result};
use apo_endpoint::{
    Client, Counts, Endpoint, EndpointError, Journal, JournalError, Key, Kind, Settings, Usage,
};
use apo_tables::Input;
use clap::ValueEnum;
use serde::Serialize;

use apo_stage::args::not_negative;
use apo_stage::bad_input;
use apo_stage::report::warn;
use apo_stage::signals;

/// Damaged lines that are reported one by one.
const TOLD: usize = 5;

/// Options for asking an endpoint.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Endpoint")]
pub struct EndpointArgs {
    /// Requests at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub requests: u16,

    /// File that keeps the endpoint's answers; lines are only added to it
    /// [default: --out with .journal.jsonl]
    #[arg(long, value_name = "FILE", requires = "base_url")]
    pub journal: Option<PathBuf>,

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

impl From<AskAgain> for Kind {
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

impl EndpointArgs {
    /// Returns the endpoint at `base_url`, with its journal beside `out`, or a
    /// journal to replay; `None` if neither is given.
    ///
    /// # Errors
    ///
    /// When the address or the key is malformed, when the environment names a proxy
    /// that cannot be used, or when the journal cannot be used.
    pub fn open(
        &self,
        base_url: Option<&str>,
        from_journal: Option<&Path>,
        out: &Path,
    ) -> Result<Option<Endpoint>> {
        if let Some(path) = from_journal {
            let journal = Journal::read(path).map_err(|error| sorted(error.into()))?;
            warn_of_damage(&journal);
            return Ok(Some(Endpoint::replay(journal)));
        }
        let Some(url) = base_url else {
            return Ok(None);
        };
        let key = Key::from_env().map_err(sorted)?;
        let client = Client::new(self.settings(url), key).map_err(sorted)?;
        if let Some(variable) = client.unused_proxy() {
            let scheme = url.split_once("://").map_or(url, |it| it.0);
            warn(&format!(
                "{variable} is set, but not for addresses that begin with {scheme}://; the \
                 endpoint is asked directly ({scheme}_proxy or all_proxy name a proxy for it)"
            ));
        }
        let journal = Journal::open(&self.journal(out)).map_err(|error| sorted(error.into()))?;
        warn_of_damage(&journal);
        let again: Vec<Kind> = self.ask_again.iter().map(|&it| it.into()).collect();
        let endpoint = Endpoint::online(client, journal, self.max_failures);
        Ok(Some(endpoint.asking_again(&again)))
    }

    /// Refuses `--ask-again` if the output exists, since nothing would be asked.
    ///
    /// # Errors
    ///
    /// When the output exists.
    pub fn check_again(&self, out: &Path) -> Result<()> {
        if self.ask_again.is_empty() || !out.exists() {
            return Ok(());
        }
        Err(bad_input(format!(
            "--ask-again has no effect while {} exists; remove it first",
            out.display()
        )))
    }

    /// Refuses a `--journal` that is one of the inputs, since lines would be added
    /// to it.
    ///
    /// # Errors
    ///
    /// When it is an input, by whatever path.
    pub fn check_journal<'a>(&self, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
        let Some((journal, at)) = self
            .journal
            .as_deref()
            .and_then(|it| Some((it, it.canonicalize().ok()?)))
        else {
            return Ok(()); // a file that does not exist is not an input
        };
        let is_it = |input: &&Path| input.canonicalize().is_ok_and(|it| it == at);
        match inputs.into_iter().find(is_it) {
            None => Ok(()),
            Some(input) => Err(bad_input(format!(
                "--journal {} is the input {}; choose another file",
                journal.display(),
                input.display()
            ))),
        }
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

    /// Returns the path of the journal.
    pub fn journal(&self, out: &Path) -> PathBuf {
        self.journal.clone().unwrap_or_else(|| {
            let mut path = OsString::from(out);
            path.push(".journal.jsonl");
            path.into()
        })
    }

    /// Returns the prices of a million request tokens and a million reply tokens.
    pub fn prices(&self) -> Option<(f64, f64)> {
        self.price_in.zip(self.price_out)
    }

    /// Returns what was asked so far, as the progress line shows it.
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

/// Returns a journal that is replayed, as an input.
///
/// # Errors
///
/// When it does not exist, is not a file, or cannot be read.
pub fn replayed(path: &Path) -> Result<Input> {
    Journal::check_file(path).map_err(|error| sorted(error.into()))?;
    if !path.exists() {
        let error = JournalError::NotThere { path: path.into() };
        return Err(sorted(error.into()));
    }
    Ok(apo_tables::input(path)?)
}

/// Warns of damaged lines.
fn warn_of_damage(journal: &Journal) {
    let path = journal.path().display();
    let damage = journal.damage();
    for it in damage.iter().take(TOLD) {
        warn(&format!(
            "{path}, line {}: {}; the line is ignored, as if its request was never sent",
            it.line, it.problem
        ));
    }
    if damage.len() > TOLD {
        let more = damage.len() - TOLD;
        warn(&format!(
            "{path}: {more} more lines are damaged and ignored"
        ));
    }
}

/// What a run asked.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// Requests that were sent, each counted once.
    pub requests: u64,
    /// Attempts at these requests.
    pub attempts: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests whose reply is empty, or only a thought.
    pub empty: u64,
    /// Requests whose reply cannot be read.
    pub unreadable: u64,
    /// Replies without token counts.
    pub without_usage: u64,
    /// Tokens and cost.
    #[serde(flatten)]
    pub tokens: Spent,
}

impl Asked {
    /// Counts what was asked, with the prices of a million request tokens and a
    /// million reply tokens.
    pub fn new(counts: Counts, prices: Option<(f64, f64)>) -> Self {
        let usage = Usage {
            prompt_tokens: counts.prompt_tokens,
            completion_tokens: counts.completion_tokens,
        };
        Self {
            requests: counts.requests,
            attempts: counts.attempts,
            failed: counts.failed,
            empty: counts.empty,
            unreadable: counts.unreadable,
            without_usage: counts.without_usage,
            tokens: Spent::new(usage, prices),
        }
    }
}

/// Tokens, and their cost if prices are given.
#[derive(Debug, Serialize)]
pub struct Spent {
    /// Tokens of requests.
    pub prompt_tokens: u64,
    /// Tokens of replies.
    pub completion_tokens: u64,
    /// Cost in the prices' currency.
    pub cost: Option<f64>,
}

impl Spent {
    /// Counts tokens, with the prices of a million request tokens and a million
    /// reply tokens.
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

/// Turns an endpoint's error into the stage's: bad input, a signal, or a failure.
pub fn sorted(error: EndpointError) -> Error {
    if matches!(error, EndpointError::Stopped)
        && let Err(stopped) = signals::check()
    {
        return stopped.into();
    }
    let is_bad_input = match &error {
        EndpointError::BadUrl { .. } | EndpointError::BadKey | EndpointError::BadProxy { .. } => {
            true
        }
        EndpointError::Journal(error) => JournalError::is_bad_input(error),
        _ => false,
    };
    if is_bad_input {
        return bad_input(error.to_string());
    }
    Error::from(error)
        .context("not all requests could be asked; the replies so far are in the journal")
}

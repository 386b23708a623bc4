//! Asks for the answers that no file has, or finds them in a journal.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use anyhow::{Error, Result, bail};
use apo_endpoint::{Endpoint, EndpointError, Request, at_once};
use apo_endpoint_stage::classify;
use apo_golden::{Collected, Collector, Lack};
use apo_stage::{Progress, bad_input, note, signals};
use apo_tables::{Query, Reader};

use crate::answers::Answers;
use crate::args::Args;
use crate::queries::Keys;

/// Asks for every query that has no answer yet, several at once. Afterwards the
/// replies are in the journal. Returns the ids of queries without a reply.
///
/// # Errors
///
/// When the endpoint takes no requests, when no query got a reply, when a signal
/// arrives, or when a replayed journal lacks entries.
pub fn all(
    args: &Args,
    collector: &Collector,
    endpoint: &Endpoint,
    keys: &Keys,
    answers: &Answers,
) -> Result<HashSet<String>> {
    let n = (keys.n_queries() - answers.n_answers()) as u64;
    let known = endpoint.journal().n_requests();
    let journal = endpoint.journal().path().display();
    note(
        &args.report,
        &format!("{n} queries; {journal} has {known} requests"),
    );
    let what = if args.from_journal.is_some() {
        "replaying"
    } else {
        "asking"
    };
    let found = Mutex::new(Found {
        progress: Progress::new(&args.report, what, "queries", 0, n),
        lacking: HashSet::new(),
        missing: Missing::default(),
        empty: 0,
        unreadable: 0,
    });
    let is_open = |query: &Query| answers.to(query).is_none();
    let queries = Reader::<Query>::open(&args.queries)?
        .filter(|query| query.as_ref().map_or(true, is_open))
        .map(|query| query.map_err(Error::from));
    at_once(args.endpoint.asking.requests.into(), queries, |query| {
        signals::check()?;
        let ask = |request: &Request| endpoint.ask(request, &|| signals::check().is_err());
        let collected = collector.collect(&query.query_id, &query.prompt, ask);
        let counts = endpoint.counts();
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.add(query.query_id, collected)?;
        if counts.requests > 0 {
            found.progress.set_message(args.endpoint.message(&counts));
        }
        found.progress.inc(1);
        Ok(())
    })?;
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.check(args, endpoint, n)?;
    Ok(found.lacking)
}

/// The outcomes of the queries that were asked.
struct Found {
    progress: Progress,
    /// The ids of queries without an answer.
    lacking: HashSet<String>,
    missing: Missing,
    /// Replies that are empty or hold only thoughts.
    empty: u64,
    unreadable: u64,
}

impl Found {
    /// Adds the outcome of a query.
    ///
    /// # Errors
    ///
    /// When the endpoint takes no requests, or a signal arrives.
    fn add(&mut self, query_id: String, collected: Result<Collected, EndpointError>) -> Result<()> {
        let lack = match collected {
            Ok(collected) => collected.lack,
            Err(EndpointError::NotInJournal { .. }) => {
                self.missing.add(query_id);
                return Ok(());
            }
            Err(error) => return Err(classify(error)),
        };
        match lack {
            None => return Ok(()),
            Some(Lack::Empty { .. }) => self.empty += 1,
            Some(Lack::Unreadable(_)) => self.unreadable += 1,
            Some(Lack::Failed(_)) => {}
        }
        self.lacking.insert(query_id);
        Ok(())
    }

    /// Checks that the journal had all of `n` queries, and that one of them got an
    /// answer.
    fn check(&self, args: &Args, endpoint: &Endpoint, n: u64) -> Result<()> {
        if let Some(first) = &self.missing.first {
            return Err(bad_input(format!(
                "{}: no entry for {} of {n} queries, such as {first}: it was made with another \
                 --model, --system, --temperature or --max-tokens, for other queries, or its run \
                 stopped early; --base-url with --journal asks for the missing replies",
                endpoint.journal().path().display(),
                self.missing.n
            )));
        }
        if (self.lacking.len() as u64) < n {
            return Ok(());
        }
        if let Some(last) = endpoint.last_failure() {
            bail!("none of {n} queries got a reply; the last failure: {last}");
        }
        let (empty, unreadable) = (self.empty, self.unreadable);
        if args.base_url.is_some() && empty + unreadable > 0 {
            bail!(
                "none of {n} queries got an answer: {empty} replies are empty or hold only \
                 thoughts, {unreadable} cannot be read; raise --max-tokens if the model thinks \
                 first, or ask again with --ask-again empty,unreadable"
            );
        }
        Ok(())
    }
}

/// Queries that a replayed journal does not have.
#[derive(Debug, Default)]
struct Missing {
    n: u64,
    first: Option<String>,
}

impl Missing {
    fn add(&mut self, query_id: String) {
        self.n += 1;
        // The smallest id, not the first to arrive, since threads race.
        if self.first.as_ref().is_none_or(|first| query_id < *first) {
            self.first = Some(query_id);
        }
    }
}

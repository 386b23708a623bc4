//! Asks for the answers that no file has, or finds them in a journal.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Error, Result, bail};
use apo_endpoint::{Endpoint, EndpointError, at_once};
use apo_endpoint_stage::classify;
use apo_golden::{Collector, Lack};
use apo_stage::{Progress, bad_input, note, signals};
use apo_tables::{Query, Reader};

use crate::answers::{Answers, Keys};
use crate::args::Args;

/// Asks for every query that has no answer yet, several at once. Afterwards the
/// replies are in the journal. Returns the ids of queries without a reply.
///
/// # Errors
///
/// When the endpoint takes no requests, when no query got a reply, when a signal
/// came, or when a replayed journal lacks entries.
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
    let progress = Mutex::new(Progress::new(&args.report, what, "queries", 0, n));
    let lacking = Mutex::new(HashSet::new());
    let missing = Mutex::new(Missing::default());
    let (empty, unreadable) = (AtomicU64::new(0), AtomicU64::new(0));

    let queries = Reader::<Query>::open(&args.queries)?
        .filter(|query| {
            query
                .as_ref()
                .map_or(true, |query| answers.to(query).is_none())
        })
        .map(|query| query.map_err(Error::from));
    at_once(args.endpoint.requests.into(), queries, |query| {
        signals::check()?;
        let ask = |request: &_| endpoint.ask(request, &|| signals::check().is_err());
        match collector.collect(&query.query_id, &query.prompt, ask) {
            Ok(collected) => match collected.lack {
                None => {}
                Some(lack) => {
                    match lack {
                        Lack::Empty { .. } => empty.fetch_add(1, Ordering::Relaxed),
                        Lack::Unreadable(_) => unreadable.fetch_add(1, Ordering::Relaxed),
                        Lack::Failed(_) => 0,
                    };
                    hold(&lacking).insert(query.query_id);
                }
            },
            Err(EndpointError::NotInJournal { .. }) => hold(&missing).add(query.query_id),
            Err(error) => return Err(classify(error)),
        }
        let counts = endpoint.counts();
        let mut progress = hold(&progress);
        if counts.requests > 0 {
            progress.message(args.endpoint.message(&counts));
        }
        progress.inc(1);
        Ok(())
    })?;

    let missing = missing.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(first) = missing.first {
        return Err(bad_input(format!(
            "{journal}: no entry for {} of {n} queries, as {first}: it was made with another \
             --model, --system, --temperature or --max-tokens, of other queries, or stopped early; \
             --base-url with --journal asks for what it lacks",
            missing.n
        )));
    }
    let lacking = lacking.into_inner().unwrap_or_else(PoisonError::into_inner);
    if lacking.len() as u64 == n
        && let Some(last) = endpoint.last_failure()
    {
        bail!("none of {n} queries got a reply; the last failure: {last}");
    }
    let (empty, unreadable) = (empty.into_inner(), unreadable.into_inner());
    if args.base_url.is_some() && lacking.len() as u64 == n && empty + unreadable > 0 {
        bail!(
            "none of {n} queries got an answer: {empty} replies are empty or hold only thoughts, \
             {unreadable} cannot be read; raise --max-tokens if the model thinks first, or ask again \
             with --ask-again empty,unreadable"
        );
    }
    Ok(lacking)
}

fn hold<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

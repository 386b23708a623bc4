//! Journal and client together.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::client::Client;
use crate::error::EndpointError;
use crate::journal::{Entry, Journal};
use crate::outcome::{Outcome, OutcomeKind};
use crate::question::Question;
use crate::request::Digest;

/// What this process asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were sent, each attempt counted.
    pub attempts: u64,
    /// Requests that were sent, however often.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those whose reply is empty, or only a thought.
    pub empty: u64,
    /// Those whose reply cannot be read.
    pub unreadable: u64,
    /// Replies without token counts.
    pub without_usage: u64,
    /// Tokens of the answered requests.
    pub prompt_tokens: u64,
    /// Tokens of the answers.
    pub completion_tokens: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Requests that are being asked now.
    in_flight: HashSet<Digest>,
    /// Requests that were asked although the journal had an outcome for them.
    asked_again: HashSet<Digest>,
    counts: Counts,
    failures_in_a_row: u32,
    last_failure: Option<String>,
}

/// Answers requests, from the journal or by asking.
#[derive(Debug)]
pub struct Endpoint {
    journal: Journal,
    /// `None` if the journal is replayed.
    client: Option<Client>,
    /// Failures in a row after which nothing more is asked.
    most_failures: u32,
    /// Kinds of outcomes that are asked for again although the journal has them.
    again: Vec<OutcomeKind>,
    state: Mutex<State>,
    landed: Condvar,
}

impl Endpoint {
    /// Asks what the journal does not answer. After `most_failures` failed requests
    /// in a row, it asks nothing more.
    pub fn online(client: Client, journal: Journal, most_failures: u32) -> Self {
        Self {
            journal,
            client: Some(client),
            most_failures: most_failures.max(1),
            again: Vec::new(),
            state: Mutex::default(),
            landed: Condvar::new(),
        }
    }

    /// Asks once more for outcomes of these kinds that the journal has; the new
    /// outcomes replace them.
    #[must_use]
    pub fn asking_again(mut self, kinds: &[OutcomeKind]) -> Self {
        self.again = kinds.to_vec();
        self
    }

    /// Replays a journal and asks nothing.
    pub fn replay(journal: Journal) -> Self {
        Self {
            journal,
            client: None,
            most_failures: 1,
            again: Vec::new(),
            state: Mutex::default(),
            landed: Condvar::new(),
        }
    }

    /// Returns the journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Returns what was asked so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Returns the message of the last failed request.
    pub fn last_failure(&self) -> Option<String> {
        self.state().last_failure.clone()
    }

    /// Returns the outcome of a request: from the journal if it has an answer, or
    /// else by asking, if there is a client. The outcome is on the disk before it
    /// is returned. Of equal requests at the same time, only one is sent.
    ///
    /// # Errors
    ///
    /// When nothing can be asked, when `stops` returns true, or when a replayed
    /// journal does not have the request. A failure of this request alone is
    /// [`Outcome::Failed`].
    pub fn ask(
        &self,
        request: &impl Question,
        stops: &(dyn Fn() -> bool + Sync),
    ) -> Result<Outcome, EndpointError> {
        let digest = request.digest();
        let Some(client) = &self.client else {
            return self.recorded(request);
        };
        let _flight = self.claim(digest);
        if self.is_settled(digest)
            && let Some(outcome) = self.journal.get(&digest)?
        {
            return Ok(outcome);
        }
        if stops() {
            return Err(EndpointError::Stopped);
        }
        self.state().counts.requests += 1;
        let attempted = || self.state().counts.attempts += 1;
        let outcome = client.ask(request, stops, &attempted)?;
        let entry = Entry {
            request: digest,
            model: request.model().to_owned(),
            outcome,
        };
        self.journal.append(&entry)?;
        self.count(&entry.outcome)?;
        Ok(entry.outcome)
    }

    /// Returns the outcome that the journal has for a request; asks nothing.
    ///
    /// # Errors
    ///
    /// When the journal does not have the request, or cannot be read.
    pub fn recorded(&self, request: &impl Question) -> Result<Outcome, EndpointError> {
        let digest = request.digest();
        let found = self.journal.get(&digest)?;
        found.ok_or(EndpointError::NotInJournal { request: digest })
    }

    /// Whether the journal has an outcome that this run does not ask for again. Each
    /// request is asked again once.
    fn is_settled(&self, digest: Digest) -> bool {
        match self.journal.kind(&digest) {
            None | Some(OutcomeKind::Failed) => false,
            Some(kind) => !self.again.contains(&kind) || !self.state().asked_again.insert(digest),
        }
    }

    fn count(&self, outcome: &Outcome) -> Result<(), EndpointError> {
        let mut state = self.state();
        let is_reply = matches!(outcome, Outcome::Reply(_) | Outcome::Unreadable(_));
        let Outcome::Failed(failure) = outcome else {
            state.failures_in_a_row = 0;
            let kind = outcome.kind();
            state.counts.empty += u64::from(kind == OutcomeKind::Empty);
            state.counts.unreadable += u64::from(kind == OutcomeKind::Unreadable);
            match outcome.usage() {
                Some(usage) => {
                    state.counts.prompt_tokens += usage.prompt_tokens;
                    state.counts.completion_tokens += usage.completion_tokens;
                }
                // A request that the policy refused at once took no tokens.
                None => state.counts.without_usage += u64::from(is_reply),
            }
            return Ok(());
        };
        state.counts.failed += 1;
        state.failures_in_a_row += 1;
        state.last_failure = Some(failure.message.clone());
        if state.failures_in_a_row < self.most_failures {
            return Ok(());
        }
        Err(EndpointError::NoReplies {
            n: state.failures_in_a_row,
            message: failure.message.clone(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else asks the same request, and keeps others from asking it.
    fn claim(&self, digest: Digest) -> Flight<'_> {
        let mut state = self.state();
        while !state.in_flight.insert(digest) {
            state = self
                .landed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Flight {
            endpoint: self,
            digest,
        }
    }
}

/// A request that is being asked; once this is dropped, others may ask it.
struct Flight<'a> {
    endpoint: &'a Endpoint,
    digest: Digest,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.endpoint.state().in_flight.remove(&self.digest);
        self.endpoint.landed.notify_all();
    }
}

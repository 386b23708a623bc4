//! One request over HTTP: timeouts, size, retries, key.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::EndpointError;
use crate::key::Key;
use crate::outcome::Outcome;
use crate::question::Question;
use crate::retry::Schedule;

mod address;
mod attempt;
mod problem;
mod settings;

pub use problem::problem_of;
pub use settings::Settings;

use attempt::{Caller, Obstacle, Sent};

/// How often a wait checks whether it should end.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long a reply that is under way may still take once the wait should end.
const GRACE: Duration = Duration::from_millis(300);

/// Asks an OpenAI-compatible server for completions.
#[derive(Debug)]
pub struct Client {
    caller: Arc<Caller>,
    /// The server wants no requests before this time.
    not_before: Mutex<Instant>,
}

impl Client {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When the address is malformed, or the environment names a proxy that cannot
    /// be used.
    pub fn new(settings: Settings, key: Option<Key>) -> Result<Self, EndpointError> {
        Ok(Self {
            caller: Arc::new(Caller::new(settings, key)?),
            not_before: Mutex::new(Instant::now()),
        })
    }

    /// Returns the variable that names a proxy for addresses of another scheme, if
    /// no proxy is used.
    pub fn unused_proxy(&self) -> Option<&str> {
        self.caller.unused_proxy()
    }

    /// Asks until there is an outcome, and calls `attempted` for each attempt. Once
    /// `stops` returns true, an attempt under way is given up within half a second.
    ///
    /// # Errors
    ///
    /// When every other request would fail as well, or `stops` returns true. A
    /// failure of this request alone is [`Outcome::Failed`].
    pub fn ask(
        &self,
        request: &impl Question,
        stops: &(dyn Fn() -> bool + Sync),
        attempted: &(dyn Fn() + Sync),
    ) -> Result<Outcome, EndpointError> {
        let sent = Arc::new(Sent {
            body: request.body(),
            form: request.form(),
        });
        let settings = &self.caller.settings;
        let mut schedule = Schedule::new(settings.first_pause, request.digest().seed());
        let attempts = settings.attempts.max(1);
        for attempt in 1..=attempts {
            self.wait(stops)?;
            attempted();
            let (message, asked) = match self.attempt(&sent, stops) {
                Ok(outcome) => return Ok(outcome),
                Err(Obstacle::Stop(error)) => return Err(error),
                Err(Obstacle::Never(message)) => return Ok(self.caller.failed(&message, attempt)),
                Err(Obstacle::Later(message, asked)) => (message, asked),
            };
            if let Some(pause) = asked.filter(|&pause| pause > settings.longest_pause) {
                let longest = settings.longest_pause;
                return Err(EndpointError::LongPause { pause, longest });
            }
            if attempt == attempts {
                return Ok(self.caller.failed(&message, attempt));
            }
            let pause = schedule.pause(asked);
            if let Some(asked) = asked {
                self.hold(asked);
            }
            sleep_until(Instant::now() + pause, stops)?;
        }
        unreachable!("the last attempt returns")
    }

    /// Makes all requests wait: a server that asks one of them for a pause means all.
    fn hold(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut not_before = self
            .not_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *not_before = (*not_before).max(until);
    }

    fn wait(&self, stops: &(dyn Fn() -> bool + Sync)) -> Result<(), EndpointError> {
        loop {
            let until = *self
                .not_before
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            sleep_until(until, stops)?;
            if Instant::now()
                >= *self
                    .not_before
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
            {
                return Ok(());
            }
        }
    }

    /// Makes an attempt on its own thread: nothing wakes a thread that waits for a
    /// silent server, so it is abandoned and ends at its timeout.
    fn attempt(
        &self,
        sent: &Arc<Sent>,
        stops: &(dyn Fn() -> bool + Sync),
    ) -> Result<Outcome, Obstacle> {
        let (sender, receiver) = channel();
        let (caller, work_sent) = (Arc::clone(&self.caller), Arc::clone(sent));
        // Once it is abandoned, nobody listens any more.
        let work = move || drop(sender.send(caller.attempt(&work_sent)));
        if thread::Builder::new().spawn(work).is_err() {
            // The system provides no more threads: this one waits itself.
            return self.caller.attempt(sent);
        }
        let mut until = None;
        loop {
            match receiver.recv_timeout(POLL_INTERVAL) {
                Ok(found) => return found,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("an attempt panicked"),
            }
            if until.is_none() && stops() {
                until = Some(Instant::now() + GRACE);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(Obstacle::Stop(EndpointError::Stopped));
            }
        }
    }
}

/// Sleeps until a time, in small pieces.
///
/// # Errors
///
/// When `stops` returns true.
pub fn sleep_until(until: Instant, stops: &dyn Fn() -> bool) -> Result<(), EndpointError> {
    loop {
        if stops() {
            return Err(EndpointError::Stopped);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(POLL_INTERVAL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_ends_when_it_is_stopped() {
        let far = Instant::now() + Duration::from_hours(1);
        assert!(matches!(
            sleep_until(far, &|| true),
            Err(EndpointError::Stopped)
        ));
        assert!(sleep_until(Instant::now(), &|| false).is_ok());
    }
}

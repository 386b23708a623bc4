//! One request over HTTP: timeouts, size, retries, key.

use std::env;
use std::fmt::Display;
use std::io::{ErrorKind, Read as _};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use crate::answer::{Meaning, excerpt, meaning};
use crate::encoding::{Unread, decoded};
use crate::error::EndpointError;
use crate::key::Key;
use crate::outcome::{Failure, Outcome};
use crate::proxy::{Route, route};
use crate::request::Request;
use crate::retry::{Schedule, retry_after};

/// How often a wait looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

/// How long a reply that is under way may still take once it should end.
const GRACE: Duration = Duration::from_millis(300);

/// How requests are made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the endpoint, as `https://api.openai.com/v1`.
    pub base_url: String,
    /// Longest time of an attempt, from its connection to the reply's end.
    pub timeout: Duration,
    /// Longest time to a connection.
    pub connect_timeout: Duration,
    /// Attempts at a request, the first among them.
    pub attempts: u32,
    /// About the first pause between attempts; it doubles from there.
    pub first_pause: Duration,
    /// Longest pause that a server may ask for.
    pub longest_pause: Duration,
    /// Largest answer, in bytes.
    pub most_bytes: u64,
    /// Connections that are kept open.
    pub connections: usize,
}

impl Settings {
    /// Returns the usual settings for an address.
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            timeout: Duration::from_mins(2),
            connect_timeout: Duration::from_secs(10),
            attempts: 6,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(10),
            most_bytes: 4 << 20,
            connections: 16,
        }
    }
}

/// Asks an OpenAI-compatible server for chat completions.
#[derive(Debug)]
pub struct Client {
    caller: Arc<Caller>,
    /// Before this, the server wants no requests.
    not_before: Mutex<Instant>,
}

/// Makes one attempt.
#[derive(Debug)]
struct Caller {
    agent: Agent,
    url: String,
    key: Option<Key>,
    settings: Settings,
    route: Route,
}

/// What an attempt met that stopped short of an outcome.
enum Obstacle {
    /// Try again; the server may have asked for a pause.
    Later(String, Option<Duration>),
    /// This request fails.
    Never(String),
    /// Everything stops.
    Stop(EndpointError),
}

impl Client {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When the address is none, or the environment names a proxy that cannot be
    /// used.
    pub fn new(settings: Settings, key: Option<Key>) -> Result<Self, EndpointError> {
        let url = completions_url(&settings.base_url)?;
        let route = route(&url, |name| env::var_os(name))?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect would carry the request, perhaps the key, elsewhere.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(settings.timeout))
            .timeout_connect(Some(settings.connect_timeout))
            .max_idle_connections(settings.connections)
            .max_idle_connections_per_host(settings.connections)
            .user_agent(concat!("apo/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            // Replies are small; who compresses all the same is understood.
            .accept_encoding("identity")
            .proxy(route.proxy.as_ref().map(|it| it.inner.clone()))
            .build();
        Ok(Self {
            caller: Arc::new(Caller {
                agent: config.new_agent(),
                url,
                key,
                settings,
                route,
            }),
            not_before: Mutex::new(Instant::now()),
        })
    }

    /// Returns the variable that names a proxy for other addresses than this one,
    /// if none is used.
    pub fn unused_proxy(&self) -> Option<&str> {
        self.caller.route.unused.as_deref()
    }

    /// Asks until there is an outcome; `attempted` is told of each attempt. Once
    /// `stops` says so, an attempt under way is given up within half a second.
    ///
    /// # Errors
    ///
    /// When no request would fare better, or `stops` says so; what concerns
    /// this request alone is [`Outcome::Failed`].
    pub fn ask(
        &self,
        request: &Request,
        stops: &(dyn Fn() -> bool + Sync),
        attempted: &(dyn Fn() + Sync),
    ) -> Result<Outcome, EndpointError> {
        let body: Arc<str> = request.body().into();
        let settings = &self.caller.settings;
        let mut schedule = Schedule::new(settings.first_pause, request.digest().seed());
        let attempts = settings.attempts.max(1);
        for attempt in 1..=attempts {
            self.wait(stops)?;
            attempted();
            let (message, asked) = match self.attempt(&body, stops) {
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
            rest(Instant::now() + pause, stops)?;
        }
        unreachable!("the last attempt returns")
    }

    /// Makes everyone wait: a server that asks one request for a pause means
    /// all of them.
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
            rest(until, stops)?;
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

    /// Makes an attempt on a thread of its own: nothing wakes one that waits for a
    /// silent server, so it is left behind and ends by its timeout.
    fn attempt(
        &self,
        body: &Arc<str>,
        stops: &(dyn Fn() -> bool + Sync),
    ) -> Result<Outcome, Obstacle> {
        let (tell, told) = channel();
        let (caller, text) = (Arc::clone(&self.caller), Arc::clone(body));
        // Nobody listens any more once it is left behind.
        let work = move || drop(tell.send(caller.attempt(&text)));
        if thread::Builder::new().spawn(work).is_err() {
            // The system gives no more threads: this one waits itself.
            return self.caller.attempt(body);
        }
        let mut until = None;
        loop {
            match told.recv_timeout(LOOK) {
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

impl Caller {
    fn failed(&self, message: &str, attempts: u32) -> Outcome {
        Outcome::Failed(Failure {
            message: self.redact(message),
            attempts,
        })
    }

    fn redact(&self, message: &str) -> String {
        match &self.key {
            Some(key) => key.redact_message(message),
            None => message.to_owned(),
        }
    }

    fn attempt(&self, body: &str) -> Result<Outcome, Obstacle> {
        let mut request = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", key.authorization());
        }
        let mut response = request.send(body).map_err(|error| self.unreached(error))?;
        let status = response.status().as_u16();
        let asked = pause_asked(response.headers());
        if status < 300 && is_stream(&response) {
            let problem = "the endpoint streams its reply; expected one JSON object";
            return Err(Obstacle::Never(problem.into()));
        }
        let bytes = self.body(&mut response, asked)?;
        match meaning(status, &bytes) {
            Meaning::Done(outcome) => Ok(outcome),
            Meaning::Later(message) => Err(Obstacle::Later(message, asked)),
            Meaning::Never(message) => Err(Obstacle::Never(message)),
            Meaning::Unauthorised(message) => Err(Obstacle::Stop(EndpointError::Unauthorised {
                status,
                message: self.redact(&message),
                has_key: self.key.is_some(),
            })),
            Meaning::Refused(mut message) => {
                if let Some(there) = redirection(response.headers()) {
                    message += ": ";
                    message += &there;
                }
                let message = self.redact(&message);
                Err(Obstacle::Stop(EndpointError::Refused { status, message }))
            }
        }
    }

    /// Reads an answer's body, whole, unpacked, and without the key.
    fn body(
        &self,
        response: &mut Response<Body>,
        asked: Option<Duration>,
    ) -> Result<Vec<u8>, Obstacle> {
        let most = self.settings.most_bytes;
        let too_large = || Obstacle::Never(format!("the answer is larger than {most} bytes"));
        let mut bytes = Vec::new();
        let read = response
            .body_mut()
            .as_reader()
            .take(most + 1)
            .read_to_end(&mut bytes);
        if bytes.len() as u64 > most {
            return Err(too_large());
        }
        if let Err(error) = read {
            let problem = format!("the answer broke off after {} bytes: {error}", bytes.len());
            return Err(Obstacle::Later(problem, asked));
        }
        let label = response.headers().get("content-encoding");
        let label = label.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
        let bytes = decoded(bytes, &label.unwrap_or_default(), most);
        let bytes = bytes.map_err(|unread| match unread {
            Unread::TooLarge => too_large(),
            Unread::Damaged(problem) => {
                Obstacle::Never(format!("HTTP {}: {problem}", response.status().as_u16()))
            }
        })?;
        Ok(match &self.key {
            Some(key) => key.redact_body(bytes, response.status().is_success()),
            None => bytes,
        })
    }

    /// Sorts an error of the connection; where a proxy stands in between, it may
    /// be the proxy's.
    fn unreached(&self, error: ureq::Error) -> Obstacle {
        let problem = match &error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                return Obstacle::Stop(EndpointError::BadUrl {
                    url: self.url.clone(),
                    problem: "it cannot be understood",
                });
            }
            ureq::Error::Timeout(what) => format!("no answer in time ({what})"),
            ureq::Error::HostNotFound => "there is no host of that name".to_owned(),
            ureq::Error::Rustls(error) => no_tls(error),
            // So TLS tells its faults.
            ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => no_tls(error),
            ureq::Error::Io(error) => error.to_string(),
            ureq::Error::Protocol(error) => format!(
                "what answers does not speak HTTP/1.1: {error}; is the address right, and http:// \
                 what the server speaks?"
            ),
            ureq::Error::ConnectProxyFailed(reason)
                if self.url.starts_with("http://") && !reason.contains("407") =>
            {
                format!(
                    "{reason}; it is asked by CONNECT for http:// addresses, too, and must allow that \
                 to this port (or name the host in no_proxy)"
                )
            }
            ureq::Error::ConnectProxyFailed(reason) => reason.clone(),
            other => other.to_string(),
        };
        let problem = excerpt(problem.as_bytes());
        let Some(proxy) = &self.route.proxy else {
            return Obstacle::Later(problem, None);
        };
        let shown = &proxy.shown;
        match error {
            // It wants a password, or another one.
            ureq::Error::ConnectProxyFailed(reason) if reason.contains("407") => {
                Obstacle::Stop(EndpointError::Proxy {
                    proxy: shown.clone(),
                    problem,
                })
            }
            _ => Obstacle::Later(format!("through {shown}: {problem}"), None),
        }
    }
}

fn no_tls(error: &impl Display) -> String {
    format!(
        "no secure connection: {error}; is the address right, is https:// what the server speaks, \
         and is its certificate one that everybody trusts?"
    )
}

/// Returns the address that an answer redirects to, without what may be a
/// password or a key in it.
fn redirection(headers: &HeaderMap) -> Option<String> {
    let there = headers.get("location")?;
    let there = excerpt(there.as_bytes());
    let there = there.split(['?', '#']).next().unwrap_or_default();
    Some(match there.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => there.to_owned(),
    })
}

/// Sleeps until a time, in small pieces.
fn rest(until: Instant, stops: &(dyn Fn() -> bool + Sync)) -> Result<(), EndpointError> {
    loop {
        if stops() {
            return Err(EndpointError::Stopped);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(LOOK));
    }
}

fn pause_asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let milliseconds = text("retry-after-ms").and_then(|value| value.trim().parse().ok());
    milliseconds
        .map(Duration::from_millis)
        .or_else(|| retry_after(text("retry-after")?, SystemTime::now()))
}

fn is_stream<T>(response: &Response<T>) -> bool {
    let kind = response
        .headers()
        .get("content-type")
        .and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"))
}

/// Returns where completions are asked for: the base address, with `/v1` where
/// it has no path, and the path that the API documents.
fn completions_url(base: &str) -> Result<String, EndpointError> {
    const PATH: &str = "/chat/completions";
    let bad = |url: &str, problem| EndpointError::BadUrl {
        url: url.to_owned(),
        problem,
    };
    let base = base.trim().trim_end_matches('/');
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| base.starts_with(scheme));
    let Some(rest) = scheme.and_then(|scheme| base.strip_prefix(scheme)) else {
        // What stands before `@` may be a password.
        let shown = base.rsplit('@').next().unwrap_or_default();
        return Err(bad(shown, "it begins with neither http:// nor https://"));
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((_, host)) = host.rsplit_once('@') {
        return Err(bad(
            host,
            "it holds a user or password; the key comes from OPENAI_API_KEY",
        ));
    }
    if host.is_empty() || host.starts_with(':') {
        return Err(bad(base, "it names no host"));
    }
    if let Some(at) = base.find(['?', '#']) {
        return Err(bad(&base[..at], "it holds a `?` or `#`"));
    }
    if base.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(bad(base, "it holds white space"));
    }
    Ok(if base.ends_with(PATH) {
        base.to_owned()
    } else if host.len() == rest.len() {
        format!("{base}/v1{PATH}")
    } else {
        format!("{base}{PATH}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_completed() {
        for (base, expected) in [
            (
                "https://api.openai.com/v1",
                "https://api.openai.com/v1/chat/completions",
            ),
            (
                "https://api.openai.com/v1/",
                "https://api.openai.com/v1/chat/completions",
            ),
            (
                "http://localhost:8000",
                "http://localhost:8000/v1/chat/completions",
            ),
            (
                "http://[::1]:8000/",
                "http://[::1]:8000/v1/chat/completions",
            ),
            (
                "https://a.b/openai/v1",
                "https://a.b/openai/v1/chat/completions",
            ),
            (
                "https://a.b/v1/chat/completions",
                "https://a.b/v1/chat/completions",
            ),
        ] {
            assert_eq!(completions_url(base).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_no_password_shown() {
        for base in [
            "",
            "localhost:8000",
            "ftp://a.b",
            "http://",
            "http:///v1",
            "http://:80/v1",
            "https://user:secret@a.b/v1",
            "user:secret@a.b",
            "https://a.b/v1?key=secret",
            "https://a.b/v1#secret",
            "https://a b/v1",
        ] {
            let error = completions_url(base).unwrap_err().to_string();
            assert!(
                error.contains("is no address of an endpoint"),
                "{base}: {error}"
            );
            assert!(!error.contains("secret"), "{base}: {error}");
        }
    }

    #[test]
    fn a_rest_ends_when_it_is_stopped() {
        let far = Instant::now() + Duration::from_hours(1);
        assert!(matches!(rest(far, &|| true), Err(EndpointError::Stopped)));
        assert!(rest(Instant::now(), &|| false).is_ok());
    }
}

//! One attempt at a request, and its obstacles.

use std::env;
use std::io::Read as _;
use std::time::{Duration, SystemTime};

use serde::de::IgnoredAny;
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body, Timeout};

use super::address::{Addresses, addresses};
use super::problem::problem_of;
use super::settings::Settings;
use crate::answer::{Meaning, excerpt, meaning, text_meaning};
use crate::encoding::{Unread, decoded};
use crate::error::EndpointError;
use crate::failure::{Failure, STREAMS};
use crate::key::Key;
use crate::outcome::Outcome;
use crate::proxy::{Route, route};
use crate::question::Form;
use crate::retry::retry_after;

/// Why an attempt had no outcome.
pub(super) enum Obstacle {
    /// Another attempt may succeed; the server may have asked for a pause.
    Later(String, Option<Duration>),
    /// This request fails.
    Never(String),
    /// Every request would fail.
    Stop(EndpointError),
}

/// What is sent, and what comes back.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) body: String,
    pub(super) form: Form,
}

/// Makes one attempt.
#[derive(Debug)]
pub(super) struct Caller {
    agent: Agent,
    urls: Addresses,
    key: Option<Key>,
    pub(super) settings: Settings,
    route: Route,
}

impl Caller {
    pub(super) fn new(settings: Settings, key: Option<Key>) -> Result<Self, EndpointError> {
        let urls = addresses(&settings.base_url)?;
        let route = route(&urls.chat, |name| env::var_os(name))?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect would send the request, perhaps with the key, elsewhere.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(settings.timeout))
            .timeout_connect(Some(settings.connect_timeout))
            .max_idle_connections(settings.connections)
            .max_idle_connections_per_host(settings.connections)
            .user_agent(concat!("apo/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            // Replies are small; servers that compress them anyway are understood.
            .accept_encoding("identity")
            .proxy(route.proxy.as_ref().map(|it| it.inner.clone()))
            .build();
        Ok(Self {
            agent: config.new_agent(),
            urls,
            key,
            settings,
            route,
        })
    }

    pub(super) fn unused_proxy(&self) -> Option<&str> {
        self.route.unused.as_deref()
    }

    pub(super) fn failed(&self, message: &str, attempts: u32) -> Outcome {
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

    pub(super) fn attempt(&self, sent: &Sent) -> Result<Outcome, Obstacle> {
        let mut request = self
            .agent
            .post(self.urls.of(&sent.form))
            .header("Content-Type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", key.authorization());
        }
        let mut response = request
            .send(&*sent.body)
            .map_err(|error| self.unreached(error))?;
        let status = response.status().as_u16();
        let asked = pause_asked(response.headers());
        if status < 300 && is_stream(&response) {
            return Err(Obstacle::Never(STREAMS.into()));
        }
        let bytes = self.body(&mut response, asked, &sent.form)?;
        let meaning = match &sent.form {
            Form::Chat => meaning(status, &bytes),
            Form::Text(wanted) => text_meaning(status, &bytes, wanted),
        };
        match meaning {
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
            Meaning::Unusable(message) => Err(Obstacle::Stop(EndpointError::Unusable {
                message: self.redact(&message),
            })),
        }
    }

    /// Reads an answer's whole body, decompressed and without the key.
    fn body(
        &self,
        response: &mut Response<Body>,
        asked: Option<Duration>,
        form: &Form,
    ) -> Result<Vec<u8>, Obstacle> {
        let most = form.most_bytes(self.settings.most_bytes);
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
        let label = response.headers().get("content-encoding");
        let label = label.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
        let length = bytes.len();
        let bytes = decoded(bytes, &label.unwrap_or_default(), most);
        // A complete reply was paid for, however the connection ended.
        if let Err(error) = read
            && !bytes.as_ref().is_ok_and(|bytes| is_object(bytes))
        {
            let problem = format!(
                "the answer broke off after {length} bytes: {}",
                self.problem(&error.into())
            );
            return Err(Obstacle::Later(excerpt(problem.as_bytes()), asked));
        }
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

    /// Classifies an error of the connection; with a proxy, it may be the proxy's.
    fn unreached(&self, error: ureq::Error) -> Obstacle {
        if let ureq::Error::BadUri(_) | ureq::Error::Http(_) = &error {
            return Obstacle::Stop(EndpointError::BadUrl {
                url: self.urls.chat.clone(),
                problem: "it cannot be understood",
            });
        }
        let problem = self.problem(&error);
        let problem = excerpt(problem.as_bytes());
        let Some(proxy) = &self.route.proxy else {
            return Obstacle::Later(problem, None);
        };
        let shown = &proxy.shown;
        match error {
            // It wants a password, or a different one.
            ureq::Error::ConnectProxyFailed(reason) if reason.contains("407") => {
                Obstacle::Stop(EndpointError::Proxy {
                    proxy: shown.clone(),
                    problem,
                })
            }
            _ => Obstacle::Later(format!("through {shown}: {problem}"), None),
        }
    }

    /// Returns what an error of the connection says.
    fn problem(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::Timeout(Timeout::Connect) => {
                let longest = self.settings.connect_timeout.as_secs_f64();
                format!("no connection within {longest} s")
            }
            ureq::Error::Timeout(_) => {
                let longest = self.settings.timeout.as_secs_f64();
                format!("no whole answer within {longest} s")
            }
            ureq::Error::ConnectProxyFailed(reason)
                if self.urls.chat.starts_with("http://") && !reason.contains("407") =>
            {
                format!(
                    "{reason}; http:// addresses are asked by CONNECT, too: the proxy must allow it for \
                     this port, or else name the host in no_proxy"
                )
            }
            other => problem_of(other),
        }
    }
}

/// Returns the address that an answer redirects to, without a password or key that
/// it may contain.
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

/// Whether a body is one whole JSON object.
fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

//! One request over HTTP: redirects, the token, proxies, and what interrupts it.

use std::env;
use std::io::{ErrorKind, Read as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;

use apo_endpoint::{EndpointError, POLL_INTERVAL, problem_of, route};
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body, Timeout};

use crate::address::{Origin, redirected};
use crate::settings::Settings;
use crate::token::Token;

/// The most bytes that are read at once.
const PIECE: usize = 256 << 10;

/// How many pieces may wait to be written.
const PIECES: usize = 8;

/// What a server that sends nothing for too long is told as.
const SILENCE: &str = "the server sends nothing";

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 8;

/// Why a request has no answer, or no whole one.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The connection failed; the next one may not.
    Broken(String),
    /// The environment names a proxy that cannot be used.
    Proxy(EndpointError),
    /// The caller wants to stop.
    Stopped,
}

/// What the thread of a request sends.
enum Message {
    Head(u16, HeaderMap),
    Piece(Vec<u8>),
}

type Sent = Result<Message, Trouble>;

/// Sends requests to the hub, and to where it redirects.
#[derive(Debug)]
pub(crate) struct Web {
    agent: Agent,
    token: Option<Token>,
    hub: Option<Origin>,
}

impl Web {
    /// Prepares requests to the hub at `endpoint`; nothing is sent yet.
    pub(crate) fn new(settings: &Settings, endpoint: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here: the token must not go along to another host.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(settings.connect_timeout))
            .timeout_per_read(Some(settings.longest_silence))
            .timeout_per_write(Some(settings.longest_silence))
            .user_agent(concat!("apo/", env!("CARGO_PKG_VERSION")))
            // What comes is compared with digests of plain files.
            .accept_encoding("identity")
            .proxy(None)
            .build();
        Self {
            agent: config.new_agent(),
            token: settings.token.clone(),
            hub: Origin::of(endpoint),
        }
    }

    /// Whether requests to the hub carry a token.
    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Returns a text without the token.
    pub(crate) fn redact(&self, text: &str) -> String {
        match &self.token {
            Some(token) => token.redact(text),
            None => text.to_owned(),
        }
    }

    /// Asks for a file from a byte on, and returns the answer once its head is there.
    /// The request has a thread of its own: nothing wakes a thread that waits for a
    /// silent server, so it is abandoned when `stops` returns true.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub(crate) fn get(
        &self,
        url: &str,
        from: u64,
        stops: &dyn Fn() -> bool,
    ) -> Result<Answer, Trouble> {
        let (sender, incoming) = sync_channel(PIECES);
        let agent = self.agent.clone();
        let (token, hub) = (self.token.clone(), self.hub.clone());
        let url = url.to_owned();
        let work = move || {
            // Once the request is abandoned, nobody listens any more.
            let _ = match follow(&agent, token.as_ref(), hub.as_ref(), url, from) {
                Ok(response) => pass_on(response, &sender),
                Err(trouble) => sender.send(Err(trouble)).ok(),
            };
        };
        let started = thread::Builder::new().spawn(work);
        started.map_err(|error| Trouble::Broken(error.to_string()))?;
        match receive(&incoming, stops)? {
            Some(Message::Head(status, headers)) => Ok(Answer {
                status,
                headers,
                incoming,
            }),
            _ => Err(Trouble::Broken("there is no answer".to_owned())),
        }
    }
}

/// An answer whose body arrives piece by piece.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    incoming: Receiver<Sent>,
}

impl Answer {
    /// Returns a header, if it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the next piece of the body, or `None` at its end.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or `stops` returns true.
    pub(crate) fn next(&self, stops: &dyn Fn() -> bool) -> Result<Option<Vec<u8>>, Trouble> {
        match receive(&self.incoming, stops)? {
            Some(Message::Piece(bytes)) => Ok(Some(bytes)),
            _ => Ok(None),
        }
    }

    /// Returns the whole body, which has at most `most` bytes.
    ///
    /// # Errors
    ///
    /// As [`Self::next`], and when it is longer.
    pub(crate) fn whole(&self, most: usize, stops: &dyn Fn() -> bool) -> Result<Vec<u8>, Trouble> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next(stops)? {
            whole.extend(bytes);
            if whole.len() > most {
                let problem = format!("the answer is longer than {most} bytes");
                return Err(Trouble::Broken(problem));
            }
        }
        Ok(whole)
    }
}

fn receive(
    incoming: &Receiver<Sent>,
    stops: &dyn Fn() -> bool,
) -> Result<Option<Message>, Trouble> {
    loop {
        if stops() {
            return Err(Trouble::Stopped);
        }
        match incoming.recv_timeout(POLL_INTERVAL) {
            Ok(sent) => return sent.map(Some),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Sends a request, and again to where the answer redirects.
fn follow(
    agent: &Agent,
    token: Option<&Token>,
    hub: Option<&Origin>,
    mut url: String,
    from: u64,
) -> Result<Response<Body>, Trouble> {
    for _ in 0..=MOST_REDIRECTS {
        let route = route(&url, |name| env::var_os(name)).map_err(Trouble::Proxy)?;
        let mut request = agent.get(&url);
        if let Some(token) = token
            && Origin::of(&url).as_ref() == hub
        {
            request = request.header("Authorization", token.authorization());
        }
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let (proxy, shown) = route.proxy.map(|it| (it.inner, it.shown)).unzip();
        let response = request.config().proxy(proxy).build().call();
        let response = response.map_err(|error| {
            let problem = problem(&error);
            Trouble::Broken(match shown {
                Some(shown) => format!("through {shown}: {problem}"),
                None => problem,
            })
        })?;
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(response);
        }
        let location = response.headers().get("location");
        let location = location.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let to = redirected(&url, location);
        url = to.ok_or_else(|| {
            Trouble::Broken("it redirects to an address that cannot be followed".to_owned())
        })?;
    }
    Err(Trouble::Broken(format!(
        "it redirects more than {MOST_REDIRECTS} times"
    )))
}

/// Sends an answer on to who asked for it; returns `None` once nobody listens.
fn pass_on(response: Response<Body>, sender: &SyncSender<Sent>) -> Option<()> {
    let (head, body) = response.into_parts();
    let head = Message::Head(head.status.as_u16(), head.headers);
    sender.send(Ok(head)).ok()?;
    let mut reader = body.into_reader();
    loop {
        let mut bytes = vec![0; PIECE];
        match reader.read(&mut bytes) {
            Ok(0) => return Some(()),
            Ok(n) => {
                bytes.truncate(n);
                sender.send(Ok(Message::Piece(bytes))).ok()?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                let problem = problem(&ureq::Error::from(error));
                return sender.send(Err(Trouble::Broken(problem))).ok();
            }
        }
    }
}

/// Returns what an error of the connection says. Addresses are left out: those of other
/// hosts are keys to the file.
fn problem(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(Timeout::Connect) => "there is no connection in time".to_owned(),
        ureq::Error::Timeout(_) => SILENCE.to_owned(),
        ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut => SILENCE.to_owned(),
        other => problem_of(other),
    }
}

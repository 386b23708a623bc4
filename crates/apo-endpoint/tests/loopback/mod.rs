//! A chat endpoint on this machine alone, which answers as a test tells it.

#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A request that came.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Value,
    pub at: Instant,
}

impl Call {
    /// Returns what the last message says.
    pub fn last(&self) -> &str {
        let messages = self.body["messages"]
            .as_array()
            .expect("a request has messages");
        messages
            .last()
            .and_then(|it| it["content"].as_str())
            .expect("a message has content")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What the server does.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Status, further headers, body.
    Http(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing for a while, then the end of the connection.
    Silence(Duration),
    /// A body that never ends.
    Endless,
    /// Half a body, then the end of the connection.
    BreaksOff,
    /// These bytes, whatever they are, then the end of the connection.
    Raw(Vec<u8>),
    /// The first bytes, then the others again and again, after such a pause.
    Drip(Vec<u8>, Vec<u8>, Duration),
    /// These bytes, and then silence on an open connection.
    Hangs(Vec<u8>),
    /// The other, after a while.
    After(Duration, Box<Answer>),
}

impl Answer {
    /// A reply, as the API documents it.
    pub fn reply(content: &str) -> Self {
        Self::finished(content, "stop")
    }

    pub fn finished(content: &str, reason: &str) -> Self {
        let body = json!({
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "finish_reason": reason,
            }],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        });
        Self::json(200, &body)
    }

    pub fn json(status: u16, body: &Value) -> Self {
        let kind = vec![("Content-Type", "application/json".to_owned())];
        Self::Http(status, kind, body.to_string().into_bytes())
    }

    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let error = json!({"error": {"code": code, "type": code, "message": message}});
        Self::json(status, &error)
    }

    pub fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Http(status, mut headers, body) => {
                headers.push((name, value.to_owned()));
                Self::Http(status, headers, body)
            }
            other => other,
        }
    }
}

/// A server; its thread ends with the process.
pub struct Server {
    pub url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Server {
    /// Starts a server; the function gets the call and how many came before.
    pub fn start(answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", answer)
    }

    /// Starts one at another address of this machine.
    pub fn start_at(
        address: &str,
        answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("the loopback takes a listener");
        let url = format!("http://{}/v1", listener.local_addr().expect("it is bound"));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let shared = Arc::clone(&calls);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (calls, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                // A client that leaves is not the server's fault.
                thread::spawn(move || serve(stream, &calls, &*answer));
            }
        });
        Self { url, calls }
    }

    /// Returns what came so far, in the order of coming.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no test panics in here").clone()
    }
}

fn serve(
    stream: TcpStream,
    calls: &Mutex<Vec<Call>>,
    answer: &(impl Fn(&Call, usize) -> Answer + ?Sized),
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length?.1.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let call = Call {
        path,
        headers,
        body: serde_json::from_slice(&body).ok()?,
        at: Instant::now(),
    };
    let before = {
        let mut calls = calls.lock().ok()?;
        calls.push(call.clone());
        calls.len() - 1
    };
    let reply = answer(&call, before);
    write(stream, reply)
}

fn write(mut stream: TcpStream, answer: Answer) -> Option<()> {
    match answer {
        Answer::After(pause, answer) => {
            thread::sleep(pause);
            write(stream, *answer)
        }
        Answer::Silence(pause) => {
            thread::sleep(pause);
            None
        }
        Answer::Http(status, headers, body) => {
            let mut head = vec![
                format!("HTTP/1.1 {status} X"),
                "Connection: close".to_owned(),
                format!("Content-Length: {}", body.len()),
            ];
            head.extend(
                headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}")),
            );
            let head = head.join("\r\n") + "\r\n\r\n";
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(&body).ok()
        }
        Answer::Endless => {
            stream
                .write_all(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n{\"choices\":\"")
                .ok()?;
            loop {
                stream.write_all(&[b'x'; 1 << 13]).ok()?;
            }
        }
        Answer::Raw(bytes) => stream.write_all(&bytes).ok(),
        Answer::Drip(first, piece, pause) => {
            stream.write_all(&first).ok()?;
            loop {
                stream.write_all(&piece).ok()?;
                thread::sleep(pause);
            }
        }
        Answer::Hangs(bytes) => {
            stream.write_all(&bytes).ok()?;
            // Until the client leaves.
            let _ = stream.read(&mut [0]);
            None
        }
        Answer::BreaksOff => {
            let head = b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n{\"choices\":";
            stream.write_all(head).ok()
        }
    }
}

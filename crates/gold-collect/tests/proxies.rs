//! A proxy that the environment names is used, or refused by name.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

#[path = "../../apo-endpoint/tests/loopback/mod.rs"]
mod loopback;
mod stage;

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use loopback::{Answer, Server};
use stage::{by_question, command, fails, fresh_dir, golden, online, stderr, write_tables};

/// What a proxy says to those who come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Passes on, by CONNECT or SOCKS as it is asked.
    Passes,
    /// Answers with a status.
    Says(&'static str),
}

/// A proxy that notes whom it is asked for.
struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                thread::spawn(move || serve(stream, manner, &noted));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, manner: Manner, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut first = [0];
    stream.read_exact(&mut first)?;
    let target = match first[0] {
        4 => socks4(&mut stream)?,
        5 => socks5(&mut stream)?,
        _ => {
            let mut head = vec![first[0]];
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte)?;
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let status = match manner {
                Manner::Passes => "200 OK",
                Manner::Says(status) => status,
            };
            stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())?;
            target
        }
    };
    asked.lock().unwrap().push(target.clone());
    if manner != Manner::Passes {
        return Ok(());
    }
    let mut there = TcpStream::connect(target)?;
    let (mut back, mut from) = (stream.try_clone()?, there.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut back));
    io::copy(&mut stream, &mut there).map(|_| ())
}

fn socks4(stream: &mut TcpStream) -> io::Result<String> {
    let mut request = [0; 7];
    stream.read_exact(&mut request)?;
    let port = u16::from_be_bytes([request[1], request[2]]);
    let mut text = || -> io::Result<String> {
        let mut found = Vec::new();
        loop {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            if byte[0] == 0 {
                return Ok(String::from_utf8_lossy(&found).into_owned());
            }
            found.push(byte[0]);
        }
    };
    text()?;
    let [a, b, c, d] = [request[3], request[4], request[5], request[6]];
    let host = if [a, b, c] == [0, 0, 0] {
        text()?
    } else {
        format!("{a}.{b}.{c}.{d}")
    };
    stream.write_all(&[0, 90, 0, 0, 0, 0, 0, 0])?;
    Ok(format!("{host}:{port}"))
}

fn socks5(stream: &mut TcpStream) -> io::Result<String> {
    let mut n = [0];
    stream.read_exact(&mut n)?;
    let mut methods = vec![0; n[0].into()];
    stream.read_exact(&mut methods)?;
    stream.write_all(&[5, 0])?;
    let mut request = [0; 4];
    stream.read_exact(&mut request)?;
    let host = if request[3] == 1 {
        let mut it = [0; 4];
        stream.read_exact(&mut it)?;
        format!("{}.{}.{}.{}", it[0], it[1], it[2], it[3])
    } else {
        stream.read_exact(&mut n)?;
        let mut name = vec![0; n[0].into()];
        stream.read_exact(&mut name)?;
        String::from_utf8_lossy(&name).into_owned()
    };
    let mut port = [0; 2];
    stream.read_exact(&mut port)?;
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    Ok(format!("{host}:{}", u16::from_be_bytes(port)))
}

#[test]
fn each_kind_of_proxy_is_used() {
    for (variable, scheme) in [
        ("http_proxy", "http://"),
        ("HTTP_PROXY", ""),
        ("http_proxy", "http://user:hunter2@"),
        ("all_proxy", "socks5://"),
        ("ALL_PROXY", "socks5h://"),
        ("ALL_PROXY", "socks://"),
        ("HTTP_PROXY", "socks4://"),
        ("http_proxy", "SOCKS4A://"),
    ] {
        let dir = fresh_dir("used");
        write_tables(&dir, &["a", "b"]);
        let server = Server::start(|_, _| Answer::reply("Warm water."));
        let proxy = Proxy::start(Manner::Passes);
        let out = command(&dir, &online(&server, "--requests 1"))
            .env(variable, format!("{scheme}{}", proxy.address))
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(0), "{scheme}: {}", stderr(&out));
        let found = by_question(&golden(&dir, "golden.parquet"));
        assert_eq!(found["a"].1, "reply", "{scheme}");
        assert!(!proxy.asked().is_empty(), "{scheme}: gone around");
        assert!(server.url.contains(&proxy.asked()[0]), "{scheme}");
    }
}

#[test]
fn a_proxy_that_does_not_do_is_named_without_its_password() {
    let refuses = Proxy::start(Manner::Says("503 Cannot reach the host"));
    let wants = Proxy::start(Manner::Says("407 Proxy Authentication Required"));
    let at = |proxy: &Proxy| format!("http://user:hunter2@{}", proxy.address);
    for (variable, value, status) in [
        ("http_proxy", at(&refuses), 1),
        ("HTTP_PROXY", at(&wants), 1),
        (
            "http_proxy",
            "http://user:hunter2@127.0.0.1:1".to_owned(),
            1,
        ),
        (
            "ALL_PROXY",
            "socks5://user:hunter2@127.0.0.1:1".to_owned(),
            1,
        ),
        ("all_proxy", "socks4://127.0.0.1:1".to_owned(), 1),
        (
            "http_proxy",
            "https://user:hunter2@127.0.0.1:1".to_owned(),
            1,
        ),
        ("ALL_PROXY", "ftp://user:hunter2@127.0.0.1:1".to_owned(), 3),
        (
            "http_proxy",
            "http://user:hunter2@127.0.0.1:port".to_owned(),
            3,
        ),
        ("all_proxy", "://user:hunter2@".to_owned(), 3),
    ] {
        let dir = fresh_dir("named");
        write_tables(&dir, &["a", "b"]);
        let server = Server::start(|_, _| Answer::reply("Warm water."));
        let out = command(&dir, &online(&server, "--requests 1"))
            .env(variable, &value)
            .output()
            .unwrap();
        fails(&out, status, variable);
        let message = stderr(&out);
        assert!(!message.contains("hunter2"), "{value}: {message}");
        let is_asked_by_connect = value == at(&refuses);
        assert_eq!(
            message.contains("by CONNECT"),
            is_asked_by_connect,
            "{message}"
        );
        let address = value.rsplit('@').next().unwrap_or_default();
        assert!(
            message.contains(address.trim_start_matches("socks4://")),
            "{value}: {message}"
        );
        assert_eq!(server.calls().len(), 0, "{value}: gone around");
    }
}

#[test]
fn hosts_of_no_proxy_are_asked_directly_and_a_proxy_of_another_kind_is_reported() {
    for (variables, expected) in [
        (
            vec![("http_proxy", "127.0.0.1:1"), ("no_proxy", "127.0.0.1")],
            "",
        ),
        (
            vec![("ALL_PROXY", "127.0.0.1:1"), ("NO_PROXY", "a, 127.0.0.0/8")],
            "",
        ),
        (
            vec![("HTTPS_PROXY", "127.0.0.1:1")],
            "HTTPS_PROXY is set, but not for addresses that begin with http://",
        ),
    ] {
        let dir = fresh_dir("direct");
        write_tables(&dir, &["a"]);
        let server = Server::start(|_, _| Answer::reply("Warm water."));
        let mut command = command(&dir, &online(&server, ""));
        let out = command.envs(variables.clone()).output().unwrap();
        assert_eq!(
            out.status.code(),
            Some(0),
            "{variables:?}: {}",
            stderr(&out)
        );
        assert!(
            stderr(&out).contains(expected),
            "{variables:?}: {}",
            stderr(&out)
        );
        assert_eq!(server.calls().len(), 1, "{variables:?}");
    }
}

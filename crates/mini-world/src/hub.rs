//! A hub of models and data sets that only this machine can reach. It lists and sends
//! files as Hugging Face's does, and does something else where a test wants it to.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use apo_provenance::hex;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The commit that `main` is in every repository.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Endings of large files, which the hub lists with their SHA-256.
const LARGE: [&str; 3] = [".safetensors", ".parquet", ".gz"];

/// The most bytes that a slow hub sends at once.
const PIECE: usize = 4096;

/// Files by the addresses of their repositories, such as `models/owner/name`, and their
/// paths within.
pub type Repositories = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its path.
    pub path: String,
    /// The first byte that is wanted.
    pub from: u64,
    /// The header with the token.
    pub authorization: Option<String>,
    /// How often the path was asked for before.
    pub times: usize,
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// As the hub does.
    Well,
    /// With a status, headers and nothing else.
    Status(u16, Vec<(&'static str, String)>),
    /// With the beginning: so many bytes, before the connection is closed.
    Cut(usize),
    /// With this pause before each piece of 4 KiB.
    Slow(Duration),
    /// With the head, and then nothing for this time.
    Silent(Duration),
    /// With a changed byte.
    Wrong,
    /// With the whole file, whichever part was asked for.
    Whole,
    /// With something else.
    Body(String),
}

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Hub {
    /// Serves repositories until the process ends, and answers each request as `reply`
    /// says.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub fn serve(
        repositories: Repositories,
        reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, shared) = (Arc::clone(&asked), Arc::new((repositories, reply)));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, shared) = (Arc::clone(&log), Arc::clone(&shared));
                // It is not the server's fault if a client leaves.
                thread::spawn(move || one(stream, &log, &shared.0, &shared.1));
            }
        });
        Ok(Self { address, asked })
    }

    /// Returns its address, as `HF_ENDPOINT` names it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns all requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how many requests so far were for paths that end so.
    pub fn count(&self, ending: &str) -> usize {
        let asked = self.asked();
        asked.iter().filter(|it| it.path.ends_with(ending)).count()
    }
}

/// Returns the files of a folder, by their names.
///
/// # Errors
///
/// When it cannot be read.
pub fn files_of(folder: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            found.insert(name.to_string_lossy().into_owned(), fs::read(&path)?);
        }
    }
    Ok(found)
}

/// Reads the head of a request, and logs it.
fn read(stream: &TcpStream, log: &Mutex<Vec<Asked>>) -> io::Result<Asked> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut from, mut authorization) = (0, None);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let Some((name, value)) = line.trim().split_once(':') else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = Some(value.trim().to_owned()),
            "range" => {
                let range = value.trim().trim_start_matches("bytes=");
                from = range.trim_end_matches('-').parse().unwrap_or(0);
            }
            _ => {}
        }
    }
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = Asked {
        times: log.iter().filter(|it| it.path == path).count(),
        path,
        from,
        authorization,
    };
    log.push(asked.clone());
    Ok(asked)
}

/// Answers one request and ends the connection.
fn one(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    repositories: &Repositories,
    reply: &dyn Fn(&Asked) -> Reply,
) -> io::Result<()> {
    let asked = read(&stream, log)?;
    let reply = reply(&asked);
    if let Reply::Status(status, headers) = reply {
        return write_head(&mut stream, status, 0, &headers);
    }
    let found = match &reply {
        Reply::Body(body) => Ok(body.clone().into_bytes()),
        _ => found(repositories, &asked.path),
    };
    let mut body = match found {
        Ok(body) => body,
        Err((status, code)) => {
            let headers = code.map(|it| ("X-Error-Code", it.to_owned()));
            let headers: Vec<_> = headers.into_iter().collect();
            return write_head(&mut stream, status, 0, &headers);
        }
    };
    if matches!(reply, Reply::Wrong)
        && let Some(last) = body.last_mut()
    {
        *last ^= 1;
    }
    let total = body.len();
    let from = match reply {
        Reply::Whole => 0,
        _ => asked.from as usize,
    };
    if from > 0 && from >= total {
        return write_head(&mut stream, 416, 0, &[]);
    }
    let range = format!("bytes {from}-{}/{total}", total.saturating_sub(1));
    let (status, headers) = match from {
        0 => (200, vec![]),
        _ => (206, vec![("Content-Range", range)]),
    };
    let body = &body[from..];
    write_head(&mut stream, status, body.len(), &headers)?;
    match reply {
        Reply::Cut(n) => stream.write_all(&body[..n.min(body.len())]),
        Reply::Silent(pause) => {
            thread::sleep(pause);
            Ok(())
        }
        Reply::Slow(pause) => {
            for piece in body.chunks(PIECE) {
                thread::sleep(pause);
                stream.write_all(piece)?;
            }
            Ok(())
        }
        _ => stream.write_all(body),
    }
}

fn write_head(
    stream: &mut TcpStream,
    status: u16,
    length: usize,
    headers: &[(&str, String)],
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Answered\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "Connection: close\r\n\r\n").as_bytes())
}

/// Returns what is at a path, or the status and the code of the hub's refusal.
fn found(repositories: &Repositories, path: &str) -> Result<Vec<u8>, (u16, Option<&'static str>)> {
    let path = path.split('?').next().unwrap_or_default();
    if let Some(path) = path.strip_prefix("/api/") {
        let (repository, revision) = path.split_once("/revision/").unwrap_or((path, ""));
        // Whether there is no such repository or it is private, the hub does not say.
        let files = repositories.get(repository).ok_or((401, None))?;
        if revision != "main" && revision != COMMIT {
            return Err((404, Some("RevisionNotFound")));
        }
        return Ok(listing(files).to_string().into_bytes());
    }
    let path = path.trim_start_matches('/');
    let (repository, file) = path.split_once("/resolve/").unwrap_or((path, ""));
    let file = file.strip_prefix(COMMIT).unwrap_or_default();
    let repository = if repository.starts_with("datasets/") {
        repository.to_owned()
    } else {
        format!("models/{repository}")
    };
    let files = repositories.get(&repository).ok_or((401, None))?;
    let body = files.get(&decoded(file.trim_start_matches('/'))).cloned();
    body.ok_or((404, Some("EntryNotFound")))
}

/// Returns a path as it was before it was put into an address.
fn decoded(path: &str) -> String {
    let mut pieces = path.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let code = piece
            .get(..2)
            .and_then(|it| u8::from_str_radix(it, 16).ok());
        bytes.extend(code);
        bytes.extend(piece.bytes().skip(2));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the hub's list of a repository's files, with their sizes and digests.
pub fn listing(files: &BTreeMap<String, Vec<u8>>) -> Value {
    let siblings = files.iter().map(|(name, body)| {
        let mut git = Sha1::new();
        git.update(format!("blob {}\0", body.len()));
        git.update(body);
        let mut listed = json!({
            "rfilename": name,
            "size": body.len(),
            "blobId": hex(&git.finalize()),
        });
        if LARGE.iter().any(|it| name.ends_with(it)) {
            let sha256 = hex(&Sha256::digest(body));
            listed["lfs"] = json!({ "sha256": sha256, "size": body.len(), "pointerSize": 134 });
        }
        listed
    });
    json!({ "id": "owner/name", "sha": COMMIT, "siblings": siblings.collect::<Vec<_>>() })
}

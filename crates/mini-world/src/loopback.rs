//! A chat endpoint that only this machine can reach.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::Value;

/// Answers requests with a status and a JSON body until the process ends, each
/// connection in its own thread. Returns the address.
///
/// # Errors
///
/// When no port is free.
pub fn serve(
    answer: impl Fn(&Value) -> (u16, Value) + Send + Sync + 'static,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            // It is not the server's fault if a client leaves.
            thread::spawn(move || one(stream, &*answer));
        }
    });
    Ok(address)
}

/// Answers one request and ends the connection.
fn one(mut stream: TcpStream, answer: &dyn Fn(&Value) -> (u16, Value)) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let asked: Value = serde_json::from_slice(&body)?;
    let (status, body) = answer(&asked);
    let text = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} Answered\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        text.len()
    );
    stream.write_all((head + &text).as_bytes())
}

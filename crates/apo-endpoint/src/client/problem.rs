//! What an error of a connection says.

use std::fmt::Display;
use std::io::ErrorKind;

/// Returns what an error of a connection says to whoever asked. Addresses are left out.
pub fn problem_of(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "there is no host with that name".to_owned(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            "an address cannot be understood".to_owned()
        }
        ureq::Error::Rustls(error) => no_tls(error),
        // TLS reports its errors in this form.
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => no_tls(error),
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "the connection was closed".to_owned()
        }
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Protocol(error) => format!(
            "the server does not speak HTTP/1.1: {error}; check the address, and whether the \
             server speaks http://"
        ),
        ureq::Error::ConnectProxyFailed(reason) => reason.clone(),
        other => other.to_string(),
    }
}

fn no_tls(error: &impl Display) -> String {
    format!(
        "no secure connection: {error}; check the address, whether the server speaks https://, and \
         whether a trusted authority issued its certificate"
    )
}

//! The addresses that completions are asked from.

use crate::error::EndpointError;
use crate::question::Form;

const CHAT: &str = "/chat/completions";
const TEXT: &str = "/completions";

/// The address for each form of question.
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) chat: String,
    text: String,
}

impl Addresses {
    pub(super) fn of(&self, form: &Form) -> &str {
        match form {
            Form::Chat => &self.chat,
            Form::Text(_) => &self.text,
        }
    }
}

/// Returns the addresses for completions: the base address, with `/v1` if it has no
/// path, and the paths that the API documents. A base address may end with one of them.
pub(super) fn addresses(base: &str) -> Result<Addresses, EndpointError> {
    let bad = |url: &str, problem| EndpointError::BadUrl {
        url: url.to_owned(),
        problem,
    };
    let base = base.trim().trim_end_matches('/');
    // The scheme's case does not matter, but code that reads the address later
    // expects lower case.
    let base = match base.split_once("://") {
        Some((scheme, rest)) => format!("{}://{rest}", scheme.to_ascii_lowercase()),
        None => base.to_owned(),
    };
    let base = base.as_str();
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| base.starts_with(scheme));
    let Some(rest) = scheme.and_then(|scheme| base.strip_prefix(scheme)) else {
        // The text before `@` may be a password.
        let shown = base.rsplit('@').next().unwrap_or_default();
        return Err(bad(shown, "it begins with neither http:// nor https://"));
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((_, host)) = host.rsplit_once('@') {
        return Err(bad(
            host,
            "it contains a user or password; the key comes from OPENAI_API_KEY",
        ));
    }
    if host.is_empty() || (host.starts_with(':') && !host[1..].contains(':')) {
        return Err(bad(base, "it names no host"));
    }
    let port = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((_, port)) = rest.split_once(']') else {
                return Err(bad(base, "its `[` is not closed"));
            };
            port
        }
        None if host.matches(':').count() > 1 => {
            let problem = "it contains several `:`; put an IPv6 address into brackets, as \
                           http://[::1]:8000";
            return Err(bad(base, problem));
        }
        None => host.find(':').map_or("", |at| &host[at..]),
    };
    let is_port = |it: &str| it.parse::<u16>().is_ok_and(|it| it > 0);
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return Err(bad(base, "its port is not a number from 1 to 65535"));
    }
    if let Some(at) = base.find(['?', '#']) {
        return Err(bad(&base[..at], "it contains a `?` or `#`"));
    }
    if base.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(bad(base, "it contains white space"));
    }
    let root = match base.strip_suffix(CHAT).or_else(|| base.strip_suffix(TEXT)) {
        Some(root) => root.to_owned(),
        None if host.len() == rest.len() => format!("{base}/v1"),
        None => base.to_owned(),
    };
    Ok(Addresses {
        chat: format!("{root}{CHAT}"),
        text: format!("{root}{TEXT}"),
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
            (
                "https://a.b/v1/completions",
                "https://a.b/v1/chat/completions",
            ),
            ("HTTPS://a.b:443/v1", "https://a.b:443/v1/chat/completions"),
        ] {
            let found = addresses(base).unwrap();
            assert_eq!(found.of(&Form::Chat), expected);
            assert_eq!(found.text, expected.replace("/chat", ""));
        }
    }

    #[test]
    fn a_malformed_address_is_refused_and_no_password_shown() {
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
            "http://a.b:89000/v1",
            "http://a.b:0/v1",
            "http://a.b:/v1",
            "http://a.b:port/v1",
            "http://::1:8000/v1",
            "http://[::1:8000/v1",
            "http://[::1]8000/v1",
            "http://[::1]:89000/v1",
        ] {
            let error = addresses(base).unwrap_err().to_string();
            assert!(
                error.contains("is not the address of an endpoint"),
                "{base}: {error}"
            );
            assert!(!error.contains("secret"), "{base}: {error}");
        }
    }
}

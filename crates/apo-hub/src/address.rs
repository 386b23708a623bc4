//! Addresses: the hub's own, those that it redirects to, and what is put into them.

use ureq::http::Uri;

use crate::error::HubError;

/// A server: scheme, host and port. The token is sent to the hub's own and to no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// Returns the server of an address.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let host = uri.host().filter(|it| !it.is_empty())?;
        // A port must be a number; `port_u16` gives none for anything else.
        let (_, after) = uri.authority()?.as_str().rsplit_once(host)?;
        let port = match after {
            "" => usual,
            _ => uri.port_u16()?,
        };
        Some(Self {
            host: host.to_ascii_lowercase(),
            port,
            scheme,
        })
    }
}

/// Returns the hub's address without a slash at its end.
///
/// # Errors
///
/// When it is malformed.
pub(crate) fn endpoint(text: &str) -> Result<String, HubError> {
    let bad = |problem| Err(HubError::BadEndpoint { problem });
    let text = text.trim().trim_end_matches('/');
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let Some(rest) = rest else {
        return bad("it begins with neither https:// nor http://");
    };
    if rest.split('/').next().unwrap_or_default().contains('@') {
        return bad("it contains a user or password; the token comes from HF_TOKEN");
    }
    if rest.contains(['?', '#']) || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return bad("it contains a `?`, a `#` or white space");
    }
    if Origin::of(text).is_none() {
        return bad("it names no host, or its port is not a number");
    }
    Ok(text.to_owned())
}

/// Returns where an answer redirects to; `None` if it cannot be followed, such as from
/// https:// to http://.
pub(crate) fn redirected(from: &str, location: &str) -> Option<String> {
    let (scheme, rest) = from.split_once("://")?;
    let to = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        let host = rest.split(['/', '?', '#']).next()?;
        format!("{scheme}://{host}{location}")
    } else {
        location.to_owned()
    };
    let is_safe = to.starts_with("https://") || (scheme == "http" && to.starts_with("http://"));
    (is_safe && Origin::of(&to).is_some()).then_some(to)
}

/// Returns a text as one part of an address's path: `refs/pr/1` becomes `refs%2Fpr%2F1`.
pub(crate) fn encoded(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            found.push(char::from(byte));
        } else {
            found += &format!("%{byte:02X}");
        }
    }
    found
}

/// Returns a file's path in a repository as part of an address.
pub(crate) fn encoded_path(path: &str) -> String {
    path.split('/').map(encoded).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_without_user_or_query() {
        for (text, expected) in [
            ("https://huggingface.co", "https://huggingface.co"),
            (" http://127.0.0.1:80/ ", "http://127.0.0.1:80"),
            ("https://mirror.example/hf/", "https://mirror.example/hf"),
        ] {
            assert_eq!(endpoint(text).unwrap(), expected);
        }
        for text in [
            "huggingface.co",
            "ftp://a.b",
            "https://",
            "https://user:secret@a.b",
            "https://a.b?secret",
            "https://a b",
            "http://a.b:port",
        ] {
            let told = endpoint(text).unwrap_err().to_string();
            assert!(told.contains("HF_ENDPOINT"), "{told}");
            assert!(!told.contains("secret"), "{told}");
        }
    }

    #[test]
    fn a_redirect_leads_to_another_host_or_path_and_never_from_https_to_http() {
        let from = "https://a.b/api?x";
        for (location, expected) in [
            ("https://cdn.c/d?e", Some("https://cdn.c/d?e")),
            ("/new/name", Some("https://a.b/new/name")),
            ("//cdn.c/d", Some("https://cdn.c/d")),
            ("http://cdn.c/d", None),
            ("name", None),
            ("https://", None),
            ("ftp://cdn.c/d", None),
        ] {
            assert_eq!(
                redirected(from, location).as_deref(),
                expected,
                "{location}"
            );
        }
        let plain = redirected("http://a.b/api", "http://cdn.c/d");
        assert_eq!(plain.as_deref(), Some("http://cdn.c/d"));
    }

    #[test]
    fn one_server_is_one_scheme_host_and_port() {
        let of = |url| Origin::of(url).unwrap();
        assert_eq!(of("https://a.b/c"), of("https://A.B:443/d"));
        for other in [
            "http://a.b/c",
            "https://a.b:444/c",
            "https://x.a.b/c",
            "https://a.b.c/",
        ] {
            assert_ne!(of("https://a.b/c"), of(other), "{other}");
        }
    }

    #[test]
    fn what_is_put_into_an_address_is_encoded() {
        assert_eq!(encoded("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(encoded_path("data/a b?.json"), "data/a%20b%3F.json");
    }
}

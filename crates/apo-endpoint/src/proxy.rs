//! The proxy that the environment names: it is used, or refused by name.
//!
//! The rules are curl's: `http_proxy` is for addresses that begin with `http://`,
//! `https_proxy` for the others, `all_proxy` for both if theirs is not set;
//! `no_proxy` names hosts that are asked directly. Each name may be in lower or
//! upper case, lower case first; an empty variable counts as not set.

use std::ffi::OsString;
use std::net::IpAddr;

use crate::error::EndpointError;

/// The way to an address.
#[derive(Debug)]
pub struct Route {
    /// The proxy to use.
    pub proxy: Option<Proxy>,
    /// No proxy; a variable names one for other addresses.
    pub unused: Option<String>,
}

/// A proxy that the environment names.
#[derive(Debug)]
pub struct Proxy {
    /// The proxy as the HTTP client takes it.
    pub inner: ureq::Proxy,
    /// Its address without user and password, and the variable that names it, for
    /// messages.
    pub shown: String,
}

/// Returns the way to an address that an environment asks for.
///
/// # Errors
///
/// When the environment names a proxy that cannot be used.
pub fn route(
    url: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Route, EndpointError> {
    let find = |name: &str| {
        [name.to_owned(), name.to_uppercase()]
            .into_iter()
            .find_map(|name| {
                let value = variable(&name).filter(|value| !value.is_empty())?;
                Some((name, value))
            })
    };
    let (own, other) = if url.starts_with("https://") {
        ("https_proxy", "http_proxy")
    } else {
        ("http_proxy", "https_proxy")
    };
    let direct = |unused| Route {
        proxy: None,
        unused,
    };
    let Some((name, value)) = find(own).or_else(|| find("all_proxy")) else {
        return Ok(direct(find(other).map(|it| it.0)));
    };
    let value = value.to_string_lossy();
    if let Some((_, exempt)) = find("no_proxy")
        && is_exempt(url, &exempt.to_string_lossy())
    {
        return Ok(direct(None));
    }
    Ok(Route {
        proxy: Some(proxy(&name, value.trim())?),
        unused: None,
    })
}

fn proxy(variable: &str, value: &str) -> Result<Proxy, EndpointError> {
    const KNOWN: &[&str] = &["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
    let (scheme, rest) = match value.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => ("http".to_owned(), value),
    };
    let scheme = if scheme == "socks" {
        "socks5".to_owned()
    } else {
        scheme
    };
    // The text before `@` may be a password; nothing belongs after the host.
    let rest = rest.trim_end_matches('/');
    let host = rest.rsplit('@').next().unwrap_or_default();
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let shown = format!("{scheme}://{host}");
    let shown: String = shown.chars().filter(|c| !c.is_control()).collect();
    let bad = |problem| EndpointError::BadProxy {
        variable: variable.to_owned(),
        proxy: shown.clone(),
        problem,
    };
    if !KNOWN.contains(&scheme.as_str()) {
        return Err(bad(
            "expected http, https, socks4, socks4a, socks5 or socks5h before `://`",
        ));
    }
    if host.is_empty() || host.starts_with(':') {
        return Err(bad("it names no host"));
    }
    if host_and_port(host)
        .1
        .is_some_and(|port| port.parse::<u16>().is_err())
    {
        return Err(bad("its port is not a number up to 65535"));
    }
    let inner = ureq::Proxy::new(&format!("{scheme}://{rest}"))
        .map_err(|_| bad("expected SCHEME://[USER:PASSWORD@]HOST[:PORT]"))?;
    let shown = format!("{scheme}://{}:{}", inner.host(), inner.port());
    Ok(Proxy {
        inner,
        shown: format!("the proxy {shown} of {variable}"),
    })
}

/// Whether `no_proxy` names the host of an address: as `host`, `.domain` or
/// `*.domain` (each includes its subdomains), `host:port`, `10.0.0.0/8`, or `*` for
/// all, separated by commas or white space.
fn is_exempt(url: &str, exempt: &str) -> bool {
    let is_https = url.starts_with("https://");
    let authority = url.split("://").nth(1).unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let (host, port) = host_and_port(authority);
    let port = port.unwrap_or(if is_https { "443" } else { "80" });
    let address: Option<IpAddr> = host.parse().ok();
    exempt
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            if entry == "*" {
                return true;
            }
            if let (Some(address), Some((network, bits))) = (address, entry.split_once('/')) {
                return is_within(address, network, bits);
            }
            let (name, own_port) = host_and_port(entry);
            if own_port.is_some_and(|own| own != port) {
                return false;
            }
            let name = name.trim_start_matches('*').trim_start_matches('.');
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            let ends = host.strip_suffix(name.as_str());
            let is_same = match (address, name.parse::<IpAddr>()) {
                (Some(address), Ok(name)) => address == name,
                // An IP address has no subdomains.
                (Some(_), Err(_)) => false,
                (None, _) => ends.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            };
            !name.is_empty() && is_same
        })
}

/// Splits `host:port`, `[::1]:port`, `::1` into host and port.
fn host_and_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|it| it.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

/// Whether an address is in a network, such as `10.0.0.0` with 8 bits.
fn is_within(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    let shifted = |value: u128, all: u32| value.checked_shr(all - bits).unwrap_or(0);
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let of = |it: std::net::Ipv4Addr| shifted(u32::from(it).into(), 32);
            of(address) == of(network)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let of = |it: std::net::Ipv6Addr| shifted(it.into(), 128);
            of(address) == of(network)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://api.example.com:8000/v1/chat/completions";
    const TLS: &str = "https://api.example.com/v1/chat/completions";

    fn found(url: &str, variables: &[(&str, &str)]) -> Result<Route, EndpointError> {
        route(url, |name| {
            let found = variables.iter().find(|it| it.0 == name);
            found.map(|it| it.1.into())
        })
    }

    fn shown(url: &str, variables: &[(&str, &str)]) -> Option<String> {
        let route = found(url, variables).unwrap();
        route.proxy.map(|proxy| proxy.shown)
    }

    #[test]
    fn the_variable_of_the_address_counts_and_then_that_of_all() {
        let proxy = |name: &str| Some(format!("the proxy http://p:3128 of {name}"));
        let one = |name: &'static str| [(name, "http://p:3128")];
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            assert_eq!(shown(URL, &one(name)), proxy(name), "{name}");
        }
        for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            assert_eq!(shown(TLS, &one(name)), proxy(name), "{name}");
        }
        // That of the other kind of address is not silently left aside.
        let other = found(URL, &one("HTTPS_PROXY")).unwrap();
        assert!(other.proxy.is_none());
        assert_eq!(other.unused.as_deref(), Some("HTTPS_PROXY"));
        let both = [("http_proxy", "a:1"), ("all_proxy", "b:2")];
        assert_eq!(
            shown(URL, &both).unwrap(),
            "the proxy http://a:1 of http_proxy"
        );
        assert_eq!(
            shown(TLS, &both).unwrap(),
            "the proxy http://b:2 of all_proxy"
        );
        let empty = [("http_proxy", ""), ("HTTP_PROXY", "a:1")];
        assert_eq!(
            shown(URL, &empty).unwrap(),
            "the proxy http://a:1 of HTTP_PROXY"
        );
        assert_eq!(shown(URL, &[]), None);
    }

    #[test]
    fn each_kind_of_proxy_is_known_and_its_password_not_shown() {
        for (value, expected) in [
            ("p", "http://p:80"),
            ("p:3128", "http://p:3128"),
            ("user:secret@p:3128", "http://p:3128"),
            ("http://user:secret@p:3128/", "http://p:3128"),
            ("https://p", "https://p:443"),
            ("SOCKS5://p", "socks5://p:1080"),
            ("socks://p", "socks5://p:1080"),
            ("socks5h://user:se%40cret@p:9", "socks5h://p:9"),
            ("socks4://p:9", "socks4://p:9"),
            ("socks4a://p:9", "socks4a://p:9"),
            ("http://[::1]:9", "http://[::1]:9"),
        ] {
            let proxy = shown(URL, &[("all_proxy", value)]).unwrap();
            assert_eq!(proxy, format!("the proxy {expected} of all_proxy"));
        }
        for value in [
            "ftp://user:secret@p:1",
            "quic://p",
            "http://",
            "http://:80",
            "http://user:secret@",
            "http://p:port",
            "http://user:secret@a b",
            "socks6://user:secret@p:1/?secret",
            "://secret@p",
        ] {
            let error = found(URL, &[("ALL_PROXY", value)]).unwrap_err().to_string();
            assert!(error.contains("ALL_PROXY"), "{value}: {error}");
            assert!(!error.contains("secret"), "{value}: {error}");
        }
    }

    #[test]
    fn hosts_that_no_proxy_names_are_asked_directly() {
        let is_direct = |url: &str, exempt: &str| {
            let lower = shown(url, &[("all_proxy", "p"), ("no_proxy", exempt)]).is_none();
            let upper = shown(url, &[("ALL_PROXY", "p"), ("NO_PROXY", exempt)]).is_none();
            assert_eq!(lower, upper);
            lower
        };
        for exempt in [
            "*",
            "api.example.com",
            "API.Example.COM",
            "example.com",
            ".example.com",
            "*.example.com",
            "a, example.com ,b",
            "a example.com",
            "example.com:8000",
            "com",
        ] {
            assert!(is_direct(URL, exempt), "{exempt}");
        }
        for exempt in [
            "",
            "ample.com",
            "example.com:8001",
            "api.example.co",
            "x.api.example.com",
            ".",
            "10.0.0.0/8",
        ] {
            assert!(!is_direct(URL, exempt), "{exempt}");
        }
        for (url, exempt, expected) in [
            ("http://127.0.0.1:80/v1", "127.0.0.1", true),
            ("http://127.0.0.1:80/v1", "127.0.0.0/8", true),
            ("http://10.1.2.3/v1", "10.1.0.0/16", true),
            ("http://10.2.2.3/v1", "10.1.0.0/16", false),
            ("http://10.2.2.3/v1", "0.0.0.0/0", true),
            ("http://10.2.2.3/v1", "2.2.3", false),
            ("http://[::1]:80/v1", "::1", true),
            ("http://[::1]:80/v1", "[::1]:80", true),
            ("http://[::1]:80/v1", "[::1]:81", false),
            ("http://[fe80::1]/v1", "fe80::/10", true),
            ("https://a.b/v1", "a.b:443", true),
            ("http://a.b/v1", "a.b:443", false),
        ] {
            assert_eq!(is_direct(url, exempt), expected, "{url} {exempt}");
        }
    }
}

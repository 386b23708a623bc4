//! A client's settings: address, times and limits.

use std::time::Duration;

/// How requests are made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the endpoint, as `https://api.openai.com/v1`.
    pub base_url: String,
    /// Longest time of an attempt, from its connection to the reply's end.
    pub timeout: Duration,
    /// Longest time until a connection is made.
    pub connect_timeout: Duration,
    /// Attempts at a request, including the first.
    pub attempts: u32,
    /// The approximate first pause between attempts; each next one doubles.
    pub first_pause: Duration,
    /// Longest pause that a server may ask for.
    pub longest_pause: Duration,
    /// Largest answer, in bytes.
    pub most_bytes: u64,
    /// Connections that are kept open.
    pub connections: usize,
}

impl Settings {
    /// Returns the usual settings for an address.
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            timeout: Duration::from_mins(2),
            connect_timeout: Duration::from_secs(10),
            attempts: 6,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(10),
            most_bytes: 4 << 20,
            connections: 16,
        }
    }
}

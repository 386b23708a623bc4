//! The result of the stage.

use apo_endpoint_stage::Asked;
use apo_tables::Finish;
use serde::Serialize;

/// The result of the stage.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub responses: u64,
    pub stop: u64,
    pub length: u64,
    pub turn: u64,
    pub empty: u64,
    pub prompts_cut: u64,
    /// Of the responses whose tokens are known.
    pub mean_tokens: f64,
    pub tokens_per_second: f64,
    /// What only a server's samples have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<OfServer>,
}

/// What only a server's samples have.
#[derive(Debug, Serialize)]
pub struct OfServer {
    /// Responses whose log-prob the server does not tell.
    pub without_log_prob: u64,
    pub asked: Asked,
}

impl Summary {
    /// Returns it as rows, for people.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let mut rows = vec![
            row("responses", self.responses.to_string()),
            row("  ended on their own", self.stop.to_string()),
            row("  cut by length", self.length.to_string()),
            row("  cut at a further turn", self.turn.to_string()),
            row("  empty", self.empty.to_string()),
            row("prompts cut", self.prompts_cut.to_string()),
            row("mean tokens", format!("{:.1}", self.mean_tokens)),
            row("tokens/s", format!("{:.0}", self.tokens_per_second)),
        ];
        if let Some(server) = &self.server {
            rows.push(row("requests", server.asked.requests.to_string()));
            rows.push(row("without log-prob", server.without_log_prob.to_string()));
        }
        rows
    }
}

/// Counts responses.
#[derive(Debug, Default)]
pub struct Tally {
    stop: u64,
    length: u64,
    turn: u64,
    empty: u64,
    /// Responses whose tokens are known, and these tokens.
    counted: u64,
    n_tokens: u64,
    pub without_log_prob: u64,
}

impl Tally {
    /// Counts a response: how it ended, and, where they are known, its tokens and its
    /// log-prob.
    pub fn add(&mut self, finish: Finish, tokens: Option<i32>, log_prob: Option<f32>) {
        match finish {
            Finish::Stop => self.stop += 1,
            Finish::Length => self.length += 1,
            Finish::Turn => self.turn += 1,
            Finish::Empty => self.empty += 1,
        }
        if let Some(tokens) = tokens {
            self.counted += 1;
            self.n_tokens += tokens as u64;
        }
        self.without_log_prob += u64::from(log_prob.is_none());
    }

    /// Returns the counts.
    pub fn summary(&self) -> Summary {
        Summary {
            responses: self.stop + self.length + self.turn + self.empty,
            stop: self.stop,
            length: self.length,
            turn: self.turn,
            empty: self.empty,
            mean_tokens: self.n_tokens as f64 / self.counted.max(1) as f64,
            ..Summary::default()
        }
    }
}

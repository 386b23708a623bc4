//! What a run asked, and what it cost.

use apo_endpoint::{Counts, Usage};
use serde::Serialize;

/// What a run asked.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// Requests that were sent, each counted once.
    pub requests: u64,
    /// Attempts at these requests.
    pub attempts: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests whose reply is empty, or only a thought.
    pub empty: u64,
    /// Requests whose reply cannot be read.
    pub unreadable: u64,
    /// Replies without token counts.
    pub without_usage: u64,
    /// Tokens and cost.
    #[serde(flatten)]
    pub tokens: TokenCost,
}

impl Asked {
    /// Counts what was asked, with the prices of a million request tokens and a
    /// million reply tokens.
    pub fn new(counts: Counts, prices: Option<(f64, f64)>) -> Self {
        let usage = Usage {
            prompt_tokens: counts.prompt_tokens,
            completion_tokens: counts.completion_tokens,
        };
        Self {
            requests: counts.requests,
            attempts: counts.attempts,
            failed: counts.failed,
            empty: counts.empty,
            unreadable: counts.unreadable,
            without_usage: counts.without_usage,
            tokens: TokenCost::new(usage, prices),
        }
    }

    /// Returns it as the progress line shows it.
    pub fn message(&self) -> String {
        let tokens = self.tokens.prompt_tokens + self.tokens.completion_tokens;
        let text = format!(
            "requests={} failed={} tokens={tokens}",
            self.requests, self.failed
        );
        match self.tokens.cost {
            Some(cost) => format!("{text} cost={cost:.2}"),
            None => text,
        }
    }
}

/// Tokens, and their cost if prices are given.
#[derive(Debug, Serialize)]
pub struct TokenCost {
    /// Tokens of requests.
    pub prompt_tokens: u64,
    /// Tokens of replies.
    pub completion_tokens: u64,
    /// Cost in the prices' currency.
    pub cost: Option<f64>,
}

impl TokenCost {
    /// Counts tokens, with the prices of a million request tokens and a million
    /// reply tokens.
    pub fn new(usage: Usage, prices: Option<(f64, f64)>) -> Self {
        let Usage {
            prompt_tokens,
            completion_tokens,
        } = usage;
        let cost = prices.map(|(price_in, price_out)| {
            (prompt_tokens as f64 * price_in + completion_tokens as f64 * price_out) / 1e6
        });
        Self {
            prompt_tokens,
            completion_tokens,
            cost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_that_of_a_million_tokens() {
        let usage = Usage {
            prompt_tokens: 2_000_000,
            completion_tokens: 500_000,
        };
        assert_eq!(TokenCost::new(usage, None).cost, None);
        let cost = TokenCost::new(usage, Some((30.0, 60.0))).cost.unwrap();
        assert!((cost - 90.0).abs() < 1e-9, "{cost}");
    }
}

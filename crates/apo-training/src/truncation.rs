//! Fits prompts and responses to a limit of tokens, and counts what is cut.

use apo_dialogue::{Fitted, fit};
use serde::Serialize;

use crate::example::Example;
use crate::response_spool::TokenizedResponse;

/// How many prompts and responses were truncated to fit the limit.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct TruncationCounts {
    /// All responses.
    pub responses: u64,
    /// Prompts that lost their beginning.
    pub prompts_cut: u64,
    /// Responses that lost their end.
    pub responses_cut: u64,
}

/// Truncates prompts and responses to a limit.
#[derive(Debug)]
pub struct Truncation {
    /// Most tokens of prompt and response.
    pub limit: usize,
    /// End of text.
    pub eos: u32,
    /// Beginning of text, if the model has one.
    pub bos: Option<u32>,
    /// What was truncated so far.
    pub counts: TruncationCounts,
}

impl Truncation {
    /// Fits a response, with an end of text if it is complete, and its prompt to
    /// the limit.
    pub fn fit(&mut self, prompt: &[u32], response: &[u32], complete: bool) -> Fitted {
        let eos = complete.then_some(self.eos);
        let fitted = fit(prompt, response, eos, self.bos, self.limit);
        self.counts.responses += 1;
        self.counts.prompts_cut += u64::from(fitted.prompt_cut > 0);
        self.counts.responses_cut += u64::from(fitted.response_cut > 0);
        fitted
    }

    /// Adds a response to an example and returns its number there, or `None` if
    /// truncation left nothing of it.
    pub fn add(&mut self, example: &mut Example, response: &TokenizedResponse) -> Option<u32> {
        let fitted = self.fit(&response.prompt, &response.response, response.complete);
        if fitted.response.is_empty() {
            return None;
        }
        example.query_id.clone_from(&response.query_id);
        example.reference.extend(response.reference);
        Some(example.add(fitted.prompt, fitted.response))
    }
}

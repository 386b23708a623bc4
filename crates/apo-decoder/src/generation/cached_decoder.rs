//! What a decoder with a cache does for generation: prompts, and rows that grow by a
//! token.

use std::sync::Arc;

/// Extends rows by one token at a time.
pub(super) trait CachedDecoder {
    /// A prompt's keys and values.
    type Prompt;
    /// A row's own state.
    type Row: Send;

    /// Computes prompts; returns each with the logits of its next token,
    /// `[vocab]`.
    fn prefill(&self, prompts: &[&[u32]]) -> Vec<(Self::Prompt, Vec<f32>)>;

    /// Starts a row after a prompt.
    fn row(&mut self, prompt: &Arc<Self::Prompt>) -> Self::Row;

    /// Adds a token to each row and writes the next token's logits,
    /// `[rows, vocab]`.
    fn step(&mut self, rows: &mut [&mut Self::Row], tokens: &[u32], logits: &mut Vec<f32>);
}

//! Prompt trees: flat tokens of a prompt and of the responses to it.
//!
//! In this method every query has several responses: golden, samples, chosen,
//! rejected. Each response attends to the prompt and to itself, and its
//! positions continue those of the prompt, so that its values are the same as
//! in a separate sequence; the prompt is computed only once.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use apo_kernels::layout::{Layout, Segment};

use crate::config::ModelConfig;
use crate::rope::rotations;

/// A prompt and responses to it, as token ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTree {
    /// The prompt, at least one token.
    pub prompt: Vec<u32>,
    /// The responses, at least one token each.
    pub responses: Vec<Vec<u32>>,
}

impl PromptTree {
    /// Returns how many tokens a forward pass computes.
    pub fn n_tokens(&self) -> usize {
        self.prompt.len() + self.responses.iter().map(Vec::len).sum::<usize>()
    }
}

/// Prompt trees laid out as one run of tokens, without padding.
///
/// Responses are numbered through all trees, in order.
///
/// # Examples
///
/// A prompt of three tokens with two responses is a batch of seven tokens, not of
/// ten:
///
/// ```
/// use apo_decoder::{PromptTree, TreeBatch};
///
/// let tree = PromptTree {
///     prompt: vec![1, 15, 8],
///     responses: vec![vec![40, 2], vec![41, 2]],
/// };
/// let batch = TreeBatch::new([&tree]);
/// assert_eq!(batch.tokens(), [1, 15, 8, 40, 2, 41, 2]);
/// assert_eq!(batch.response_lengths(), [2, 2]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct TreeBatch {
    tokens: Vec<u32>,
    segments: Vec<Segment>,
    trees: Vec<Range<usize>>,
    /// The segment of each response.
    responses: Vec<usize>,
}

impl TreeBatch {
    /// Lays out trees.
    ///
    /// # Panics
    ///
    /// When a prompt or a response has no token.
    pub fn new<'a>(trees: impl IntoIterator<Item = &'a PromptTree>) -> Self {
        let mut batch = Self::default();
        for tree in trees {
            batch.push(tree);
        }
        batch
    }

    /// Adds a tree.
    ///
    /// # Panics
    ///
    /// When its prompt or a response has no token.
    pub fn push(&mut self, tree: &PromptTree) {
        assert!(!tree.prompt.is_empty(), "a prompt has at least one token");
        let number = self.trees.len();
        let start = self.tokens.len();
        self.tokens.extend(&tree.prompt);
        let prompt = start..self.tokens.len();
        self.segments.push(Segment {
            rows: prompt.clone(),
            prompt: None,
            position: 0,
            tree: number,
        });
        for response in &tree.responses {
            assert!(!response.is_empty(), "a response has at least one token");
            let first = self.tokens.len();
            self.tokens.extend(response);
            self.responses.push(self.segments.len());
            self.segments.push(Segment {
                rows: first..self.tokens.len(),
                prompt: Some(prompt.clone()),
                position: prompt.len(),
                tree: number,
            });
        }
        self.trees.push(start..self.tokens.len());
    }

    /// Returns the token ids, `[tokens]`.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Returns how many tokens a forward pass computes.
    pub fn n_tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Returns how many responses the trees hold.
    pub fn n_responses(&self) -> usize {
        self.responses.len()
    }

    /// Returns how many tokens each response has, `[response]`.
    pub fn response_lengths(&self) -> Vec<usize> {
        self.responses
            .iter()
            .map(|&segment| self.segments[segment].rows.len())
            .collect()
    }

    /// Returns the row of each response's last token, `[response]`.
    pub(crate) fn last_rows(&self) -> Vec<usize> {
        self.responses
            .iter()
            .map(|&segment| self.segments[segment].rows.end - 1)
            .collect()
    }

    /// Returns, for each response token, the row that predicts it and the
    /// token, responses one after the other.
    pub(crate) fn predictions(&self) -> (Vec<usize>, Vec<usize>) {
        let mut rows = Vec::new();
        let mut targets = Vec::new();
        for &segment in &self.responses {
            let segment = &self.segments[segment];
            let prompt = segment.prompt.as_ref().expect("a response has a prompt");
            for row in segment.rows.clone() {
                rows.push(if row == segment.rows.start {
                    prompt.end - 1
                } else {
                    row - 1
                });
                targets.push(self.tokens[row] as usize);
            }
        }
        (rows, targets)
    }

    /// Returns which rows attend to which, with the rotations of each row's
    /// position.
    pub(crate) fn layout(&self, config: &ModelConfig) -> Layout {
        let positions = self
            .segments
            .iter()
            .flat_map(|segment| segment.position..segment.position + segment.rows.len());
        let (cos, sin) = rotations(config, positions);
        Layout {
            segments: self.segments.clone(),
            trees: self.trees.clone(),
            cos,
            sin,
        }
    }
}

//! A query with its responses, and what a model learns from them.

use apo_decoder::PromptTree;
use apo_dialogue::Truncation;
use serde::{Deserialize, Serialize};

use crate::response::{ResponseRole, TokenizedResponse};

/// What decided between two responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComparisonKind {
    /// A golden answer is above a sample: the first term of APO eq. 17.
    GoldenOverSample,
    /// People preferred one: the second term of APO eq. 17.
    Human,
    /// One has the higher reward: what a policy learns from.
    ByReward,
}

/// A comparison of two responses, by their numbers in the example.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The chosen response.
    pub chosen: u32,
    /// The rejected response.
    pub rejected: u32,
    /// What decided.
    pub kind: ComparisonKind,
    /// Its weight within the query.
    pub weight: f32,
}

/// A query with its responses, and what a model learns from them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// The query's id. It decides the order of shuffled examples, so that the
    /// order of the input does not.
    pub query_id: String,
    /// The responses. There are several trees if the prompt was truncated
    /// differently.
    pub trees: Vec<PromptTree>,
    /// Comparisons of responses.
    pub comparisons: Vec<Comparison>,
    /// Responses to fine-tune on.
    pub sft_targets: Vec<u32>,
    /// The responses' log-probs under the reference, nats, if they are known: all
    /// of them or none, that of a mismatched response last.
    pub reference: Vec<f32>,
    /// The prompt with the response to another query, for losses that estimate
    /// the KL from the reference.
    pub mismatched: Option<PromptTree>,
}

impl Example {
    /// Adds a response to a prompt and returns its number; responses to one
    /// prompt share a tree.
    pub fn add(&mut self, prompt: Vec<u32>, response: Vec<u32>) -> u32 {
        let mut number = 0;
        for tree in &self.trees {
            number += tree.responses.len() as u32;
        }
        // Only the last tree may grow, because numbers run through the trees.
        match self.trees.last_mut() {
            Some(tree) if tree.prompt == prompt => tree.responses.push(response),
            _ => self.trees.push(PromptTree {
                prompt,
                responses: vec![response],
            }),
        }
        number
    }

    /// Adds a response, truncated to fit a limit, and returns its number, or `None`
    /// if truncation left nothing of it.
    pub fn add_fitted(
        &mut self,
        response: &TokenizedResponse,
        truncation: &mut Truncation,
    ) -> Option<u32> {
        let fitted = truncation.fit(&response.prompt, &response.response, response.complete);
        if fitted.response.is_empty() {
            return None;
        }
        self.query_id.clone_from(&response.query_id);
        self.reference.extend(response.reference);
        Some(self.add(fitted.prompt, fitted.response))
    }

    /// Adds people's preferences among a query's responses, and returns their number. A
    /// response without a counterpart adds nothing to compare.
    pub fn add_human_pairs(
        &mut self,
        responses: &[TokenizedResponse],
        truncation: &mut Truncation,
    ) -> u64 {
        let of = |role| responses.iter().filter(move |it| it.role == role);
        let mut n = 0;
        for (chosen, rejected) in of(ResponseRole::Chosen).zip(of(ResponseRole::Rejected)) {
            let chosen = self.add_fitted(chosen, truncation);
            let rejected = self.add_fitted(rejected, truncation);
            if let (Some(chosen), Some(rejected)) = (chosen, rejected) {
                n += 1;
                self.comparisons.push(Comparison {
                    chosen,
                    rejected,
                    kind: ComparisonKind::Human,
                    weight: 1.0,
                });
            }
        }
        n
    }

    /// Returns the number of responses.
    pub fn n_responses(&self) -> usize {
        self.trees.iter().map(|tree| tree.responses.len()).sum()
    }

    /// Returns the trees that need the reference's log-probs, the mismatched
    /// one last.
    pub(crate) fn referenced(&self) -> impl Iterator<Item = &PromptTree> {
        self.trees.iter().chain(&self.mismatched)
    }

    /// Returns the number of responses in these trees.
    pub(crate) fn n_referenced(&self) -> usize {
        self.referenced().map(|tree| tree.responses.len()).sum()
    }

    /// Returns how many tokens a forward pass computes.
    pub fn n_tokens(&self) -> usize {
        self.trees.iter().map(PromptTree::n_tokens).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_numbered_through_the_trees() {
        let mut example = Example {
            query_id: "0123abcd".into(),
            sft_targets: vec![1],
            reference: vec![-1.5, -0.25, -3.0],
            ..Example::default()
        };
        assert_eq!(example.add(vec![1, 2], vec![3]), 0);
        assert_eq!(example.add(vec![1, 2], vec![4, 5]), 1);
        assert_eq!(example.add(vec![2], vec![6]), 2);
        assert_eq!(example.trees.len(), 2);
        example.comparisons.push(Comparison {
            chosen: 0,
            rejected: 2,
            kind: ComparisonKind::GoldenOverSample,
            weight: 0.25,
        });
        example.mismatched = Some(PromptTree {
            prompt: vec![1, 2],
            responses: vec![vec![7]],
        });
        assert_eq!((example.n_responses(), example.n_referenced()), (3, 4));
    }
}

//! Prompts with responses to other queries, from which KTO estimates the KL from the
//! reference.

use apo_decoder::PromptTree;
use apo_dialogue::Truncation;
use apo_training::{Example, TokenizedResponse};

use crate::args::Method;
use crate::pairs::best;

/// Gives each query's prompt the best response to the query before it.
#[derive(Default)]
pub struct Mismatch {
    /// The best response to the query before, in the order of the hashes of their
    /// ids; the first query has none.
    before: Option<TokenizedResponse>,
}

impl Mismatch {
    /// Returns `None` if the method's loss does not need the KL.
    pub fn of(method: &Method) -> Option<Self> {
        match method {
            Method::Dpo(dpo) if dpo.loss.pair_loss().needs_kl() => Some(Self::default()),
            _ => None,
        }
    }

    /// Returns the query's prompt with the previous query's best response.
    pub fn pair(
        &mut self,
        responses: &[TokenizedResponse],
        truncation: &mut Truncation,
    ) -> Option<PromptTree> {
        let own = &responses[best(responses)?];
        let other = self.before.replace(own.clone());
        let foreign = TokenizedResponse {
            prompt: own.prompt.clone(),
            ..other?
        };
        // This response is not in the table, so its truncation is not counted.
        let counts = truncation.counts;
        let mut example = Example::default();
        example.add_fitted(&foreign, truncation);
        truncation.counts = counts;
        example.trees.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::tests::{method, samples, truncation};

    #[test]
    fn a_mismatch_is_the_previous_querys_best_response_and_not_counted() {
        assert!(Mismatch::of(&method("dpo")).is_none());
        let mut mismatch = Mismatch::of(&method("dpo --loss kto")).expect("KTO has a KL");
        let mut truncation = truncation();
        assert_eq!(mismatch.pair(&samples([1.0, 2.0]), &mut truncation), None);
        let mut second = samples([5.0]);
        second[0].prompt = vec![8];
        let tree = mismatch.pair(&second, &mut truncation).expect("a pair");
        assert_eq!((tree.prompt, tree.responses), (vec![8], vec![vec![1, 0]]));
        assert_eq!(truncation.counts.responses, 0);
    }
}

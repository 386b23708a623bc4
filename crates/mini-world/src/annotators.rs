//! The annotators of the mini world: mostly right, with a liking for length.

use crate::quality::quality_about;
use crate::topic::{Topic, words};

/// An annotator prefers the first of two responses with probability
/// σ((q₁ − q₂)/τ + [`LENGTH_LIKING`] · (words₁ − words₂)); this is τ.
const TAU: f64 = 0.35;

/// How much an annotator likes one more word, in logits.
const LENGTH_LIKING: f64 = 0.03;

/// Returns the probability that an annotator prefers the first of two responses.
pub(crate) fn prefers_first(topic: Topic, first: &str, second: &str) -> f64 {
    let gap = quality_about(topic, first) - quality_about(topic, second);
    let longer = words(first).len() as f64 - words(second).len() as f64;
    1.0 / (1.0 + (-gap / TAU - LENGTH_LIKING * longer).exp())
}

/// Returns how likely it is that annotators choose as they mostly would: the highest
/// expected accuracy that a reward model can have on this pair. `None` if the prompt asks
/// nothing of the mini world.
pub fn ceiling(prompt: &str, chosen: &str, rejected: &str) -> Option<f64> {
    let share = prefers_first(Topic::of(prompt)?, chosen, rejected);
    Some(share.max(1.0 - share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::generate;

    #[test]
    fn those_who_know_the_annotators_are_right_as_often_as_the_ceiling_says() {
        let files = generate(7, 0.0);
        let pairs = files.values().flat_map(|it| &it.pairs);
        let (mut right, mut expected, mut n) = (0.0, 0.0, 0.0);
        for pair in pairs {
            let share = prefers_first(pair.topic, &pair.chosen, &pair.rejected);
            right += f64::from(u8::from(share > 0.5));
            let known = ceiling(&pair.prompt, &pair.chosen, &pair.rejected);
            expected += known.expect("the prompt asks for something");
            n += 1.0;
        }
        let (right, expected): (f64, f64) = (right / n, expected / n);
        // Some four standard errors of 4,200 choices.
        assert!((right - expected).abs() < 0.03, "{right} {expected}");
        assert!((0.6..0.9).contains(&expected), "{expected}");
        assert_eq!(ceiling("What is new?", "Yes.", "No."), None);
    }
}

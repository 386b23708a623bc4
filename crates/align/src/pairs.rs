//! What a method learns from the responses to a query: which of them to fine-tune on,
//! and which pairs to compare, by their rewards.

use apo_dialogue::Truncation;
use apo_provenance::short_digest;
use apo_training::{Comparison, ComparisonKind, Example, ResponseRole, TokenizedResponse};

use crate::args::{Method, WhichPairs};

/// Makes a query's example, or returns `None` if the method cannot learn from
/// it.
pub fn example(
    method: &Method,
    responses: &[TokenizedResponse],
    truncation: &mut Truncation,
) -> Option<Example> {
    let mut example = Example::default();
    match method {
        Method::Sft(_) => {
            for response in responses {
                let number = example.add_fitted(response, truncation);
                example.sft_targets.extend(number);
            }
            if example.sft_targets.is_empty() {
                return None;
            }
        }
        Method::Rjs(_) => {
            let best = &responses[best(responses)?];
            let number = example.add_fitted(best, truncation)?;
            example.sft_targets.push(number);
        }
        Method::Rrhf(_) => {
            let best = best(responses)?;
            let numbers = add_ordered(&mut example, responses, truncation, |_| 1.0);
            example.sft_targets.push(numbers[best]?);
        }
        Method::Dpo(dpo) if dpo.table.pairs_table.is_some() => {
            if example.add_human_pairs(responses, truncation) == 0 {
                return None;
            }
            if dpo.loss.sft_weight > 0.0 {
                let chosen = example.comparisons.iter().map(|it| it.chosen);
                example.sft_targets.extend(chosen);
            }
        }
        Method::Dpo(dpo) if dpo.pairs == WhichPairs::All => {
            let best = best(responses)?;
            let weight = |n| 1.0 / n as f32;
            let numbers = add_ordered(&mut example, responses, truncation, weight);
            if example.comparisons.is_empty() {
                return None;
            }
            if dpo.loss.sft_weight > 0.0 {
                example.sft_targets.push(numbers[best]?);
            }
        }
        Method::Dpo(dpo) => {
            let (chosen, rejected) = if dpo.pairs == WhichPairs::Random {
                random(responses, dpo.common.training.seed)?
            } else {
                best_worst(responses)?
            };
            let chosen = example.add_fitted(chosen, truncation)?;
            let rejected = example.add_fitted(rejected, truncation)?;
            example.comparisons.push(by_reward(chosen, rejected, 1.0));
            if dpo.loss.sft_weight > 0.0 {
                example.sft_targets.push(chosen);
            }
        }
    }
    Some(example)
}

/// Returns the reward of a row of a scored table.
fn reward(response: &TokenizedResponse) -> f32 {
    response.reward.expect("the table's rewards are checked")
}

/// Returns the index of the response with the highest reward that is not empty; the
/// first of equals. Among people's pairs it is the first chosen one.
pub fn best(responses: &[TokenizedResponse]) -> Option<usize> {
    let chosen = |it: &TokenizedResponse| it.role == ResponseRole::Chosen;
    if let Some(at) = responses.iter().position(chosen) {
        return Some(at);
    }
    let mut best = None;
    for (i, response) in responses.iter().enumerate() {
        let better = best.is_none_or(|best: usize| reward(response) > reward(&responses[best]));
        if better && response.role != ResponseRole::Empty {
            best = Some(i);
        }
    }
    best
}

/// Returns the best response and the worst; `None` if their rewards are equal.
fn best_worst(responses: &[TokenizedResponse]) -> Option<(&TokenizedResponse, &TokenizedResponse)> {
    let best = &responses[best(responses)?];
    let worst = responses
        .iter()
        .min_by(|a, b| reward(a).total_cmp(&reward(b)))?;
    is_pair(best, worst).then_some((best, worst))
}

/// Draws one of the pairs of better and worse responses, each as likely as the others;
/// `None` if there are none.
fn random(
    responses: &[TokenizedResponse],
    seed: u64,
) -> Option<(&TokenizedResponse, &TokenizedResponse)> {
    let all = responses.iter();
    let pairs = all.flat_map(|chosen| responses.iter().map(move |rejected| (chosen, rejected)));
    let pairs: Vec<_> = pairs
        .filter(|(chosen, rejected)| is_pair(chosen, rejected))
        .collect();
    let query_id = responses.first()?.query_id.as_bytes();
    let drawn = short_digest(&[b"pair", &seed.to_le_bytes(), query_id]);
    let at = drawn.checked_rem(pairs.len() as u64)?;
    Some(pairs[at as usize])
}

/// Whether the first response is better than the second, and not empty.
fn is_pair(chosen: &TokenizedResponse, rejected: &TokenizedResponse) -> bool {
    reward(chosen) > reward(rejected) && chosen.role != ResponseRole::Empty
}

fn by_reward(chosen: u32, rejected: u32, weight: f32) -> Comparison {
    Comparison {
        chosen,
        rejected,
        kind: ComparisonKind::ByReward,
        weight,
    }
}

/// Adds all responses, and every pair with different rewards, each with a weight that
/// depends on the number of pairs; an empty response is never the chosen one. Returns
/// the responses' numbers in the example; truncation may leave nothing of one.
fn add_ordered(
    example: &mut Example,
    responses: &[TokenizedResponse],
    truncation: &mut Truncation,
    weight: impl Fn(usize) -> f32,
) -> Vec<Option<u32>> {
    let numbers: Vec<Option<u32>> = responses
        .iter()
        .map(|response| example.add_fitted(response, truncation))
        .collect();
    let mut pairs = Vec::new();
    for (chosen, first) in responses.iter().zip(&numbers) {
        for (rejected, second) in responses.iter().zip(&numbers) {
            if let (Some(first), Some(second)) = (first, second)
                && is_pair(chosen, rejected)
            {
                pairs.push((*first, *second));
            }
        }
    }
    let weight = weight(pairs.len());
    let comparisons = pairs.into_iter();
    let comparisons = comparisons.map(|(chosen, rejected)| by_reward(chosen, rejected, weight));
    example.comparisons.extend(comparisons);
    numbers
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::args::Args;
    use apo_dialogue::TruncationCounts;
    use clap::Parser as _;

    pub fn method(line: &str) -> Method {
        let table = if line.starts_with("sft") {
            "golden"
        } else {
            "responses"
        };
        let rest = format!("align {line} --{table} table --model model --out out");
        Args::parse_from(rest.split_whitespace()).method
    }

    pub fn truncation() -> Truncation {
        Truncation {
            limit: 8,
            eos: 0,
            bos: None,
            counts: TruncationCounts::default(),
        }
    }

    /// Samples with these rewards: the n-th one is the token n.
    pub fn samples<const N: usize>(rewards: [f32; N]) -> Vec<TokenizedResponse> {
        let sample = |(number, reward)| TokenizedResponse {
            query_id: "0123abcd".into(),
            role: ResponseRole::Sample,
            number,
            complete: true,
            reward: Some(reward),
            reference: None,
            prompt: vec![7],
            response: vec![number],
        };
        (0..).zip(rewards).map(sample).collect()
    }

    /// Makes a sample empty: only the end of text is left of it.
    fn empty(sample: &mut TokenizedResponse) {
        sample.role = ResponseRole::Empty;
        sample.response.clear();
    }

    /// Truncates a sample until nothing of its response is left.
    fn cut(sample: &mut TokenizedResponse) {
        sample.complete = false;
        sample.response.clear();
    }

    fn made(line: &str, responses: &[TokenizedResponse]) -> Option<Example> {
        example(&method(line), responses, &mut truncation())
    }

    /// The responses' tokens.
    fn tokens(example: &Example) -> Vec<&[u32]> {
        let responses = example.trees.iter().flat_map(|tree| &tree.responses);
        responses.map(Vec::as_slice).collect()
    }

    /// The pairs by the responses' numbers, with their weights.
    fn pairs(example: &Example) -> Vec<(u32, u32, f32)> {
        let pairs = example.comparisons.iter();
        pairs
            .map(|it| (it.chosen, it.rejected, it.weight))
            .collect()
    }

    #[test]
    fn sft_learns_from_every_response_that_is_left() {
        let mut golden = samples([0.0, 0.0, 0.0]);
        for answer in &mut golden {
            answer.reward = None;
        }
        cut(&mut golden[1]);
        let example = made("sft", &golden).expect("two are left");
        assert_eq!(tokens(&example), [[0, 0], [2, 0]]);
        assert_eq!(example.sft_targets, [0, 1]);
        assert_eq!(made("sft", &golden[1..2]), None);
    }

    #[test]
    fn rjs_learns_from_the_first_of_the_best_that_are_not_empty() {
        let mut responses = samples([0.5, 2.0, 2.0, 3.0]);
        empty(&mut responses[3]);
        let example = made("rjs", &responses).expect("one is the best");
        assert_eq!(tokens(&example), [[1, 0]]);
        assert_eq!(example.sft_targets, [0]);
        assert_eq!(made("rjs", &responses[3..]), None);
    }

    #[test]
    fn rrhf_orders_all_and_numbers_what_truncation_left() {
        let mut responses = samples([9.0, 1.0, 3.0, 2.0]);
        cut(&mut responses[0]);
        assert_eq!(
            made("rrhf", &responses),
            None,
            "nothing is left of the best"
        );
        responses[0].reward = Some(0.0);
        let example = made("rrhf", &responses).expect("three are left");
        assert_eq!(tokens(&example), [[1, 0], [2, 0], [3, 0]]);
        assert_eq!(pairs(&example), [(1, 0, 1.0), (1, 2, 1.0), (2, 0, 1.0)]);
        assert_eq!(example.sft_targets, [1]);
        // Without pairs the best one's likelihood is left.
        let equal = made("rrhf", &samples([1.0, 1.0])).expect("one is the best");
        assert_eq!((equal.comparisons.len(), equal.sft_targets), (0, vec![0]));
    }

    #[test]
    fn dpo_compares_the_best_with_the_worst() {
        let mut responses = samples([1.0, 3.0, 0.5, 2.0]);
        let example = made("dpo", &responses).expect("rewards differ");
        assert_eq!(tokens(&example), [[1, 0], [2, 0]]);
        assert_eq!(pairs(&example), [(0, 1, 1.0)]);
        assert!(example.sft_targets.is_empty());
        let with_sft = made("dpo --sft-weight 0.5", &responses).expect("rewards differ");
        assert_eq!(with_sft.sft_targets, [0]);
        // An empty response may be the worst, not the best.
        empty(&mut responses[2]);
        let example = made("dpo", &responses).expect("rewards differ");
        assert_eq!(tokens(&example), [&[1, 0][..], &[0]]);
        empty(&mut responses[1]);
        let example = made("dpo", &responses).expect("rewards differ");
        assert_eq!(tokens(&example), [&[3, 0][..], &[0]]);
        assert_eq!(made("dpo", &responses[1..3]), None);
        assert_eq!(made("dpo", &samples([1.0, 1.0])), None);
    }

    #[test]
    fn a_random_pair_is_any_better_response_against_any_worse_one() {
        let of_query = |query_id: &str, seed: u64| {
            let mut responses = samples([1.0, 3.0, 2.0, 4.0]);
            for response in &mut responses {
                response.query_id = query_id.into();
            }
            empty(&mut responses[3]);
            let line = format!("dpo --pairs random --seed {seed} --sft-weight 1");
            let example = made(&line, &responses).expect("rewards differ");
            assert_eq!(pairs(&example), [(0, 1, 1.0)]);
            assert_eq!(example.sft_targets, [0]);
            let tokens: Vec<u32> = tokens(&example).iter().map(|it| it[0]).collect();
            (tokens[0], tokens[1])
        };
        let queries: Vec<String> = (0..300).map(|i| format!("query {i}")).collect();
        let drawn: Vec<(u32, u32)> = queries.iter().map(|it| of_query(it, 1)).collect();
        for pair in [(1, 0), (1, 2), (2, 0)] {
            let n = drawn.iter().filter(|it| **it == pair).count();
            // A third of 300; five deviations of 8.2
            assert!((60..=140).contains(&n), "{pair:?}: {n}");
        }
        assert_eq!(of_query("query 0", 1), drawn[0]);
        let other: Vec<(u32, u32)> = queries.iter().map(|it| of_query(it, 2)).collect();
        assert_ne!(drawn, other);
        let line = "dpo --pairs random";
        assert_eq!(made(line, &samples([1.0, 1.0])), None);
    }

    #[test]
    fn peoples_pairs_are_compared_one_by_one() {
        let mut responses = samples([0.0, 0.0, 0.0, 0.0]);
        let roles = [
            ResponseRole::Chosen,
            ResponseRole::Chosen,
            ResponseRole::Rejected,
        ];
        for (response, role) in responses
            .iter_mut()
            .zip(roles.into_iter().chain([roles[2]]))
        {
            (response.role, response.reward) = (role, None);
        }
        let line = "align dpo --pairs-table table --model model --out out";
        let method = |more: &str| {
            let line = format!("{line} {more}");
            Args::parse_from(line.split_whitespace()).method
        };
        let made = |more: &str, responses: &[TokenizedResponse]| {
            example(&method(more), responses, &mut truncation())
        };
        let example = made("", &responses).expect("two pairs");
        assert_eq!(tokens(&example), [[0, 0], [2, 0], [1, 0], [3, 0]]);
        assert_eq!(pairs(&example), [(0, 1, 1.0), (2, 3, 1.0)]);
        assert!(example.sft_targets.is_empty());
        let with_sft = made("--sft-weight 1", &responses).expect("two pairs");
        assert_eq!(with_sft.sft_targets, [0, 2]);
        assert_eq!(best(&responses), Some(0));
        cut(&mut responses[0]);
        let example = made("", &responses).expect("one pair is left");
        assert_eq!(pairs(&example), [(1, 2, 1.0)]);
        cut(&mut responses[1]);
        assert_eq!(made("", &responses), None);
    }

    #[test]
    fn all_pairs_of_a_query_weigh_one() {
        let mut responses = samples([3.0, 1.0, 1.0, 4.0]);
        empty(&mut responses[3]);
        let example = made("dpo --pairs all --sft-weight 1", &responses).expect("rewards differ");
        assert_eq!(pairs(&example), [(0, 1, 0.5), (0, 2, 0.5)]);
        assert_eq!(example.sft_targets, [0]);
        assert_eq!(made("dpo --pairs all", &responses[1..]), None);
    }
}

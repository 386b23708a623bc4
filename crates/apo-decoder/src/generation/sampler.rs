//! Chooses a token from logits.

use apo_kernels::simd;

/// Greedy or random choice, in the order and with the meaning of
/// `transformers`: repetition penalty, temperature, top-k, top-p.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 always takes the likeliest token.
    pub temperature: f32,
    /// Keeps only this many of the likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keeps only the likeliest tokens that together reach this probability.
    pub top_p: f32,
    /// Divides positive logits of tokens in the prompt or response, and multiplies
    /// negative ones; 1 changes nothing.
    pub repetition_penalty: f32,
}

impl Sampling {
    /// Always the likeliest token.
    pub const GREEDY: Self = Self {
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        repetition_penalty: 1.0,
    };
}

/// A chosen token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pick {
    /// Its id.
    pub token: u32,
    /// Its log-prob under the unchanged model, nats.
    pub log_prob: f32,
}

/// Tokens that are less likely than the likeliest by more than this factor are no
/// candidates at first. Few rows need more, and sorting all 50,000 tokens of a
/// vocabulary would take longer than all of its exponentials.
const FIRST_CANDIDATES: f32 = 1e-3;
/// The bound falls by this factor until there are enough candidates.
const MORE_CANDIDATES: f32 = 1.0 / 64.0;

impl Sampling {
    /// Chooses a token by `draw`, uniform in [0, 1). The repetition penalty
    /// applies to the ids in `seen`. The log-prob is NaN if a logit is.
    ///
    /// # Shapes
    ///
    /// - `logits`: `[vocab]`
    ///
    /// # Examples
    ///
    /// Of probabilities 0.1, 0.6 and 0.3, top-k 2 keeps 0.6 and 0.3:
    ///
    /// ```
    /// use apo_decoder::Sampling;
    ///
    /// let logits = [0.1_f32, 0.6, 0.3].map(f32::ln);
    /// let top_2 = Sampling {
    ///     temperature: 1.0,
    ///     top_k: 2,
    ///     ..Sampling::GREEDY
    /// };
    /// assert_eq!(Sampling::GREEDY.pick(&logits, &[], 0.9).token, 1);
    /// assert_eq!(top_2.pick(&logits, &[], 0.6).token, 1);
    /// let pick = top_2.pick(&logits, &[], 0.7);
    /// assert_eq!(pick.token, 2);
    /// assert!((pick.log_prob - 0.3_f32.ln()).abs() < 1e-6);
    /// ```
    pub fn pick(&self, logits: &[f32], seen: &[u32], draw: f64) -> Pick {
        let log_sum = simd::log_sum_exp(logits);
        if !log_sum.is_finite() {
            // No token is likelier than another.
            return Pick {
                token: 0,
                log_prob: f32::NAN,
            };
        }
        let token = if self.repetition_penalty == 1.0 {
            self.choose(logits, draw)
        } else {
            let mut penalised = logits.to_vec();
            for &id in seen {
                // From the original logit: an id that occurs twice is penalised once.
                let logit = logits[id as usize];
                penalised[id as usize] = if logit > 0.0 {
                    logit / self.repetition_penalty
                } else {
                    logit * self.repetition_penalty
                };
            }
            self.choose(&penalised, draw)
        };
        Pick {
            token: token as u32,
            log_prob: logits[token] - log_sum,
        }
    }

    fn choose(&self, logits: &[f32], draw: f64) -> usize {
        if self.temperature == 0.0 {
            let maximum = simd::maximum(logits);
            return logits.iter().position(|&x| x == maximum).unwrap_or(0);
        }
        let mut weights = logits.to_vec();
        let total = simd::exponentials(&mut weights, 1.0 / self.temperature);
        if self.top_k == 0 && self.top_p >= 1.0 {
            return at(&weights, draw * total);
        }
        let kept = self.kept(&weights, total);
        let sum: f64 = kept.iter().map(|&id| f64::from(weights[id])).sum();
        let weights: Vec<f32> = kept.iter().map(|&id| weights[id]).collect();
        kept[at(&weights, draw * sum)]
    }

    /// Returns the ids that top-k and top-p keep, likeliest first, equals by id.
    ///
    /// `weights` are the probabilities up to a factor; the largest is 1, and their
    /// sum is `total`.
    fn kept(&self, weights: &[f32], total: f64) -> Vec<usize> {
        if self.top_k == 0 {
            return likeliest(weights, |ids| self.nucleus(weights, ids, total));
        }
        let mut kept = likeliest(weights, |ids| {
            (ids.len() >= self.top_k).then_some(self.top_k)
        });
        let total = kept.iter().map(|&id| f64::from(weights[id])).sum();
        let n_kept = self.nucleus(weights, &kept, total).unwrap_or(kept.len());
        kept.truncate(n_kept);
        kept
    }

    /// Returns how many of the sorted ids reach `top_p` of `total`, or `None` if all
    /// of them together do not.
    fn nucleus(&self, weights: &[f32], sorted: &[usize], total: f64) -> Option<usize> {
        let wanted = f64::from(self.top_p) * total;
        let mut sum = 0.0;
        for (i, &id) in sorted.iter().enumerate() {
            sum += f64::from(weights[id]);
            if sum >= wanted {
                return Some(i + 1);
            }
        }
        None
    }
}

/// Returns the likeliest ids, likeliest first, equals by id: as many as `enough`
/// says of the sorted candidates that it is given, or all if it never does.
fn likeliest(weights: &[f32], enough: impl Fn(&[usize]) -> Option<usize>) -> Vec<usize> {
    let mut least = FIRST_CANDIDATES;
    loop {
        let mut ids = simd::at_least(weights, least);
        ids.sort_unstable_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
        if let Some(n) = enough(&ids) {
            ids.truncate(n);
            return ids;
        }
        if ids.len() == weights.len() {
            return ids;
        }
        least *= MORE_CANDIDATES;
    }
}

/// Returns the first index at which the running sum of weights passes `point`.
fn at(weights: &[f32], point: f64) -> usize {
    const PART: usize = 256;
    let mut sum = 0.0;
    for (i, part) in weights.chunks(PART).enumerate() {
        let of_part: f64 = part.iter().map(|&x| f64::from(x)).sum();
        if sum + of_part > point {
            for (j, &weight) in part.iter().enumerate() {
                sum += f64::from(weight);
                if sum > point {
                    return i * PART + j;
                }
            }
        } else {
            sum += of_part;
        }
    }
    // By rounding, the point can be beyond the last positive weight.
    weights
        .iter()
        .rposition(|&weight| weight > 0.0)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(sampling: Sampling, logits: &[f32], seen: &[u32]) -> Vec<f64> {
        let n = 40_000;
        let mut counts = vec![0.0; logits.len()];
        for i in 0..n {
            let draw = (f64::from(i) + 0.5) / f64::from(n);
            counts[sampling.pick(logits, seen, draw).token as usize] += 1.0 / f64::from(n);
        }
        counts
    }

    fn assert_shares(found: &[f64], expected: &[f64]) {
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-3, "{found:?}, expected {expected:?}");
        }
    }

    const PLAIN: Sampling = Sampling {
        temperature: 1.0,
        ..Sampling::GREEDY
    };

    fn logits() -> Vec<f32> {
        [0.1_f32, 0.4, 0.2, 0.3].map(f32::ln).to_vec()
    }

    #[test]
    fn shares_are_the_probabilities() {
        assert_shares(&shares(PLAIN, &logits(), &[]), &[0.1, 0.4, 0.2, 0.3]);
    }

    #[test]
    fn temperature_two_takes_square_roots() {
        let roots = [0.1_f64, 0.4, 0.2, 0.3].map(f64::sqrt);
        let sum: f64 = roots.iter().sum();
        let warm = Sampling {
            temperature: 2.0,
            ..PLAIN
        };
        assert_shares(&shares(warm, &logits(), &[]), &roots.map(|root| root / sum));
    }

    #[test]
    fn top_k_keeps_the_likeliest() {
        let two = Sampling { top_k: 2, ..PLAIN };
        assert_shares(
            &shares(two, &logits(), &[]),
            &[0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0],
        );
    }

    #[test]
    fn top_p_keeps_what_reaches_it() {
        // 0.4 falls short of 0.65; 0.4 + 0.3 reaches it.
        let nucleus = Sampling {
            top_p: 0.65,
            ..PLAIN
        };
        assert_shares(
            &shares(nucleus, &logits(), &[]),
            &[0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0],
        );
        let few = Sampling {
            top_p: 0.01,
            ..PLAIN
        };
        assert_shares(&shares(few, &logits(), &[]), &[0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn top_p_and_top_k_look_beyond_their_first_candidates() {
        // A token of half the probability, and 2,000 that share the rest.
        let n = 2_000;
        let far = [vec![0.0_f32], vec![-(n as f32).ln(); n]].concat();
        let flat = vec![0.0_f32; n];
        let count = |sampling: Sampling, logits: &[f32]| {
            let mut weights = logits.to_vec();
            let total = simd::exponentials(&mut weights, 1.0);
            let kept = sampling.kept(&weights, total);
            assert!(kept.is_sorted_by(|&a, &b| (weights[b], a) < (weights[a], b)));
            kept.len()
        };
        let top_p = |top_p| Sampling { top_p, ..PLAIN };
        assert_eq!(count(top_p(0.75), &flat), 1_500);
        assert!(count(top_p(0.75), &far).abs_diff(1_001) <= 1);
        assert_eq!(count(top_p(0.49), &far), 1);
        let top_k = |top_k| Sampling { top_k, ..PLAIN };
        for k in [1, 2, 1_000, 2_001] {
            assert_eq!(count(top_k(k), &far), k);
        }
    }

    #[test]
    fn the_penalty_is_paid_once_and_log_probs_stay_the_models() {
        let sampling = Sampling {
            repetition_penalty: 2.0,
            ..Sampling::GREEDY
        };
        let logits = [1.9, 1.0, -0.5];
        let pick = sampling.pick(&logits, &[0, 0], 0.5);
        assert_eq!(pick.token, 1, "1.9 / 2 is less than 1.0");
        let sum: f32 = logits.iter().map(|x: &f32| x.exp()).sum();
        assert!((pick.log_prob - (1.0 - sum.ln())).abs() < 1e-6);
    }

    #[test]
    fn logits_that_are_not_finite_give_no_log_prob() {
        for bad in [f32::NAN, f32::INFINITY] {
            for sampling in [
                Sampling::GREEDY,
                PLAIN,
                Sampling {
                    top_p: 0.9,
                    ..PLAIN
                },
            ] {
                let pick = sampling.pick(&[0.5, bad, 0.1], &[], 0.5);
                assert!(pick.log_prob.is_nan(), "{bad}: {pick:?}");
            }
        }
    }

    #[test]
    fn greedy_takes_the_first_of_equals() {
        assert_eq!(Sampling::GREEDY.pick(&[1.0, 3.0, 3.0], &[], 0.9).token, 1);
    }
}

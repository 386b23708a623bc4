//! What a step adds up for its metrics.

use std::ops::AddAssign;

use apo_objectives::Pairs;

/// A number for chosen responses, and one for rejected ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sides {
    pub(crate) chosen: f64,
    pub(crate) rejected: f64,
}

impl AddAssign for Sides {
    fn add_assign(&mut self, other: Self) {
        self.chosen += other.chosen;
        self.rejected += other.rejected;
    }
}

/// Sums over a step's micro-batches, for its metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepSums {
    /// The step's loss.
    pub loss: f64,
    /// Tokens that the forward passes computed.
    pub tokens: u64,
    /// The number of pairs that have rewards.
    pub(crate) n_pairs: f64,
    /// The rewards of these pairs.
    pub(crate) rewards: Option<Sides>,
    /// The number of pairs whose chosen response has the higher reward.
    pub(crate) accuracy: f64,
    /// Log-probs of the responses that the objective learns from, nats.
    pub(crate) log_probs: Sides,
    /// The numbers of these responses.
    pub(crate) n_log_probs: Sides,
}

impl StepSums {
    /// Adds the rewards of pairs.
    pub(crate) fn add_rewards(&mut self, rewards: &[f32], pairs: &Pairs) {
        for pair in of_pairs(rewards, pairs) {
            *self.rewards.get_or_insert_default() += pair;
            self.n_pairs += 1.0;
            self.accuracy += f64::from(u8::from(pair.chosen > pair.rejected));
        }
    }

    /// Adds the log-probs of pairs.
    pub(crate) fn add_log_probs(&mut self, log_probs: &[f32], pairs: &Pairs) {
        for pair in of_pairs(log_probs, pairs) {
            self.log_probs += pair;
            self.n_log_probs += Sides {
                chosen: 1.0,
                rejected: 1.0,
            };
        }
    }
}

/// Returns the values of each pair's chosen and rejected response.
fn of_pairs(values: &[f32], pairs: &Pairs) -> impl Iterator<Item = Sides> {
    let both = pairs.chosen.iter().zip(&pairs.rejected);
    both.map(move |(&chosen, &rejected)| Sides {
        chosen: f64::from(values[chosen]),
        rejected: f64::from(values[rejected]),
    })
}

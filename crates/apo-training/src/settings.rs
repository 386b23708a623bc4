//! How a training goes.

use std::time::Duration;

use apo_llama::AdamWSettings;

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// Half a cosine, to 0.
    Cosine,
    /// A line, to 0.
    Linear,
    /// It stays.
    Constant,
}

/// Settings of a training.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Queries of an optimiser step.
    pub batch: usize,
    /// Times that every query is seen.
    pub epochs: usize,
    /// Tokens that are computed at once; does not change what is learnt.
    pub micro_tokens: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which it rises to that.
    pub warmup: f64,
    /// How it falls.
    pub decay: Decay,
    /// The optimiser's.
    pub adamw: AdamWSettings,
    /// Seed of the shuffle.
    pub seed: u64,
    /// Between two checkpoints.
    pub checkpoint_every: Duration,
}

impl Settings {
    /// Returns the learning rate of a step of `total`, both from 1, as
    /// `transformers`' schedules give it to their steps.
    pub fn learning_rate_at(&self, step: u64, total: u64) -> f64 {
        let warmup = (self.warmup * total as f64).ceil();
        let done = (step - 1) as f64;
        if done < warmup {
            // From the first step on, so that none is taken at rate 0.
            return self.learning_rate * (done + 1.0) / (warmup + 1.0);
        }
        let progress = (done - warmup) / (total as f64 - warmup).max(1.0);
        self.learning_rate
            * match self.decay {
                Decay::Constant => 1.0,
                Decay::Linear => 1.0 - progress,
                Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_over_the_warmup_and_falls_after() {
        let settings = Settings {
            batch: 1,
            epochs: 1,
            micro_tokens: 1,
            learning_rate: 1.0,
            warmup: 0.1,
            decay: Decay::Cosine,
            adamw: AdamWSettings::default(),
            seed: 1,
            checkpoint_every: Duration::from_secs(1),
        };
        let rates: Vec<f64> = (1..=100)
            .map(|step| settings.learning_rate_at(step, 100))
            .collect();
        assert!(rates[..11].is_sorted() && rates[10..].is_sorted_by(|a, b| a >= b));
        assert!(
            (rates[10] - 1.0).abs() < 1e-12,
            "the whole rate after ten steps"
        );
        assert!((rates[55] - 0.5).abs() < 1e-12, "half of it in the middle");
        assert!(rates[99] > 0.0 && rates[99] < 1e-3);
    }
}

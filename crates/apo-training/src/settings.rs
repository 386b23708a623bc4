//! Settings of a training.

use std::time::Duration;

use apo_decoder::AdamWSettings;

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// Half a cosine, down to 0.
    Cosine,
    /// Linearly, down to 0.
    Linear,
    /// Constant.
    Constant,
}

/// Settings of a training.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Queries in an optimiser step.
    pub batch: usize,
    /// Passes over the queries.
    pub epochs: usize,
    /// Tokens computed at once; does not change the result of the training.
    pub micro_tokens: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Fraction of steps for warm-up.
    pub warmup: f64,
    /// How the learning rate falls after the warm-up.
    pub decay: Decay,
    /// Settings of the optimiser.
    pub adamw: AdamWSettings,
    /// Seed of the shuffle.
    pub seed: u64,
    /// Time between two checkpoints.
    pub checkpoint_every: Duration,
}

impl Settings {
    /// Returns the learning rate of a step of `total`, both counted from 1, as
    /// `transformers`' schedules give it to their steps.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use apo_decoder::AdamWSettings;
    /// use apo_training::{Decay, Settings};
    ///
    /// let settings = Settings {
    ///     batch: 64,
    ///     epochs: 1,
    ///     micro_tokens: 2048,
    ///     learning_rate: 1e-6,
    ///     warmup: 0.25,
    ///     decay: Decay::Linear,
    ///     adamw: AdamWSettings::default(),
    ///     seed: 1,
    ///     checkpoint_every: Duration::from_secs(600),
    /// };
    /// // Two of eight steps are warm-up; then the rate falls by a sixth per step.
    /// assert_eq!(settings.learning_rate_at(3, 8), 1e-6);
    /// assert_eq!(settings.learning_rate_at(6, 8), 0.5e-6);
    /// ```
    pub fn learning_rate_at(&self, step: u64, total: u64) -> f64 {
        let warmup = (self.warmup * total as f64).ceil();
        let done = (step - 1) as f64;
        if done < warmup {
            // The warm-up does not begin at 0, so that the first step counts.
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

//! Rotary position embedding: its settings, and the frequencies that they give.

mod checks;
mod scalings;
mod spellings;

use std::f64::consts::TAU;

/// The context of a model's original training, tokens.
const ORIGINAL: &str = "original_max_position_embeddings";

/// Rotary position embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// How the frequencies are scaled for long contexts.
    pub scaling: Scaling,
}

/// How rotary frequencies are scaled for long contexts.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// `default`: not scaled.
    Unscaled,
    /// `linear`: positions are divided by this factor.
    Linear(f64),
    /// `llama3`
    Llama3(Llama3Scaling),
    /// `yarn`
    Yarn(YarnScaling),
}

/// LLaMA 3's scaling of the rotary frequencies.
#[derive(Clone, Debug, PartialEq)]
pub struct Llama3Scaling {
    /// Factor by which long wavelengths are slowed.
    pub factor: f64,
    /// Wavelengths above `original / this` are slowed by the whole factor.
    pub low_freq_factor: f64,
    /// Wavelengths below `original / this` are not slowed.
    pub high_freq_factor: f64,
    /// Context length of the original training, tokens.
    pub original_max_position_embeddings: f64,
}

/// YaRN's scaling of the rotary frequencies (Peng et al. 2023, arXiv
/// 2309.00071), as `transformers` computes it.
#[derive(Clone, Debug, PartialEq)]
pub struct YarnScaling {
    /// Factor by which slow rotations are slowed.
    pub factor: f64,
    /// A dimension with more rotations over the original context is not slowed.
    pub beta_fast: f64,
    /// A dimension with fewer rotations over the original context is slowed by
    /// the whole factor.
    pub beta_slow: f64,
    /// Context length of the original training, tokens.
    pub original_max_position_embeddings: f64,
    /// Whether the bounds of the ramp are rounded to whole dimensions.
    pub truncate: bool,
    /// Factor of cosines and sines.
    pub attention_factor: f64,
}

impl Rope {
    /// Returns the frequency of each pair of dimensions, `[head_dim / 2]`,
    /// radians per position.
    pub fn inverse_frequencies(&self, head_dim: usize) -> Vec<f64> {
        let pairs = 0..head_dim / 2;
        let frequency = |i: usize| self.theta.powf(-((2 * i) as f64) / head_dim as f64);
        match &self.scaling {
            Scaling::Unscaled => pairs.map(frequency).collect(),
            Scaling::Linear(factor) => pairs.map(|i| frequency(i) / factor).collect(),
            Scaling::Llama3(scaling) => pairs.map(|i| scaling.scale(frequency(i))).collect(),
            Scaling::Yarn(scaling) => {
                let (low, high) = scaling.ramp(self.theta, head_dim as f64);
                pairs
                    .map(|i| {
                        let slowed = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
                        let frequency = frequency(i);
                        frequency / scaling.factor * slowed + frequency * (1.0 - slowed)
                    })
                    .collect()
            }
        }
    }

    /// Returns the factor of cosines and sines.
    pub fn attention_factor(&self) -> f64 {
        match &self.scaling {
            Scaling::Yarn(scaling) => scaling.attention_factor,
            _ => 1.0,
        }
    }
}

impl Llama3Scaling {
    fn scale(&self, frequency: f64) -> f64 {
        let original = self.original_max_position_embeddings;
        let wavelength = TAU / frequency;
        if wavelength < original / self.high_freq_factor {
            return frequency;
        }
        if wavelength > original / self.low_freq_factor {
            return frequency / self.factor;
        }
        let smooth = (original / wavelength - self.low_freq_factor)
            / (self.high_freq_factor - self.low_freq_factor);
        (1.0 - smooth) * frequency / self.factor + smooth * frequency
    }
}

impl YarnScaling {
    /// Returns the pairs of dimensions between which the slowing rises from
    /// none to the whole factor.
    fn ramp(&self, theta: f64, head_dim: f64) -> (f64, f64) {
        let pair_of = |rotations: f64| {
            let ratio = self.original_max_position_embeddings / (rotations * TAU);
            head_dim * ratio.ln() / (2.0 * theta.ln())
        };
        let (mut low, mut high) = (pair_of(self.beta_fast), pair_of(self.beta_slow));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        (low, high) = (low.max(0.0), high.min(head_dim - 1.0));
        if low == high {
            high += 0.001; // as transformers does, against a division by zero
        }
        (low, high)
    }
}

/// YaRN's default for the factor of cosines and sines.
fn yarn_magnitude(factor: f64, scale: f64) -> f64 {
    if factor <= 1.0 {
        return 1.0;
    }
    0.1 * scale * factor.ln() + 1.0
}

//! The first values of parameters that are in no file.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::config::ModelConfig;
use crate::directory::Start;

/// Draws the parameters that are in no file.
pub(crate) struct Initializer {
    rng: ChaCha8Rng,
    deviation: f32,
}

impl Initializer {
    /// Draws by the start's seed, with the deviation that belongs to it.
    pub(crate) fn new(config: &ModelConfig, start: Start) -> Self {
        let (seed, deviation) = match start {
            Start::Scratch(seed) => (seed, config.initializer_range as f32),
            Start::NewHead(seed) => (seed, 1.0 / ((config.hidden_size + 1) as f32).sqrt()),
            Start::Saved => (0, 0.0),
        };
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            deviation,
        }
    }

    /// Returns the values of the next parameter, row after row.
    pub(crate) fn draw(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        let is_bias = name.rsplit('.').next() == Some("bias");
        match shape {
            [n] if is_bias => vec![0.0; *n],
            [n] => vec![1.0; *n],
            _ => normal(&mut self.rng, shape, self.deviation),
        }
    }
}

/// Draws from `N(0, deviation²)` by the Box–Muller transform. Written here, it draws the
/// same values whatever version of a library is installed: a model from scratch is the
/// same for a seed.
fn normal(rng: &mut ChaCha8Rng, shape: &[usize], deviation: f32) -> Vec<f32> {
    let n: usize = shape.iter().product();
    let mut out = Vec::with_capacity(n + 1);
    while out.len() < n {
        let u: f64 = 1.0 - rng.random::<f64>(); // (0, 1]
        let angle = std::f64::consts::TAU * rng.random::<f64>();
        let radius = (-2.0 * u.ln()).sqrt() * f64::from(deviation);
        out.push((radius * angle.cos()) as f32);
        out.push((radius * angle.sin()) as f32);
    }
    out.truncate(n);
    out
}

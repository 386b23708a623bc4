//! Numbers that tests compute with.

/// Returns `n` numbers from -1 to 1 that depend on the seed.
pub fn values(n: usize, seed: u32) -> Vec<f32> {
    (0..n as u32)
        .map(|i| {
            let x = (i.wrapping_mul(2_654_435_761) ^ seed).wrapping_mul(2_246_822_519);
            (x >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

//! Activations that wait for the backward pass.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::buffer::Buffer;
use crate::instruction_sets::for_each_instruction_set;
use crate::number::Number as _;

/// Elements that one thread takes at a time.
const PART: usize = 1 << 16;

/// Activations in f32, or rounded to bf16, which takes half the memory.
pub(crate) enum Activations {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
}

impl Activations {
    /// Rounds them to bf16.
    pub(crate) fn into_bf16(self) -> Self {
        let Self::F32(values) = self else {
            return self;
        };
        let mut bits = Buffer::new(values.len());
        bits.parts()
            .par_chunks_mut(PART)
            .zip(values.par_chunks(PART))
            .for_each(|(to, from)| round(from, to));
        // SAFETY: both have the same length, and each element is written.
        Self::Bf16(unsafe { bits.assume_init() })
    }

    /// Returns the number of elements.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(bits) => bits.len(),
        }
    }
}

for_each_instruction_set! {
    /// Writes the nearest bf16, ties to even, of each element. Writes all of `to` if both
    /// have the same length.
    ///
    /// # Shapes
    ///
    /// - `from`, `to`: `[elements]`
    pub(crate) fn round(from: &[f32], to: &mut [MaybeUninit<u16>]) {
        for (to, from) in to.iter_mut().zip(from) {
            to.write(u16::of(*from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_values::values;

    #[test]
    fn they_are_rounded_once() {
        for n in [0, 1, 1000, if cfg!(miri) { 1001 } else { 2 * PART + 7 }] {
            let exact = values(n, 1);
            let kept = Activations::F32(exact.clone());
            let bits = |x: &f32| half::bf16::from_f32(*x).to_bits();
            let expected: Vec<u16> = exact.iter().map(bits).collect();
            let Activations::Bf16(rounded) = kept.into_bf16().into_bf16() else {
                panic!("they are rounded");
            };
            assert_eq!(rounded, expected);
        }
    }
}

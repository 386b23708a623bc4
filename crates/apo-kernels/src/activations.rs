//! Activations that wait for the backward pass.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::bf16;
use crate::buffer::Buffer;
use crate::instruction_sets::for_each_instruction_set;

/// Elements that one thread takes at a time.
const PART: usize = 1 << 16;

/// Activations in f32, or rounded to bf16, which takes half the memory.
pub(crate) enum Activations {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
}

impl Activations {
    /// Rounds them to bf16.
    pub(crate) fn rounded(self) -> Self {
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

    /// Returns their values.
    pub(crate) fn values(&self) -> Cow<'_, [f32]> {
        match self {
            Self::F32(values) => Cow::Borrowed(values),
            Self::Bf16(bits) => {
                let mut values = Buffer::new(bits.len());
                values
                    .parts()
                    .par_chunks_mut(PART)
                    .zip(bits.par_chunks(PART))
                    .for_each(|(to, from)| expand(from, to));
                // SAFETY: both have the same length, and each element is written.
                Cow::Owned(unsafe { values.assume_init() })
            }
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
    fn round(from: &[f32], to: &mut [MaybeUninit<u16>]) {
        for (to, from) in to.iter_mut().zip(from) {
            to.write(bf16::round(*from) as u16);
        }
    }

    /// Writes the value of each bf16. Writes all of `to` if both have the same length.
    ///
    /// # Shapes
    ///
    /// - `from`, `to`: `[elements]`
    fn expand(from: &[u16], to: &mut [MaybeUninit<f32>]) {
        for (to, from) in to.iter_mut().zip(from) {
            to.write(f32::from_bits(u32::from(*from) << 16));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_values::values;

    #[test]
    fn they_keep_their_values_until_they_are_rounded() {
        for n in [0, 1, 1000, if cfg!(miri) { 1001 } else { 2 * PART + 7 }] {
            let exact = values(n, 1);
            let kept = Activations::F32(exact.clone());
            assert_eq!(&*kept.values(), exact);
            let rounded = |x: &f32| half::bf16::from_f32(*x).to_f32();
            let expected: Vec<f32> = exact.iter().map(rounded).collect();
            assert_eq!(&*kept.rounded().rounded().values(), expected);
        }
    }
}

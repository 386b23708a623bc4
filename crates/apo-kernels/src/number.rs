//! The types in which activations are kept.

use crate::bf16;

/// A type of number in memory. Arithmetic is in f32.
pub(crate) trait Number: Copy + Default + Sync {
    fn of(value: f32) -> Self;

    fn value(self) -> f32;
}

impl Number for f32 {
    #[inline]
    fn of(value: f32) -> Self {
        value
    }

    #[inline]
    fn value(self) -> f32 {
        self
    }
}

/// The bits of a bf16.
impl Number for u16 {
    #[inline]
    fn of(value: f32) -> Self {
        bf16::round(value) as Self
    }

    #[inline]
    fn value(self) -> f32 {
        f32::from_bits(u32::from(self) << 16)
    }
}

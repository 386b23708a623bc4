//! Lines of the caches, in which packed pairs lie.

use std::mem::MaybeUninit;

use super::pack::SIDE;

/// Sixteen pairs in one line of the caches, so that what kernels load together does not
/// straddle two lines.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Line([u32; SIDE]);

impl Line {
    /// Returns the pairs of lines.
    pub fn pairs(lines: &[Self]) -> &[u32] {
        let len = lines.len() * SIDE;
        // SAFETY: a line is sixteen pairs and nothing else.
        unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), len) }
    }

    /// Returns the pairs of lines that are to be written.
    pub fn unwritten_pairs(lines: &mut [MaybeUninit<Self>]) -> &mut [MaybeUninit<u32>] {
        let len = lines.len() * SIDE;
        // SAFETY: a line is sixteen pairs and nothing else; neither need have values.
        unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), len) }
    }
}

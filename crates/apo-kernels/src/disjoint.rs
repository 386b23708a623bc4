//! One buffer that several threads write in disjoint parts.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// A buffer whose disjoint parts several threads write.
pub struct Disjoint<'a, T = f32> {
    start: *mut MaybeUninit<T>,
    len: usize,
    lifetime: PhantomData<&'a mut [MaybeUninit<T>]>,
}

// SAFETY: the slice is borrowed exclusively, and any thread may write its elements.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}
// SAFETY: the only access is `part_mut`, whose callers promise that no two
// live parts overlap; then threads never touch the same element.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    /// Lends out the whole buffer for `'a`.
    pub fn new(data: &'a mut [MaybeUninit<T>]) -> Self {
        Self {
            start: data.as_mut_ptr(),
            len: data.len(),
            lifetime: PhantomData,
        }
    }

    /// Returns `len` elements from `at`.
    ///
    /// # Safety
    ///
    /// No other live part overlaps this one.
    #[expect(
        clippy::mut_from_ref,
        reason = "handing out disjoint parts is the point"
    )]
    pub unsafe fn part_mut(&self, at: usize, len: usize) -> &mut [MaybeUninit<T>] {
        let end = at.checked_add(len);
        assert!(
            end.is_some_and(|end| end <= self.len),
            "a part leaves its buffer"
        );
        // SAFETY: within the buffer by the assertion, disjoint by contract.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }
}

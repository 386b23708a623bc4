//! One buffer, written in disjoint parts by several threads.

use std::marker::PhantomData;

/// A buffer whose rows' parts are handed to threads that never meet.
#[derive(Clone, Copy)]
pub(crate) struct Disjoint<'a> {
    start: *mut f32,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: the only access is `part_mut`, whose callers promise that no two
// live parts overlap; then threads never touch the same element.
unsafe impl Send for Disjoint<'_> {}
// SAFETY: as above.
unsafe impl Sync for Disjoint<'_> {}

impl<'a> Disjoint<'a> {
    /// Lends the whole buffer out, for `'a`.
    pub(crate) fn new(data: &'a mut [f32]) -> Self {
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
    /// No other part that is alive at the same time may overlap this one.
    #[expect(
        clippy::mut_from_ref,
        reason = "handing out disjoint parts is the point"
    )]
    pub(crate) unsafe fn part_mut(&self, at: usize, len: usize) -> &mut [f32] {
        assert!(at + len <= self.len, "a part leaves its buffer");
        // SAFETY: within the buffer by the assertion, disjoint by contract.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }
}

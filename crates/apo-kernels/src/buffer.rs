//! Large buffers that are not filled before they are written.

use std::mem::MaybeUninit;

/// A buffer that becomes a vector once it is written. A step allocates so many large
/// buffers that filling them with zeros first would cost time.
pub(crate) struct Buffer<T = f32> {
    data: Vec<T>,
    len: usize,
}

impl<T> Buffer<T> {
    /// Allocates memory for `len` elements.
    pub(crate) fn new(len: usize) -> Self {
        Self::reusing(Vec::new(), len)
    }

    /// Takes over the memory of a vector, and allocates what it lacks.
    pub(crate) fn reusing(mut data: Vec<T>, len: usize) -> Self {
        data.clear();
        data.reserve(len);
        Self { data, len }
    }

    /// Returns the elements to write.
    pub(crate) fn parts(&mut self) -> &mut [MaybeUninit<T>] {
        &mut self.data.spare_capacity_mut()[..self.len]
    }

    /// Returns the vector.
    ///
    /// # Safety
    ///
    /// Every element has been written.
    pub(crate) unsafe fn assume_init(mut self) -> Vec<T> {
        // SAFETY: `reusing` reserved at least `len` elements; by contract all are written.
        unsafe {
            self.data.set_len(self.len);
        }
        self.data
    }
}

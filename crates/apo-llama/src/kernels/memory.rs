//! The allocator of every program that computes.

use std::sync::Once;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// mimalloc's option `purge_delay`, which its bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Keeps freed memory for the next buffer, rather than giving it back.
///
/// A training step frees and takes the same hundreds of megabytes again; each
/// time through the operating system would cost as much as the arithmetic.
pub(crate) fn keep_freed_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: sets one documented option of the allocator; -1 is "never".
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) }
    });
}

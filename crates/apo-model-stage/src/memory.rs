//! The allocator of programs that compute. Each binary chooses it; a library
//! should not.
#![expect(unsafe_code, reason = "the allocator's options are C's")]

use std::ffi::c_long;
use std::sync::Once;

pub use mimalloc::MiMalloc;

/// mimalloc's option `purge_delay`, which its bindings do not name: its number
/// in the release that Cargo.toml pins.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// How long freed memory is kept for the next buffer, milliseconds.
///
/// A training step frees and allocates the same hundreds of megabytes again;
/// going through the operating system each time would cost as much as the
/// arithmetic. Some buffers wait for seconds until the next step needs them. What
/// no step needs any more, such as the weights that a model was loaded from, goes
/// back after a minute.
const DELAY_MS: c_long = 60_000;

/// Keeps freed memory for the next buffer instead of returning it at once, in
/// programs whose allocator is [`MiMalloc`].
pub fn keep_freed() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the allocator checks that the option exists, and stores a
        // number.
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, DELAY_MS) }
    });
}

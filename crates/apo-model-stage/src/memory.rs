//! The allocator of programs that compute; each of them chooses it, for a library
//! has none to choose.
#![expect(unsafe_code, reason = "the allocator's options are C's")]

use std::ffi::c_long;
use std::sync::Once;

pub use mimalloc::MiMalloc;

/// mimalloc's option `purge_delay`, which its bindings do not name: its number
/// in the release that Cargo.toml pins.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// How long freed memory waits for the next buffer, milliseconds.
///
/// A training step frees and takes the same hundreds of megabytes again; each
/// time through the operating system would cost as much as the arithmetic. Kept
/// for ever, what the activations held stays beside the gradients that follow
/// them: a second is as fast as for ever, and an eighth less memory.
const KEPT: c_long = 1000;

/// Keeps freed memory for the next buffer, rather than giving it back at once, in
/// programs whose allocator is [`MiMalloc`].
pub fn keep_freed() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the allocator checks that there is such an option, and stores
        // a number.
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT) }
    });
}

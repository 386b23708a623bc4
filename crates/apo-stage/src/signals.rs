//! SIGINT and SIGTERM. The first signal asks the stage to save its work and stop;
//! a second ends the program at once. SIGXFSZ is caught too, so that a file that
//! grows beyond the shell's limit is an error with a message.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

use crate::error::Stopped;

static RECEIVED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Starts to listen; called by [`crate::run`].
pub(crate) fn install() {
    let received = RECEIVED.get_or_init(|| Arc::new(AtomicUsize::new(0)));
    // Once the signal is caught, the write that exceeds the limit fails instead.
    let _ = flag::register(SIGXFSZ, Arc::default());
    let again = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal arms the second.
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again));
        let _ = flag::register(signal, Arc::clone(&again));
        let _ = flag::register_usize(signal, Arc::clone(received), signal as usize);
    }
}

/// Fails once a signal has arrived. Call it wherever the work can be saved.
///
/// # Errors
///
/// [`Stopped`], once a signal has arrived.
pub fn check() -> Result<(), Stopped> {
    match RECEIVED.get().map_or(0, |it| it.load(Ordering::Relaxed)) {
        0 => Ok(()),
        signal => Err(Stopped { signal }),
    }
}

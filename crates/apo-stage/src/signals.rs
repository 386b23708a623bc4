//! SIGINT and SIGTERM: the first asks the work to save itself and stop, a
//! second ends the program at once. SIGXFSZ is no reason to end without a word.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

static RECEIVED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// The work was stopped by a signal, with everything saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    signal: usize,
}

impl Stopped {
    /// Returns the exit code of a program that the signal ended.
    pub fn exit_code(self) -> u8 {
        (128 + self.signal) as u8
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.signal == SIGINT as usize {
            "SIGINT"
        } else {
            "SIGTERM"
        };
        write!(
            f,
            "stopped by {name}; what was done is kept, the same command goes on from there"
        )
    }
}

impl std::error::Error for Stopped {}

/// Begins to listen; called by [`crate::run`].
pub(crate) fn install() {
    let received = RECEIVED.get_or_init(|| Arc::new(AtomicUsize::new(0)));
    // A file that grows beyond the shell's limit is then an error of the write.
    let _ = flag::register(SIGXFSZ, Arc::default());
    let again = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal arms the second.
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again));
        let _ = flag::register(signal, Arc::clone(&again));
        let _ = flag::register_usize(signal, Arc::clone(received), signal as usize);
    }
}

/// Fails once a signal has come; to be asked wherever work can be saved.
///
/// # Errors
///
/// [`Stopped`], once a signal has come.
pub fn check() -> Result<(), Stopped> {
    match RECEIVED.get().map_or(0, |it| it.load(Ordering::Relaxed)) {
        0 => Ok(()),
        signal => Err(Stopped { signal }),
    }
}

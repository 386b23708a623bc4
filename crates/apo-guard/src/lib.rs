//! Calls into libraries that panic on what files hold.
//!
//! The tokenizers library unwraps on some of what a `tokenizer.json` can hold,
//! and its regular expressions give up by a panic; the Parquet library asserts
//! what a damaged page or footer can deny. None of that is a bug of ours: it
//! becomes an error that names the file, without the panic's own report.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether the caller catches and reports this thread's panics.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`.
///
/// # Errors
///
/// When it panics: what the panic says.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let outer = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CAUGHT.get() {
                outer(info);
            }
        }));
    });
    let before = CAUGHT.replace(true);
    let found = panic::catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(before);
    found.map_err(|payload| {
        message(&*payload)
            .unwrap_or("the library gives up")
            .to_owned()
    })
}

/// Returns what a panic says, if it says something.
pub fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        let n: usize = "3".parse().unwrap();
        assert_eq!(guarded(|| n + 1), Ok(4));
        assert_eq!(
            guarded(|| -> usize { panic!("no {n}") }),
            Err("no 3".to_owned())
        );
    }
}

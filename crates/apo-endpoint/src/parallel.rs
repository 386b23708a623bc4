//! Several pieces of work at once.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does `work` for each item, up to `n` at once, starting in the items' order.
/// After the first error nothing new starts; what has started is finished.
///
/// # Errors
///
/// The first error of an item or of `work`.
pub fn at_once<T: Send, E: Send>(
    n: usize,
    items: impl Iterator<Item = Result<T, E>> + Send,
    work: impl Fn(T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let items = Mutex::new(items);
    let fault: Mutex<Option<E>> = Mutex::new(None);
    let worker = || {
        loop {
            if fault
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_some()
            {
                return;
            }
            // A statement of its own, so that the lock is free during the work.
            let next = items.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(item) = next else {
                return;
            };
            if let Err(error) = item.and_then(&work) {
                fault
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        // This thread is one of them; if the system provides no more, fewer do.
        for _ in 1..n {
            if thread::Builder::new().spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
    match fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_item_is_done_once() {
        let done = Mutex::new(Vec::new());
        let items = (0..100).map(Ok::<_, ()>);
        at_once(4, items, |item| {
            done.lock().unwrap().push(item);
            Ok(())
        })
        .unwrap();
        let mut done = done.into_inner().unwrap();
        done.sort_unstable();
        assert_eq!(done, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn as_many_as_wanted_are_under_way_together() {
        // Nobody passes the barrier before all three are there.
        let barrier = Barrier::new(3);
        at_once(3, (0..3).map(Ok::<_, ()>), |_| {
            barrier.wait();
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn after_a_fault_nothing_new_begins() {
        let begun = AtomicUsize::new(0);
        let found = at_once(1, (0..100).map(Ok), |item| {
            begun.fetch_add(1, Ordering::Relaxed);
            if item == 4 { Err("four") } else { Ok(()) }
        });
        assert_eq!(found, Err("four"));
        assert_eq!(begun.load(Ordering::Relaxed), 5);
        let bad = [Ok(1), Err("bad item"), Ok(2)];
        assert_eq!(at_once(2, bad.into_iter(), |_| Ok(())), Err("bad item"));
    }
}

//! Memory of panels that are no longer needed. The system clears fresh pages, which takes
//! longer than packing.

use std::cell::RefCell;

use super::line::Line;

/// Most vectors that a thread keeps.
const MOST: usize = 4;

/// Most lines of each, 16 MiB.
const LARGEST: usize = 1 << 18;

thread_local! {
    static SPARE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Returns the smallest of this thread's vectors with room for `len` lines; an empty one
/// if there is none.
pub fn take(len: usize) -> Vec<Line> {
    SPARE.with_borrow_mut(|spare| {
        let fitting = spare.iter().enumerate().filter(|it| it.1.capacity() >= len);
        let smallest = fitting.min_by_key(|it| it.1.capacity()).map(|it| it.0);
        smallest.map_or_else(Vec::new, |at| spare.swap_remove(at))
    })
}

/// Keeps a vector, in the place of a smaller one if there are enough.
pub fn put(data: Vec<Line>) {
    if data.capacity() > LARGEST {
        return;
    }
    // A thread that ends keeps nothing.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < MOST {
            spare.push(data);
        } else if let Some(smallest) = spare.iter_mut().min_by_key(|it| it.capacity())
            && smallest.capacity() < data.capacity()
        {
            *smallest = data;
        }
    });
}

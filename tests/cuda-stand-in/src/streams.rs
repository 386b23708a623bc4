//! Streams and events.
//!
//! Work is done when it is asked for, so that nothing is ever waited for. The time between
//! two events is made up: it depends on the last kernel launched before the second one, and
//! on the seed of the settings, so that tuning decides the same in every run with a seed.

use std::collections::HashMap;
use std::ffi::c_void;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::status::{INVALID_VALUE, NOT_SUPPORTED, SUCCESS, Status, give};
use crate::{report, settings};

/// The last kernel of each stream, as a hash, and that before each event.
#[derive(Default)]
struct State {
    streams: HashMap<usize, u64>,
    events: HashMap<usize, u64>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

fn with_state<T>(work: impl FnOnce(&mut State) -> T) -> T {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    work(state.get_or_insert_default())
}

/// Notes a launch on a stream.
pub fn launched(stream: *mut c_void, kernel: &str) {
    let mut hasher = DefaultHasher::new();
    (settings::get().seed, kernel).hash(&mut hasher);
    with_state(|it| it.streams.insert(stream.addr(), hasher.finish()));
}

/// Gives a new handle.
///
/// # Safety
///
/// `to` can be written.
unsafe fn give_handle(to: *mut *mut c_void) -> Status {
    static NEXT: AtomicUsize = AtomicUsize::new(0x1000);
    let handle = NEXT.fetch_add(1, Ordering::Relaxed);
    // SAFETY: by contract.
    unsafe { give(to, ptr::without_provenance_mut(handle)) }
}

exports! {
    fn cuStreamCreate(stream: *mut *mut c_void, _flags: u32) {
        give_handle(stream)
    }

    fn cuStreamCreateWithPriority(stream: *mut *mut c_void, _flags: u32, _priority: i32) {
        give_handle(stream)
    }

    fn cuStreamDestroy_v2(_stream: *mut c_void) {
        SUCCESS
    }

    fn cuStreamSynchronize(_stream: *mut c_void) {
        report::count(|it| it.waits += 1);
        SUCCESS
    }

    fn cuStreamQuery(_stream: *mut c_void) {
        SUCCESS
    }

    fn cuStreamWaitEvent(_stream: *mut c_void, _event: *mut c_void, _flags: u32) {
        SUCCESS
    }

    fn cuStreamBeginCapture_v2(_stream: *mut c_void, _mode: u32) {
        NOT_SUPPORTED
    }

    fn cuLaunchHostFunc(
        _stream: *mut c_void,
        function: unsafe extern "C" fn(*mut c_void),
        data: *mut c_void,
    ) {
        function(data);
        SUCCESS
    }

    fn cuEventCreate(event: *mut *mut c_void, _flags: u32) {
        give_handle(event)
    }

    fn cuEventRecord(event: *mut c_void, stream: *mut c_void) {
        with_state(|it| {
            let last = it.streams.get(&stream.addr()).copied().unwrap_or_default();
            it.events.insert(event.addr(), last);
        });
        SUCCESS
    }

    fn cuEventSynchronize(_event: *mut c_void) {
        report::count(|it| it.waits += 1);
        SUCCESS
    }

    fn cuEventQuery(_event: *mut c_void) {
        SUCCESS
    }

    fn cuEventDestroy_v2(event: *mut c_void) {
        with_state(|it| it.events.remove(&event.addr()));
        SUCCESS
    }

    fn cuEventElapsedTime(ms: *mut f32, _start: *mut c_void, end: *mut c_void) {
        let Some(last) = with_state(|it| it.events.get(&end.addr()).copied()) else {
            return INVALID_VALUE;
        };
        // From 2 to 3 ms: with less, tuning would repeat for ever.
        let part = (last % 1000) as f32 / 1000.0;
        give(ms, 2.0 + part)
    }
}

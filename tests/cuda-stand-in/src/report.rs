//! What a program asked of the driver, counted.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::settings;

/// What was asked until now. `report.json` in the folder of the settings holds it when the
/// program has ended.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub modules: u64,
    pub allocations: u64,
    pub copies_to_device: u64,
    pub copies_to_host: u64,
    pub copies_on_device: u64,
    pub waits: u64,
    /// Bytes of device memory allocated at once, at most.
    pub peak_bytes: u64,
    /// Launches by the name of the function and of its module's file.
    pub kernels: BTreeMap<String, u64>,
}

static REPORT: Mutex<Option<Report>> = Mutex::new(None);

/// Changes the report.
pub fn count(change: impl FnOnce(&mut Report)) {
    change(lock().get_or_insert_default());
}

fn lock() -> MutexGuard<'static, Option<Report>> {
    REPORT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the report when the program ends.
pub fn write_at_exit() {
    extern "C" fn write() {
        let (Some(folder), Some(report)) = (&settings::get().folder, lock().take()) else {
            return;
        };
        let text = serde_json::to_string_pretty(&report).expect("counts are JSON");
        // A test misses the file, and says so.
        let _ = fs::write(folder.join("report.json"), text);
    }
    // SAFETY: the function is this library's, which is never unloaded.
    unsafe { libc::atexit(write) };
}

//! The threads that a stage computes with.

use std::error::Error as _;

use anyhow::{Result, bail};

/// Starts `n_threads` threads, or one per core. If the threads are running
/// already, nothing changes.
///
/// # Errors
///
/// When the system does not start the threads.
pub fn start(n_threads: Option<usize>) -> Result<()> {
    // 0 means one thread per core.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads.unwrap_or(0));
    match pool.build_global() {
        // The error of a pool that is running already has no source.
        Err(error) if error.source().is_some() => {
            let asked = n_threads.map_or("its threads".to_owned(), |n| format!("{n} threads"));
            bail!(
                "the system does not start {asked}: {error}; `ulimit -u` shows how many a user \
                 may have, and stages that have `--threads` can use fewer"
            )
        }
        _ => Ok(()),
    }
}

//! The threads that a stage computes with.

use std::error::Error as _;

use anyhow::{Result, bail};

/// Starts the threads: as many as are asked for, else one a core. Where they run
/// already, nothing changes.
///
/// # Errors
///
/// When the system gives no threads.
pub fn start(n_threads: Option<usize>) -> Result<()> {
    // 0 is a thread a core.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads.unwrap_or(0));
    match pool.build_global() {
        // Only a pool that runs already has no cause of the system's.
        Err(error) if error.source().is_some() => {
            let asked = n_threads.map_or("its threads".to_owned(), |n| format!("{n} threads"));
            bail!(
                "the system does not start {asked}: {error}; `ulimit -u` tells how many a user \
                 may have, `--threads` asks for fewer where a stage has it"
            )
        }
        _ => Ok(()),
    }
}

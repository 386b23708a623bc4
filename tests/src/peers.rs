//! Other programs to compare with, which `pipelines/with-peers.sh` brings.

use std::path::PathBuf;

/// Returns the path that a variable names, or `None`, with a line on stderr, if it names
/// none.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn peer(variable: &str, what: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        eprintln!("skipped: {variable} names no {what}, it is not here (make test-peers)");
    }
    found
}

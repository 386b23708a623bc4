//! What the tests of the stage share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use apo_tables::{Reader, Row};

/// Returns an empty folder of a test's own.
pub fn fresh_dir(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Runs the stage: its exit status, its result, what it said.
pub fn hh_split(dir: &Path, args: &str) -> (Option<i32>, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_hh-split"))
        .current_dir(dir)
        .args(args.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .expect("cargo has built the binary");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

/// Returns the rows of a table.
pub fn rows<R: Row>(path: &Path) -> Vec<R> {
    let rows = Reader::<R>::open(path).unwrap();
    rows.map(Result::unwrap).collect()
}

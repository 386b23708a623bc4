//! Programs that measure themselves, each in a process of its own.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// Runs a program and reads the last line that it prints, a JSON object.
///
/// # Errors
///
/// When it cannot be run, fails, or prints something else.
pub fn last_line<T: for<'a> Deserialize<'a>>(command: &mut Command) -> Result<T> {
    let text = finish(command)?;
    let what = command.get_program().display();
    let line = text
        .lines()
        .last()
        .with_context(|| format!("{what} printed nothing"))?;
    serde_json::from_str(line).with_context(|| format!("{what} printed `{line}`"))
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
///
/// When it cannot be run, or fails.
pub fn finish(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

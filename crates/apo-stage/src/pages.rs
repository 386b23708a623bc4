//! Pages and pictures that are made within moments, and made anew each time.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::exit::bad_input;
use crate::place;
use crate::working::beside;

/// Checks that writing a page replaces nothing but an earlier page of its kind,
/// which begins as it does, and none of what it is made of.
///
/// # Errors
///
/// When it would.
pub fn check<'a>(
    out: &Path,
    begin: &str,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    let at = place::check(out)
        .map_err(|occupied| bad_input(format!("--out {}: {occupied}", out.display())))?;
    let resolved = place::resolve(&at);
    for input in inputs {
        if place::resolve(input) == resolved {
            return Err(bad_input(format!(
                "--out {} is the input {}; choose a place of its own",
                out.display(),
                input.display()
            )));
        }
    }
    if begins(&at, begin.as_bytes())? {
        return Ok(());
    }
    Err(bad_input(format!(
        "--out {} is there, and is no page of this command; choose another place",
        out.display()
    )))
}

/// Whether a file begins so, or is not there.
fn begins(path: &Path, with: &[u8]) -> Result<bool> {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|it| it.take(with.len() as u64).read_to_end(&mut head));
    match read {
        Ok(_) => Ok(head.is_empty() || head == with),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == ErrorKind::IsADirectory => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes a page, whole or not at all; one that is there is replaced.
///
/// # Errors
///
/// When what stands there is no file, or the page cannot be written.
pub fn write(out: &Path, text: &str) -> Result<()> {
    let at = place::check(out)
        .map_err(|occupied| bad_input(format!("--out {}: {occupied}", out.display())))?;
    place::write_whole(&at, &beside(&at, ".new"), text.as_bytes())
        .with_context(|| format!("cannot write {}", out.display()))
}

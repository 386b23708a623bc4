//! Pages and pictures, which are made quickly, and again each time.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::error::bad_input;
use crate::place;

/// Bytes at the beginning of a page that hold its marks.
const HEAD: u64 = 4096;

/// Checks that writing a page replaces at most an earlier page of its kind, which
/// has these marks at its beginning, and none of the page's inputs.
///
/// # Errors
///
/// When it would replace something else.
pub fn check<'a>(
    out: &Path,
    marks: &[&str],
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    let at = place::check(out)
        .map_err(|problem| bad_input(format!("--out {}: {problem}", out.display())))?;
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
    if is_page(&at, marks)? {
        return Ok(());
    }
    Err(bad_input(format!(
        "--out {} exists, and is not a page of this command; choose another place",
        out.display()
    )))
}

/// Whether a file is such a page, or does not exist.
fn is_page(path: &Path, marks: &[&str]) -> Result<bool> {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|it| it.take(HEAD).read_to_end(&mut head));
    match read {
        Ok(_) => {
            let head = String::from_utf8_lossy(&head);
            Ok(marks.iter().all(|it| head.contains(it)))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == ErrorKind::IsADirectory => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes a page whole or not at all, and replaces an earlier one.
///
/// # Errors
///
/// When anything but a file is there, or the page cannot be written.
pub fn write(out: &Path, text: &str) -> Result<()> {
    let at = place::check(out)
        .map_err(|problem| bad_input(format!("--out {}: {problem}", out.display())))?;
    write_atomically(&at, text).with_context(|| format!("cannot write {}", out.display()))
}

fn write_atomically(at: &Path, text: &str) -> io::Result<()> {
    let folder = at.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Under a name that nothing else has, with the permissions that the umask leaves.
    let mut fresh = tempfile::Builder::new()
        .prefix(".")
        .suffix(".new")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    fresh.write_all(text.as_bytes())?;
    fresh.as_file().sync_all()?;
    fresh.persist(at)?;
    Ok(())
}

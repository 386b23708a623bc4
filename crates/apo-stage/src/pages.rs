//! Pages and pictures that are made within moments, and made anew each time.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::exit::bad_input;
use crate::place;

/// Bytes of a page in which its marks stand.
const HEAD: u64 = 4096;

/// Checks that writing a page replaces nothing but an earlier page of its kind,
/// whose beginning holds these marks, and none of what it is made of.
///
/// # Errors
///
/// When it would.
pub fn check<'a>(
    out: &Path,
    marks: &[&str],
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
    if is_page(&at, marks)? {
        return Ok(());
    }
    Err(bad_input(format!(
        "--out {} is there, and is no page of this command; choose another place",
        out.display()
    )))
}

/// Whether a file is such a page, or is not there.
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

/// Writes a page, whole or not at all; one that is there is replaced.
///
/// # Errors
///
/// When what stands there is no file, or the page cannot be written.
pub fn write(out: &Path, text: &str) -> Result<()> {
    let at = place::check(out)
        .map_err(|occupied| bad_input(format!("--out {}: {occupied}", out.display())))?;
    written(&at, text).with_context(|| format!("cannot write {}", out.display()))
}

fn written(at: &Path, text: &str) -> io::Result<()> {
    let folder = at.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Under a name that nothing else has, and with what the user's umask leaves.
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

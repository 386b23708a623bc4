//! Checksums of a finished result that waits to be put in its place.
//!
//! It may wait for long, where a kill or a full disk came in between; what was
//! damaged meanwhile is made again.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Result;
use apo_spool::{checksum_of_file, read_record, write_record};

/// Writes the checksums of a file, or of all files of a folder, to `seal`.
///
/// # Errors
///
/// When something cannot be read or written.
pub fn write(made: &Path, seal: &Path) -> Result<()> {
    write_record(seal, &checksums(made)?)?;
    Ok(())
}

/// Whether a file or folder is as it was when its checksums were written; not
/// where that cannot be told.
pub fn holds(made: &Path, seal: &Path) -> bool {
    let Ok(written) = read_record::<Vec<(String, u32)>>(seal) else {
        return false;
    };
    checksums(made).is_ok_and(|found| found == written)
}

/// Returns the checksum of each file by its name in the folder, in the order of
/// the names; of a file its own, without a name.
fn checksums(made: &Path) -> Result<Vec<(String, u32)>> {
    if !made.is_dir() {
        return Ok(vec![(String::new(), checksum_of_file(made)?)]);
    }
    let mut found = Vec::new();
    let mut names: Vec<_> = fs::read_dir(made)?
        .map(|entry| entry.map(|it| it.file_name()))
        .collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        for (below, checksum) in checksums(&made.join(&name))? {
            found.push((format!("{}/{below}", name.to_string_lossy()), checksum));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_any_file_breaks_the_seal() {
        let dir = tempfile::tempdir().unwrap();
        let (made, seal) = (dir.path().join("made"), dir.path().join("seal"));
        fs::create_dir_all(made.join("deeper")).unwrap();
        let (a, b) = (made.join("a"), made.join("deeper/b"));
        let whole = || {
            fs::write(&a, "one").unwrap();
            fs::write(&b, "two").unwrap();
        };
        whole();
        assert!(!holds(&made, &seal), "there is none");
        write(&made, &seal).unwrap();
        assert!(holds(&made, &seal));
        fs::write(&b, "twO").unwrap();
        assert!(!holds(&made, &seal), "a byte differs");
        whole();
        fs::remove_file(&a).unwrap();
        assert!(!holds(&made, &seal), "a file is missing");
        whole();
        fs::write(made.join("c"), "").unwrap();
        assert!(!holds(&made, &seal), "a file is too many");
        fs::remove_file(made.join("c")).unwrap();
        assert!(holds(&made, &seal));
        fs::write(&seal, "sealed").unwrap();
        assert!(!holds(&made, &seal), "the seal is damaged");
        write(&a, &seal).unwrap();
        assert!(holds(&a, &seal) && !holds(&b, &seal), "files alone");
    }
}

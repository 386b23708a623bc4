//! Values on the disk as they come, in the order of the rows.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

const FILE: &str = "values.bin";

/// A file of blocks: the number of values, then the values, little endian.
///
/// A block holds what was computed at once; a run that goes on from the end of
/// a block computes the same batches as one that was never stopped.
#[derive(Debug)]
pub struct Values {
    path: PathBuf,
    file: File,
    n: u64,
}

impl Values {
    /// Opens the file of an earlier run, or begins one. A block that a kill
    /// cut short is dropped.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let cannot = || format!("cannot write {}", path.display());
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(&path).with_context(cannot)?;
        let length = file.metadata().with_context(cannot)?.len();
        let (mut end, mut n) = (0, 0);
        while end + 4 <= length {
            let mut count = [0; 4];
            file.seek(SeekFrom::Start(end)).with_context(cannot)?;
            file.read_exact(&mut count).with_context(cannot)?;
            let count = u64::from(u32::from_le_bytes(count));
            if end + 4 + 4 * count > length {
                break;
            }
            end += 4 + 4 * count;
            n += count;
        }
        file.set_len(end).with_context(cannot)?;
        file.seek(SeekFrom::Start(end)).with_context(cannot)?;
        Ok(Self { path, file, n })
    }

    /// Returns how many there are.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// Appends what was computed at once.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub fn add(&mut self, values: &[f32]) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let mut block = (values.len() as u32).to_le_bytes().to_vec();
        block.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let written = self.file.write_all(&block);
        written.with_context(|| format!("cannot write {}", self.path.display()))?;
        self.n += values.len() as u64;
        Ok(())
    }

    /// Reads all values.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn read(&self) -> Result<Vec<f32>> {
        let bytes = std::fs::read(&self.path)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        let mut values = Vec::with_capacity(self.n as usize);
        let words = bytes.as_chunks::<4>().0;
        let mut at = 0;
        while let Some(&count) = words.get(at) {
            let end = at + 1 + u32::from_le_bytes(count) as usize;
            values.extend(words[at + 1..end].iter().map(|&it| f32::from_le_bytes(it)));
            at = end;
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_outlive_a_kill_and_parts_of_one_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut rewards = Values::open(dir.path()).unwrap();
        rewards.add(&[1.0, -2.5]).unwrap();
        rewards.add(&[3.0]).unwrap();
        let path = dir.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        // Cut within the last reward, within the count, and not at all.
        for (length, expected) in [
            (whole.len() - 1, &[1.0, -2.5][..]),
            (14, &[1.0, -2.5]),
            (20, &[1.0, -2.5, 3.0]),
        ] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let mut again = Values::open(dir.path()).unwrap();
            assert_eq!(again.len(), expected.len() as u64);
            assert_eq!(again.read().unwrap(), expected);
            again.add(&[9.0]).unwrap();
            assert_eq!(again.read().unwrap().last(), Some(&9.0));
        }
    }
}

//! Values kept on disk as they are computed, in the order of the rows.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use apo_spool::Spool;
use apo_stage::warn;
use serde::{Deserialize, Serialize};

const FILE: &str = "values.spool";

/// Values of one batch. A continued run then computes the same batches as a run
/// that was never stopped.
#[derive(Debug, Serialize, Deserialize)]
struct Batch {
    /// The first value's row.
    first: usize,
    values: Vec<f32>,
}

/// The values of a table's first rows.
#[derive(Debug)]
pub struct Values {
    spool: Spool<Batch>,
    values: Vec<f32>,
}

impl Values {
    /// Reads the values of an earlier run, or starts without any.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let mut values = Vec::new();
        let recovered = Spool::recover(&path, |_, batch: Batch| {
            // Batches follow each other: everything behind a gap is computed again.
            if batch.first != values.len() {
                return ControlFlow::Break(());
            }
            values.extend(batch.values);
            ControlFlow::Continue(())
        })?;
        if recovered.damaged > 0 {
            warn(&format!(
                "{} is damaged; the values that are lost are computed again",
                path.display()
            ));
        }
        Ok(Self {
            spool: recovered.spool,
            values,
        })
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Appends the values of one batch.
    ///
    /// # Errors
    ///
    /// When it cannot be written to disk.
    pub fn add(&mut self, values: Vec<f32>) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let first = self.values.len();
        self.values.extend(&values);
        self.spool.append(&Batch { first, values })?;
        Ok(())
    }

    /// Returns all values, one per row.
    pub fn into_vec(self) -> Vec<f32> {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_damaged_batch_is_computed_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut values = Values::open(dir.path()).unwrap();
        let batches = [vec![1.0, -2.5], vec![3.0], vec![4.0, 5.0]];
        for batch in &batches {
            values.add(batch.clone()).unwrap();
        }
        let path = dir.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        let at = |bytes: &[u8], value: f32| {
            let found = bytes.windows(4).position(|it| it == value.to_le_bytes());
            found.unwrap()
        };
        for (damaged, kept) in [(-2.5, 0), (3.0, 2), (5.0, 3)] {
            let mut bytes = whole.clone();
            bytes[at(&whole, damaged) + 3] ^= 0x40;
            std::fs::write(&path, &bytes).unwrap();
            let mut again = Values::open(dir.path()).unwrap();
            assert_eq!(again.len(), kept, "{damaged} is damaged");
            for batch in &batches[[0, 0, 1, 2][kept]..] {
                again.add(batch.clone()).unwrap();
            }
            assert_eq!(again.into_vec(), batches.concat());
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }
}

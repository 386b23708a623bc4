//! Values kept on disk as they are computed: log-probs of a reference, rewards.

use std::ops::{ControlFlow, Range};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::SpoolError;
use crate::spool::{Place, Spool};

/// The values of items that were computed at once, so that a resumed run
/// computes the same batches as an uninterrupted one.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Batch {
    items: Range<usize>,
    /// Items one after the other.
    values: Vec<f32>,
}

/// The values of a table's first items, in order.
#[derive(Debug)]
pub struct ValueSpool {
    spool: Spool<Batch>,
    /// The end of each batch's items, and its place.
    batches: Vec<(usize, Place)>,
    /// The batch that was read last.
    last: Batch,
    is_damaged: bool,
}

impl ValueSpool {
    /// Reads the values of an earlier run, or starts without any; `n_values`
    /// returns how many values some items have, or `None` if there are no such
    /// items. What follows a damaged or foreign batch is left out.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn recover(
        path: &Path,
        n_values: impl Fn(&Range<usize>) -> Option<usize>,
    ) -> Result<Self, SpoolError> {
        let mut batches: Vec<(usize, Place)> = Vec::new();
        let recovered = Spool::recover(path, |place, batch: Batch| {
            let Batch { items, values } = batch;
            let next = batches.last().map_or(0, |&(end, _)| end);
            if items.start != next || items.is_empty() || n_values(&items) != Some(values.len()) {
                return ControlFlow::Break(());
            }
            batches.push((items.end, place));
            ControlFlow::Continue(())
        })?;
        Ok(Self {
            spool: recovered.spool,
            batches,
            last: Batch::default(),
            is_damaged: recovered.damaged > 0,
        })
    }

    /// Whether the file was damaged, so that some values are computed again.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// Returns the number of items that have their values.
    pub fn n_items(&self) -> usize {
        self.batches.last().map_or(0, |&(end, _)| end)
    }

    /// Appends the values of the next `n_items` items.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub fn append(&mut self, n_items: usize, values: Vec<f32>) -> Result<(), SpoolError> {
        let start = self.n_items();
        let items = start..start + n_items;
        let end = items.end;
        let place = self.spool.append(&Batch { items, values })?;
        self.batches.push((end, place));
        Ok(())
    }

    /// Returns the items and the values of the batch that item `i` is in.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or are damaged.
    ///
    /// # Panics
    ///
    /// When the item has no values yet.
    pub fn batch_of(&mut self, i: usize) -> Result<(&Range<usize>, &[f32]), SpoolError> {
        if !self.last.items.contains(&i) {
            let batch = self.batches.partition_point(|&(end, _)| end <= i);
            self.last = self.spool.read(self.batches[batch].1)?;
        }
        Ok((&self.last.items, &self.last.values))
    }

    /// Returns all values, in the order of the items.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or are damaged.
    pub fn read_all(&mut self) -> Result<Vec<f32>, SpoolError> {
        let mut all = Vec::new();
        for &(_, place) in &self.batches {
            all.extend(self.spool.read(place)?.values);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_damaged_batch_is_computed_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("values.spool");
        let open = || ValueSpool::recover(&path, |rows| Some(rows.len())).unwrap();
        let mut values = open();
        let batches = [vec![1.0, -2.5], vec![3.0], vec![4.0, 5.0]];
        for batch in &batches {
            values.append(batch.len(), batch.clone()).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        let at = |bytes: &[u8], value: f32| {
            let found = bytes.windows(4).position(|it| it == value.to_le_bytes());
            found.unwrap()
        };
        for (damaged, kept) in [(-2.5, 0), (3.0, 2), (5.0, 3)] {
            let mut bytes = whole.clone();
            bytes[at(&whole, damaged) + 3] ^= 0x40;
            std::fs::write(&path, &bytes).unwrap();
            let mut again = open();
            assert_eq!(again.n_items(), kept, "{damaged} is damaged");
            assert!(again.is_damaged());
            for batch in &batches[[0, 0, 1, 2][kept]..] {
                again.append(batch.len(), batch.clone()).unwrap();
            }
            assert_eq!(again.read_all().unwrap(), batches.concat());
            assert_eq!(again.batch_of(3).unwrap(), (&(3..5), &[4.0, 5.0][..]));
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn a_batch_of_other_items_ends_what_is_recovered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("values.spool");
        // Items with 2, 1 and 2 values.
        let starts = [0, 2, 3, 5];
        let n_values =
            |items: &Range<usize>| Some(starts.get(items.end)? - starts.get(items.start)?);
        let mut values = ValueSpool::recover(&path, n_values).unwrap();
        values.append(1, vec![1.0, 2.0]).unwrap();
        values.append(2, vec![3.0, 4.0, 5.0]).unwrap();
        assert_eq!(ValueSpool::recover(&path, n_values).unwrap().n_items(), 3);
        values.append(1, vec![6.0]).unwrap();
        assert_eq!(ValueSpool::recover(&path, n_values).unwrap().n_items(), 3);
    }
}

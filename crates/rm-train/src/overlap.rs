//! Counts the golden answers that are also samples of the same prompt.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use anyhow::Result;
use apo_stage::signals;
use apo_tables::{Reader, Response, RowsDigest};
use apo_training_stage::Cleaned;

/// The golden answers that are among the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// How many there are.
    shared: u64,
    /// How many golden answers are learnt.
    golden: u64,
    /// The row of the first, from 0.
    first: u64,
}

impl Overlap {
    /// Reads both tables row by row. Only the digests of the smaller one are in memory.
    /// Returns `None` if no golden answer is among the samples.
    ///
    /// # Errors
    ///
    /// When a row cannot be read, or a signal stops the work.
    pub fn find(golden: &Path, samples: &Path) -> Result<Option<Self>> {
        let samples = Reader::<Response>::open(samples)?;
        let n_golden = Reader::<Response>::open(golden)?.n_rows();
        let shared: HashSet<RowsDigest> = if n_golden < samples.n_rows() {
            let answers = learnt(golden)?.collect::<Result<Vec<_>>>()?;
            let answers: HashSet<RowsDigest> = answers.into_iter().flatten().flatten().collect();
            let is_answer =
                |row: &Result<RowsDigest>| row.as_ref().map_or(true, |it| answers.contains(it));
            contents(samples).filter(is_answer).collect::<Result<_>>()?
        } else {
            contents(samples).collect::<Result<_>>()?
        };
        let mut found = Self {
            shared: 0,
            golden: 0,
            first: 0,
        };
        for (row, forms) in (0..).zip(learnt(golden)?) {
            let Some(forms) = forms? else { continue };
            if forms.iter().any(|it| shared.contains(it)) {
                if found.shared == 0 {
                    found.first = row;
                }
                found.shared += 1;
            }
            found.golden += 1;
        }
        Ok((found.shared > 0).then_some(found))
    }

    /// Whether more than half of the golden answers are samples, as they are only if a
    /// table was mistaken for another.
    pub fn is_most(&self) -> bool {
        2 * self.shared > self.golden
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} golden answers are among the samples of their prompts (the first is row {}, \
             from 0)",
            self.shared, self.golden, self.first
        )
    }
}

/// Returns what each row holds.
fn contents(table: Reader<Response>) -> impl Iterator<Item = Result<RowsDigest>> {
    table.map(|row| {
        signals::check()?;
        Ok(row?.content())
    })
}

/// Returns each golden answer as it is and as the model learns it; `None` if it is left
/// out.
fn learnt(golden: &Path) -> Result<impl Iterator<Item = Result<Option<[RowsDigest; 2]>>>> {
    let table = Reader::<Response>::open(golden)?;
    Ok(table.map(|row| {
        signals::check()?;
        let mut row = row?;
        let as_it_is = row.content();
        let is_learnt = Cleaned::default().golden(&mut row);
        Ok(is_learnt.then(|| [as_it_is, row.content()]))
    }))
}

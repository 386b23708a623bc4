//! Counts the golden answers that are also samples of the same prompt.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use anyhow::Result;
use apo_provenance::RowsDigest;
use apo_stage::signals;
use apo_tables::{Reader, Response};
use apo_training_stage::Cleaned;

/// A golden answer as it is and as the model learns it; `None` if it is left out.
type Learnt = Option<[RowsDigest; 2]>;

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
    /// Reads both tables once, row by row. Only the digests of the smaller one are in
    /// memory. Returns `None` if no golden answer is among the samples.
    ///
    /// # Errors
    ///
    /// When a row cannot be read, or a signal stops the work.
    pub fn find(golden: &Path, samples: &Path) -> Result<Option<Self>> {
        let samples = Reader::<Response>::open(samples)?;
        let golden = Reader::<Response>::open(golden)?;
        if golden.n_rows() < samples.n_rows() {
            let answers = learnt(golden).collect::<Result<Vec<Learnt>>>()?;
            let shared = those_of(&answers, samples)?;
            Self::count(answers.into_iter().map(Ok), &shared)
        } else {
            let samples = contents(samples).collect::<Result<HashSet<RowsDigest>>>()?;
            Self::count(learnt(golden), &samples)
        }
    }

    /// Counts the golden answers that are among these samples; `None` if none is.
    fn count(
        golden: impl Iterator<Item = Result<Learnt>>,
        samples: &HashSet<RowsDigest>,
    ) -> Result<Option<Self>> {
        let mut found = Self {
            shared: 0,
            golden: 0,
            first: 0,
        };
        for (row, forms) in (0..).zip(golden) {
            let Some(forms) = forms? else { continue };
            if forms.iter().any(|it| samples.contains(it)) {
                if found.shared == 0 {
                    found.first = row;
                }
                found.shared += 1;
            }
            found.golden += 1;
        }
        Ok((found.shared > 0).then_some(found))
    }

    /// Whether more than half of the golden answers are samples, which happens only if
    /// one table was mistaken for another.
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

/// Returns the samples that are among these golden answers.
fn those_of(answers: &[Learnt], samples: Reader<Response>) -> Result<HashSet<RowsDigest>> {
    let answers: HashSet<&RowsDigest> = answers.iter().flatten().flatten().collect();
    let is_answer = |row: &Result<RowsDigest>| row.as_ref().map_or(true, |it| answers.contains(it));
    contents(samples).filter(is_answer).collect()
}

/// Returns each golden answer.
fn learnt(golden: Reader<Response>) -> impl Iterator<Item = Result<Learnt>> {
    golden.map(|row| {
        signals::check()?;
        let mut row = row?;
        let as_it_is = row.content();
        let is_learnt = Cleaned::default().golden(&mut row);
        Ok(is_learnt.then(|| [as_it_is, row.content()]))
    })
}

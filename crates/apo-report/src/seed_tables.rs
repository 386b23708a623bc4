//! The tables of several seeds, and the numbers that their rows hold.

use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_stage::bad_input;

use crate::measures::read_json;
use crate::table::Row;

/// Level of intervals over seeds, and of tests on them.
pub const LEVEL: f64 = 0.95;

/// The table of a seed.
pub struct SeedTable<'a> {
    path: &'a Path,
    pub rows: Vec<Row>,
}

/// A number of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Score,
    /// How far a policy is above its start, were its answers of like length.
    LikeLength,
    Quality,
    Kl,
    Tokens,
    Ended,
    Repeats,
    Accuracy,
    Ece,
    WinRate,
}

impl<'a> SeedTable<'a> {
    /// Reads a table for each seed.
    ///
    /// # Errors
    ///
    /// When a file is given twice, or is not what `judge table --json` prints, or when two
    /// of its rows have the same name.
    pub fn read_all(paths: &'a [PathBuf]) -> Result<Vec<Self>> {
        let same = |a: &PathBuf, b: &PathBuf| {
            a == b
                || a.canonicalize()
                    .is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
        };
        let mut rest = paths.iter();
        while let Some(path) = rest.next() {
            if rest.clone().any(|it| same(path, it)) {
                let path = path.display();
                return Err(bad_input(format!(
                    "{path} is given twice; expected one table for each seed"
                )));
            }
        }
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &'a Path) -> Result<Self> {
        let rows: Vec<Row> = read_json(path, "judge table --json")?;
        let is_known = |at: usize| rows[..at].iter().any(|it| it.name == rows[at].name);
        if let Some(twice) = (0..rows.len()).find(|at| is_known(*at)) {
            return Err(bad_input(format!(
                "{}: two rows are called '{}'; expected each once",
                path.display(),
                rows[twice].name
            )));
        }
        Ok(Self { path, rows })
    }

    /// Returns a measure of a row, if the table has it.
    pub fn find(&self, name: &str, by: Measure) -> Option<f64> {
        by.of(self.rows.iter().find(|row| row.name == name)?)
    }

    /// Returns a measure of a row.
    ///
    /// # Errors
    ///
    /// When the table lacks it.
    pub fn get(&self, name: &str, by: Measure) -> Result<f64> {
        self.find(name, by).ok_or_else(|| {
            bad_input(format!(
                "{}: no {} of '{name}'; expected a table with the rows of the paper's tables",
                self.path.display(),
                by.name()
            ))
        })
    }
}

impl Measure {
    pub const ALL: [Self; 10] = [
        Self::Score,
        Self::LikeLength,
        Self::Quality,
        Self::Kl,
        Self::Tokens,
        Self::Ended,
        Self::Repeats,
        Self::Accuracy,
        Self::Ece,
        Self::WinRate,
    ];

    /// Returns a row's number, if it has one.
    pub fn of(self, row: &Row) -> Option<f64> {
        match self {
            Self::Score => row.policy.score.map(|it| it.mean),
            Self::LikeLength => row.gain.map(|it| it.at_like_length.mean),
            Self::Quality => row.policy.true_quality.map(|it| it.mean),
            Self::Kl => row.policy.kl,
            Self::Tokens => row.policy.tokens,
            Self::Ended => row.policy.ended,
            Self::Repeats => row.policy.repeats,
            Self::Accuracy => row.accuracy,
            Self::Ece => row.ece,
            Self::WinRate => row.win_rate,
        }
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Score => "RM_Test score",
            Self::LikeLength => "gain at like length",
            Self::Quality => "true quality",
            Self::Kl => "KL per token",
            Self::Tokens => "tokens",
            Self::Ended => "ended",
            Self::Repeats => "repeats",
            Self::Accuracy => "accuracy",
            Self::Ece => "ECE",
            Self::WinRate => "win rate",
        }
    }

    /// Formats such a number, or a difference of two: shares in percentage points.
    pub fn write(self, number: f64) -> String {
        match self {
            Self::Ended | Self::Repeats | Self::Accuracy | Self::WinRate => {
                format!("{:.1} %", 100.0 * number)
            }
            Self::Tokens => format!("{number:.1}"),
            _ => format!("{number:.3}"),
        }
    }
}

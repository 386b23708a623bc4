//! What a run of a map found: differences of its policies and reward models.

use std::path::Path;

use anyhow::Result;
use apo_measures::{AccuracySummary, Estimate, Gain};
use apo_stage::{ScoredAnswers, bad_input};

use super::conditions::{CellSettings, SETTING};
use crate::measures::{self, read_json};
use crate::run_file::{ArtifactKind, RunFile};

/// The setting of a run in which a training diverged; it says which, and how.
const DIVERGED: &str = "DIVERGED";

/// The policies of a map.
pub const POLICIES: [&str; 4] = ["SFT", "DPO", "Random", "APO-DPO"];

/// By what two policies or reward models are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Quality,
    Score,
    LikeLength,
    Accuracy,
}

/// A difference that a map shows of each cell.
#[derive(Clone, Copy, Debug)]
pub struct Contrast {
    pub of: &'static str,
    pub against: &'static str,
    pub by: By,
}

/// All of them; the map is about the first two.
pub const CONTRASTS: [Contrast; 8] = [
    contrast("APO-DPO", "DPO", By::Quality),
    contrast("APO-DPO", "Random", By::Quality),
    contrast("APO-DPO", "DPO", By::Score),
    contrast("APO-DPO", "Random", By::Score),
    contrast("APO-DPO", "DPO", By::LikeLength),
    contrast("APO-DPO", "Random", By::LikeLength),
    contrast("RM_APO-v1", "RM_Base", By::Accuracy),
    contrast("best by RM_APO-v1", "best by RM_Base", By::Quality),
];

const fn contrast(of: &'static str, against: &'static str, by: By) -> Contrast {
    Contrast { of, against, by }
}

/// A run of a map.
#[derive(Debug)]
pub struct MapRun {
    pub settings: CellSettings,
    /// What diverged.
    pub diverged: Option<String>,
    /// The true quality of [`POLICIES`].
    pub qualities: [Option<f64>; POLICIES.len()],
    /// The differences of [`CONTRASTS`]; only a run that diverged may lack some.
    pub differences: [Option<f64>; CONTRASTS.len()],
}

impl By {
    pub fn name(self) -> &'static str {
        match self {
            Self::Quality => "true quality",
            Self::Score => "RM_Test score",
            Self::LikeLength => "score at like length",
            Self::Accuracy => "accuracy by the truth",
        }
    }
}

impl Contrast {
    pub fn title(&self) -> String {
        format!("{} − {}", self.of, self.against)
    }

    /// Returns the difference in a run; `None` if the run lacks one of the two.
    fn difference(&self, run: &RunFile) -> Result<Option<f64>> {
        let both = |found: Result<[Option<f64>; 2]>| found.map(|[own, other]| Some(own? - other?));
        match self.by {
            By::Quality => both(self.each(|name| quality(run, name))),
            By::Accuracy => both(self.each(|name| accuracy(run, name))),
            By::Score => Ok(self.gain(run)?.map(|it| it.raw.mean)),
            By::LikeLength => Ok(self.gain(run)?.map(|it| it.at_like_length.mean)),
        }
    }

    fn each<T>(&self, of: impl Fn(&str) -> Result<Option<T>>) -> Result<[Option<T>; 2]> {
        Ok([of(self.of)?, of(self.against)?])
    }

    /// Returns by how much the first policy's rewards by `RM_Test` are higher.
    fn gain(&self, run: &RunFile) -> Result<Option<Gain>> {
        let answers = |name: &str| -> Result<Option<ScoredAnswers>> {
            let path = run.find(ArtifactKind::ScoredAnswers, name);
            path.map(|it| ScoredAnswers::read(&it)).transpose()
        };
        let [Some(own), Some(other)] = self.each(answers)? else {
            return Ok(None);
        };
        if !own.is_comparable(&other) {
            let at = run.path();
            return Err(bad_input(format!(
                "{}: different reward models scored the answers of '{}' and '{}'; expected one",
                at.display(),
                self.of,
                self.against
            )));
        }
        Ok(measures::gain(&own, &other))
    }
}

impl MapRun {
    /// Reads a run.
    ///
    /// # Errors
    ///
    /// When it does not say what its conditions are, or lacks a measure although nothing
    /// diverged.
    pub fn read(dir: &Path) -> Result<Self> {
        let run = RunFile::read(dir)?;
        let at = run.path();
        let at = at.display();
        let text = run.settings.get(SETTING).ok_or_else(|| {
            bad_input(format!(
                "{at} has no setting {SETTING}, which says what the conditions of the run are; \
                 expected a run that `make map` made"
            ))
        })?;
        let settings = text.parse().map_err(|problem| {
            bad_input(format!("{at}: setting {SETTING} is `{text}`: {problem}"))
        })?;
        let diverged = run.settings.get(DIVERGED).filter(|it| !it.is_empty());
        let mut found = Self {
            settings,
            diverged: diverged.cloned(),
            qualities: [None; POLICIES.len()],
            differences: [None; CONTRASTS.len()],
        };
        let lacks = |what: &str, name: &str| {
            let shown = "which the map shows; `make map` makes it";
            run.lacks(what, name, shown)
        };
        for (value, name) in found.qualities.iter_mut().zip(POLICIES) {
            *value = quality(&run, name)?;
            if value.is_none() && found.diverged.is_none() {
                return Err(lacks("true quality", name));
            }
        }
        for (value, contrast) in found.differences.iter_mut().zip(&CONTRASTS) {
            *value = contrast.difference(&run)?;
            if value.is_none() && found.diverged.is_none() {
                let both = format!("{}' and '{}", contrast.of, contrast.against);
                return Err(lacks(contrast.by.name(), &both));
            }
        }
        Ok(found)
    }
}

fn quality(run: &RunFile, name: &str) -> Result<Option<f64>> {
    let path = run.find(ArtifactKind::Quality, name);
    let found = path.map(|it| read_json::<Estimate>(&it, "a measure of quality"));
    Ok(found.transpose()?.map(|it| it.mean))
}

fn accuracy(run: &RunFile, name: &str) -> Result<Option<f64>> {
    let path = run.find(ArtifactKind::Truth, name);
    let found = path.map(|it| read_json::<AccuracySummary>(&it, "judge accuracy --json"));
    Ok(found.transpose()?.map(|it| it.accuracy.all.accuracy))
}

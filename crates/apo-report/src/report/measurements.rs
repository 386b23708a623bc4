//! What was measured of reward models, and who won before a judge.

use anyhow::Result;
use apo_measures::{AccuracySummary, Bin, CeilingSummary, VerdictSummary};
use serde::Serialize;

use crate::measures::read_json;
use crate::run_file::{ArtifactKind, RunFile};

/// A reward model on human preferences.
#[derive(Debug, Serialize)]
pub struct RewardModel {
    pub name: String,
    pub test: Option<OnPairs>,
    pub dev: Option<OnPairs>,
}

/// Accuracy and calibration.
#[derive(Debug, Serialize)]
pub struct OnPairs {
    pub accuracy: f64,
    pub standard_error: f64,
    pub ece: f64,
    pub bins: Vec<Bin>,
}

/// The highest accuracy that can be expected of reward models.
#[derive(Debug, Default, Serialize)]
pub struct Ceilings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<CeilingSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<CeilingSummary>,
}

impl Ceilings {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.test.is_none() && self.dev.is_none()
    }
}

/// Verdicts on two policies.
#[derive(Debug, Serialize)]
pub struct Verdicts {
    /// Such as `APO-DPO against DPO`.
    pub name: String,
    /// Whether people judged.
    pub people: bool,
    pub found: VerdictSummary,
}

/// Reads all reward models, in the run's order.
///
/// # Errors
///
/// When a file is not what its command prints.
pub fn reward_models(run: &RunFile) -> Result<Vec<RewardModel>> {
    let mut found: Vec<RewardModel> = Vec::new();
    for artifact in run.of(&[ArtifactKind::Test, ArtifactKind::Dev]) {
        if found.iter().any(|it| it.name == artifact.name) {
            continue;
        }
        let on = |kind: ArtifactKind| -> Result<Option<OnPairs>> {
            let Some(path) = run.find(kind, &artifact.name) else {
                return Ok(None);
            };
            let measured: AccuracySummary = read_json(&path, "judge accuracy --json")?;
            Ok(Some(OnPairs {
                accuracy: measured.accuracy.all.accuracy,
                standard_error: measured.accuracy.all.standard_error,
                ece: measured.calibration.all.ece,
                bins: measured.calibration.all.bins,
            }))
        };
        found.push(RewardModel {
            name: artifact.name.clone(),
            test: on(ArtifactKind::Test)?,
            dev: on(ArtifactKind::Dev)?,
        });
    }
    Ok(found)
}

/// Reads the ceilings of accuracies.
///
/// # Errors
///
/// When a file is not what makes ceilings.
pub fn ceilings(run: &RunFile) -> Result<Ceilings> {
    let of = |pairs: &str| {
        let path = run.find(ArtifactKind::Ceiling, pairs);
        path.map(|it| read_json(&it, "mini-quality --ceiling"))
            .transpose()
    };
    Ok(Ceilings {
        test: of("Test")?,
        dev: of("Dev")?,
    })
}

/// Reads all verdicts, in the run's order.
///
/// # Errors
///
/// When a file is not what its command prints.
pub fn verdicts(run: &RunFile) -> Result<Vec<Verdicts>> {
    let artifacts = run.of(&[ArtifactKind::Verdicts, ArtifactKind::Votes]);
    let found = artifacts.map(|artifact| {
        let people = artifact.kind == ArtifactKind::Votes;
        let by = if people {
            "judge human tally --json"
        } else {
            "judge compare --json"
        };
        Ok(Verdicts {
            name: artifact.name.clone(),
            people,
            found: read_json(&run.at(artifact), by)?,
        })
    });
    found.collect()
}

//! What the file says: artifacts, arms, tables and settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Name of the file in a run's folder.
pub const NAME: &str = "run.json";

/// What an artifact in a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// A table of the data.
    Table,
    /// A policy's model directory.
    Policy,
    /// A policy's samples to the reward model's queries.
    RmSamples,
    /// A policy's samples to its own queries.
    Samples,
    /// A policy's answers to the test queries.
    Answers,
    /// The answers with their rewards by `RM_Test`.
    ScoredAnswers,
    /// The mean reward of the answers: what `judge score --json` printed.
    Score,
    /// The same by `RM_All`.
    ScoreAll,
    /// A policy's KL from the start: what `judge kl --json` printed.
    Kl,
    /// True quality: a mean and its standard error.
    Quality,
    /// A reward model's directory.
    RewardModel,
    /// A reward model on test pairs: what `judge accuracy --json` printed.
    Test,
    /// The same on dev pairs.
    Dev,
    /// The same on pairs that are ordered by true quality.
    Truth,
    /// The highest accuracy that can be expected on test or dev pairs, and its source.
    Ceiling,
    /// What a language model said of two policies: what `judge compare --json`
    /// printed.
    Verdicts,
    /// What people said of two policies: what `judge human tally --json` printed.
    Votes,
    /// A seed's table: what `judge table --json` printed.
    Seed,
    /// Time and memory of the stages, one per line.
    Times,
}

impl ArtifactKind {
    /// Returns the name, as the file has it.
    pub fn name(self) -> String {
        apo_stage::value_name(&self)
    }
}

/// A file or folder of a run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Artifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// Its name in the paper or the run. Artifacts of several kinds that belong together
    /// share a name.
    pub name: String,
    /// Relative to the run's folder.
    pub path: PathBuf,
}

/// A table with its rows, or an arm with its policies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct List<T> {
    /// Its name.
    pub name: String,
    /// What it consists of, in order.
    pub rows: Vec<T>,
}

/// The policies of one method in the order of their rounds; the first is its start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Arm {
    /// Its name and its policies.
    #[serde(flatten)]
    pub list: List<String>,
    /// The name of the arm that it is compared with, round by round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
}

/// A row of a table: an artifact, and its name in the table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Entry {
    /// The name in the table.
    pub shown: String,
    /// The name of the artifact.
    pub of: String,
    /// The one file of the artifact that the row shows: a reward model on test, dev or
    /// true pairs. Without it the row shows what tables usually show of the artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ArtifactKind>,
}

/// What a run's folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct RunFile {
    /// The run's folder.
    #[serde(skip)]
    pub(super) dir: PathBuf,
    /// Version of the file's layout.
    pub(super) version: u32,
    /// Settings of the Makefile, by name.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Each method's policies, in the order of Figure 5.
    #[serde(default)]
    pub arms: Vec<Arm>,
    /// The rows of each table, by the table's name.
    #[serde(default)]
    pub tables: Vec<List<Entry>>,
    /// Everything that is there; policies and reward models in the order of a report.
    #[serde(alias = "things")]
    pub artifacts: Vec<Artifact>,
}

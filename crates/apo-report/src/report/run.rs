//! The content of a report.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use apo_stage::{bad_input, warn};
use serde::Serialize;

use super::files::{SEEDS, files_of};
use super::lineage::{Made, made};
use super::measurements::{Ceilings, RewardModel, Verdicts, ceilings, reward_models, verdicts};
use super::model_origin::ReadModel;
use super::policies::{Dialogue, Policy, dialogues, policies};
use super::times::{Times, times};
use super::trainings::{Training, trainings};
use crate::data::Size;
use crate::run_file::{Arm, ArtifactKind, RunFile};

/// Everything that a report shows.
#[derive(Debug, Serialize)]
pub struct Run {
    pub name: String,
    /// Versions of the stages that made the run.
    pub versions: Vec<String>,
    /// Settings of the Makefile, by name.
    pub settings: BTreeMap<String, String>,
    pub data: Vec<Size>,
    /// In the order of Table 2, then of rounds.
    pub policies: Vec<Policy>,
    /// In the order of Tables 3 and 4.
    pub reward_models: Vec<RewardModel>,
    #[serde(skip_serializing_if = "Ceilings::is_empty")]
    pub ceilings: Ceilings,
    pub verdicts: Vec<Verdicts>,
    pub trainings: Vec<Training>,
    pub dialogues: Vec<Dialogue>,
    /// The policies of each method in the order of rounds, the start first; in the
    /// order of Figure 5.
    #[serde(skip)]
    pub arms: Vec<Arm>,
    /// Tables and models, each with what made it.
    pub made: Vec<Made>,
    /// Time and memory of the stages, if recorded.
    pub times: Vec<Times>,
}

impl Run {
    /// Reads a run.
    ///
    /// # Errors
    ///
    /// When the run has no scored policy, or something in it cannot be read.
    pub fn read(dir: &Path, read_model: ReadModel) -> Result<Self> {
        let run = RunFile::read(dir)?;
        let policies = policies(&run)?;
        if policies.is_empty() {
            return Err(bad_input(format!(
                "{} has no scored policy; run a round first: make round-1",
                dir.display()
            )));
        }
        let files = files_of(dir)?;
        let (made, versions) = made(dir, &files, read_model)?;
        let newer = made.iter().find(|it| run.is_older_than(&it.file(dir)));
        if let Some(newer) = newer {
            warn(&format!(
                "{} is newer than {}; the report lacks what was made since, and `make report RUN={}` \
                 shows it",
                newer.at,
                run.path().display(),
                dir.display()
            ));
        }
        let trainings = trainings(dir, &files)?;
        let tables = run.of(&[ArtifactKind::Table]);
        let sizes = tables.map(|it| Size::of(&it.name, &run.at(it)));
        Ok(Self {
            name: name(dir),
            versions,
            data: sizes.collect::<Result<_>>()?,
            reward_models: reward_models(&run)?,
            ceilings: ceilings(&run)?,
            verdicts: verdicts(&run)?,
            dialogues: dialogues(&run, &policies)?,
            times: times(&run, &trainings)?,
            policies,
            trainings,
            arms: run.arms,
            made,
            settings: run.settings,
        })
    }

    /// Returns the policy that another came from.
    pub fn start(&self, policy: &Policy) -> Option<&Policy> {
        self.policy(policy.start.as_ref()?)
    }

    /// Returns a policy by its name.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|it| it.name == name)
    }

    /// Returns a reward model by its name.
    pub fn reward_model(&self, name: &str) -> Option<&RewardModel> {
        self.reward_models.iter().find(|it| it.name == name)
    }
}

/// Returns the folder's name, for a seed with the name of its run. The page does
/// not show the rest of the path.
fn name(dir: &Path) -> String {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let names: Vec<_> = whole.iter().map(|it| it.to_string_lossy()).collect();
    match &names[..] {
        [.., run, seeds, seed] if seeds == SEEDS => format!("{run}, seed {seed}"),
        [.., run] => run.clone().into_owned(),
        [] => String::new(),
    }
}

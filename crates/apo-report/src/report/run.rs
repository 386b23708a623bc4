//! The content of a report.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use apo_measures::{AccuracySummary, Bin, VerdictSummary};
use apo_provenance::METRICS;
use apo_stage::{bad_input, warn};
use apo_tables::{Metric, Reader};
use serde::Serialize;
use serde_json::Value;

use super::ReadModel;
use super::lineage::{Made, made};
use super::policies::{Dialogue, Policy, dialogues, policies};
use super::times::{Times, times};
use crate::data::Size;
use crate::measures::read_json;
use crate::run_file::{ArtifactKind, List, RunFile};

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
    pub verdicts: Vec<Verdicts>,
    pub trainings: Vec<Training>,
    pub dialogues: Vec<Dialogue>,
    /// The policies of each method in the order of rounds, the start first; in the
    /// order of Figure 5.
    #[serde(skip)]
    pub arms: Vec<List<String>>,
    /// Tables and models, each with what made it.
    pub made: Vec<Made>,
    /// Time and memory of the stages, if recorded.
    pub times: Vec<Times>,
}

/// A reward model on people's preferences.
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

/// Verdicts on two policies.
#[derive(Debug, Serialize)]
pub struct Verdicts {
    /// Such as `APO-DPO against DPO`.
    pub name: String,
    /// Whether people judged.
    pub people: bool,
    pub found: VerdictSummary,
}

/// How a training went.
#[derive(Debug, Serialize)]
pub struct Training {
    /// The model's folder in the run.
    pub at: String,
    /// The stage, with its method.
    pub stage: String,
    pub steps: usize,
    pub tokens: i64,
    pub metrics: Vec<Metric>,
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

    /// Returns the policy that all others came from.
    pub fn start(&self) -> Option<&Policy> {
        self.policies.iter().find(|it| it.is_start())
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
        [.., run, seeds, seed] if seeds == "seeds" => format!("{run}, seed {seed}"),
        [.., run] => run.clone().into_owned(),
        [] => String::new(),
    }
}

/// Returns the paths of all files in the run, sorted. Leaves out unfinished
/// outputs, settings, curves and the runs of seeds.
fn files_of(dir: &Path) -> Result<Vec<String>> {
    const OTHERS: [&str; 3] = ["settings", "tensorboard", "seeds"];
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let path = dir.join(&folder);
        let cannot = || format!("cannot read {}", path.display());
        for entry in fs::read_dir(&path).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let at = if folder.is_empty() {
                name.clone()
            } else {
                format!("{folder}/{name}")
            };
            let kind = entry.file_type().with_context(cannot)?;
            if !entry.path().is_dir() {
                found.push(at);
            } else if kind.is_symlink() {
                // It may lead anywhere, even back here.
            } else if !OTHERS.contains(&at.as_str()) && !name.ends_with(".partial") {
                folders.push(at);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn reward_models(run: &RunFile) -> Result<Vec<RewardModel>> {
    let mut found: Vec<RewardModel> = Vec::new();
    for thing in run.of(&[ArtifactKind::Test, ArtifactKind::Dev]) {
        if found.iter().any(|it| it.name == thing.name) {
            continue;
        }
        let on = |kind: ArtifactKind| -> Result<Option<OnPairs>> {
            let Some(path) = run.find(kind, &thing.name) else {
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
            name: thing.name.clone(),
            test: on(ArtifactKind::Test)?,
            dev: on(ArtifactKind::Dev)?,
        });
    }
    Ok(found)
}

fn verdicts(run: &RunFile) -> Result<Vec<Verdicts>> {
    let things = run.of(&[ArtifactKind::Verdicts, ArtifactKind::Votes]);
    let found = things.map(|thing| {
        let people = thing.kind == ArtifactKind::Votes;
        let by = if people {
            "judge human tally --json"
        } else {
            "judge compare --json"
        };
        Ok(Verdicts {
            name: thing.name.clone(),
            people,
            found: read_json(&run.at(thing), by)?,
        })
    });
    found.collect()
}

fn trainings(dir: &Path, files: &[String]) -> Result<Vec<Training>> {
    let mut found = Vec::new();
    let folders = files
        .iter()
        .filter_map(|it| it.strip_suffix(METRICS)?.strip_suffix('/'));
    for at in folders {
        let path = dir.join(at).join(METRICS);
        let metrics = Reader::<Metric>::open(&path)?.collect::<Result<Vec<_>, _>>()?;
        let made = apo_tables::provenance(&path)?;
        let stage = made.map_or_else(String::new, |made| {
            let method = made.arguments.get("method").and_then(Value::as_str);
            let words = [Some(made.stage.as_str()), method];
            words.into_iter().flatten().collect::<Vec<_>>().join(" ")
        });
        found.push(Training {
            at: at.to_owned(),
            stage,
            steps: metrics.len(),
            tokens: metrics.iter().map(|it| it.tokens).sum(),
            metrics,
        });
    }
    Ok(found)
}

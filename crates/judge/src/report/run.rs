//! A run's folder, as the Makefile's rules fill it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_dialogue::hh::{self, Role};
use apo_llama::{Manifest, directory};
use apo_measures::{Bin, Mean, mean};
use apo_model_stage::rows::check_scored;
use apo_provenance::{Provenance, digest_path};
use apo_stage::bad_input;
use apo_tables::{Metric, Reader, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::accuracy::Measured;
use crate::args::Named;
use crate::data::Size;
use crate::kl::Kl;
use crate::score::{MeanOnly, Score};
use crate::table::page;
use crate::verdicts::Summary;

/// Dialogues that are shown: the first by the hashes that are their queries' ids.
const SHOWN: usize = 6;

/// Commands that compute and only print.
const MEASURES: [&str; 2] = ["judge accuracy", "judge kl"];

/// All that a run's folder holds.
#[derive(Debug, Serialize)]
pub struct Run {
    pub name: String,
    /// Versions of the stages that made it.
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
    /// Tables and models, each with what made it.
    pub made: Vec<Made>,
    /// What stages took, as far as it was noted.
    pub times: Vec<Times>,
}

/// A policy and what is known of its answers to the test queries.
#[derive(Debug, Serialize)]
pub struct Policy {
    /// Its folder in the run.
    pub at: String,
    pub name: String,
    pub round: u32,
    /// By `RM_Test`.
    pub score: MeanOnly,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_all: Option<MeanOnly>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_quality: Option<MeanOnly>,
    /// From the start, nats a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    pub tokens: Option<f64>,
    pub ended: Option<f64>,
    pub repeats: Option<f64>,
    /// Its score less the start's, query by query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<Mean>,
    /// An APO policy's score less its baseline's, query by query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<Mean>,
    /// Of its answers, by query.
    #[serde(skip)]
    pub rewards: BTreeMap<String, f64>,
}

/// A reward model on people's preferences.
#[derive(Debug, Serialize)]
pub struct RewardModel {
    pub at: String,
    pub name: String,
    pub test: Option<OnPairs>,
    pub dev: Option<OnPairs>,
}

/// Accuracy and calibration.
#[derive(Debug, Serialize)]
pub struct OnPairs {
    pub accuracy: f64,
    pub standard_error: Option<f64>,
    pub ece: f64,
    pub bins: Vec<Bin>,
}

/// What judges said of two policies.
#[derive(Debug, Serialize)]
pub struct Verdicts {
    /// As `APO-DPO against DPO`.
    pub name: String,
    /// Whether people judged.
    pub people: bool,
    pub found: Summary,
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

/// A query with the answers of the first and the last policy.
#[derive(Debug, Serialize)]
pub struct Dialogue {
    pub query_id: String,
    pub turns: Vec<(String, String)>,
    /// Each with the name of its policy and its reward.
    pub answers: Vec<(String, String, f64)>,
}

/// A table or model, and what made it.
#[derive(Debug, Serialize)]
pub struct Made {
    pub at: String,
    pub digest: String,
    pub is_model: bool,
    /// None where another program made it.
    pub stage: Option<String>,
    pub arguments: BTreeMap<String, Value>,
    /// What it was made from: the argument, and where that lies in the run, or
    /// the name of what came from outside.
    pub from: Vec<Source>,
}

/// What something was made from.
#[derive(Debug, Serialize)]
pub struct Source {
    pub argument: String,
    pub name: String,
    pub rows: Option<u64>,
    /// Its place in the run; none of what came from outside.
    pub at: Option<String>,
}

/// What a stage's runs took together.
#[derive(Debug, Default, Serialize)]
pub struct Times {
    pub stage: String,
    pub runs: usize,
    pub seconds: f64,
    /// Of the run that held most.
    pub peak_mib: f64,
    /// Tokens that it learnt from or wrote.
    pub tokens: Option<i64>,
}

/// A line of the file of times.
#[derive(Deserialize)]
struct Took {
    stage: String,
    out: Option<String>,
    seconds: f64,
    peak_mib: Option<f64>,
}

impl Run {
    /// Reads a run.
    ///
    /// # Errors
    ///
    /// When the folder holds no scored policy, or something in it cannot be read.
    pub fn read(dir: &Path) -> Result<Self> {
        if !dir.is_dir() {
            return Err(bad_input(format!("{} is no folder", dir.display())));
        }
        let files = files_of(dir)?;
        let mut policies = policies(dir, &files)?;
        if policies.is_empty() {
            return Err(bad_input(format!(
                "{} holds no scored policy (start/score.json); play a round first: make round-1",
                dir.display()
            )));
        }
        compare(&mut policies);
        let made = made(dir, &files)?;
        let trainings = trainings(dir, &files)?;
        let name = name(dir);
        Ok(Self {
            name,
            versions: made.1,
            settings: settings(dir),
            data: data(dir)?,
            reward_models: reward_models(dir, &files)?,
            verdicts: verdicts(dir, &files)?,
            dialogues: dialogues(dir, &policies)?,
            times: times(dir, &trainings, &policies)?,
            policies,
            trainings,
            made: made.0,
        })
    }

    /// Returns the policy that all others came from.
    pub fn start(&self) -> Option<&Policy> {
        self.policies.iter().find(|it| it.at == "start")
    }

    /// Returns a reward model by its name.
    pub fn reward_model(&self, name: &str) -> Option<&RewardModel> {
        self.reward_models.iter().find(|it| it.name == name)
    }
}

/// Returns the folder's name; a seed's with the run's that it belongs to. Where
/// that lies is nobody's business who reads the page.
fn name(dir: &Path) -> String {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let names: Vec<_> = whole.iter().map(|it| it.to_string_lossy()).collect();
    match &names[..] {
        [.., run, seeds, seed] if seeds == "seeds" => format!("{run}, seed {seed}"),
        [.., run] => run.clone().into_owned(),
        [] => String::new(),
    }
}

/// Returns all files of the run by their place in it, in order; what is being
/// made, settings, curves and runs of other seeds are no part of it.
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
                // It may lead anywhere, and back here.
            } else if !OTHERS.contains(&at.as_str()) && !name.ends_with(".partial") {
                folders.push(at);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn has(files: &[String], at: &str) -> bool {
    files.binary_search_by(|it| it.as_str().cmp(at)).is_ok()
}

/// Returns a policy's name and round, `APO-DPO` and 1 of `apo-dpo-1`, with its
/// place in Table 2.
fn policy_name(at: &str) -> Option<(u32, usize, String)> {
    if at == "start" {
        return Some((0, 0, "SFT".to_owned()));
    }
    if at == "golden-sft" {
        return Some((1, 1, "Golden-SFT".to_owned()));
    }
    let (arm, round) = at.rsplit_once('-')?;
    let round: u32 = round.parse().ok()?;
    let is_apo = arm.starts_with("apo-");
    let method = arm.strip_prefix("apo-").unwrap_or(arm);
    let order = ["rjs", "rrhf", "dpo"].iter().position(|it| *it == method)?;
    let method = method.to_uppercase();
    let mut name = if is_apo {
        format!("APO-{method}")
    } else {
        method
    };
    if round > 1 {
        name += &format!("-{round}");
    }
    Some((round, 2 + 2 * order + usize::from(is_apo), name))
}

/// Returns the name of a reward model, with its place in Tables 3 and 4.
fn model_name(at: &str) -> Option<(usize, String)> {
    let known = [
        ("rm-all", "RM_All"),
        ("rm-test", "RM_Test"),
        ("rm-base", "RM_Base"),
        ("rm-ab", "RM_AB"),
        ("rm-wgan", "RM_WGAN"),
        ("rm-gail", "RM_GAIL"),
        ("rm-seq-1", "RM_APO-v1seq"),
        ("start/rm", "RM_APO-v1"),
        ("rm-seq-2", "RM_APO-v2seq"),
        ("apo-rjs-1/rm", "RM_APO-v2"),
        ("rm-seq-3", "RM_APO-v3seq"),
        ("apo-rjs-2/rm", "RM_APO-v3"),
    ];
    if let Some(place) = known.iter().position(|it| it.0 == at) {
        return Some((place, known[place].1.to_owned()));
    }
    let (.., policy) = policy_name(at.strip_suffix("/rm")?)?;
    Some((known.len(), format!("RM against {policy}")))
}

fn policies(dir: &Path, files: &[String]) -> Result<Vec<Policy>> {
    let mut found = Vec::new();
    for at in files.iter().filter_map(|it| it.strip_suffix("/score.json")) {
        // One that the Makefile's rules do not know comes last, under its own name.
        let (round, order, name) =
            policy_name(at).unwrap_or_else(|| (1, usize::MAX, at.to_owned()));
        let beside = |file: &str| {
            let file = format!("{at}/{file}");
            has(files, &file).then(|| dir.join(file))
        };
        let score: Score = page(&dir.join(at).join("score.json"), "judge score --json")?;
        let all = beside("score-all.json").map(|it| page::<Score>(&it, "judge score --json"));
        let quality = beside("quality.json").map(|it| page(&it, "a measure of quality"));
        let kl = beside("kl.json").map(|it| page::<Kl>(&it, "judge kl --json"));
        let rewards = beside("answers-scored.parquet").map(|it| rewards(&it));
        found.push((
            (round, order),
            Policy {
                at: at.to_owned(),
                name,
                round,
                score: score.reward.all,
                score_all: all.transpose()?.map(|it| it.reward.all),
                true_quality: quality.transpose()?,
                kl: kl.transpose()?.map(|it| it.kl_per_token.mean),
                tokens: score.mean_tokens,
                ended: score.ended,
                repeats: score.repeats,
                gain: None,
                lead: None,
                rewards: rewards.transpose()?.unwrap_or_default(),
            },
        ));
    }
    found.sort_by_key(|it| it.0);
    Ok(found.into_iter().map(|it| it.1).collect())
}

/// Reads the rewards of a policy's answers, by query.
fn rewards(path: &Path) -> Result<BTreeMap<String, f64>> {
    let mut found = BTreeMap::new();
    for (row, response) in Reader::<Response>::open(path)?.enumerate() {
        let response = response?;
        check_scored(path, row, &response)?;
        found.insert(
            response.query_id,
            f64::from(response.reward.unwrap_or_default()),
        );
    }
    Ok(found)
}

/// Notes how far each policy is above the start, and APO's above its baseline.
fn compare(policies: &mut [Policy]) {
    let by_place: HashMap<String, BTreeMap<String, f64>> = policies
        .iter()
        .map(|it| (it.at.clone(), it.rewards.clone()))
        .collect();
    for policy in policies {
        let above = |other: &str| -> Option<Mean> {
            let other = by_place.get(other)?;
            let both = policy.rewards.iter();
            let both = both.filter_map(|(query, reward)| Some(reward - other.get(query)?));
            mean(&both.collect::<Vec<f64>>())
        };
        policy.gain = (policy.at != "start").then(|| above("start")).flatten();
        policy.lead = policy.at.strip_prefix("apo-").and_then(above);
    }
}

fn reward_models(dir: &Path, files: &[String]) -> Result<Vec<RewardModel>> {
    let mut found: Vec<(usize, RewardModel)> = Vec::new();
    let at_of = |file: &String| {
        let at = file.strip_suffix(".test.json");
        at.or_else(|| file.strip_suffix(".dev.json"))
            .map(str::to_owned)
    };
    let mut places: Vec<String> = files.iter().filter_map(at_of).collect();
    places.dedup();
    for at in places {
        let Some((order, name)) = model_name(&at) else {
            continue;
        };
        let on = |part: &str| -> Result<Option<OnPairs>> {
            let file = format!("{at}.{part}.json");
            if !has(files, &file) {
                return Ok(None);
            }
            let measured: Measured = page(&dir.join(file), "judge accuracy --json")?;
            Ok(Some(OnPairs {
                accuracy: measured.accuracy.all.accuracy,
                standard_error: measured.accuracy.all.standard_error,
                ece: measured.calibration.all.ece,
                bins: measured.calibration.all.bins,
            }))
        };
        let (test, dev) = (on("test")?, on("dev")?);
        found.push((
            order,
            RewardModel {
                at,
                name,
                test,
                dev,
            },
        ));
    }
    found.sort_by(|a, b| (a.0, &a.1.at).cmp(&(b.0, &b.1.at)));
    Ok(found.into_iter().map(|it| it.1).collect())
}

fn verdicts(dir: &Path, files: &[String]) -> Result<Vec<Verdicts>> {
    let mut found = Vec::new();
    for file in files {
        let machine = file.strip_suffix(".verdicts.json");
        let Some(at) = machine.or_else(|| file.strip_suffix(".votes.json")) else {
            continue;
        };
        let name = |at: &str| policy_name(at).map(|it| it.2);
        let against = at.strip_prefix("apo-").and_then(name);
        found.push(Verdicts {
            name: match (name(at), against) {
                (Some(policy), Some(other)) => format!("{policy} against {other}"),
                _ => at.to_owned(),
            },
            people: machine.is_none(),
            found: page(
                &dir.join(file),
                if machine.is_some() {
                    "judge compare --json"
                } else {
                    "judge human tally --json"
                },
            )?,
        });
    }
    Ok(found)
}

fn trainings(dir: &Path, files: &[String]) -> Result<Vec<Training>> {
    let mut found = Vec::new();
    for at in files
        .iter()
        .filter_map(|it| it.strip_suffix("/metrics.parquet"))
    {
        let path = dir.join(at).join("metrics.parquet");
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

fn settings(dir: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(dir.join("settings")).into_iter().flatten();
    let text = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path()).ok()?;
        Some((name, text.split_whitespace().collect::<Vec<_>>().join(" ")))
    };
    entries.flatten().filter_map(text).collect()
}

/// Counts the tables of Table 1.
fn data(dir: &Path) -> Result<Vec<Size>> {
    let tables = [
        ("HH_Train", "data/train-pairs"),
        ("HH_RM", "data/rm-pairs"),
        ("HH_LLM", "data/llm-queries"),
        ("HH_Dev", "data/dev-pairs"),
        ("HH_Test", "data/test-pairs"),
        ("golden answers", "golden"),
        ("samples for D_APO", "start/rm-samples"),
        ("samples for D_Q", "start/samples"),
    ];
    let tables = tables.into_iter().map(|(name, at)| Named {
        name: name.to_owned(),
        path: dir.join(format!("{at}.parquet")),
    });
    let there = tables.filter(|it| it.path.exists());
    there.map(|it| Size::of(&it)).collect()
}

/// Reads the answers of the first and the last policy to a few queries.
fn dialogues(dir: &Path, policies: &[Policy]) -> Result<Vec<Dialogue>> {
    let scored = || policies.iter().filter(|it| !it.rewards.is_empty());
    let start = scored().find(|it| it.at == "start");
    let last = scored()
        .filter(|it| it.at.starts_with("apo-"))
        .max_by_key(|it| it.round);
    let last = last.or_else(|| scored().next_back());
    let (Some(start), Some(last)) = (start, last) else {
        return Ok(Vec::new());
    };
    let queries: Vec<&String> = start.rewards.keys().take(SHOWN).collect();
    let mut found: BTreeMap<String, Dialogue> = BTreeMap::new();
    let two = if start.at == last.at {
        vec![start]
    } else {
        vec![start, last]
    };
    for policy in two {
        let path = dir.join(&policy.at).join("answers-scored.parquet");
        for response in Reader::<Response>::open(&path)? {
            let response = response?;
            if !queries.contains(&&response.query_id) {
                continue;
            }
            let turns = || {
                let turns = hh::turns(&response.prompt).into_iter();
                let who = |role| match role {
                    Role::Human => "Human".to_owned(),
                    Role::Assistant => "Assistant".to_owned(),
                };
                turns.map(|turn| (who(turn.role), turn.text)).collect()
            };
            let dialogue = found
                .entry(response.query_id.clone())
                .or_insert_with(|| Dialogue {
                    query_id: response.query_id.clone(),
                    turns: turns(),
                    answers: Vec::new(),
                });
            let reward = f64::from(response.reward.unwrap_or_default());
            let answer = (policy.name.clone(), response.response, reward);
            dialogue.answers.push(answer);
        }
    }
    Ok(found.into_values().collect())
}

/// Reads what made each table and model, and the versions that did.
fn made(dir: &Path, files: &[String]) -> Result<(Vec<Made>, Vec<String>)> {
    let mut found: Vec<(Made, Option<Provenance>)> = Vec::new();
    let models: Vec<&str> = files
        .iter()
        .filter_map(|it| it.strip_suffix("/config.json"))
        .collect();
    let tables = files.iter().filter(|it| {
        let folder = it.rsplit_once('/').map(|it| it.0);
        it.ends_with(".parquet") && !folder.is_some_and(|it| models.contains(&it))
    });
    let models = models.iter().map(|it| ((*it).to_owned(), true));
    for (at, is_model) in models.chain(tables.map(|it| (it.clone(), false))) {
        let path = dir.join(&at);
        let (digest, provenance) = if is_model {
            let digest = directory::input(&path)?.digest;
            (digest, Manifest::read(&path)?.map(|it| it.provenance))
        } else {
            let digest = digest_path(&path).with_context(|| format!("cannot read {at}"))?;
            (digest, apo_tables::provenance(&path)?)
        };
        let of = |it: &Provenance| (it.stage.clone(), it.arguments.clone());
        let (stage, arguments) = provenance.as_ref().map(of).unzip();
        let made = Made {
            at,
            digest,
            is_model,
            stage,
            arguments: arguments.unwrap_or_default(),
            from: Vec::new(),
        };
        found.push((made, provenance));
    }
    let by_digest: HashMap<String, String> = found
        .iter()
        .map(|(made, _)| (made.digest.clone(), made.at.clone()))
        .collect();
    let mut versions = Vec::new();
    for (made, provenance) in &mut found {
        let Some(provenance) = provenance.take() else {
            continue;
        };
        let inputs = provenance.inputs.into_iter();
        made.from = inputs
            .map(|(argument, input)| Source {
                argument,
                at: by_digest.get(&input.digest).cloned(),
                name: input.name,
                rows: input.rows,
            })
            .collect();
        versions.push(provenance.version);
    }
    versions.sort();
    versions.dedup();
    let mut made: Vec<Made> = found.into_iter().map(|it| it.0).collect();
    made.sort_by(|a, b| a.at.cmp(&b.at));
    Ok((made, versions))
}

/// Sums up what stages took; tokens are of what is there.
fn times(dir: &Path, trainings: &[Training], policies: &[Policy]) -> Result<Vec<Times>> {
    let path = dir.join("times.jsonl");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    // A line that a kill cut short tells nothing; of an output made again the
    // last one counts.
    let lines = text
        .lines()
        .filter_map(|it| serde_json::from_str::<Took>(it).ok());
    let (mut last, mut printed): (HashMap<String, Took>, Vec<Took>) = Default::default();
    for took in lines {
        match &took.out {
            Some(out) => drop(last.insert(out.clone(), took)),
            None => printed.push(took),
        }
    }
    // Without an output: what only prints, or found its output up to date.
    let makes: HashSet<&String> = last.values().map(|it| &it.stage).collect();
    printed.retain(|it| !makes.contains(&it.stage) && MEASURES.contains(&it.stage.as_str()));
    let mut found: BTreeMap<String, Times> = BTreeMap::new();
    for took in last.into_values().chain(printed) {
        let times = found.entry(took.stage.clone()).or_default();
        times.stage = took.stage;
        times.runs += 1;
        times.seconds += took.seconds;
        times.peak_mib = times.peak_mib.max(took.peak_mib.unwrap_or(0.0));
    }
    let mut sampled = 0;
    for policy in policies {
        for table in ["rm-samples", "samples", "answers"] {
            let path: PathBuf = dir.join(&policy.at).join(format!("{table}.parquet"));
            if path.exists() {
                for response in Reader::<Response>::open(&path)? {
                    sampled += i64::from(response?.tokens.unwrap_or(0));
                }
            }
        }
    }
    for times in found.values_mut() {
        let trained = trainings.iter().filter(|it| it.stage == times.stage);
        let trained: i64 = trained.map(|it| it.tokens).sum();
        times.tokens = match times.stage.as_str() {
            "sample" => Some(sampled),
            _ => (trained > 0).then_some(trained),
        };
    }
    let mut found: Vec<Times> = found.into_values().collect();
    found.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    Ok(found)
}

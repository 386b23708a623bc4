//! The measured work: what the peers' scripts do, by the libraries of the workspace.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use apo_decoder::{
    AdamW, AdamWSettings, Compute, GenerationConfig, Head, InferenceModel, Model, ModelError,
    Precision, PromptTree, Request, Sampling, Start, TreeBatch, device,
};
use apo_kernels::stats::{KernelStats, KindStats, stats};
use apo_model_stage::{SCORING_MICRO_TOKENS, TRAINING_MICRO_TOKENS, memory};
use apo_objectives::{Adversarial, PairLoss};
use apo_stage::peak_mib;
use apo_training::{Comparison, ComparisonKind, Example, Objective, StepBatch};
use burn::tensor::Device;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::rows::{Rows, SAMPLED_PROMPTS};

/// Pairs of a training step.
pub const PAIRS_PER_STEP: usize = 4;
/// Samples of each prompt.
pub const SAMPLES: usize = 4;
/// Tokens of each sample.
pub const NEW_TOKENS: usize = 64;
const BETA: f64 = 0.1;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
pub enum Task {
    /// Rewards of all dialogues
    Score,
    /// Reward-model steps of 4 pairs, eq. 1
    Rm,
    /// DPO steps of 4 pairs, the reference's log-probs computed beforehand
    Dpo,
    /// DPO steps of 4 pairs, the reference's log-probs computed in the step
    DpoInStep,
    /// 8 prompts × 4 samples × 64 tokens
    Sample,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Seconds of one step, or of everything if there are no steps.
    pub seconds: f64,
    /// Tokens that were computed in that time, or sampled.
    pub tokens: f64,
    /// Peak memory of the process, MiB.
    pub peak_mib: Option<f64>,
    /// The matrix products' share of the seconds.
    pub matmul: Share,
    /// The attention's.
    pub attention: Share,
    /// The optimiser's.
    pub optimiser: Share,
    /// Losses of training steps.
    pub losses: Vec<f64>,
}

/// What one kind of kernel took of a run, or of one step if there are steps.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Share {
    /// Wall-clock time.
    pub seconds: f64,
    /// Floating-point operations.
    pub flop: f64,
    /// Bytes read and written, each once.
    pub bytes: f64,
}

/// How to do the work.
pub struct Settings<'a> {
    /// Model directory.
    pub model: &'a Path,
    /// The type of products' operands.
    pub precision: Precision,
    /// Keep only the inputs of layers.
    pub checkpointing: bool,
    /// Training steps to time.
    pub steps: usize,
}

/// Does a task once, after a warm-up, and measures it.
///
/// # Errors
///
/// When the model cannot be loaded, rows cannot be read, or a result is not finite.
pub fn run(task: Task, settings: &Settings<'_>, rows: &dyn Rows) -> Result<Run> {
    memory::keep_freed(); // as the stages do
    let bench = Bench { settings, rows };
    match task {
        Task::Score => bench.score(),
        Task::Rm => bench.train(Head::Reward, Reference::None),
        Task::Dpo => bench.train(Head::LanguageModel, Reference::Kept),
        Task::DpoInStep => bench.train(Head::LanguageModel, Reference::InStep),
        Task::Sample => bench.sample(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reference {
    None,
    Kept,
    InStep,
}

struct Bench<'a> {
    settings: &'a Settings<'a>,
    rows: &'a dyn Rows,
}

impl Bench<'_> {
    fn load(&self, head: Head, device: Device) -> Result<Model> {
        let start = match head {
            Head::Reward => Start::NewHead(1),
            Head::LanguageModel => Start::Saved,
        };
        let compute = Compute {
            precision: self.settings.precision,
            checkpointing: self.settings.checkpointing,
            ..Compute::default()
        };
        let model = Model::load(self.settings.model, head, start, &device, compute);
        model.with_context(|| format!("cannot load {}", self.settings.model.display()))
    }

    fn frozen(&self, head: Head) -> Result<InferenceModel> {
        Ok(self.load(head, device::cpu())?.for_inference())
    }

    fn score(&self) -> Result<Run> {
        let model = self.frozen(Head::Reward)?;
        let warm = PromptTree {
            prompt: (100..132).collect(),
            responses: vec![(132..164).collect()],
        };
        model.rewards(&TreeBatch::new([&warm]))?;
        let watch = Watch::start();
        let trees: Vec<PromptTree> = (0..self.rows.n_pairs())
            .map(|at| self.rows.tree(at))
            .collect::<Result<_>>()?;
        let (mut tokens, mut n_rewards) = (0, 0);
        let mut batch = TreeBatch::default();
        for (i, tree) in trees.iter().enumerate() {
            batch.push(tree);
            let next = trees.get(i + 1).map_or(usize::MAX, PromptTree::n_tokens);
            if batch.n_tokens().saturating_add(next) > SCORING_MICRO_TOKENS as usize {
                n_rewards += model.rewards(&batch)?.len();
                tokens += batch.n_tokens();
                batch = TreeBatch::default();
            }
        }
        ensure!(
            n_rewards == 2 * self.rows.n_pairs(),
            "a reward for every dialogue"
        );
        Ok(watch.stop(1, tokens, Vec::new()))
    }

    /// Returns the pairs of a step as the stages' examples; with the log-probs under the
    /// reference, if there is one.
    fn step_batch(
        &self,
        step: usize,
        kind: ComparisonKind,
        reference: Option<&InferenceModel>,
    ) -> Result<StepBatch> {
        let first = step * PAIRS_PER_STEP;
        let examples = (first..first + PAIRS_PER_STEP).map(|at| {
            let trees = vec![self.rows.tree(at % self.rows.n_pairs())?];
            let reference = match reference {
                None => Vec::new(),
                Some(model) => {
                    let log_probs = model.log_probs(&TreeBatch::new(&trees))?;
                    log_probs.iter().map(|&it| it as f32).collect()
                }
            };
            Ok(Example {
                query_id: at.to_string(),
                trees,
                comparisons: vec![Comparison {
                    chosen: 0,
                    rejected: 1,
                    kind,
                    weight: 1.0,
                }],
                reference,
                ..Example::default()
            })
        });
        Ok(StepBatch::new(examples.collect::<Result<_>>()?))
    }

    fn train(&self, head: Head, reference: Reference) -> Result<Run> {
        let steps = self.settings.steps;
        let (objective, kind, learning_rate) = match head {
            Head::Reward => {
                let adversarial = Adversarial::Ranking;
                let objective = Objective::RewardModel {
                    adversarial,
                    beta_2: 1.0,
                };
                (objective, ComparisonKind::Human, 1e-6)
            }
            Head::LanguageModel => {
                let loss = PairLoss::Dpo { beta: BETA };
                let objective = Objective::Pairs {
                    loss,
                    sft_weight: 0.0,
                };
                (objective, ComparisonKind::ByReward, 5e-6)
            }
        };
        let mut model = self.load(head, device::cpu().autodiff())?;
        let frozen = match reference {
            Reference::None => None,
            Reference::Kept | Reference::InStep => Some(self.frozen(head)?),
        };
        let mut kept = VecDeque::new();
        if reference == Reference::Kept {
            for step in 0..=steps {
                kept.push_back(self.step_batch(step, kind, frozen.as_ref())?);
            }
        }
        let frozen = frozen.filter(|_| reference == Reference::InStep);
        let mut adamw = AdamW::new(AdamWSettings::default());
        let (mut tokens, mut losses) = (0, Vec::new());
        let mut watch = None;
        for step in 0..=steps {
            if step == 1 {
                watch = Some(Watch::start()); // the first was the warm-up
                (tokens, losses) = (0, Vec::new());
            }
            let batch = match kept.pop_front() {
                Some(batch) => batch,
                None => self.step_batch(step, kind, frozen.as_ref())?,
            };
            let (gradients, sums) = batch
                .gradients(&model, &objective, TRAINING_MICRO_TOKENS as usize, || false)?
                .context("nothing stops a step")?;
            tokens += sums.tokens as usize;
            losses.push(sums.loss);
            let norm = gradients.norm()?;
            model.decoder = adamw.step(model.decoder, gradients, norm, learning_rate);
        }
        let watch = watch.context("at least one step")?;
        Ok(watch.stop(steps, tokens, losses))
    }

    fn sample(&self) -> Result<Run> {
        let model = self.frozen(Head::LanguageModel)?;
        let generation = |max_new_tokens| GenerationConfig {
            sampling: Sampling {
                temperature: 1.0,
                top_p: 0.95,
                ..Sampling::GREEDY
            },
            max_new_tokens,
            batch: SAMPLED_PROMPTS * SAMPLES,
            stop_ids: Vec::new(),
        };
        let requests: Vec<Request> = (0..SAMPLED_PROMPTS.min(self.rows.n_pairs()))
            .map(|number| {
                Ok(Request {
                    number,
                    prompt: self.rows.tree(number)?.prompt,
                    samples: (0..SAMPLES)
                        .map(|i| (i, (number * SAMPLES + i) as u64))
                        .collect(),
                })
            })
            .collect::<Result<_>>()?;
        let generate = |generation: &GenerationConfig, requests: Vec<Request>| {
            let mut tokens = 0;
            let count = |one: apo_decoder::Generated| {
                tokens += one.tokens.len();
                Ok::<_, ModelError>(())
            };
            model.generate(generation, requests, |_| false, count)?;
            Ok::<_, ModelError>(tokens)
        };
        generate(&generation(4), requests[..1].to_vec())?;
        let watch = Watch::start();
        let n_requests = requests.len();
        let tokens = generate(&generation(NEW_TOKENS), requests)?;
        ensure!(
            tokens == n_requests * SAMPLES * NEW_TOKENS,
            "every sample is whole"
        );
        Ok(watch.stop(1, tokens, Vec::new()))
    }
}

struct Watch {
    start: Instant,
    before: KernelStats,
}

impl Watch {
    fn start() -> Self {
        Self {
            before: stats(),
            start: Instant::now(),
        }
    }

    fn stop(self, steps: usize, tokens: usize, losses: Vec<f64>) -> Run {
        let seconds = self.start.elapsed().as_secs_f64();
        let (after, n) = (stats(), steps as f64);
        let share = |after: KindStats, before: KindStats| Share {
            seconds: (after.seconds - before.seconds) / n,
            flop: (after.flop - before.flop) / n,
            bytes: (after.bytes - before.bytes) / n,
        };
        Run {
            seconds: seconds / n,
            tokens: tokens as f64 / n,
            peak_mib: peak_mib(),
            matmul: share(after.matmul, self.before.matmul),
            attention: share(after.attention, self.before.attention),
            optimiser: share(after.optimiser, self.before.optimiser),
            losses,
        }
    }
}

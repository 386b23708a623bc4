//! The measured work: what the peers' scripts do, by the libraries of the workspace.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use apo_kernels::stats::{KernelStats, KindStats, stats};
use apo_llama::{
    AdamW, AdamWSettings, Compute, GenerationConfig, GradientSum, Head, InferenceModel, Model,
    ModelError, Precision, PromptTree, Request, Sampling, Start, TreeBatch, device,
};
use apo_objectives::{LogProbs, PairLoss, Pairs, ranking};
use burn::tensor::{Device, Tensor};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::rows::Rows;

/// Tokens that are scored at once.
const SCORED_TOKENS: usize = 2048;
/// Most tokens of a training step that are computed at once.
const MICRO_TOKENS: usize = 4096;
/// Pairs of a training step.
pub const PAIRS_A_STEP: usize = 4;
/// Prompts that are sampled from.
pub const SAMPLED_PROMPTS: usize = 8;
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
    /// Where the seconds went.
    pub matmul: Share,
    pub attention: Share,
    pub optimiser: Share,
    /// Losses of the steps.
    pub losses: Vec<f32>,
}

/// What one kind of kernel took of a run, or of one step if there are steps.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Share {
    pub seconds: f64,
    pub flop: f64,
    pub bytes: f64,
}

/// How to do the work.
pub struct Settings<'a> {
    pub model: &'a Path,
    /// Draw the parameters instead of reading them: the folder has no weights.
    pub scratch: bool,
    pub precision: Precision,
    pub checkpointing: bool,
    pub steps: usize,
}

/// Does a task once, after a warm-up, and measures it.
///
/// # Errors
///
/// When the model cannot be loaded, rows cannot be read, or a result is not finite.
pub fn run(task: Task, settings: &Settings<'_>, rows: &dyn Rows) -> Result<Run> {
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

/// Pairs of a step that are computed at once.
struct MicroBatch {
    batch: TreeBatch,
    pairs: Pairs,
}

impl Bench<'_> {
    fn load(&self, head: Head, device: Device) -> Result<Model> {
        let start = match head {
            _ if self.settings.scratch => Start::Scratch(1),
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
        let trees: Vec<PromptTree> = (0..self.rows.len())
            .map(|at| self.rows.tree(at))
            .collect::<Result<_>>()?;
        let (mut tokens, mut n_rewards) = (0, 0);
        let mut batch = TreeBatch::default();
        for (i, tree) in trees.iter().enumerate() {
            batch.push(tree);
            let next = trees.get(i + 1).map_or(usize::MAX, PromptTree::n_tokens);
            if batch.n_tokens().saturating_add(next) > SCORED_TOKENS {
                n_rewards += model.rewards(&batch)?.len();
                tokens += batch.n_tokens();
                batch = TreeBatch::default();
            }
        }
        ensure!(
            n_rewards == 2 * self.rows.len(),
            "a reward for every dialogue"
        );
        Ok(watch.stop(1, tokens, Vec::new()))
    }

    fn micro_batches(&self, step: usize) -> Result<Vec<MicroBatch>> {
        let first = step * PAIRS_A_STEP;
        let mut all: Vec<MicroBatch> = Vec::new();
        for at in first..first + PAIRS_A_STEP {
            let tree = self.rows.tree(at % self.rows.len())?;
            let fits = |it: &MicroBatch| it.batch.n_tokens() + tree.n_tokens() <= MICRO_TOKENS;
            if !all.last().is_some_and(fits) {
                all.push(MicroBatch {
                    batch: TreeBatch::default(),
                    pairs: Pairs::default(),
                });
            }
            let last = all.last_mut().expect("one was added");
            let response = 2 * last.pairs.weights.len();
            last.batch.push(&tree);
            last.pairs
                .push(response, response + 1, 1.0 / PAIRS_A_STEP as f32);
        }
        Ok(all)
    }

    fn train(&self, head: Head, reference: Reference) -> Result<Run> {
        let steps = self.settings.steps;
        let mut model = self.load(head, device::cpu().autodiff())?;
        let frozen = match reference {
            Reference::None => None,
            Reference::Kept | Reference::InStep => Some(self.frozen(head)?),
        };
        // The reference's log-probs of each step's micro-batches.
        let mut kept = VecDeque::new();
        if let (Reference::Kept, Some(frozen)) = (reference, &frozen) {
            for step in 0..=steps {
                for it in self.micro_batches(step)? {
                    kept.push_back(frozen.log_probs(&it.batch)?);
                }
            }
        }
        let frozen = frozen.filter(|_| reference == Reference::InStep);
        let mut adamw = AdamW::new(AdamWSettings::default());
        let learning_rate = if head == Head::Reward { 1e-6 } else { 5e-6 };
        let (mut tokens, mut losses) = (0, Vec::new());
        let mut watch = None;
        for step in 0..=steps {
            if step == 1 {
                watch = Some(Watch::start()); // the first was the warm-up
                (tokens, losses) = (0, Vec::new());
            }
            let mut gradients = GradientSum::default();
            let mut step_loss = 0.0;
            for MicroBatch { batch, pairs } in self.micro_batches(step)? {
                tokens += batch.n_tokens();
                let loss = if head == Head::Reward {
                    ranking(
                        &model.llama.rewards(&model.config, model.compute, &batch),
                        &pairs,
                    )
                } else {
                    let reference = match &frozen {
                        Some(frozen) => frozen.log_probs(&batch)?,
                        None => kept.pop_front().context("a reference for each batch")?,
                    };
                    dpo_loss(&model, &batch, &reference, &pairs)
                };
                let value = loss.clone().into_data().iter::<f32>().next();
                step_loss += value.context("a loss")?;
                gradients.add(&model.llama, loss.backward());
            }
            losses.push(step_loss);
            let norm = gradients.norm()?;
            model.llama = adamw.step(model.llama, gradients, norm, learning_rate);
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
        let requests: Vec<Request> = (0..SAMPLED_PROMPTS.min(self.rows.len()))
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
            let count = |one: apo_llama::Generated| {
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

/// Returns DPO's loss of a batch of pairs, `[1]`, given the log-prob of each response
/// under the reference.
fn dpo_loss(model: &Model, batch: &TreeBatch, reference: &[f64], pairs: &Pairs) -> Tensor<1> {
    let reference: Vec<f32> = reference.iter().map(|&x| x as f32).collect();
    let tokens = model
        .llama
        .token_log_probs(&model.config, model.compute, batch);
    let responses = LogProbs {
        policy: &sums(&tokens, &batch.response_lengths()),
        reference: &reference,
        tokens: &[],
        kl: 0.0,
    };
    PairLoss::Dpo { beta: BETA }.loss(responses, pairs)
}

/// Sums runs of tokens' log-probs: `[tokens]` to `[response]`.
fn sums(tokens: &Tensor<1>, lengths: &[usize]) -> Tensor<1> {
    let mut start = 0;
    let responses = lengths.iter().map(|&length| {
        let response = tokens.clone().narrow(0, start, length);
        start += length;
        response.sum()
    });
    Tensor::cat(responses.collect(), 0)
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

    fn stop(self, steps: usize, tokens: usize, losses: Vec<f32>) -> Run {
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

/// Peak memory of this process, if the system reports it.
fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

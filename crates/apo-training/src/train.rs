//! The training loop.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use apo_decoder::machine::available_memory;
use apo_decoder::{AdamW, MemoryEstimate, MicroBatches, Model};
use apo_spool::names;
use apo_tables::Metric;

use crate::checkpoint;
use crate::error::TrainingError;
use crate::example_store::ExampleStore;
use crate::objective::Objective;
use crate::observer::{Observer, Phase};
use crate::reference::Reference;
use crate::settings::Settings;
use crate::step_batch::StepBatch;
use crate::step_sums::StepSums;

/// A trained model and its metrics.
#[derive(Debug)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// One entry per step.
    pub metrics: Vec<Metric>,
}

/// Trains a model, from the last checkpoint in the working folder if there is
/// one. On the CPU the same arguments give the same weights, byte for byte,
/// however often the training was interrupted.
///
/// # Errors
///
/// When a loss or gradient is not finite, when a file cannot be read or
/// written, or when the observer asked to stop.
pub fn train(
    mut model: Model,
    store: &mut ExampleStore,
    mut reference: Option<Reference>,
    objective: &Objective,
    settings: &Settings,
    dir: &Path,
    observer: &mut dyn Observer,
) -> Result<Trained, TrainingError> {
    let steps_per_epoch = steps_per_epoch(store, settings);
    let total = steps_per_epoch * settings.epochs as u64;
    if let Some(estimate) = memory_estimate(&model, store, settings) {
        report_memory(&estimate, &model, observer);
    }
    let (mut adamw, metrics) = resume(dir, &mut model, settings, total, observer);
    let mut log = Log::begin(dir, metrics)?;
    let done = log.metrics.len() as u64;
    // A stop may come right after a checkpoint.
    let mut kept = (done > 0).then_some(done);
    let mut saved = Instant::now();
    observer.begin(Phase::Training, done, total);
    for step in done + 1..=total {
        let numbers = examples_of(step, store, settings);
        let start = Instant::now();
        let batch = StepBatch::read(store, reference.as_mut(), &numbers)?;
        let stops = || observer.stops();
        let found = batch.gradients(&model, objective, settings.micro_tokens, stops);
        let found = found.map_err(|error| batch.failed(error, step, dir))?;
        let Some((gradients, sums)) = found else {
            if kept != Some(step - 1) {
                checkpoint::save(dir, &model, &adamw, &log.metrics)?;
            }
            return Err(TrainingError::Interrupted);
        };
        let norm = gradients.norm();
        let norm = norm.map_err(|error| batch.failed(error, step, dir))?;
        let learning_rate = settings.learning_rate_at(step, total);
        model.decoder = adamw.step(model.decoder, gradients, norm, learning_rate);
        let epoch = step as f64 / steps_per_epoch as f64;
        let metric = metric(step, epoch, learning_rate, norm, &sums, start);
        observer.step(&metric);
        log.add(metric)?;
        observer.advance(1);
        if step < total && (saved.elapsed() >= settings.checkpoint_every || observer.stops()) {
            checkpoint::save(dir, &model, &adamw, &log.metrics)?;
            kept = Some(step);
            saved = Instant::now();
            if observer.stops() {
                return Err(TrainingError::Interrupted);
            }
        }
    }
    Ok(Trained {
        model,
        metrics: log.metrics,
    })
}

fn steps_per_epoch(store: &ExampleStore, settings: &Settings) -> u64 {
    store.len().div_ceil(settings.batch) as u64
}

/// Returns the numbers of a step's examples; `step` is counted from 1.
fn examples_of(step: u64, store: &ExampleStore, settings: &Settings) -> Vec<usize> {
    let per_epoch = steps_per_epoch(store, settings);
    let order = store.order(settings.seed, (step - 1) / per_epoch);
    let first = ((step - 1) % per_epoch) as usize * settings.batch;
    order.into_iter().skip(first).take(settings.batch).collect()
}

/// Continues from the last whole checkpoint, if there is one: loads its parameters
/// into the model, and returns the optimiser and the metrics of the steps so far.
fn resume(
    dir: &Path,
    model: &mut Model,
    settings: &Settings,
    total: u64,
    observer: &mut dyn Observer,
) -> (AdamW, Vec<Metric>) {
    for folder in checkpoint::list(dir) {
        match checkpoint::load(&folder, model, settings.adamw) {
            Ok(found) => {
                let done = found.metrics.len();
                observer.note(&format!("resuming after step {done} of {total}"));
                return (found.adamw, found.metrics);
            }
            Err(error) => observer.warn(&format!("skipping {}: {error}", folder.display())),
        }
    }
    (AdamW::new(settings.adamw), Vec::new())
}

/// Estimates the most memory that the training will hold, or `None` on a device
/// whose operators are Burn's own.
fn memory_estimate(
    model: &Model,
    store: &ExampleStore,
    settings: &Settings,
) -> Option<MemoryEstimate> {
    let tokens = (0..store.len()).map(|i| store.n_tokens(i));
    let (longest, all) = (tokens.clone().max()?, tokens.sum::<usize>());
    let per_step = (all * settings.batch).div_ceil(store.len());
    let most = settings.micro_tokens.max(longest);
    let most = most.min(longest * settings.batch.min(store.len()));
    let micro_batches = if per_step > settings.micro_tokens {
        MicroBatches::Several
    } else {
        MicroBatches::One
    };
    model.memory_estimate(most, micro_batches)
}

/// Reports the estimate, and warns if less memory is free.
fn report_memory(estimate: &MemoryEstimate, model: &Model, observer: &mut dyn Observer) {
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    observer.note(&format!(
        "memory: about {:.2} GiB: {:.2} for weights, gradients and moments, {:.2} for activations \
         ({} tokens at once)",
        gib(estimate.total()),
        gib(estimate.parameters),
        gib(estimate.activations),
        estimate.tokens
    ));
    // The weights are already in memory.
    let weights = 4 * model.config.n_parameters(model.head) as u64;
    let more = estimate.total().saturating_sub(weights);
    if let Some(free) = available_memory().filter(|free| *free < more) {
        observer.short_of_memory(more, free);
    }
}

/// Returns the metrics of a step that began at `start`.
fn metric(
    step: u64,
    epoch: f64,
    learning_rate: f64,
    norm: f64,
    sums: &StepSums,
    start: Instant,
) -> Metric {
    let mean = |sum: f64, n: f64| (n > 0.0).then(|| (sum / n) as f32);
    let rewards = sums.rewards;
    let chosen = rewards.and_then(|sum| mean(sum.chosen, sums.n_pairs));
    let rejected = rewards.and_then(|sum| mean(sum.rejected, sums.n_pairs));
    // No `..Metric::default()`: the compiler is to ask for a new column.
    Metric {
        step: step as i64,
        epoch: epoch as f32,
        loss: sums.loss as f32,
        lr: learning_rate as f32,
        grad_norm: norm as f32,
        tokens: sums.tokens as i64,
        tokens_per_second: (sums.tokens as f64 / start.elapsed().as_secs_f64()) as f32,
        rewards_chosen: chosen,
        rewards_rejected: rejected,
        rewards_margins: chosen
            .zip(rejected)
            .map(|(chosen, rejected)| chosen - rejected),
        rewards_accuracies: mean(sums.accuracy, sums.n_pairs),
        logps_chosen: mean(sums.log_probs.chosen, sums.n_log_probs.chosen),
        logps_rejected: mean(sums.log_probs.rejected, sums.n_log_probs.rejected),
    }
}

/// Metrics while the training runs, one line per step, for users who follow it;
/// the training itself reads them from a checkpoint.
struct Log {
    file: File,
    path: std::path::PathBuf,
    metrics: Vec<Metric>,
}

impl Log {
    /// Begins the log with the metrics of earlier steps.
    fn begin(dir: &Path, metrics: Vec<Metric>) -> Result<Self, TrainingError> {
        let path = dir.join(names::METRICS);
        let file = File::create(&path).map_err(TrainingError::writing(&path))?;
        let mut log = Self {
            file,
            path,
            metrics: Vec::new(),
        };
        for metric in metrics {
            log.add(metric)?;
        }
        Ok(log)
    }

    fn add(&mut self, metric: Metric) -> Result<(), TrainingError> {
        let mut line = serde_json::to_vec(&metric).expect("plain data");
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(TrainingError::writing(&self.path))?;
        self.metrics.push(metric);
        Ok(())
    }
}

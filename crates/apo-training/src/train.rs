//! The training loop.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use apo_llama::machine::available_memory;
use apo_llama::{AdamW, GradientSum, MemoryEstimate, Model, PromptTree};
use apo_tables::Metric;

use crate::checkpoint;
use crate::error::TrainingError;
use crate::example::Example;
use crate::objective::{self, Objective, Sums, Totals};
use crate::observer::{Observer, Phase};
use crate::reference::Reference;
use crate::settings::Settings;
use crate::store::Store;

const METRICS: &str = "metrics.jsonl";

/// How many queries an error names.
const NAMED: usize = 8;

/// A trained model and its metrics.
#[derive(Debug)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// One entry a step.
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
    store: &mut Store,
    mut reference: Option<Reference>,
    objective: &Objective,
    settings: &Settings,
    dir: &Path,
    observer: &mut dyn Observer,
) -> Result<Trained, TrainingError> {
    let steps_an_epoch = steps_an_epoch(store, settings);
    let total = steps_an_epoch * settings.epochs as u64;
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
        let chosen = chosen(store, settings, step);
        let start = Instant::now();
        let mut batch = StepBatch::read(store, reference.as_mut(), &chosen)?;
        if objective.has_kl() {
            batch.totals.kl = batch.kl(&model, settings.micro_tokens)?;
        }
        let found = batch
            .gradients(&model, objective, settings.micro_tokens, observer)
            .map_err(|problem| batch.not_finite(step, problem, dir))?;
        let Some((gradients, sums)) = found else {
            if kept != Some(step - 1) {
                checkpoint::save(dir, &model, &adamw, &log.metrics)?;
            }
            return Err(TrainingError::Interrupted);
        };
        let norm = gradients.norm();
        let norm = norm.map_err(|error| batch.not_finite(step, error.to_string(), dir))?;
        let learning_rate = settings.learning_rate_at(step, total);
        model.llama = adamw.step(model.llama, gradients, norm, learning_rate);
        let metric = Metric {
            step: step as i64,
            epoch: (step as f64 / steps_an_epoch as f64) as f32,
            lr: learning_rate as f32,
            grad_norm: norm as f32,
            ..metric(&sums, start)
        };
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

fn steps_an_epoch(store: &Store, settings: &Settings) -> u64 {
    store.len().div_ceil(settings.batch) as u64
}

/// Returns the examples of a step, counted from 1.
fn chosen(store: &Store, settings: &Settings, step: u64) -> Vec<usize> {
    let an_epoch = steps_an_epoch(store, settings);
    let order = store.order(settings.seed, (step - 1) / an_epoch);
    let first = ((step - 1) % an_epoch) as usize * settings.batch;
    order.into_iter().skip(first).take(settings.batch).collect()
}

/// Goes on from the last whole checkpoint, if there is one: loads its parameters
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
fn memory_estimate(model: &Model, store: &Store, settings: &Settings) -> Option<MemoryEstimate> {
    let tokens = (0..store.len()).map(|i| store.n_tokens(i));
    let (longest, all) = (tokens.clone().max()?, tokens.sum::<usize>());
    let a_step = (all * settings.batch).div_ceil(store.len());
    let most = settings.micro_tokens.max(longest);
    let most = most.min(longest * settings.batch.min(store.len()));
    model.memory_estimate(most, a_step > settings.micro_tokens)
}

/// Reports the estimate, and warns if less memory is free.
fn report_memory(estimate: &MemoryEstimate, model: &Model, observer: &mut dyn Observer) {
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    observer.note(&format!(
        "memory: about {:.2} GiB, {:.2} of them for weights, gradients and moments, {:.2} for the \
         activations of {} tokens at once",
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

/// A step's examples, taken in micro-batches.
struct StepBatch {
    /// Longest last, because they are taken from the end.
    examples: Vec<(Example, Vec<f32>)>,
    totals: Totals,
    queries: Vec<String>,
}

impl StepBatch {
    fn read(
        store: &mut Store,
        mut reference: Option<&mut Reference>,
        chosen: &[usize],
    ) -> Result<Self, TrainingError> {
        let mut batch = Self {
            examples: Vec::with_capacity(chosen.len()),
            totals: Totals::default(),
            queries: Vec::new(),
        };
        for &i in chosen {
            let example = store.get(i)?;
            let reference = match &mut reference {
                Some(reference) => reference.get(i)?,
                None => example.reference.clone(),
            };
            batch.totals.add(&example);
            if batch.queries.len() < NAMED {
                batch.queries.push(example.query_id.clone());
            }
            batch.examples.push((example, reference));
        }
        // Sorted by length, so that a micro-batch has similar ones; the sort is
        // stable.
        batch
            .examples
            .sort_by_key(|(example, _)| example.n_tokens());
        Ok(batch)
    }

    /// Returns the error for a loss or gradient that is not finite.
    fn not_finite(&self, step: u64, problem: String, dir: &Path) -> TrainingError {
        TrainingError::NotFinite {
            step,
            problem,
            queries: self.queries.clone(),
            checkpoint: checkpoint::list(dir)
                .first()
                .map(|path| path.display().to_string()),
        }
    }

    /// Estimates the policy's KL from the reference over the whole step, nats a
    /// response, from mismatched responses (Ethayarajh et al. 2024, section
    /// 4.2); a negative estimate is 0.
    fn kl(&self, model: &Model, tokens: usize) -> Result<f64, TrainingError> {
        let pairs = self.examples.iter();
        let pairs = pairs.filter_map(|(example, all)| example.mismatched.as_ref().zip(all.last()));
        let pairs: Vec<(&PromptTree, &f32)> = pairs.collect();
        let mut sum = 0.0;
        let mut rest = pairs.as_slice();
        while !rest.is_empty() {
            let mut n_tokens = 0;
            let fits = rest.iter().take_while(|(tree, _)| {
                n_tokens += tree.n_tokens();
                n_tokens <= tokens
            });
            let (these, after) = rest.split_at(fits.count().max(1));
            let policy = objective::log_probs(model, these.iter().map(|it| it.0))?;
            for (policy, (_, reference)) in policy.iter().zip(these) {
                sum += f64::from(*policy) - f64::from(**reference);
            }
            rest = after;
        }
        Ok((sum / pairs.len().max(1) as f64).max(0.0))
    }

    /// Computes the loss and its gradients, `tokens` tokens at once; `None` if
    /// the observer stopped it.
    ///
    /// # Errors
    ///
    /// Says which loss is not finite.
    fn gradients(
        &mut self,
        model: &Model,
        objective: &Objective,
        tokens: usize,
        observer: &dyn Observer,
    ) -> Result<Option<(GradientSum, Sums)>, String> {
        let mut gradients = GradientSum::default();
        let mut sums = Sums::default();
        while let Some((examples, references)) = self.micro(tokens) {
            let totals = &self.totals;
            let loss = objective::loss(objective, model, &examples, &references, totals, &mut sums);
            let value = objective::values(&loss)[0];
            if !value.is_finite() {
                return Err(format!("the loss is {value}"));
            }
            sums.loss += f64::from(value);
            gradients.add(&model.llama, loss.backward());
            if observer.stops() {
                return Ok(None);
            }
        }
        Ok(Some((gradients, sums)))
    }

    /// Returns the next examples, of about `tokens` tokens.
    fn micro(&mut self, tokens: usize) -> Option<(Vec<Example>, Vec<Vec<f32>>)> {
        let mut sum = 0;
        let mut found = (Vec::new(), Vec::new());
        while let Some((example, _)) = self.examples.last() {
            sum += example.n_tokens();
            if sum > tokens && !found.0.is_empty() {
                break;
            }
            let (example, reference) = self.examples.pop()?;
            found.0.push(example);
            found.1.push(reference);
        }
        (!found.0.is_empty()).then_some(found)
    }
}

fn metric(sums: &Sums, start: Instant) -> Metric {
    let mean = |sum: f64, n: f64| (n > 0.0).then(|| (sum / n) as f32);
    let reward = |i: usize| {
        sums.rewards
            .and_then(|rewards| mean(rewards[i], sums.n_pairs))
    };
    let (chosen, rejected) = (reward(0), reward(1));
    Metric {
        loss: sums.loss as f32,
        tokens: sums.tokens as i64,
        tokens_per_second: (sums.tokens as f64 / start.elapsed().as_secs_f64()) as f32,
        rewards_chosen: chosen,
        rewards_rejected: rejected,
        rewards_margins: chosen
            .zip(rejected)
            .map(|(chosen, rejected)| chosen - rejected),
        rewards_accuracies: mean(sums.accuracy, sums.n_pairs),
        logps_chosen: mean(sums.log_probs[0], sums.n_log_probs[0]),
        logps_rejected: mean(sums.log_probs[1], sums.n_log_probs[1]),
        ..Metric::default()
    }
}

/// Metrics while the training runs, one line a step, for users who follow it;
/// the training itself reads them from a checkpoint.
struct Log {
    file: File,
    path: std::path::PathBuf,
    metrics: Vec<Metric>,
}

impl Log {
    /// Begins the log with the metrics of earlier steps.
    fn begin(dir: &Path, metrics: Vec<Metric>) -> Result<Self, TrainingError> {
        let path = dir.join(METRICS);
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

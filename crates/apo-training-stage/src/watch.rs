//! What a training shows while it runs, and how it ends.

use anyhow::{Error, Result};
use apo_dialogue::DialogueTokenizer;
use apo_stage::{Progress, ReportArgs, note, signals, warn};
use apo_tables::Metric;
use apo_training::{Events, ExampleStore, Observer, Phase, TrainingError};

use crate::args::TrainingArgs;

/// Fewer steps than this are reported: the rate of the paper, like those in use, is meant for
/// hundreds.
const FEW_STEPS: u64 = 20;

/// Shows the progress of a training on stderr.
#[derive(Debug)]
pub struct Watch {
    report: ReportArgs,
    progress: Option<Progress>,
    /// Mean of the loss over about the last twenty steps.
    loss: Option<f32>,
    events: Option<Events>,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// When the event file cannot be written.
    pub fn new(report: ReportArgs, training: &TrainingArgs) -> Result<Self> {
        let events = training.tensorboard.as_deref().map(Events::create);
        Ok(Self {
            report,
            progress: None,
            loss: None,
            events: events.transpose()?,
        })
    }
}

impl Observer for Watch {
    fn begin(&mut self, phase: Phase, done: u64, total: u64) {
        let (what, unit) = match phase {
            Phase::ReferenceLogProbs => ("reference log-probs", "queries"),
            Phase::Training => ("training", "steps"),
        };
        if phase == Phase::Training && total < FEW_STEPS {
            warn(&format!(
                "the training has only {total} {}, in which a model hardly changes at a usual \
                 learning rate; lower --batch, or raise --epochs or --learning-rate",
                if total == 1 { "step" } else { "steps" }
            ));
        }
        self.progress = Some(Progress::new(&self.report, what, unit, done, total));
    }

    fn advance(&mut self, n: u64) {
        if let Some(progress) = &mut self.progress {
            progress.inc(n);
        }
    }

    fn step(&mut self, metric: &Metric) {
        // A failure to write curves does not end the training.
        if let Some(events) = &mut self.events
            && let Err(error) = events.add(metric)
        {
            warn(&format!(
                "{:#}; the TensorBoard file is no longer written",
                Error::from(error)
            ));
            self.events = None;
        }
        let loss = self
            .loss
            .map_or(metric.loss, |loss| 0.95 * loss + 0.05 * metric.loss);
        self.loss = Some(loss);
        if let Some(progress) = &mut self.progress {
            let rate = metric.tokens_per_second;
            progress.set_message(format!("loss {loss:.4}, {rate:.0} tokens/s"));
        }
    }

    fn note(&mut self, text: &str) {
        note(&self.report, text);
    }

    fn warn(&mut self, text: &str) {
        warn(text);
    }

    fn short_of_memory(&mut self, needed: u64, free: u64) {
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        warn(&format!(
            "training needs another {:.2} GiB, but only {:.2} GiB are free; pass --recompute or \
             lower --micro-tokens",
            gib(needed),
            gib(free)
        ));
    }

    fn stops(&self) -> bool {
        signals::check().is_err()
    }
}

/// Shows a query with one response as the model sees them, with special tokens,
/// so that the user notices a wrong template or a doubled BOS early.
///
/// # Errors
///
/// When the examples cannot be read.
pub fn show_first(
    store: &mut ExampleStore,
    tokenizer: &DialogueTokenizer,
    report: &ReportArgs,
) -> Result<()> {
    let example = store.get(0)?;
    if let Some(tree) = example.trees.first() {
        let response = tree.responses.first().map_or(&[][..], Vec::as_slice);
        let text = tokenizer.decode_all(&[&tree.prompt, response].concat())?;
        note(report, &format!("as the model sees it: {text:?}"));
    }
    Ok(())
}

/// Classifies a training's error: an interruption by a signal is reported as that
/// signal.
pub fn classify(error: TrainingError) -> Error {
    match (&error, signals::check()) {
        (TrainingError::Interrupted, Err(stopped)) => stopped.into(),
        _ => error.into(),
    }
}

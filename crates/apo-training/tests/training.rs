//! The loop on a small model: accumulation, resuming, what it reports.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apo_decoder::{AdamWSettings, Compute, Head, Model, PromptTree, Start, device};
use apo_objectives::{Adversarial, PairLoss};
use apo_tables::Metric;
use apo_training::{
    Comparison, ComparisonKind, Decay, Example, ExampleStore, ExampleStoreWriter, Objective,
    Observer, Phase, Reference, Settings, Trained, TrainingError, train,
};

/// Asks to stop when it is asked for the nth time.
struct Watcher {
    stop_at: usize,
    asked: Cell<usize>,
}

impl Watcher {
    fn new(stop_at: usize) -> Self {
        Self {
            stop_at,
            asked: Cell::new(0),
        }
    }

    fn never() -> Self {
        Self::new(usize::MAX)
    }
}

impl Observer for Watcher {
    fn begin(&mut self, _: Phase, _: u64, _: u64) {}
    fn advance(&mut self, _: u64) {}
    fn step(&mut self, _: &Metric) {}
    fn note(&mut self, _: &str) {}
    fn warn(&mut self, _: &str) {}
    fn short_of_memory(&mut self, _: u64, _: u64) {}
    fn stops(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() >= self.stop_at
    }
}

fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("training")
        .join(name);
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn model(head: Head) -> Model {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny/base");
    let start = match head {
        Head::Reward => Start::NewHead(3),
        Head::LanguageModel => Start::Saved,
    };
    let device = device::cpu().autodiff();
    Model::load(&dir, head, start, &device, Compute::default()).unwrap()
}

fn run(from: u32, n: u32) -> Vec<u32> {
    (0..n).map(|i| (from * 31 + i * 17) % 128).collect()
}

/// Queries of different lengths; the last lacks golden answers, so that the
/// terms of eq. 17 hold different numbers of comparisons.
fn examples() -> Vec<Example> {
    (0..7)
        .map(|i| {
            let mut example = Example {
                query_id: format!("query {i}"),
                ..Example::default()
            };
            let prompt = run(i, 3 + 5 * i);
            let added: Vec<u32> = (0..4)
                .map(|j| example.add(prompt.clone(), run(10 * i + j, 2 + (i + 3 * j) % 7)))
                .collect();
            let mut compare = |chosen: usize, rejected: usize, kind, weight| {
                example.comparisons.push(Comparison {
                    chosen: added[chosen],
                    rejected: added[rejected],
                    kind,
                    weight,
                });
            };
            if i < 6 {
                compare(0, 1, ComparisonKind::GoldenOverSample, 0.5);
                compare(0, 2, ComparisonKind::GoldenOverSample, 0.5);
            }
            compare(2, 3, ComparisonKind::Human, 1.0);
            example.sft_targets = vec![added[0]];
            // The first has no neighbour.
            example.mismatched = (i > 0).then(|| PromptTree {
                prompt,
                responses: vec![run(7 * i, 4)],
            });
            example
        })
        .collect()
}

fn store_of(dir: &Path, examples: impl IntoIterator<Item = Example>) -> ExampleStore {
    let mut writer = ExampleStoreWriter::create(dir).unwrap();
    for example in examples {
        writer.add(&example).unwrap();
    }
    writer.finish().unwrap()
}

fn settings(micro_tokens: usize) -> Settings {
    Settings {
        batch: 7,
        epochs: 4,
        micro_tokens,
        learning_rate: 1e-2,
        warmup: 0.0,
        decay: Decay::Cosine,
        // With the usual epsilon AdamW's first step is the gradient's sign,
        // and rounding decides about entries near 0.
        adamw: AdamWSettings {
            epsilon: 1e-2,
            ..AdamWSettings::default()
        },
        seed: 5,
        checkpoint_every: Duration::ZERO,
    }
}

const EQ_17: (Head, Objective) = (
    Head::Reward,
    Objective::RewardModel {
        adversarial: Adversarial::Ranking,
        beta_2: 10.0,
    },
);
const WGAN: (Head, Objective) = (
    Head::Reward,
    Objective::RewardModel {
        adversarial: Adversarial::Difference,
        beta_2: 1.0,
    },
);
const LIKELIHOOD: (Head, Objective) = (Head::LanguageModel, Objective::Likelihood);
const RRHF: (Head, Objective) = (
    Head::LanguageModel,
    Objective::Rrhf {
        lambda: 1.0,
        sum_log_probs: false,
    },
);
const DPO: (Head, Objective) = (
    Head::LanguageModel,
    Objective::Pairs {
        loss: PairLoss::Dpo { beta: 0.1 },
        sft_weight: 0.0,
    },
);

const SIMPO_AND_SFT: (Head, Objective) = (
    Head::LanguageModel,
    Objective::Pairs {
        loss: PairLoss::SimPo {
            beta: 2.0,
            gamma: 1.0,
        },
        sft_weight: 0.5,
    },
);

const KTO: (Head, Objective) = (
    Head::LanguageModel,
    Objective::Pairs {
        loss: PairLoss::Kto {
            beta: 0.1,
            desirable_weight: 1.0,
            undesirable_weight: 1.5,
        },
        sft_weight: 0.0,
    },
);

fn trained_on(
    mut store: ExampleStore,
    dir: &Path,
    (head, objective): (Head, Objective),
    settings: &Settings,
    mut watcher: Watcher,
) -> Result<Trained, TrainingError> {
    let mut reference = None;
    if matches!(objective, Objective::Pairs { .. }) {
        let mut frozen = model(head);
        frozen.decoder = frozen.decoder.on(&device::cpu());
        let never = &mut Watcher::never();
        reference = Some(Reference::compute(&frozen, &mut store, dir, 64, never).unwrap());
    }
    let model = model(head);
    let watcher = &mut watcher;
    train(
        model, &mut store, reference, &objective, settings, dir, watcher,
    )
}

fn trained(
    dir: &Path,
    what: (Head, Objective),
    settings: &Settings,
    watcher: Watcher,
) -> Result<Trained, TrainingError> {
    trained_on(store_of(dir, examples()), dir, what, settings, watcher)
}

const NAMES: [&str; 3] = [
    "model.embed_tokens.weight",
    "model.layers.1.self_attn.q_proj.weight",
    "model.norm.weight",
];

#[test]
fn many_small_batches_are_one_large() {
    for (i, what) in [EQ_17, WGAN, LIKELIHOOD, RRHF, DPO, KTO, SIMPO_AND_SFT]
        .into_iter()
        .enumerate()
    {
        let of = |micro_tokens: usize| {
            let dir = folder(&format!("accumulated-{i}-{micro_tokens}"));
            trained(&dir, what, &settings(micro_tokens), Watcher::never()).unwrap()
        };
        let (large, small) = (of(100_000), of(1));
        let close = |a: f32, b: f32, tolerance: f32, name: &str| {
            let within = (a - b).abs() <= tolerance * a.abs().max(1.0);
            assert!(within, "{what:?}: {name}: {a} of one batch, {b} of many");
        };
        for (a, b) in large.metrics.iter().zip(&small.metrics) {
            close(a.loss, b.loss, 1e-4, "loss");
            close(a.grad_norm, b.grad_norm, 1e-3, "grad_norm");
            let mut shown = vec![
                ("margins", a.rewards_margins, b.rewards_margins),
                ("logps/chosen", a.logps_chosen, b.logps_chosen),
            ];
            // A policy that is its reference has margins of rounding alone.
            if a.step > 1 || ![DPO, KTO].contains(&what) {
                shown.push(("accuracies", a.rewards_accuracies, b.rewards_accuracies));
            }
            for (name, a, b) in shown {
                assert_eq!(a.is_some(), b.is_some(), "{what:?}: {name}");
                close(a.unwrap_or(0.0), b.unwrap_or(0.0), 1e-3, name);
            }
            assert_eq!(a.tokens, b.tokens, "{what:?}");
        }
        for name in NAMES {
            let values = |it: &Trained| it.model.decoder.values_of(name);
            for (a, b) in values(&large).into_iter().zip(values(&small)) {
                close(a, b, 1e-4, name);
            }
        }
    }
}

#[test]
fn stopped_and_resumed_is_never_stopped_to_the_bit() {
    for (i, what) in [EQ_17, WGAN, LIKELIHOOD, RRHF, DPO, KTO, SIMPO_AND_SFT]
        .into_iter()
        .enumerate()
    {
        let whole = folder(&format!("whole-{i}"));
        let whole = trained(&whole, what, &settings(40), Watcher::never()).unwrap();
        let dir = folder(&format!("stopped-{i}"));
        // Within the first step, at the end of a step, within a later one.
        let mut n_stops = 0;
        for stop_at in [1, 12, 10, 15] {
            let ended = trained(&dir, what, &settings(40), Watcher::new(stop_at));
            n_stops += u32::from(matches!(ended, Err(TrainingError::Interrupted)));
        }
        assert!(n_stops >= 3, "{what:?}: stopped {n_stops} times");
        let resumed = trained(&dir, what, &settings(40), Watcher::never()).unwrap();
        for name in NAMES {
            let bits = |it: &Trained| -> Vec<u32> {
                let values = it.model.decoder.values_of(name);
                values.into_iter().map(f32::to_bits).collect()
            };
            assert_eq!(bits(&whole), bits(&resumed), "{what:?}: {name}");
        }
        let losses = |it: &Trained| -> Vec<(i64, u32)> {
            let metrics = it.metrics.iter();
            metrics.map(|it| (it.step, it.loss.to_bits())).collect()
        };
        assert_eq!(losses(&whole), losses(&resumed), "{what:?}");
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let whole = folder("undamaged");
    let whole = trained(&whole, LIKELIHOOD, &settings(40), Watcher::never()).unwrap();
    let dir = folder("damaged");
    let mut settings = settings(40);
    let stopped = trained(&dir, LIKELIHOOD, &settings, Watcher::new(30));
    assert!(
        matches!(stopped, Err(TrainingError::Interrupted)),
        "{stopped:?}"
    );
    let entries = fs::read_dir(dir.join("checkpoints")).unwrap();
    let mut checkpoints: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
    checkpoints.sort();
    assert_eq!(checkpoints.len(), 2, "the last two are kept");
    settings.checkpoint_every = Duration::from_hours(1);
    let weights = |it: &Trained| it.model.decoder.values_of(NAMES[0]);
    let losses = |it: &Trained| -> Vec<f32> { it.metrics.iter().map(|it| it.loss).collect() };
    for name in [
        "model.safetensors",
        "first-moment/model.safetensors",
        "second-moment/model.safetensors",
        "state.spool",
    ] {
        let newest = checkpoints[1].join(name);
        let bytes = fs::read(&newest).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() - 9] ^= 2;
        for damaged in [&bytes[..bytes.len() / 2], &flipped] {
            fs::write(&newest, damaged).unwrap();
            let resumed = trained(&dir, LIKELIHOOD, &settings, Watcher::never()).unwrap();
            assert_eq!(weights(&whole), weights(&resumed), "{name}");
            assert_eq!(losses(&whole), losses(&resumed), "{name}");
        }
        fs::write(&newest, &bytes).unwrap();
    }
}

#[test]
fn a_policy_that_is_its_reference_begins_at_ln_2_and_learns_to_prefer() {
    let dir = folder("ln2");
    let trained = trained(&dir, DPO, &settings(40), Watcher::never()).unwrap();
    let first = &trained.metrics[0];
    let expected = std::f32::consts::LN_2;
    assert!((first.loss - expected).abs() < 1e-5, "{}", first.loss);
    assert!(first.rewards_margins.unwrap().abs() < 1e-4, "{first:?}");
    let last = trained.metrics.last().unwrap();
    assert!(last.loss < expected - 0.01, "{last:?}");
    assert!(last.rewards_accuracies.unwrap() > 0.9, "{last:?}");
}

#[test]
fn kto_weighs_rewards_against_the_kl_of_mismatched_responses() {
    let losses = |name: &str, examples: Vec<Example>| -> Vec<f32> {
        let dir = folder(name);
        let store = store_of(&dir, examples);
        let trained = trained_on(store, &dir, KTO, &settings(40), Watcher::never());
        let metrics = trained.unwrap().metrics;
        metrics.iter().map(|it| it.loss).collect()
    };
    // Likelier under the trained policy wherever they stand: the KL grows.
    let mut liked = examples();
    for example in &mut liked {
        let chosen = example.comparisons.last().unwrap().chosen as usize;
        let response = example.trees[0].responses[chosen].clone();
        if let Some(tree) = &mut example.mismatched {
            tree.responses = vec![response];
        }
    }
    let mut without = examples();
    for example in &mut without {
        example.mismatched = None;
    }
    let (with, without) = (losses("kto", liked), losses("kto-0", without));
    assert!((with[0] - without[0]).abs() < 1e-6, "no KL at the start");
    // σ(0)·(1 + 1.5)/2
    assert!((with[0] - 0.625).abs() < 1e-5, "{}", with[0]);
    assert!((with[3] - without[3]).abs() > 1e-4, "{with:?} {without:?}");
}

#[test]
fn what_is_not_finite_stops_the_run_with_its_step_and_queries() {
    let dir = folder("not-finite");
    let mut settings = settings(40);
    settings.learning_rate = 1e30;
    settings.decay = Decay::Constant;
    let ended = trained(&dir, LIKELIHOOD, &settings, Watcher::never());
    let Err(error @ TrainingError::NotFinite { .. }) = ended else {
        panic!("{ended:?}");
    };
    let text = error.to_string();
    assert!(text.starts_with("step 2: "), "{text}");
    assert!(text.contains("query 3"), "{text}");
    assert!(text.contains("step-00000001"), "{text}");
}

#[test]
fn the_order_of_the_input_changes_nothing() {
    let of = |name: &str, examples: Vec<Example>| {
        let dir = folder(name);
        let mut settings = settings(40);
        settings.batch = 3;
        let store = store_of(&dir, examples);
        let trained = trained_on(store, &dir, EQ_17, &settings, Watcher::never());
        trained.unwrap().model.decoder.values_of(NAMES[1])
    };
    let backwards = examples().into_iter().rev().collect();
    assert_eq!(of("forwards", examples()), of("backwards", backwards));
}

//! Products in bf16 with f32 sums, against f32: gradients tensor by tensor, and
//! a training; by the kernels, where the processor has such products, and by the
//! composition of Burn's operators, which GPUs run.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use apo_decoder::{
    AdamW, AdamWSettings, Compute, Evaluate, GradientSum, Head, Model, Precision, PromptTree,
    Start, TreeBatch,
};

use apo_objectives::{Pairs, ranking};
use common::{device, kernels, tiny};

fn compute(precision: Precision, kernels: bool) -> Compute {
    Compute {
        precision,
        kernels,
        ..Compute::default()
    }
}

/// With and without kernels, as far as the device has them.
fn ways() -> Vec<bool> {
    let mut ways = kernels().to_vec();
    ways.retain(|&kernels| compute(Precision::Bf16, kernels).check(&device()).is_ok());
    if ways.len() < kernels().len() {
        eprintln!("skipped, but for kernels in {ways:?}: the device has no bf16 products");
    }
    ways
}

fn load(dir: &Path, head: Head, start: Start, compute: Compute) -> Model {
    Model::load(dir, head, start, &device().autodiff(), compute).unwrap()
}

/// Trees of tokens below `vocab`.
fn trees(vocab: u32) -> Vec<PromptTree> {
    let run = |from: u32, n: u32| (0..n).map(|i| (from * 7919 + i * 613) % vocab).collect();
    (0..6)
        .map(|i| PromptTree {
            prompt: run(i, 5 + 9 * i),
            responses: vec![run(i + 20, 4 + 3 * i), run(i + 40, 9)],
        })
        .collect()
}

fn gradients(model: &Model, batch: &TreeBatch) -> (f32, BTreeMap<String, Vec<f32>>) {
    let (decoder, config, compute) = (&model.decoder, &model.config, model.compute);
    let loss = if model.head == Head::Reward {
        let mut pairs = Pairs::default();
        for i in 0..6 {
            pairs.push(2 * i, 2 * i + 1, 1.0 / 6.0);
        }
        ranking(&decoder.rewards(config, compute, batch), &pairs)
    } else {
        decoder.token_log_probs(config, compute, batch).mean().neg()
    };
    let value = loss.clone().into_data().try_into_vec::<f32>().unwrap()[0];
    let mut sum = GradientSum::default();
    sum.add(decoder, loss.backward());
    let mut gradients = BTreeMap::new();
    sum.for_each(decoder, |name, gradient| {
        gradients.insert(name.to_owned(), gradient);
    });
    (value, gradients)
}

/// Distance of two tensors over the norm of the second, in f64.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |it: &mut dyn Iterator<Item = f64>| it.map(|x| x * x).sum::<f64>();
    let mut differences = a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b));
    let norm = square(&mut b.iter().map(|&x| f64::from(x))).sqrt();
    square(&mut differences).sqrt() / norm.max(1e-30)
}

/// A rounded operand is off by 2⁻⁹ at most. Over a few layers that adds up to a
/// few times as much of a tensor's norm; a wrong product is off by all of the
/// norm.
const TENSOR: f64 = 0.03;

/// Thirty layers deep. PyTorch 2.8's autocast is 0.028 of a tensor's norm off on
/// these rows in the median, 0.081 at most (a norm of layer 9).
const DEEP: f64 = 0.1;

#[track_caller]
fn compare(dir: &Path, head: Head, tolerance: f64, kernels: bool) {
    let start = match head {
        Head::Reward => Start::NewHead(3),
        Head::LanguageModel => Start::Saved,
    };
    let [exact, rounded] = [Precision::F32, Precision::Bf16]
        .map(|precision| load(dir, head, start, compute(precision, kernels)));
    let trees = trees(exact.config.vocab_size as u32);
    let batch = TreeBatch::new(&trees);
    let (loss, of_f32) = gradients(&exact, &batch);
    let (loss_bf16, of_bf16) = gradients(&rounded, &batch);
    assert!(
        (loss - loss_bf16).abs() < 0.01 * loss.abs(),
        "loss {loss_bf16} in bf16, {loss} in f32"
    );
    assert_ne!(loss, loss_bf16, "nothing was rounded");
    for (name, gradient) in &of_f32 {
        let distance = distance(&of_bf16[name], gradient);
        assert!(distance < tolerance, "{name}: {distance} of its norm");
    }
}

#[test]
fn gradients_are_f32s_tensor_by_tensor() {
    for kernels in ways() {
        for name in ["base", "llama3"] {
            compare(&tiny(name), Head::LanguageModel, TENSOR, kernels);
            compare(&tiny(name), Head::Reward, TENSOR, kernels);
        }
    }
}

#[test]
fn gradients_of_a_real_model_are_f32s_tensor_by_tensor() {
    let Some(dir) = std::env::var_os("APO_SMOLLM2").map(PathBuf::from) else {
        eprintln!("skipped: SmolLM2-135M-Instruct is not here, APO_SMOLLM2 names no directory");
        return;
    };
    for kernels in ways() {
        compare(&dir, Head::LanguageModel, DEEP, kernels);
        compare(&dir, Head::Reward, DEEP, kernels);
    }
}

#[test]
fn a_training_falls_as_f32s_does() {
    let losses = |compute: Compute| -> Vec<f32> {
        let (dir, head) = (tiny("base"), Head::LanguageModel);
        let mut model = load(&dir, head, Start::Saved, compute);
        let trees = trees(128);
        let batch = TreeBatch::new(&trees);
        let mut adamw = AdamW::new(AdamWSettings::default());
        (0..40)
            .map(|_| {
                let decoder = &model.decoder;
                let log_probs = decoder.token_log_probs(&model.config, model.compute, &batch);
                let loss = log_probs.mean().neg();
                let value = loss.clone().into_data().try_into_vec::<f32>().unwrap()[0];
                let mut gradients = GradientSum::default();
                gradients.add(decoder, loss.backward());
                let norm = gradients.norm().unwrap();
                model.decoder = adamw.step(model.decoder.clone(), gradients, norm, 3e-3);
                value
            })
            .collect()
    };
    let of_f32 = losses(Compute::default());
    let (first, last) = (of_f32[0], of_f32[39]);
    assert!(last < 0.5 * first, "f32 falls from {first} to {last}");
    for kernels in ways() {
        let of_bf16 = losses(compute(Precision::Bf16, kernels));
        for (step, (a, b)) in of_f32.iter().zip(&of_bf16).enumerate() {
            assert!(
                (a - b).abs() < 0.02 * first,
                "step {step}, kernels {kernels}: {b} in bf16, {a} in f32"
            );
        }
    }
}

/// Returns the values of a batch that are read of a model.
fn values<L: Evaluate>(model: &Model<L>, batch: &TreeBatch) -> Vec<f32> {
    let values = match model.head {
        Head::LanguageModel => model.token_log_probs(batch),
        Head::Reward => model.rewards(batch),
    };
    values.unwrap()
}

/// Weights that are packed once give what weights packed for each product give. Few
/// rows are the exception: with unpacked weights their products are in f32.
#[test]
fn inference_gives_what_training_computes() {
    let device = device();
    for precision in [Precision::F32, Precision::Bf16] {
        if compute(precision, true).check(&device).is_err() {
            eprintln!("skipped: the processor has no bf16 products");
            continue;
        }
        for name in ["base", "llama3"] {
            for head in [Head::LanguageModel, Head::Reward] {
                let start = match head {
                    Head::Reward => Start::NewHead(3),
                    Head::LanguageModel => Start::Saved,
                };
                let load = || {
                    let compute = compute(precision, true);
                    Model::load(&tiny(name), head, start, &device, compute).unwrap()
                };
                let (model, packed) = (load(), load().for_inference());
                let mut trees = trees(model.config.vocab_size as u32);
                // Log-probs of more rows than are few, by enough trees.
                trees.extend(trees.clone());
                let batch = TreeBatch::new(&trees);
                let (expected, found) = (values(&model, &batch), values(&packed, &batch));
                assert_eq!(found, expected, "{name}, {head:?}, {precision:?}");
                let batch = TreeBatch::new(&trees[..1]);
                let (expected, found) = (values(&model, &batch), values(&packed, &batch));
                for (found, expected) in found.iter().zip(&expected) {
                    let off = (found - expected).abs();
                    let most = if precision == Precision::F32 {
                        0.0
                    } else {
                        0.05
                    };
                    assert!(off <= most, "{name}, {head:?}: {found}, not {expected}");
                }
            }
        }
    }
}

//! Products in bf16 with f32 sums, against f32: gradients tensor by tensor, and
//! a training. On a processor without such products there is nothing to compare.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use apo_llama::{
    AdamW, AdamWSettings, Compute, GradientSum, Head, Model, Precision, PromptTree, Start,
    TreeBatch, device,
};

fn is_here() -> bool {
    let is_here = Precision::Bf16.check(&device::cpu()).is_ok();
    if !is_here {
        eprintln!("skipped: this processor has no bf16 products");
    }
    is_here
}

fn load(dir: &Path, head: Head, precision: Precision, start: Start) -> Model {
    let compute = Compute {
        precision,
        ..Compute::default()
    };
    Model::load(dir, head, start, &device::cpu().autodiff(), compute).unwrap()
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
    let (llama, config, compute) = (&model.llama, &model.config, model.compute);
    let loss = if model.head == Head::Reward {
        let rewards = llama.rewards(config, compute, batch);
        rewards.square().mean()
    } else {
        llama.token_log_probs(config, compute, batch).mean().neg()
    };
    let value = loss.clone().into_data().try_into_vec::<f32>().unwrap()[0];
    let mut sum = GradientSum::default();
    sum.add(llama, loss.backward());
    let mut gradients = BTreeMap::new();
    sum.for_each(llama, |name, gradient| {
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

/// A rounded operand is off by 2⁻⁹ at most; through a few layers that adds up to
/// some times as much of a tensor's norm, and a wrong product to all of it.
const TENSOR: f64 = 0.03;

/// Thirty layers deep. PyTorch 2.8's autocast is 0.028 of a tensor's norm off on
/// these rows in the median, 0.081 at most (a norm of layer 9).
const DEEP: f64 = 0.1;

#[track_caller]
fn compare(dir: &Path, head: Head, tolerance: f64) {
    let start = match head {
        Head::Reward => Start::NewHead(3),
        Head::LanguageModel => Start::Saved,
    };
    let exact = load(dir, head, Precision::F32, start);
    let rounded = load(dir, head, Precision::Bf16, start);
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

fn tiny(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/tiny")
        .join(name)
}

#[test]
fn gradients_are_f32s_tensor_by_tensor() {
    if is_here() {
        for name in ["base", "llama3"] {
            compare(&tiny(name), Head::LanguageModel, TENSOR);
            compare(&tiny(name), Head::Reward, TENSOR);
        }
    }
}

#[test]
fn gradients_of_a_real_model_are_f32s_tensor_by_tensor() {
    let Some(dir) = std::env::var_os("APO_SMOLLM2").map(PathBuf::from) else {
        eprintln!("skipped: SmolLM2-135M-Instruct is not here, APO_SMOLLM2 names no directory");
        return;
    };
    if is_here() {
        compare(&dir, Head::LanguageModel, DEEP);
        compare(&dir, Head::Reward, DEEP);
    }
}

#[test]
fn a_training_falls_as_f32s_does() {
    if !is_here() {
        return;
    }
    let losses = |precision: Precision| -> Vec<f32> {
        let mut model = load(&tiny("base"), Head::LanguageModel, precision, Start::Saved);
        let trees = trees(128);
        let batch = TreeBatch::new(&trees);
        let mut adamw = AdamW::new(AdamWSettings::default());
        (0..40)
            .map(|_| {
                let llama = &model.llama;
                let log_probs = llama.token_log_probs(&model.config, model.compute, &batch);
                let loss = log_probs.mean().neg();
                let value = loss.clone().into_data().try_into_vec::<f32>().unwrap()[0];
                let mut gradients = GradientSum::default();
                gradients.add(llama, loss.backward());
                let norm = gradients.norm().unwrap();
                model.llama = adamw.step(model.llama.clone(), gradients, norm, 3e-3);
                value
            })
            .collect()
    };
    let (of_f32, of_bf16) = (losses(Precision::F32), losses(Precision::Bf16));
    let (first, last) = (of_f32[0], of_f32[39]);
    assert!(last < 0.5 * first, "f32 falls from {first} to {last}");
    for (step, (a, b)) in of_f32.iter().zip(&of_bf16).enumerate() {
        assert!(
            (a - b).abs() < 0.02 * first,
            "step {step}: {b} in bf16, {a} in f32"
        );
    }
}

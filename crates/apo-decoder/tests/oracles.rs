//! Values and gradients against PyTorch's, in `fixtures/tiny/reference.json`.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use apo_decoder::{Compute, GradientSum, Head, Model, PromptTree, Start, TreeBatch};
use burn::tensor::Tensor;
use serde_json::Value;

use common::{DRAWN, MODELS, device, floats, ids, kernels, reference, tiny, tiny_reward};

/// Kernels and the composition of Burn's operators, each with and without
/// gradient checkpointing.
fn ways() -> Vec<Compute> {
    let way = |kernels, checkpointing| Compute {
        kernels,
        checkpointing,
        ..Compute::default()
    };
    let both = |&kernels| [way(kernels, false), way(kernels, true)];
    kernels().iter().flat_map(both).collect()
}

fn load(name: &str, compute: Compute, train: bool) -> Model {
    load_with(&tiny(name), Head::LanguageModel, compute, train)
}

fn load_with(dir: &Path, head: Head, compute: Compute, train: bool) -> Model {
    let device = if train { device().autodiff() } else { device() };
    Model::load(dir, head, Start::Saved, &device, compute).unwrap()
}

fn assert_close(ours: &[f32], theirs: &[f32], tolerance: f32, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}: number of values");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * b.abs().max(1.0),
            "{what}[{i}]: {a}, PyTorch has {b}"
        );
    }
}

fn pairs(reference: &Value) -> Vec<PromptTree> {
    let pairs = reference["logprobs"].as_array().unwrap();
    pairs
        .iter()
        .map(|pair| PromptTree {
            prompt: ids(&pair["prompt_ids"]),
            responses: vec![ids(&pair["response_ids"])],
        })
        .collect()
}

#[test]
fn logits_and_log_probs_are_pytorchs() {
    let reference = reference();
    for (name, entry) in MODELS {
        let reference = &reference[entry];
        for compute in ways() {
            let model = load(name, compute, false);
            for sequence in reference["sequences"].as_array().unwrap() {
                let tree = PromptTree {
                    prompt: ids(&sequence["ids"]),
                    responses: vec![],
                };
                let logits = model
                    .decoder
                    .logits(&model.config, compute, &TreeBatch::new([&tree]));
                let logits: Vec<f32> = logits.into_data().try_into_vec().unwrap();
                for (row, theirs) in sequence["logits"].as_object().unwrap() {
                    let row: usize = row.parse().unwrap();
                    let ours = &logits[row * 128..(row + 1) * 128];
                    assert_close(ours, &floats(theirs), 2e-5, &format!("{name} logits {row}"));
                }
            }
            let trees = pairs(reference);
            let ours = model.token_log_probs(&TreeBatch::new(&trees)).unwrap();
            let theirs: Vec<f32> = reference["logprobs"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|pair| floats(&pair["tokens"]))
                .collect();
            assert_close(
                &ours,
                &theirs,
                2e-5,
                &format!("{name} {compute:?} log-probs"),
            );
        }
    }
}

fn nll_gradients(model: &Model, trees: &[PromptTree]) -> (f32, BTreeMap<String, Vec<f32>>) {
    let batch = TreeBatch::new(trees);
    let loss = model
        .decoder
        .token_log_probs(&model.config, model.compute, &batch)
        .mean()
        .neg();
    let gradients = gradients_of(model, &loss);
    let value = loss.into_data().try_into_vec::<f32>().unwrap()[0];
    (value, gradients)
}

#[test]
fn gradients_are_pytorchs() {
    let reference = reference();
    for (name, entry) in MODELS {
        let reference = &reference[entry];
        for compute in ways() {
            let what = format!("{name} {compute:?}");
            let model = load(name, compute, true);
            let (loss, gradients) = nll_gradients(&model, &pairs(reference));
            let theirs = &reference["nll"];
            assert_close(
                &[loss],
                &[theirs["loss"].as_f64().unwrap() as f32],
                1e-5,
                &what,
            );
            assert_norms_close(&gradients, &theirs["grad_norms"], &what);
            for (parameter, first) in theirs["grad_first8"].as_object().unwrap() {
                let (ours, first) = (&gradients[parameter], floats(first));
                let what = format!("{what} {parameter}");
                assert_close(&ours[..first.len()], &first, 2e-5, &what);
            }
        }
    }
}

/// Checks that there is a gradient of every parameter, of the norm that PyTorch has.
fn assert_norms_close(ours: &BTreeMap<String, Vec<f32>>, theirs: &Value, what: &str) {
    let norms = theirs.as_object().unwrap();
    assert_eq!(ours.len(), norms.len(), "{what}: parameters");
    for (parameter, norm) in norms {
        let square: f64 = ours[parameter].iter().map(|&x| f64::from(x).powi(2)).sum();
        let (ours, norm) = (square.sqrt(), norm.as_f64().unwrap());
        assert!(
            (ours - norm).abs() < 1e-4 * norm,
            "{what}: norm of {parameter} is {ours}, PyTorch has {norm}"
        );
    }
}

#[test]
fn rewards_and_their_gradients_are_pytorchs() {
    let reference = reference();
    for name in DRAWN {
        let theirs = &reference[name]["rewards"];
        let batch = TreeBatch::new(&pairs(&reference[name]));
        for compute in ways() {
            let what = format!("{name} {compute:?}");
            let model = load_with(&tiny_reward(name), Head::Reward, compute, true);
            let rewards = model.decoder.rewards(&model.config, compute, &batch);
            let gradients = gradients_of(&model, &rewards.clone().square().sum());
            let rewards: Vec<f32> = rewards.into_data().try_into_vec().unwrap();
            assert_close(&rewards, &floats(&theirs["values"]), 2e-5, &what);
            assert_norms_close(&gradients, &theirs["grad_norms"], &what);
        }
    }
}

fn gradients_of(model: &Model, loss: &Tensor<1>) -> BTreeMap<String, Vec<f32>> {
    let mut sum = GradientSum::default();
    sum.add(&model.decoder, loss.backward());
    let mut gradients = BTreeMap::new();
    sum.for_each(&model.decoder, |name, gradient| {
        gradients.insert(name.to_owned(), gradient);
    });
    gradients
}

/// Trees of several responses, prompts of one token and of many.
fn trees() -> Vec<PromptTree> {
    let run = |from: u32, n: u32| {
        (0..n)
            .map(|i| (from * 31 + i * 17) % 128)
            .collect::<Vec<_>>()
    };
    vec![
        PromptTree {
            prompt: run(1, 9),
            responses: vec![run(2, 4), run(3, 1), run(4, 40)],
        },
        PromptTree {
            prompt: run(5, 1),
            responses: vec![run(6, 7)],
        },
        PromptTree {
            prompt: run(7, 70),
            responses: vec![run(8, 33), run(9, 2)],
        },
    ]
}

fn separate(trees: &[PromptTree]) -> Vec<PromptTree> {
    let one = |tree: &PromptTree, response: &Vec<u32>| PromptTree {
        prompt: tree.prompt.clone(),
        responses: vec![response.clone()],
    };
    trees
        .iter()
        .flat_map(|tree| tree.responses.iter().map(|response| one(tree, response)))
        .collect()
}

#[test]
fn a_tree_is_its_separate_sequences() {
    let trees = trees();
    let separate = separate(&trees);
    for compute in ways() {
        let model = load("llama3", compute, true);
        let (loss, gradients) = nll_gradients(&model, &trees);
        let (loss_apart, apart) = nll_gradients(&model, &separate);
        assert_close(&[loss], &[loss_apart], 1e-5, "loss");
        for (name, gradient) in &gradients {
            assert_close(gradient, &apart[name], 2e-5, &format!("{compute:?} {name}"));
        }
        let model = load("llama3", compute, false);
        let together = model.token_log_probs(&TreeBatch::new(&trees)).unwrap();
        let mut singly = Vec::new();
        for tree in &separate {
            singly.extend(model.token_log_probs(&TreeBatch::new([tree])).unwrap());
        }
        assert_close(&together, &singly, 2e-5, "log-probs");
    }
}

#[test]
fn rewards_and_their_gradients_agree_between_all_ways() {
    let trees = trees();
    let batch = TreeBatch::new(&trees);
    let mut expected: Option<(_, BTreeMap<String, Vec<f32>>)> = None;
    for compute in ways() {
        let device = device().autodiff();
        let start = Start::NewHead(7);
        let model = Model::load(&tiny("base"), Head::Reward, start, &device, compute).unwrap();
        let rewards = model.decoder.rewards(&model.config, compute, &batch);
        let gradients = gradients_of(&model, &rewards.clone().square().sum());
        let rewards: Vec<f32> = rewards.into_data().try_into_vec().unwrap();
        let apart = separate(&trees);
        let singly = model
            .decoder
            .rewards(&model.config, compute, &TreeBatch::new(&apart));
        let singly: Vec<f32> = singly.into_data().try_into_vec().unwrap();
        assert_close(&rewards, &singly, 2e-5, "rewards of separate sequences");
        match &expected {
            None => expected = Some((rewards, gradients)),
            Some((rewards_first, gradients_first)) => {
                assert_close(&rewards, rewards_first, 2e-5, "rewards");
                for (name, gradient) in &gradients {
                    let what = format!("{compute:?} {name}");
                    assert_close(gradient, &gradients_first[name], 3e-5, &what);
                }
            }
        }
    }
}

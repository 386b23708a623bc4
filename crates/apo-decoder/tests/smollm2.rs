//! A real model against PyTorch's values, in `fixtures/smollm2.json`.
//!
//! They need SmolLM2-135M-Instruct itself, whose directory `APO_SMOLLM2` names;
//! without it each test says that it is skipped. The tests beside this file
//! check the same things with small models everywhere.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use apo_decoder::decoder::Projection;
use apo_decoder::{
    Compute, GenerationConfig, GradientSum, Head, Model, ModelError, PromptTree, Request, Sampling,
    Start, TreeBatch,
};
use apo_objectives::{
    Adversarial, LogProbs, PairLoss, Pairs, apo_reward_model, negative_log_likelihood,
};
use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use serde_json::Value;

use common::device;

/// PyTorch's f32 and f64 differ by 2e-6 a token; a response has up to 100.
const LOG_PROB: f64 = 1e-3;
/// Of losses and norms, relative.
const RELATIVE: f64 = 1e-3;
/// Of a reward: f32 and f64 differ by 2e-6.
const REWARD: f64 = 1e-4;

fn directory() -> Option<PathBuf> {
    let dir = std::env::var_os("APO_SMOLLM2").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: SmolLM2-135M-Instruct is not here, APO_SMOLLM2 names no directory");
    }
    dir
}

fn reference() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/smollm2.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn tree<'a>(prompt: &Value, responses: impl IntoIterator<Item = &'a Value>) -> PromptTree {
    PromptTree {
        prompt: ids(prompt),
        responses: responses.into_iter().map(ids).collect(),
    }
}

fn policy(dir: &Path, train: bool) -> Model {
    let device = if train { device().autodiff() } else { device() };
    let (head, compute) = (Head::LanguageModel, Compute::default());
    Model::load(dir, head, Start::Saved, &device, compute).unwrap()
}

/// The model with the score head of the values: `sin(i) / 24`.
fn reward_model(dir: &Path) -> Model {
    let device = device().autodiff();
    let (head, compute) = (Head::Reward, Compute::default());
    let mut model = Model::load(dir, head, Start::NewHead(1), &device, compute).unwrap();
    let width = model.config.hidden_size;
    let weights: Vec<f32> = (0..width)
        .map(|i| ((i as f64).sin() / 24.0) as f32)
        .collect();
    let weight = Tensor::<2>::from_data(TensorData::new(weights, [1, width]), &device);
    let weight = Param::from_tensor(weight.require_grad());
    model.decoder.score = Some(Projection { weight });
    model
}

#[track_caller]
fn assert_close(ours: &[f64], theirs: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}: number of values");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            (a - b).abs() <= tolerance,
            "{what}[{i}]: {a}, PyTorch has {b}"
        );
    }
}

/// Compares a loss and the norms of its gradient, in all and by parameter.
#[track_caller]
fn assert_loss_and_norms(model: &Model, loss: Tensor<1>, theirs: &Value, what: &str) {
    let value = f64::from(loss.clone().into_data().try_into_vec::<f32>().unwrap()[0]);
    let expected = theirs["loss"].as_f64().unwrap();
    assert!(
        (value - expected).abs() <= RELATIVE * expected.abs(),
        "{what}: loss {value}, PyTorch has {expected}"
    );
    let mut gradients = GradientSum::default();
    gradients.add(&model.decoder, loss.backward());
    let mut norms = BTreeMap::new();
    gradients.for_each(&model.decoder, |name, gradient| {
        let square: f64 = gradient.iter().map(|&x| f64::from(x).powi(2)).sum();
        norms.insert(name.to_owned(), square.sqrt());
    });
    norms.insert(String::new(), gradients.norm().unwrap());
    let all = [("", &theirs["grad_norm"])];
    let by_name = ["grad_norms", "grad_norms_picked"]
        .into_iter()
        .filter_map(|key| theirs[key].as_object())
        .flat_map(|norms| norms.iter().map(|(name, norm)| (name.as_str(), norm)));
    for (name, norm) in all.into_iter().chain(by_name) {
        let (ours, norm) = (norms[name], norm.as_f64().unwrap());
        assert!(
            (ours - norm).abs() <= RELATIVE * norm,
            "{what}: gradient norm of `{name}` is {ours}, PyTorch has {norm}"
        );
    }
}

fn summed(model: &Model, batch: &TreeBatch) -> Tensor<1> {
    let tokens = model
        .decoder
        .token_log_probs(&model.config, model.compute, batch);
    let mut start = 0;
    let sums = batch.response_lengths().into_iter().map(|length| {
        start += length;
        tokens.clone().narrow(0, start - length, length).sum()
    });
    Tensor::cat(sums.collect(), 0)
}

#[test]
fn log_probs_of_given_responses_are_pytorchs() {
    let Some(dir) = directory() else { return };
    let model = policy(&dir, false);
    for entry in reference()["logprobs"].as_array().unwrap() {
        let tree = tree(&entry["prompt_ids"], [&entry["response_ids"]]);
        let ours = model.token_log_probs(&TreeBatch::new([&tree])).unwrap();
        let ours: Vec<f64> = ours.into_iter().map(f64::from).collect();
        let name = entry["name"].as_str().unwrap();
        assert_close(&ours, &numbers(&entry["tokens"]), 2e-5, name);
        let (sum, theirs) = (ours.iter().sum(), entry["sum"].as_f64().unwrap());
        assert_close(&[sum], &[theirs], LOG_PROB, name);
    }
}

#[test]
fn greedy_continuations_are_pytorchs_token_for_token() {
    let Some(dir) = directory() else { return };
    let model = policy(&dir, false).for_inference();
    let reference = reference();
    let greedy = &reference["greedy"];
    let prompts = greedy["prompts"].as_array().unwrap();
    let generation = GenerationConfig {
        sampling: Sampling::GREEDY,
        max_new_tokens: greedy["new_tokens"].as_u64().unwrap() as usize,
        batch: prompts.len(),
        stop_ids: Vec::new(),
    };
    let requests = prompts.iter().enumerate().map(|(number, entry)| Request {
        number,
        prompt: ids(&entry["prompt_ids"]),
        samples: vec![(0, 1)],
    });
    let mut found = BTreeMap::new();
    let keep = |one: apo_decoder::Generated| {
        found.insert(one.number, one.tokens);
        Ok::<_, ModelError>(())
    };
    model
        .generate(&generation, requests, |_| false, keep)
        .unwrap();
    for (number, entry) in prompts.iter().enumerate() {
        let (ours, theirs) = (&found[&number], ids(&entry["ids"]));
        let margin = &entry["min_margin"];
        assert_eq!(*ours, theirs, "prompt {number}, least margin {margin}");
    }
}

#[test]
fn the_likelihoods_loss_and_gradient_are_pytorchs() {
    let Some(dir) = directory() else { return };
    let reference = reference();
    let nll = &reference["nll"];
    let trees: Vec<PromptTree> = nll["batch"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| tree(&it["prompt_ids"], [&it["response_ids"]]))
        .collect();
    let model = policy(&dir, true);
    let batch = TreeBatch::new(&trees);
    let n_tokens: usize = batch.response_lengths().iter().sum();
    let mut likely = apo_objectives::Weighted::default();
    for i in 0..trees.len() {
        likely.push(i, 1.0 / n_tokens as f32);
    }
    let loss = negative_log_likelihood(&summed(&model, &batch), &likely);
    assert_loss_and_norms(&model, loss, nll, "nll");
}

#[test]
fn dpos_loss_and_gradient_are_pytorchs() {
    let Some(dir) = directory() else { return };
    let reference = reference();
    let theirs = &reference["dpo"];
    let pairs = theirs["pairs"].as_array().unwrap();
    let trees: Vec<PromptTree> = pairs
        .iter()
        .map(|it| tree(&it["prompt_ids"], [&it["chosen_ids"], &it["rejected_ids"]]))
        .collect();
    let batch = TreeBatch::new(&trees);
    let frozen = policy(&dir, false).log_probs(&batch).unwrap();
    for (i, key) in ["reference_chosen", "reference_rejected"]
        .iter()
        .enumerate()
    {
        let ours: Vec<f64> = frozen.iter().skip(i).step_by(2).copied().collect();
        assert_close(&ours, &numbers(&theirs[*key]), LOG_PROB, key);
    }
    let mut model = policy(&dir, true);
    let changed = theirs["perturbation"]["parameter"].as_str().unwrap();
    assert_eq!(changed, "model.layers.0.mlp.down_proj.weight");
    let factor = theirs["perturbation"]["times"].as_f64().unwrap() as f32;
    let weight = &mut model.decoder.model.layers[0].mlp.down_proj.weight;
    let scaled = weight.val().inner().mul_scalar(factor);
    *weight = Param::from_tensor(Tensor::from_inner(scaled).require_grad());

    let log_probs = summed(&model, &batch);
    let values: Vec<f32> = log_probs.clone().into_data().try_into_vec().unwrap();
    for (i, key) in ["policy_chosen", "policy_rejected"].iter().enumerate() {
        let ours: Vec<f64> = values
            .iter()
            .skip(i)
            .step_by(2)
            .map(|&x| x.into())
            .collect();
        assert_close(&ours, &numbers(&theirs[*key]), LOG_PROB, key);
    }
    let mut compared = Pairs::default();
    for i in 0..pairs.len() {
        compared.push(2 * i, 2 * i + 1, 1.0 / pairs.len() as f32);
    }
    let frozen: Vec<f32> = frozen.into_iter().map(|x| x as f32).collect();
    let beta = theirs["beta"].as_f64().unwrap();
    let responses = LogProbs {
        policy: &log_probs,
        reference: &frozen,
        tokens: &[],
        kl: 0.0,
    };
    let loss = PairLoss::Dpo { beta }.loss(responses, &compared);
    assert_loss_and_norms(&model, loss, theirs, "dpo");
}

#[test]
fn rewards_are_those_of_a_sequence_classifier() {
    let Some(dir) = directory() else { return };
    let model = reward_model(&dir);
    let reference = reference();
    let texts = reference["reward"]["texts"].as_array().unwrap();
    let trees: Vec<PromptTree> = texts
        .iter()
        .map(|it| {
            let mut prompt = ids(&it["ids"]);
            let last = prompt.pop().unwrap();
            PromptTree {
                prompt,
                responses: vec![vec![last]],
            }
        })
        .collect();
    let ours = model.rewards(&TreeBatch::new(&trees)).unwrap();
    let ours: Vec<f64> = ours.into_iter().map(f64::from).collect();
    let theirs: Vec<f64> = texts
        .iter()
        .map(|it| it["reward"].as_f64().unwrap())
        .collect();
    assert_close(&ours, &theirs, REWARD, "reward");
}

#[test]
fn eq_17_on_prompt_trees_is_pytorchs_on_sequences() {
    let Some(dir) = directory() else { return };
    let model = reward_model(&dir);
    let reference = reference();
    let theirs = &reference["eq17"];
    let queries = theirs["queries"].as_array().unwrap();
    let mut batch = TreeBatch::default();
    let (mut adversarial, mut people) = (Pairs::default(), Pairs::default());
    let n_samples = queries[0]["samples_ids"].as_array().unwrap().len();
    for (i, query) in queries.iter().enumerate() {
        let samples = query["samples_ids"].as_array().unwrap();
        let fixed = [
            &query["golden_ids"],
            &query["chosen_ids"],
            &query["rejected_ids"],
        ];
        batch.push(&tree(
            &query["prompt_ids"],
            fixed.into_iter().chain(samples),
        ));
        let golden = i * (3 + n_samples);
        for sample in 0..n_samples {
            let weight = 1.0 / (queries.len() * n_samples) as f32;
            adversarial.push(golden, golden + 3 + sample, weight);
        }
        people.push(golden + 1, golden + 2, 1.0 / queries.len() as f32);
    }
    let rewards = model.decoder.rewards(&model.config, model.compute, &batch);
    let beta_2 = theirs["beta2"].as_f64().unwrap();
    let loss = apo_reward_model(
        &rewards,
        &adversarial,
        &people,
        Adversarial::Ranking,
        beta_2,
    );
    assert_loss_and_norms(&model, loss, theirs, "eq. 17");
}

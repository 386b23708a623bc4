//! Generation against PyTorch's greedy continuations and against itself: with
//! a cache or without, alone or in a batch, by kernels or by Burn's operators.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::collections::BTreeMap;

use apo_decoder::{
    Compute, Ended, Generated, GenerationConfig, Head, InferenceModel, Model, ModelError,
    Precision, PromptTree, Request, Sampling, Start, TreeBatch, device as devices,
};
use burn::tensor::Device;
use common::{MODELS, device, ids, kernels, reference, tiny};

fn load(name: &str, kernels: bool) -> InferenceModel {
    load_on(&device(), name, kernels)
}

fn load_on(device: &Device, name: &str, kernels: bool) -> InferenceModel {
    let compute = Compute {
        kernels,
        ..Compute::default()
    };
    let head = Head::LanguageModel;
    let model = Model::load(&tiny(name), head, Start::Saved, device, compute);
    model.unwrap().for_inference()
}

fn all(
    model: &InferenceModel,
    generation: &GenerationConfig,
    requests: &[Request],
) -> BTreeMap<(usize, usize), Generated> {
    let mut found = BTreeMap::new();
    let never = |_: &[u32]| false;
    let keep = |generated: Generated| {
        found.insert((generated.number, generated.sample), generated);
        Ok::<_, ModelError>(())
    };
    model
        .generate(generation, requests.to_vec(), never, keep)
        .unwrap();
    found
}

#[test]
fn greedy_continuations_are_pytorchs() {
    let reference = reference();
    for (name, entry) in MODELS {
        let entries = reference[entry]["greedy"].as_array().unwrap();
        let requests: Vec<Request> = entries
            .iter()
            .enumerate()
            .map(|(number, entry)| Request {
                number,
                prompt: ids(&entry["prompt_ids"]),
                samples: vec![(0, 1)],
            })
            .collect();
        let ways = [(true, 3), (true, 1), (false, 3), (false, 2)];
        for (kernels, batch) in ways.into_iter().filter(|it| kernels().contains(&it.0)) {
            let generation = GenerationConfig {
                sampling: Sampling::GREEDY,
                max_new_tokens: 24,
                batch,
                stop_ids: vec![],
            };
            let found = all(&load(name, kernels), &generation, &requests);
            for (i, entry) in entries.iter().enumerate() {
                let theirs = ids(&entry["ids"]);
                assert_eq!(
                    found[&(i, 0)].tokens,
                    theirs,
                    "{name}, prompt {i}, batch {batch}"
                );
                assert_eq!(found[&(i, 0)].ended, Ended::Length);
            }
        }
    }
}

fn requests() -> Vec<Request> {
    (0..7_usize)
        .map(|number| Request {
            number,
            prompt: (0..=number * 5)
                .map(|i| (i * 29 + number) as u32 % 128)
                .collect(),
            samples: (0..4)
                .map(|sample| (sample, (number * 4 + sample) as u64))
                .collect(),
        })
        .collect()
}

fn random(batch: usize) -> GenerationConfig {
    GenerationConfig {
        sampling: Sampling {
            temperature: 1.2,
            top_p: 0.98,
            ..Sampling::GREEDY
        },
        max_new_tokens: 30,
        batch,
        stop_ids: vec![2, 3, 4, 5],
    }
}

#[test]
fn samples_depend_on_neither_batch_nor_order_nor_kernels() {
    let requests = requests();
    let model = load("base", true);
    let expected = all(&model, &random(1), &requests);
    assert_eq!(expected.len(), 28, "every sample comes once");
    let stopped = expected
        .values()
        .filter(|one| one.ended == Ended::Stop)
        .count();
    assert!(
        (1..28).contains(&stopped),
        "{stopped} of 28 ended at a stop id"
    );
    let mut backwards = requests.clone();
    backwards.reverse();
    for (what, found) in [
        ("a batch of 5", all(&model, &random(5), &requests)),
        ("a batch of 64", all(&model, &random(64), &requests)),
        ("another order", all(&model, &random(5), &backwards)),
        (
            "no kernels",
            all(&load("base", false), &random(5), &requests),
        ),
    ] {
        for (key, one) in &expected {
            assert_eq!(found[key].tokens, one.tokens, "{what}: sample {key:?}");
            assert!(
                (found[key].log_prob - one.log_prob).abs() < 1e-3,
                "{what}: {key:?}"
            );
        }
    }
    let differing = (0..7).filter(|&i| expected[&(i, 0)].tokens != expected[&(i, 1)].tokens);
    assert!(differing.count() > 4, "samples of one query differ");
}

#[test]
fn log_probs_are_those_of_a_full_forward_pass() {
    full_forward_passes(&load("llama3", true), 1e-3);
}

/// As a GPU generates by default: matrices, keys and values held in bf16.
#[test]
fn log_probs_in_bf16_are_those_of_a_full_forward_pass() {
    let compute = Compute {
        precision: Precision::Bf16,
        kernels: false,
        ..Compute::default()
    };
    if compute.check(&device()).is_err() {
        eprintln!("skipped: the device has no bf16 products");
        return;
    }
    let (head, start) = (Head::LanguageModel, Start::Saved);
    let model = Model::load(&tiny("llama3"), head, start, &device(), compute).unwrap();
    full_forward_passes(&model.for_inference(), 1e-2);
}

#[track_caller]
fn full_forward_passes(model: &InferenceModel, tolerance: f64) {
    let requests = requests();
    let found = all(model, &random(6), &requests);
    for ((number, sample), one) in &found {
        let mut response = one.tokens.clone();
        if one.ended == Ended::Stop {
            // Any of the stop ids may have ended it; the sum tells which.
            let best = [2, 3, 4, 5].map(|stop| {
                let mut response = one.tokens.clone();
                response.push(stop);
                log_prob(model, &requests[*number].prompt, response) - one.log_prob
            });
            let nearest = best.into_iter().map(f64::abs).fold(f64::INFINITY, f64::min);
            assert!(
                nearest < tolerance,
                "query {number}, sample {sample}: off by {nearest}"
            );
            continue;
        }
        let full = log_prob(
            model,
            &requests[*number].prompt,
            std::mem::take(&mut response),
        );
        assert!(
            (full - one.log_prob).abs() < tolerance,
            "query {number}, sample {sample}: off by {}",
            full - one.log_prob
        );
    }
}

fn log_prob(model: &InferenceModel, prompt: &[u32], response: Vec<u32>) -> f64 {
    let tree = PromptTree {
        prompt: prompt.to_vec(),
        responses: vec![response],
    };
    model.log_probs(&TreeBatch::new([&tree])).unwrap()[0]
}

#[test]
fn a_response_is_cut_where_the_caller_says() {
    let model = load("base", true);
    let generation = GenerationConfig {
        stop_ids: vec![],
        ..random(4)
    };
    let mut lengths = Vec::new();
    let keep = |one: Generated| {
        assert_eq!(one.ended, Ended::Cut);
        lengths.push(one.tokens.len());
        Ok::<_, ModelError>(())
    };
    model
        .generate(&generation, requests(), |tokens| tokens.len() == 3, keep)
        .unwrap();
    assert_eq!(lengths, [3; 28]);
}

#[test]
fn a_prompt_beyond_the_vocabulary_is_refused() {
    let request = Request {
        number: 0,
        prompt: vec![1, 128],
        samples: vec![(0, 0)],
    };
    let found = load("base", true).generate(
        &random(2),
        [request],
        |_| false,
        |_| Ok::<_, ModelError>(()),
    );
    let message = found.unwrap_err().to_string();
    assert!(
        message.contains("token id 128 is beyond the model's vocabulary of 128"),
        "{message}"
    );
}

#[test]
fn longer_texts_leave_memory_for_fewer_responses() {
    let model = load_on(&devices::cpu(), "base", true);
    assert_eq!(
        model.batch_that_fits(16, 16),
        128,
        "a tiny model's take little"
    );
    assert_eq!(model.batch_that_fits(1 << 32, 16), 1, "no memory holds two");
    assert_eq!(
        load_on(&devices::cpu(), "base", false).batch_that_fits(16, 16),
        32,
        "unknown memory"
    );
}

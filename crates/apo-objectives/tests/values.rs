//! Losses and gradients against other people's values, `fixtures/losses.json`.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;

use apo_objectives::{
    Adversarial, LogProbs, PairLoss, Pairs, Weighted, apo_reward_model, negative_log_likelihood,
    ranking, rrhf,
};
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;

fn entries(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/losses.json");
    let page: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let all = page["entries"].as_array().unwrap().iter().cloned();
    let found: Vec<Value> = all.filter(|entry| entry["name"] == name).collect();
    assert!(!found.is_empty(), "no entry is called {name}");
    found
}

fn floats(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn rows(value: &Value) -> Vec<Vec<f32>> {
    serde_json::from_value(value.clone()).unwrap()
}

fn learnt(values: &[f32]) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, &Device::flex().autodiff()).require_grad()
}

fn values(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn value(tensor: &Tensor<1>) -> f64 {
    f64::from(values(tensor.clone())[0])
}

fn assert_close(ours: f64, theirs: &Value, what: &str) {
    let theirs = theirs.as_f64().unwrap();
    assert!(
        (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1.0),
        "{what}: {ours}, expected {theirs}"
    );
}

/// The first half against the second, each pair the same share of 1.
fn halves(n: usize) -> Pairs {
    let mut pairs = Pairs::default();
    (0..n).for_each(|i| pairs.push(i, n + i, 1.0 / n as f32));
    pairs
}

#[test]
fn ranking_is_bradley_and_terrys() {
    // The fixture has no gradient for the second entry, the pairs swapped.
    let entries = entries("bradley_terry");
    assert_eq!(entries.len(), 2);
    for (entry, has_gradient) in entries.iter().zip([true, false]) {
        let (chosen, rejected) = (
            floats(&entry["inputs"]["chosen"]),
            floats(&entry["inputs"]["rejected"]),
        );
        let rewards = learnt(&[chosen.clone(), rejected].concat());
        let loss = ranking(&rewards, &halves(chosen.len()));
        assert_close(value(&loss), &entry["expected"]["loss"], "loss");
        let gradients = values(rewards.grad_remove(&mut loss.backward()).unwrap());
        let expected = &entry["expected"]["d_loss_d_chosen"];
        assert_eq!(!expected.is_null(), has_gradient);
        if has_gradient {
            let expected = expected.as_array().unwrap();
            assert_eq!(expected.len(), chosen.len());
            for (ours, theirs) in gradients.iter().zip(expected) {
                assert_close(f64::from(*ours), theirs, "gradient");
            }
        }
    }
}

fn reward_model_loss(entry: &Value, adversarial: Adversarial) -> f64 {
    let inputs = &entry["inputs"];
    let (golden, samples) = (floats(&inputs["golden"]), rows(&inputs["samples"]));
    let (chosen, rejected) = (floats(&inputs["chosen"]), floats(&inputs["rejected"]));
    let n_queries = golden.len();
    let mut rewards = golden;
    let mut golden_over_samples = Pairs::default();
    for (query, samples) in samples.iter().enumerate() {
        for sample in samples {
            let weight = 1.0 / (samples.len() * n_queries) as f32;
            golden_over_samples.push(query, rewards.len(), weight);
            rewards.push(*sample);
        }
    }
    let mut preferences = Pairs::default();
    let n = chosen.len();
    for (chosen, rejected) in chosen.iter().zip(&rejected) {
        preferences.push(rewards.len(), rewards.len() + 1, 1.0 / n as f32);
        rewards.extend([chosen, rejected]);
    }
    let beta_2 = entry["params"]["beta2"].as_f64().unwrap();
    value(&apo_reward_model(
        &learnt(&rewards),
        &golden_over_samples,
        &preferences,
        adversarial,
        beta_2,
    ))
}

#[test]
fn eq_17_gail_and_wgan_are_as_computed_elsewhere() {
    for (name, adversarial) in [
        ("apo_rm", Adversarial::Ranking),
        ("gail", Adversarial::Ranking),
        ("wgan", Adversarial::Difference),
    ] {
        for entry in entries(name) {
            let loss = reward_model_loss(&entry, adversarial);
            assert_close(
                loss,
                &entry["expected"]["loss"],
                &format!("{name} {}", entry["params"]),
            );
        }
    }
}

/// The loss of an entry's parameters, by the entry's name.
fn pair_loss(name: &str, params: &Value) -> PairLoss {
    let param = |name: &str| params[name].as_f64().unwrap();
    let beta = params["beta"].as_f64().unwrap_or(f64::NAN);
    match name {
        "dpo" => PairLoss::Dpo { beta },
        "cdpo" => PairLoss::Conservative {
            beta,
            label_smoothing: param("label_smoothing"),
        },
        "robust_dpo" => PairLoss::Robust {
            beta,
            label_smoothing: param("label_smoothing"),
        },
        "dpo_length_normalised" => PairLoss::Normalised { beta },
        "ipo_sum" => PairLoss::Ipo { beta },
        "ipo_token_mean" => PairLoss::IpoMean { beta },
        "hinge_dpo" => PairLoss::Hinge { beta },
        "simpo" => PairLoss::SimPo {
            beta,
            gamma: param("gamma"),
        },
        "kto" => PairLoss::Kto {
            beta,
            desirable_weight: param("desirable_weight"),
            undesirable_weight: param("undesirable_weight"),
        },
        "slic_rank" => PairLoss::Slic {
            delta: param("delta"),
        },
        other => panic!("no loss for {other}"),
    }
}

/// Chosen and rejected values of an entry, one after the other.
fn both(inputs: &Value, what: [&str; 2]) -> Vec<f32> {
    let there = what.iter().filter(|it| !inputs[**it].is_null());
    there.flat_map(|it| floats(&inputs[*it])).collect()
}

#[test]
fn each_pair_loss_is_as_published() {
    for name in [
        "dpo",
        "cdpo",
        "robust_dpo",
        "dpo_length_normalised",
        "ipo_sum",
        "ipo_token_mean",
        "hinge_dpo",
        "simpo",
        "slic_rank",
    ] {
        for entry in entries(name) {
            let inputs = &entry["inputs"];
            let what = format!("{name} {}", entry["params"]);
            let loss = pair_loss(name, &entry["params"]);
            let reference = both(inputs, ["reference_chosen", "reference_rejected"]);
            assert_eq!(reference.is_empty(), !loss.needs_reference(), "{what}");
            let policy = learnt(&both(inputs, ["policy_chosen", "policy_rejected"]));
            let responses = LogProbs {
                policy: &policy,
                reference: &reference,
                tokens: &both(inputs, ["chosen_tokens", "rejected_tokens"]),
                kl: 0.0,
            };
            let per_pair = entry["expected"]["per_pair"].as_array().unwrap();
            let n = per_pair.len();
            let mean = loss.loss(responses, &halves(n));
            assert_close(value(&mean), &entry["expected"]["loss"], &what);
            for (i, expected) in per_pair.iter().enumerate() {
                let mut one = Pairs::default();
                one.push(i, n + i, 1.0);
                let ours = value(&loss.loss(responses, &one));
                assert_close(ours, expected, &format!("{what}, pair {i}"));
            }
        }
    }
}

#[test]
fn ktos_loss_is_trls() {
    for entry in entries("kto") {
        let (inputs, expected) = (&entry["inputs"], &entry["expected"]);
        let policy = learnt(&both(inputs, ["policy_chosen", "policy_rejected"]));
        let reference = both(inputs, ["reference_chosen", "reference_rejected"]);
        let n = reference.len() / 2;
        let responses = LogProbs {
            policy: &policy,
            reference: &reference,
            tokens: &[],
            kl: expected["kl"].as_f64().unwrap(),
        };
        let loss = pair_loss("kto", &entry["params"]);
        let what = format!("kto {}", entry["params"]);
        let mean = value(&loss.loss(responses, &halves(n)));
        assert_close(mean, &expected["loss"], &what);
        for i in 0..n {
            let mut one = Pairs::default();
            one.push(i, n + i, 1.0);
            let number = |name: &str| expected[name][i].as_f64().unwrap();
            let pair = f64::midpoint(number("desirable"), number("undesirable"));
            let ours = value(&loss.loss(responses, &one));
            assert_close(ours, &pair.into(), &format!("{what}, pair {i}"));
        }
    }
}

#[test]
fn dpos_rewards_and_gradients_are_trls() {
    for entry in entries("dpo") {
        let (inputs, expected) = (&entry["inputs"], &entry["expected"]);
        let beta = entry["params"]["beta"].as_f64().unwrap();
        let policy = learnt(&both(inputs, ["policy_chosen", "policy_rejected"]));
        let reference = both(inputs, ["reference_chosen", "reference_rejected"]);
        let n = reference.len() / 2;
        let responses = LogProbs {
            policy: &policy,
            reference: &reference,
            tokens: &[],
            kl: 0.0,
        };
        let loss = PairLoss::Dpo { beta }.loss(responses, &halves(n));
        let rewards = values(PairLoss::Dpo { beta }.rewards(responses));
        let gradients = values(policy.grad_remove(&mut loss.backward()).unwrap());
        for (ours, names) in [
            (rewards, ["rewards_chosen", "rewards_rejected"]),
            (
                gradients,
                ["d_loss_d_policy_chosen", "d_loss_d_policy_rejected"],
            ),
        ] {
            let theirs = names
                .map(|name| expected[name].as_array().unwrap().clone())
                .concat();
            assert_eq!(ours.len(), theirs.len(), "{}", names[0]);
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert_close(f64::from(*ours), theirs, names[0]);
            }
        }
    }
}

/// Flattens queries of several responses: values, and where each query begins.
fn flat(queries: &[Vec<f32>]) -> (Vec<f32>, Vec<usize>) {
    let mut starts = Vec::new();
    let mut values = Vec::new();
    for query in queries {
        starts.push(values.len());
        values.extend(query);
    }
    (values, starts)
}

fn best(rewards: &[f32]) -> usize {
    (0..rewards.len()).fold(
        0,
        |best, i| if rewards[i] > rewards[best] { i } else { best },
    )
}

#[test]
fn rrhf_is_as_computed_elsewhere() {
    for entry in entries("rrhf") {
        let (inputs, params) = (&entry["inputs"], &entry["params"]);
        let (logp, tokens) = (rows(&inputs["logp"]), rows(&inputs["tokens"]));
        let rewards = rows(&inputs["rewards"]);
        let (mut values, starts) = flat(&logp);
        if params["logp"] == "mean" {
            for (value, n) in values.iter_mut().zip(flat(&tokens).0) {
                *value /= n;
            }
        }
        let (mut pairs, mut chosen) = (Pairs::default(), Weighted::default());
        let n = rewards.len() as f32;
        for (rewards, start) in rewards.iter().zip(starts) {
            let mut ordered = Vec::new();
            for i in 0..rewards.len() {
                for j in 0..rewards.len() {
                    if rewards[i] < rewards[j] {
                        ordered.push((start + j, start + i));
                    }
                }
            }
            let share = if params["pairs"] == "mean" {
                ordered.len().max(1) as f32
            } else {
                1.0
            };
            for (chosen, rejected) in ordered {
                pairs.push(chosen, rejected, 1.0 / (n * share));
            }
            chosen.push(start + best(rewards), 1.0 / n);
        }
        let lambda = params["lambda"].as_f64().unwrap();
        let loss = rrhf(&learnt(&values), &pairs, &chosen, lambda);
        assert_close(
            value(&loss),
            &entry["expected"]["loss"],
            &params.to_string(),
        );
    }
}

#[test]
fn rjs_is_the_best_ones_token_mean() {
    for entry in entries("rjs") {
        let inputs = &entry["inputs"];
        let (logp, tokens) = (rows(&inputs["logp"]), rows(&inputs["tokens"]));
        let rewards = rows(&inputs["rewards"]);
        let (values, starts) = flat(&logp);
        let picked: Vec<usize> = rewards.iter().map(|rewards| best(rewards)).collect();
        let expected: Vec<usize> =
            serde_json::from_value(entry["expected"]["best"].clone()).unwrap();
        assert_eq!(picked, expected, "ties go to the lower number");
        let n_tokens: f32 = tokens
            .iter()
            .zip(&picked)
            .map(|(tokens, &i)| tokens[i])
            .sum();
        let mut chosen = Weighted::default();
        for (start, i) in starts.iter().zip(&picked) {
            chosen.push(start + i, 1.0 / n_tokens);
        }
        let loss = negative_log_likelihood(&learnt(&values), &chosen);
        assert_close(value(&loss), &entry["expected"]["loss_token"], "loss");
    }
}

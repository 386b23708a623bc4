//! Rotary embeddings against those of `transformers`, in
//! `fixtures/tiny/ropes.json`: frequencies, logits, gradients.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use apo_decoder::{Compute, GradientSum, Head, Model, PromptTree, Start, TreeBatch};
use common::{device, floats, ids, kernels, tiny};
use serde_json::Value;

/// How many of the last tokens the loss is about.
const RESPONSE: usize = 16;

/// Makes the small model with other settings of its config.
fn base_with(name: &str, settings: &Value) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&dir).unwrap();
    let weights = "model.safetensors";
    fs::copy(tiny("base").join(weights), dir.join(weights)).unwrap();
    let config = fs::read(tiny("base").join("config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    for (key, value) in settings.as_object().unwrap() {
        config[key] = value.clone();
    }
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    dir
}

#[test]
fn scaled_ropes_are_those_of_transformers() {
    let text = fs::read_to_string(tiny("ropes.json")).unwrap();
    let reference: Value = serde_json::from_str(&text).unwrap();
    let ids = ids(&reference["ids"]);
    let ropes = reference["ropes"].as_array().unwrap();
    assert!(ropes.len() >= 7);
    for (i, theirs) in ropes.iter().enumerate() {
        let dir = base_with(&format!("rope-{i}"), &theirs["config"]);
        let both = |&kernels| [(kernels, false), (kernels, true)];
        for (kernels, checkpointing) in kernels().iter().flat_map(both) {
            let what = format!("{} kernels {kernels}", theirs["config"]);
            let compute = Compute {
                kernels,
                checkpointing,
                ..Compute::default()
            };
            let device = device().autodiff();
            let head = Head::LanguageModel;
            let model = Model::load(&dir, head, Start::Saved, &device, compute).unwrap();
            let rope = &model.config.rope;
            let frequencies = rope.inverse_frequencies(model.config.head_dim);
            for (ours, theirs) in frequencies.iter().zip(floats(&theirs["inv_freq"])) {
                let ours = *ours as f32;
                assert!(
                    (ours - theirs).abs() <= 2e-7 * theirs,
                    "{what}: {ours} {theirs}"
                );
            }
            let factor = theirs["attention_factor"].as_f64().unwrap();
            assert!((rope.attention_factor() - factor).abs() < 1e-8, "{what}");

            let whole = PromptTree {
                prompt: ids.clone(),
                responses: vec![],
            };
            let logits = model
                .decoder
                .logits(&model.config, compute, &TreeBatch::new([&whole]));
            let logits: Vec<f32> = logits.into_data().try_into_vec().unwrap();
            for (row, theirs) in theirs["logits"].as_object().unwrap() {
                let row: usize = row.parse().unwrap();
                for (a, b) in logits[row * 128..].iter().zip(floats(theirs)) {
                    assert!((a - b).abs() <= 3e-5 * b.abs().max(1.0), "{what}: {a} {b}");
                }
            }

            let (prompt, response) = ids.split_at(ids.len() - RESPONSE);
            let tree = PromptTree {
                prompt: prompt.to_vec(),
                responses: vec![response.to_vec()],
            };
            let batch = TreeBatch::new([&tree]);
            let log_probs = model
                .decoder
                .token_log_probs(&model.config, compute, &batch);
            let loss = log_probs.mean().neg();
            let value = loss.clone().into_data().try_into_vec::<f32>().unwrap()[0];
            let expected = theirs["loss"].as_f64().unwrap() as f32;
            assert!(
                (value - expected).abs() < 2e-5,
                "{what}: {value} {expected}"
            );
            let mut sum = GradientSum::default();
            sum.add(&model.decoder, loss.backward());
            let norms = theirs["grad_norms"].as_object().unwrap();
            let mut compared = 0;
            sum.for_each(&model.decoder, |name, gradient| {
                let Some(expected) = norms.get(name).and_then(Value::as_f64) else {
                    return;
                };
                let square: f64 = gradient.iter().map(|&x| f64::from(x).powi(2)).sum();
                let norm = square.sqrt();
                assert!((norm - expected).abs() < 1e-4 * expected, "{what} {name}");
                compared += 1;
            });
            assert_eq!(compared, norms.len(), "{what}");
        }
    }
}

//! The files of a model directory, except the tokenizer's.

use std::sync::LazyLock;

use apo_decoder::{Head, ModelConfig, ModelManifest, Weights};

use super::damage::chain;
use super::scratch;

/// Maximum layers of a model whose parameters are listed.
const MOST_LAYERS: usize = 64;

const HEADS: [Head; 2] = [Head::LanguageModel, Head::Reward];

pub fn config(bytes: &[u8]) -> String {
    let dir = scratch::folder(&[("config.json", bytes)]);
    let config = match ModelConfig::read(&dir) {
        Ok(config) => config,
        Err(error) => return chain(&error),
    };
    for head in HEADS {
        if config.num_hidden_layers <= MOST_LAYERS {
            let mut n = 0_u128;
            for (name, shape) in config.parameters(head) {
                assert!(!shape.contains(&0), "{name} is {shape:?}");
                n += shape.iter().map(|&it| it as u128).product::<u128>();
            }
            assert_eq!(n, config.n_parameters(head) as u128, "none is lost");
        }
        // The config that a stage writes says the same.
        let page = config.to_json(head, "float32", config.pad_token_id);
        let dir = scratch::folder(&[("config.json", page.to_string().as_bytes())]);
        let again = ModelConfig::read(&dir);
        let again = again.unwrap_or_else(|error| panic!("{page}: {}", chain(&error)));
        assert_eq!(facts(&again), facts(&config), "{page}");
    }
    let frequencies = config.rope.inverse_frequencies(config.head_dim.min(1024));
    assert!(
        frequencies.iter().all(|it| it.is_finite()),
        "{frequencies:?}"
    );
    format!("{:?}", config.rope)
}

/// Returns the values of a config, without the pages that it was read from.
fn facts(config: &ModelConfig) -> String {
    let text = format!("{config:?}");
    let end = text.find(", raw:").expect("a config keeps its page");
    text[..end].to_owned()
}

/// A config that fits the corpus.
const SMALL: &str = r#"{"model_type": "llama", "architectures": ["LlamaForCausalLM"],
    "vocab_size": 6, "hidden_size": 4, "intermediate_size": 6, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 1, "hidden_act": "silu",
    "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "eos_token_id": 0}"#;

pub fn weights(bytes: &[u8]) -> String {
    static CONFIG: LazyLock<ModelConfig> = LazyLock::new(|| {
        let dir = scratch::folder(&[("config.json", SMALL.as_bytes())]);
        ModelConfig::read(&dir).expect("the config is whole")
    });
    LazyLock::force(&CONFIG); // it takes the folder
    let dir = scratch::folder(&[("model.safetensors", bytes)]);
    let weights = match Weights::open(&dir) {
        Ok(weights) => weights,
        Err(error) => return chain(&error),
    };
    let checked: Vec<String> = HEADS
        .map(|head| weights.check(&CONFIG, head))
        .into_iter()
        .chain([weights.check_trunk(&CONFIG), weights.check_tied()])
        .map(|found| found.map_or_else(|error| chain(&error), |()| "fits".to_owned()))
        .collect();
    let mut n_values = 0;
    for (head, checked) in HEADS.into_iter().zip(&checked) {
        for (name, shape) in CONFIG.parameters(head) {
            match weights.read_f32(&name) {
                Ok(values) => {
                    n_values += values.len();
                    assert!(
                        2 * values.len() <= bytes.len(),
                        "{name}: more than there is"
                    );
                    if checked == "fits" {
                        let n: usize = shape.iter().product();
                        assert_eq!(values.len(), n, "{name} is {shape:?}");
                    }
                }
                Err(error) => {
                    let text = chain(&error);
                    let names_cause = text.contains("finite") || text.contains("NaN");
                    assert!(checked != "fits" || names_cause, "{name} fits: {text}");
                }
            }
        }
    }
    format!("{n_values}: {}", checked.join("; "))
}

pub fn manifest(bytes: &[u8]) -> String {
    let dir = scratch::folder(&[("apo.json", bytes)]);
    match ModelManifest::read(&dir) {
        Ok(Some(manifest)) => {
            let sealed = apo_provenance::seal(&manifest);
            let again = scratch::folder(&[("apo.json", &sealed)]);
            let again = ModelManifest::read(&again).expect("an apo.json of ours can be read");
            assert_eq!(again, Some(manifest.clone()), "it says what it said");
            format!("{}, {}", manifest.head, manifest.template)
        }
        Ok(None) => panic!("an apo.json that is there is read"),
        Err(error) => chain(&error),
    }
}

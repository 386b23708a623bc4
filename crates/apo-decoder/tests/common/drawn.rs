//! Small models that are not kept as files: their configs and the names and shapes of their
//! parameters come from `fixtures/tiny/reference.json`, their weights from the rule in
//! `make_tiny.py`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use apo_decoder::Head;
use serde_json::{Value, json};

use super::directories::WEIGHTS;
use super::safetensors::{self, Stored};

/// Returns the directory of a model that [`super::reference`] describes. Each test program
/// makes it once.
pub fn directory(name: &str, head: Head) -> PathBuf {
    static MADE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let folder = match head {
        Head::LanguageModel => name.to_owned(),
        Head::Reward => format!("{name}-reward"),
    };
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(concat!(env!("CARGO_CRATE_NAME"), "-drawn"))
        .join(folder);
    let mut made = MADE.lock().unwrap();
    if made.insert(dir.clone()) {
        make(&dir, &super::reference()[name], head);
    }
    dir
}

fn make(dir: &Path, described: &Value, head: Head) {
    fs::create_dir_all(dir).unwrap();
    let mut config = described["config"].clone();
    let parameters: Vec<(String, Vec<usize>)> =
        serde_json::from_value(described["parameters"].clone()).unwrap();
    let scale = described["scale"].as_f64().unwrap();
    let n_parameters = parameters.len();
    let mut numbered: Vec<_> = parameters.into_iter().enumerate().collect();
    if head == Head::Reward {
        let class = config["architectures"][0].as_str().unwrap();
        let class = class.replace("ForCausalLM", "ForSequenceClassification");
        let hidden = config["hidden_size"].as_u64().unwrap() as usize;
        config["architectures"] = json!([class]);
        numbered.retain(|(_, (name, _))| name != "lm_head.weight");
        numbered.push((n_parameters, ("score.weight".to_owned(), vec![1, hidden])));
    }
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let tensors = numbered.into_iter().map(|(number, (name, shape))| {
        let (zero, scale) = match name.as_str() {
            it if it.contains("norm") => (1.0, 0.2),
            safetensors::EMBEDDING => (0.0, 0.6),
            _ => (0.0, scale),
        };
        let weights =
            (0..shape.iter().product::<usize>()).map(|i| (zero + scale * hashed(number, i)) as f32);
        let stored = Stored {
            dtype: "F32".into(),
            bytes: weights.flat_map(f32::to_le_bytes).collect(),
            shape,
        };
        (name, stored)
    });
    safetensors::write(
        &dir.join(WEIGHTS),
        &tensors.collect(),
        &json!({"format": "pt"}),
    );
}

/// Returns a number in [-1, 1) for an element of a tensor: murmur3's finaliser.
fn hashed(tensor: usize, element: usize) -> f64 {
    let mut hash = (element as u32).wrapping_add(1_000_003 * (tensor as u32 + 1));
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85EB_CA6B);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xC2B2_AE35);
    hash ^= hash >> 16;
    f64::from(hash) / 2_f64.powi(31) - 1.0
}

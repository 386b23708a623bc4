//! The model whose rows GPUs pad: 576 wide, as SmolLM2-135M is. Its weights follow the rule
//! in `fixtures/tiny/make_tiny.py`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::json;

use super::directories::WEIGHTS;
use super::safetensors::{self, Stored};

const VOCAB: usize = 128;
const HIDDEN: usize = 576;
const INTERMEDIATE: usize = 88;
const HEADS: usize = 9;
const KV_HEADS: usize = 3;

/// Returns its directory, which each test program makes once.
pub fn directory() -> PathBuf {
    static MADE: LazyLock<PathBuf> = LazyLock::new(make);
    MADE.clone()
}

fn make() -> PathBuf {
    let dir =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(concat!(env!("CARGO_CRATE_NAME"), "-wide"));
    fs::create_dir_all(&dir).unwrap();
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCAB,
        "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE, "num_hidden_layers": 1,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "hidden_act": "silu",
        "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    });
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let kv = HIDDEN / HEADS * KV_HEADS;
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    let mut shapes = vec![
        ("lm_head.weight".to_owned(), vec![VOCAB, HIDDEN]),
        (safetensors::EMBEDDING.to_owned(), vec![VOCAB, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
        (layer("input_layernorm"), vec![HIDDEN]),
        (layer("post_attention_layernorm"), vec![HIDDEN]),
        (layer("self_attn.q_proj"), vec![HIDDEN, HIDDEN]),
        (layer("self_attn.k_proj"), vec![kv, HIDDEN]),
        (layer("self_attn.v_proj"), vec![kv, HIDDEN]),
        (layer("self_attn.o_proj"), vec![HIDDEN, HIDDEN]),
        (layer("mlp.gate_proj"), vec![INTERMEDIATE, HIDDEN]),
        (layer("mlp.up_proj"), vec![INTERMEDIATE, HIDDEN]),
        (layer("mlp.down_proj"), vec![HIDDEN, INTERMEDIATE]),
    ];
    shapes.sort();
    let tensors = shapes.into_iter().enumerate();
    let tensors = tensors.map(|(number, (name, shape))| {
        let (zero, scale) = match &name {
            it if it.contains("norm") => (1.0, 0.2),
            it if it == safetensors::EMBEDDING => (0.0, 0.6),
            _ => (0.0, 0.12),
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
    dir
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

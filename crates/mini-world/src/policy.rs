//! The directory of the mini world's policy, a LLaMA of about a million parameters. It
//! has no weights: the policy is trained from scratch.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::tokenizer::train_bpe;

/// Maximum number of token ids of the tokenizer.
const VOCABULARY: usize = 1024;

/// End of text; its id is 0.
const EOS: &str = "<|endoftext|>";

/// Padding; its id is 1.
const PAD: &str = "<|pad|>";

/// Returns the directory's files: names and contents.
///
/// # Errors
///
/// When the tokenizer cannot be trained.
pub fn files(texts: impl Iterator<Item = String> + Send) -> Result<Vec<(&'static str, String)>> {
    let tokenizer = train_bpe(texts, VOCABULARY, &[EOS, PAD])?;
    let parsed: Value =
        serde_json::from_str(&tokenizer).context("the trained tokenizer is no JSON")?;
    let ids = parsed["model"]["vocab"]
        .as_object()
        .context("the trained tokenizer has no vocabulary")?;
    let last = ids
        .values()
        .filter_map(Value::as_u64)
        .max()
        .context("the vocabulary is empty")?;
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "float32",
        "vocab_size": last + 1,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "hidden_act": "silu",
        "max_position_embeddings": 1024,
        "initializer_range": 0.05,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "rope_scaling": null,
        "attention_bias": false,
        "attention_dropout": 0.0,
        "mlp_bias": false,
        "tie_word_embeddings": true,
        "bos_token_id": null,
        "eos_token_id": 0,
        "pad_token_id": 1,
        "use_cache": true,
    });
    let tokenizer_config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": false,
        "bos_token": null,
        "eos_token": EOS,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": false,
        "model_max_length": 1024,
    });
    let generation_config = json!({"eos_token_id": 0, "pad_token_id": 1});
    Ok(vec![
        ("config.json", pretty(&config)),
        ("generation_config.json", pretty(&generation_config)),
        ("tokenizer.json", tokenizer + "\n"),
        ("tokenizer_config.json", pretty(&tokenizer_config)),
    ])
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

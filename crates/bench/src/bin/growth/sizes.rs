//! Models of several sizes, with parameters that are drawn.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use apo_decoder::{Head, ModelConfig};
use half::bf16;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, View};
use serde_json::json;

/// The shape of a model.
#[derive(Debug)]
pub struct Size {
    /// Its number of parameters, as people say it.
    pub name: &'static str,
    vocab: u32,
    hidden: u32,
    intermediate: u32,
    layers: u32,
    heads: u32,
    kv_heads: u32,
}

/// The shapes of the mini world's policy, SmolLM2-135M, Qwen2.5-0.5B and Qwen2.5-1.5B
/// (the last two without their biases).
const SIZES: [Size; 4] = [
    Size {
        name: "1M",
        vocab: 1024,
        hidden: 128,
        intermediate: 384,
        layers: 4,
        heads: 4,
        kv_heads: 2,
    },
    Size {
        name: "135M",
        vocab: 49_152,
        hidden: 576,
        intermediate: 1536,
        layers: 30,
        heads: 9,
        kv_heads: 3,
    },
    Size {
        name: "0.5B",
        vocab: 151_936,
        hidden: 896,
        intermediate: 4864,
        layers: 24,
        heads: 14,
        kv_heads: 2,
    },
    Size {
        name: "1.5B",
        vocab: 151_936,
        hidden: 1536,
        intermediate: 8960,
        layers: 28,
        heads: 12,
        kv_heads: 2,
    },
];

impl Size {
    /// Returns the size of this name.
    pub fn of(name: &str) -> Option<&'static Self> {
        SIZES.iter().find(|it| it.name == name)
    }

    /// Returns the names of all sizes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SIZES.iter().map(|it| it.name)
    }

    /// Writes a model directory of this shape, with drawn weights in bf16, unless it exists.
    ///
    /// # Errors
    ///
    /// When it cannot be written or read back.
    pub fn write(&self, dir: &Path) -> Result<ModelConfig> {
        let config = json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocab,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "hidden_act": "silu",
            "max_position_embeddings": 8192,
            "initializer_range": 0.02,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10_000.0,
            "tie_word_embeddings": true,
        });
        let is_new = !dir.exists();
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let path = dir.join("config.json");
        fs::write(&path, config.to_string())
            .with_context(|| format!("cannot write {}", path.display()))?;
        let config = ModelConfig::read(dir)?;
        if is_new {
            let weights = config.parameters(Head::LanguageModel).into_iter();
            let weights = weights.map(|(name, shape)| (name, Weight { shape }));
            let path = dir.join("model.safetensors");
            safetensors::serialize_to_file(weights, None, &path)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(config)
    }
}

/// A weight that is drawn when it is written: ones for a norm, else uniform around 0.
struct Weight {
    shape: Vec<usize>,
}

impl View for Weight {
    fn dtype(&self) -> Dtype {
        Dtype::BF16
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let n = self.data_len() / size_of::<bf16>();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut draw = || match self.shape.len() {
            1 => 1.0,
            _ => rng.random_range(-0.03_f32..0.03),
        };
        let bytes = (0..n).flat_map(|_| bf16::from_f32(draw()).to_le_bytes());
        Cow::Owned(bytes.collect())
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * size_of::<bf16>()
    }
}

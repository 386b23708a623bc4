//! `config.json` of a LLaMA, and the parameters that it implies.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::ModelError;

/// What stands on top of the trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// `LlamaForCausalLM`: logits, tied to the embedding or by `lm_head`.
    LanguageModel,
    /// `LlamaForSequenceClassification` with one label: a reward.
    Reward,
}

/// Rotary position embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// LLaMA 3's scaling, where the config has it.
    pub scaling: Option<Llama3Scaling>,
}

/// LLaMA 3's scaling of the rotary frequencies.
#[derive(Clone, Debug, PartialEq)]
pub struct Llama3Scaling {
    /// By how much long wavelengths are slowed.
    pub factor: f64,
    /// Wavelengths above `original / this` are slowed in full.
    pub low_freq_factor: f64,
    /// Wavelengths below `original / this` stay.
    pub high_freq_factor: f64,
    /// Context length of the original training, tokens.
    pub original_max_position_embeddings: f64,
}

impl Rope {
    /// Returns the frequency of each pair of dimensions, `[head_dim / 2]`,
    /// radians per position.
    pub fn inverse_frequencies(&self, head_dim: usize) -> Vec<f64> {
        (0..head_dim / 2)
            .map(|i| {
                let frequency = self.theta.powf(-((2 * i) as f64) / head_dim as f64);
                match &self.scaling {
                    None => frequency,
                    Some(scaling) => scaling.scale(frequency),
                }
            })
            .collect()
    }
}

impl Llama3Scaling {
    fn scale(&self, frequency: f64) -> f64 {
        let original = self.original_max_position_embeddings;
        let wavelength = TAU / frequency;
        if wavelength < original / self.high_freq_factor {
            return frequency;
        }
        if wavelength > original / self.low_freq_factor {
            return frequency / self.factor;
        }
        let smooth = (original / wavelength - self.low_freq_factor)
            / (self.high_freq_factor - self.low_freq_factor);
        (1.0 - smooth) * frequency / self.factor + smooth * frequency
    }
}

/// Sizes and settings of a LLaMA.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaConfig {
    /// Number of token ids.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward network.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub num_hidden_layers: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key and value heads.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Added under the norms' root.
    pub rms_norm_eps: f64,
    /// Position embedding.
    pub rope: Rope,
    /// Whether the policy's head is the embedding.
    pub tie_word_embeddings: bool,
    /// Beginning of text.
    pub bos_token_id: Option<u32>,
    /// Ends of text.
    pub eos_token_ids: Vec<u32>,
    /// Padding.
    pub pad_token_id: Option<u32>,
    /// Longest sequence of the model's own training, tokens.
    pub max_position_embeddings: usize,
    /// Standard deviation of a model from scratch.
    pub initializer_range: f64,
    /// The file as it was, to be written back.
    raw: Map<String, Value>,
}

/// Reads fields and gathers what is wrong with them.
struct Fields<'a> {
    raw: &'a Map<String, Value>,
    faults: Vec<String>,
}

impl Fields<'_> {
    /// Returns a field that is there and not null.
    fn get(&self, name: &str) -> Option<&Value> {
        self.raw.get(name).filter(|value| !value.is_null())
    }

    fn optional_size(&mut self, name: &str) -> Option<usize> {
        let value = self.get(name)?.clone();
        let most = if name == "num_hidden_layers" {
            1 << 12
        } else {
            1 << 24
        };
        let size = value.as_u64().filter(|size| (1..=most).contains(size));
        if size.is_none() {
            self.faults.push(format!(
                "`{name}` is {value}, expected a number from 1 to {most}"
            ));
        }
        size.map(|size| size as usize)
    }

    fn size(&mut self, name: &str) -> usize {
        if self.get(name).is_none() {
            self.faults.push(format!("`{name}` is missing"));
            return 1;
        }
        self.optional_size(name).unwrap_or(1)
    }

    fn number(&mut self, of: &Map<String, Value>, name: &str, default: Option<f64>) -> f64 {
        match (of.get(name).filter(|value| !value.is_null()), default) {
            (None, Some(default)) => default,
            (None, None) => {
                self.faults.push(format!("`{name}` is missing"));
                1.0
            }
            (Some(value), _) => {
                let number = value.as_f64().filter(|x| x.is_finite() && *x > 0.0);
                if number.is_none() {
                    self.faults
                        .push(format!("`{name}` is {value}, expected a positive number"));
                }
                number.unwrap_or(1.0)
            }
        }
    }

    fn token(&mut self, name: &str) -> Option<u32> {
        let value = self.get(name)?.clone();
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
        if id.is_none() {
            self.faults
                .push(format!("`{name}` is {value}, expected a token id"));
        }
        id
    }

    /// Refuses a setting that is neither absent nor one of `allowed`.
    fn only(&mut self, name: &str, allowed: &[Value]) {
        if let Some(value) = self.get(name)
            && !allowed.contains(value)
        {
            let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
            let only = if allowed.is_empty() {
                "null".to_owned()
            } else {
                allowed.join(" or ")
            };
            self.faults.push(format!(
                "`{name}` is {value}, which is not supported (only {only})"
            ));
        }
    }

    fn rope(&mut self) -> Rope {
        let mut settings = self.raw.clone();
        for name in ["rope_scaling", "rope_parameters"] {
            match self.get(name) {
                None => {}
                Some(Value::Object(inner)) => settings.extend(inner.clone()),
                Some(other) => {
                    let fault = format!("`{name}` is {other}, expected an object");
                    self.faults.push(fault);
                }
            }
        }
        let theta = self.number(&settings, "rope_theta", Some(10_000.0));
        let kind = settings.get("rope_type").or_else(|| settings.get("type"));
        let scaling = match kind
            .filter(|kind| !kind.is_null())
            .map(|kind| kind.as_str())
        {
            None | Some(Some("default")) => None,
            Some(Some("llama3")) => Some(Llama3Scaling {
                factor: self.number(&settings, "factor", None),
                low_freq_factor: self.number(&settings, "low_freq_factor", None),
                high_freq_factor: self.number(&settings, "high_freq_factor", None),
                original_max_position_embeddings: self.number(
                    &settings,
                    "original_max_position_embeddings",
                    None,
                ),
            }),
            Some(other) => {
                self.faults.push(format!(
                    "`rope_type` is `{}`, which is not supported (only `default` or `llama3`)",
                    other.unwrap_or("not a text")
                ));
                None
            }
        };
        Rope { theta, scaling }
    }
}

impl LlamaConfig {
    /// Reads a model directory's `config.json`.
    ///
    /// # Errors
    ///
    /// When there is none, when it is no JSON object, and, all in one error,
    /// for every field that is missing, malformed, or asks for what is not
    /// done here.
    pub fn read(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join("config.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ModelError::MissingFile {
                    dir: dir.into(),
                    missing: "config.json".into(),
                });
            }
            Err(source) => {
                return Err(ModelError::Io {
                    action: "read",
                    path,
                    source,
                });
            }
        };
        let config = |faults| ModelError::Config {
            path: path.clone(),
            faults,
        };
        let raw: Map<String, Value> =
            serde_json::from_str(&text).map_err(|error| config(vec![error.to_string()]))?;
        Self::from_json(raw).map_err(config)
    }

    /// Reads a config; gives every fault where there is one.
    fn from_json(raw: Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut fields = Fields {
            raw: &raw,
            faults: Vec::new(),
        };
        match fields.get("model_type") {
            None => fields.faults.push("`model_type` is missing".into()),
            Some(_) => fields.only("model_type", &[json!("llama")]),
        }
        let architectures = ["LlamaForCausalLM", "LlamaForSequenceClassification"];
        fields.only("architectures", &architectures.map(|it| json!([it])));
        fields.only("hidden_act", &[json!("silu"), json!("swish")]);
        fields.only("attention_bias", &[json!(false)]);
        fields.only("mlp_bias", &[json!(false)]);
        fields.only("pretraining_tp", &[json!(1)]);
        for name in ["sliding_window", "quantization_config"] {
            fields.only(name, &[]);
        }
        let hidden_size = fields.size("hidden_size");
        let num_attention_heads = fields.size("num_attention_heads");
        let num_key_value_heads = fields
            .optional_size("num_key_value_heads")
            .unwrap_or(num_attention_heads);
        let head_dim = fields
            .optional_size("head_dim")
            .unwrap_or(hidden_size / num_attention_heads);
        if !num_attention_heads.is_multiple_of(num_key_value_heads) {
            fields.faults.push(format!(
                "`num_attention_heads` {num_attention_heads} is not a multiple of \
                 `num_key_value_heads` {num_key_value_heads}"
            ));
        }
        if head_dim == 0 || head_dim % 2 == 1 {
            fields
                .faults
                .push(format!("`head_dim` is {head_dim}, expected an even number"));
        }
        let eos_token_ids = match fields.get("eos_token_id").cloned() {
            Some(Value::Array(ids)) => ids
                .iter()
                .filter_map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()))
                .collect(),
            _ => fields.token("eos_token_id").into_iter().collect(),
        };
        let config = Self {
            vocab_size: fields.size("vocab_size"),
            hidden_size,
            intermediate_size: fields.size("intermediate_size"),
            num_hidden_layers: fields.size("num_hidden_layers"),
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            rms_norm_eps: fields.number(&raw, "rms_norm_eps", Some(1e-6)),
            rope: fields.rope(),
            tie_word_embeddings: raw.get("tie_word_embeddings") == Some(&json!(true)),
            bos_token_id: fields.token("bos_token_id"),
            eos_token_ids,
            pad_token_id: fields.token("pad_token_id"),
            max_position_embeddings: fields
                .optional_size("max_position_embeddings")
                .unwrap_or(2048),
            initializer_range: fields.number(&raw, "initializer_range", Some(0.02)),
            raw: Map::new(),
        };
        let beyond = config.eos_token_ids.iter();
        for id in beyond.filter(|&&id| id as usize >= config.vocab_size) {
            fields.faults.push(format!(
                "`eos_token_id` is {id}, beyond the `vocab_size` of {}",
                config.vocab_size
            ));
        }
        if !fields.faults.is_empty() {
            return Err(fields.faults);
        }
        Ok(Self { raw, ..config })
    }

    /// Returns every parameter's name and shape, in the order of the names.
    pub fn parameters(&self, head: Head) -> Vec<(String, Vec<usize>)> {
        let (hidden, intermediate) = (self.hidden_size, self.intermediate_size);
        let query = self.num_attention_heads * self.head_dim;
        let key = self.num_key_value_heads * self.head_dim;
        let mut parameters = vec![
            (
                "model.embed_tokens".to_owned(),
                vec![self.vocab_size, hidden],
            ),
            ("model.norm".to_owned(), vec![hidden]),
        ];
        for i in 0..self.num_hidden_layers {
            for (name, shape) in [
                ("self_attn.q_proj", vec![query, hidden]),
                ("self_attn.k_proj", vec![key, hidden]),
                ("self_attn.v_proj", vec![key, hidden]),
                ("self_attn.o_proj", vec![hidden, query]),
                ("mlp.gate_proj", vec![intermediate, hidden]),
                ("mlp.up_proj", vec![intermediate, hidden]),
                ("mlp.down_proj", vec![hidden, intermediate]),
                ("input_layernorm", vec![hidden]),
                ("post_attention_layernorm", vec![hidden]),
            ] {
                parameters.push((format!("model.layers.{i}.{name}"), shape));
            }
        }
        match head {
            Head::LanguageModel if self.tie_word_embeddings => {}
            Head::LanguageModel => {
                parameters.push(("lm_head".to_owned(), vec![self.vocab_size, hidden]));
            }
            Head::Reward => parameters.push(("score".to_owned(), vec![1, hidden])),
        }
        for (name, _) in &mut parameters {
            name.push_str(".weight");
        }
        parameters.sort();
        parameters
    }

    /// Returns how many numbers the parameters are.
    pub fn n_parameters(&self, head: Head) -> usize {
        let sizes = self.parameters(head);
        sizes
            .iter()
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum()
    }

    /// Returns the config to be written with a model of this head: as it was
    /// read, with what `transformers` needs to load it as such.
    ///
    /// `pad_token_id` is where the reward is read from in a padded batch, so
    /// a reward model always names one.
    pub fn to_json(&self, head: Head, dtype: &str, pad_token_id: Option<u32>) -> Value {
        let mut raw = self.raw.clone();
        for other in ["dtype", "_name_or_path", "transformers_version"] {
            raw.remove(other);
        }
        let mut set = |name: &str, value: Value| raw.insert(name.to_owned(), value);
        set("torch_dtype", json!(dtype));
        set("pad_token_id", json!(pad_token_id));
        match head {
            Head::LanguageModel => {
                set("architectures", json!(["LlamaForCausalLM"]));
                for name in ["num_labels", "id2label", "label2id", "problem_type"] {
                    raw.remove(name);
                }
            }
            Head::Reward => {
                set("architectures", json!(["LlamaForSequenceClassification"]));
                set("num_labels", json!(1));
                set("id2label", json!({"0": "LABEL_0"}));
                set("label2id", json!({"LABEL_0": 0}));
            }
        }
        Value::Object(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    fn small() -> Map<String, Value> {
        object(json!({
            "model_type": "llama", "vocab_size": 128, "hidden_size": 32, "intermediate_size": 88,
            "num_hidden_layers": 2, "num_attention_heads": 4, "eos_token_id": [2, 3],
        }))
    }

    #[test]
    fn absent_fields_take_the_defaults_of_the_architecture() {
        let config = LlamaConfig::from_json(small()).expect("a whole config");
        assert_eq!(config.num_key_value_heads, 4);
        assert_eq!(config.head_dim, 8);
        assert_eq!(config.rope.theta, 10_000.0);
        assert_eq!(config.eos_token_ids, [2, 3]);
        assert!(!config.tie_word_embeddings);
    }

    #[test]
    fn everything_that_is_not_done_here_is_refused_at_once() {
        let mut raw = small();
        raw.extend(object(json!({
            "model_type": "mistral", "hidden_act": "gelu", "attention_bias": true,
            "sliding_window": 4096, "rope_scaling": {"rope_type": "yarn"},
        })));
        raw.remove("vocab_size");
        let faults = LlamaConfig::from_json(raw)
            .expect_err("six faults")
            .join("; ");
        for name in [
            "model_type",
            "hidden_act",
            "attention_bias",
            "sliding_window",
            "rope_type",
            "vocab_size",
        ] {
            assert!(faults.contains(name), "{name} is not in: {faults}");
        }
    }

    #[test]
    fn theta_may_stand_among_the_rope_parameters() {
        let mut raw = small();
        let parameters = json!({"rope_theta": 5e5, "rope_type": "default"});
        raw.insert("rope_parameters".into(), parameters);
        let config = LlamaConfig::from_json(raw).expect("a whole config");
        assert_eq!(config.rope.theta, 5e5);
    }
}

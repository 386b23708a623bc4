//! `config.json` of a model, and the parameters that it implies.

mod architecture;
mod attention;
mod fields;
mod keys;
mod parameters;
mod rope;

use std::path::Path;

use apo_files::model_file::read_object;
use apo_kernels::Positions;
use serde_json::{Map, Value, json};

pub use architecture::{ALL, Architecture, HeadNorms, LLAMA};
pub(crate) use parameters::Named;
pub use rope::{Llama3Scaling, Rope, Scaling, YarnScaling};

use crate::error::ModelError;
use crate::identified;
use attention::Attention;
use fields::{Fields, MOST_POSITIONS, MOST_SIZE, quoted, shown};

/// The head on top of the trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// `…ForCausalLM`: logits, tied to the embedding or by `lm_head`.
    LanguageModel,
    /// `…ForSequenceClassification` with one label: a reward.
    Reward,
}

/// Sizes and settings of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Its family of models.
    pub architecture: &'static Architecture,
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
    /// Whether queries, keys and values have biases.
    pub has_biases: bool,
    /// Added to the mean square of the norms.
    pub rms_norm_eps: f64,
    /// Position embedding.
    pub rope: Rope,
    /// How each layer's queries and keys know their positions.
    pub positions: Vec<Positions>,
    /// Whether the policy's head is the embedding.
    pub tie_word_embeddings: bool,
    /// Beginning of text.
    pub bos_token_id: Option<u32>,
    /// Ends of text.
    pub eos_token_ids: Vec<u32>,
    /// Padding.
    pub pad_token_id: Option<u32>,
    /// Longest sequence that the model was trained on, tokens.
    pub max_position_embeddings: usize,
    /// Standard deviation of the weights of a model from scratch.
    pub initializer_range: f64,
    /// The file as it was read, to write it back.
    raw: Map<String, Value>,
}

/// Most decoder layers accepted.
const MOST_LAYERS: u64 = 1 << 12;

/// Most parameters accepted: four bytes each still fit an address space.
const MOST_PARAMETERS: u128 = 1 << 48;

impl ModelConfig {
    /// Reads a model directory's `config.json`.
    ///
    /// # Errors
    ///
    /// When there is none or it is not a JSON object, and for every field that
    /// is missing, malformed, or needs something unsupported, all in one error.
    pub fn read(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join("config.json");
        let raw = read_object(&path)?.ok_or_else(|| ModelError::MissingFile {
            dir: dir.into(),
            missing: "config.json".into(),
            hint: identified::hint(dir),
        })?;
        Self::from_json(raw).map_err(|faults| ModelError::Config { path, faults })
    }

    /// Reads a config; returns all faults if there are any.
    fn from_json(raw: Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut fields = Fields::new(&raw);
        fields.read_architecture();
        let architecture = fields.architecture;
        let defaults = &architecture.defaults;
        fields.only("hidden_act", &[json!("silu"), json!("swish")]);
        fields.only("hidden_activation", &[json!("silu"), json!("swish")]);
        fields.only("value_head_prefix", &[json!("score")]);
        keys::refuse(&mut fields, &raw);
        let Attention {
            hidden_size,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
        } = fields.attention();
        let n_faults = fields.n_faults();
        let vocab_size = fields.size("vocab_size", MOST_SIZE);
        let n_ids = if fields.n_faults() == n_faults {
            vocab_size
        } else {
            usize::MAX
        };
        let num_hidden_layers = fields.size("num_hidden_layers", MOST_LAYERS);
        let max_position_embeddings = fields
            .optional_size("max_position_embeddings", MOST_POSITIONS)
            .unwrap_or(defaults.max_positions);
        fields.windows(num_hidden_layers);
        let config = Self {
            architecture,
            vocab_size,
            hidden_size,
            intermediate_size: fields.size("intermediate_size", MOST_SIZE),
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            has_biases: fields.biases(),
            rms_norm_eps: fields.number_in(None, "rms_norm_eps", Some(defaults.rms_norm_eps)),
            rope: fields.rope(max_position_embeddings),
            positions: fields.positions(num_hidden_layers),
            tie_word_embeddings: fields.flag("tie_word_embeddings", defaults.ties),
            bos_token_id: fields.token("bos_token_id", n_ids),
            eos_token_ids: fields.tokens("eos_token_id", n_ids),
            pad_token_id: match defaults.pad {
                Some(pad) if !fields.has("pad_token_id") && (pad as usize) < n_ids => Some(pad),
                _ => fields.token("pad_token_id", n_ids),
            },
            max_position_embeddings,
            initializer_range: fields.number_in(None, "initializer_range", Some(0.02)),
            raw: Map::new(),
        };
        // Faults that follow from other faults would only repeat them.
        if fields.n_faults() == 0 {
            config.rope.check(&mut fields, head_dim);
            keys::refuse_synonyms(&mut fields, &raw, |field| config.setting(field));
        }
        let n_parameters = config.n_parameters_unbounded();
        if n_parameters > MOST_PARAMETERS {
            fields.fault(format!(
                "it describes a model of {n_parameters} parameters, more than any machine holds"
            ));
        }
        let faults = fields.into_faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self { raw, ..config })
    }

    /// Returns the unknown keys of the file.
    pub fn unknown_keys(&self) -> Vec<String> {
        keys::unknown(&self.raw)
    }

    /// Returns notes on the settings for the user, as `transformers` warns of
    /// them.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.rope.notes(self.max_position_embeddings);
        let code = self.raw.get("auto_map").and_then(Value::as_object);
        let code = code.and_then(|it| it.iter().find(|(class, _)| class.starts_with("AutoModel")));
        if let Some((class, name)) = code {
            notes.push(format!(
                "`auto_map` names code of the model's own ({}: {}), which is not run: the model \
                 is computed as a {}, as `transformers` does without `trust_remote_code`",
                quoted(class),
                shown(name),
                self.architecture.name
            ));
        }
        notes
    }

    /// Returns the value of a setting that other architectures call
    /// differently.
    fn setting(&self, field: &str) -> Value {
        match field {
            "head_dim" => json!(self.head_dim),
            "hidden_size" => json!(self.hidden_size),
            "intermediate_size" => json!(self.intermediate_size),
            "num_attention_heads" => json!(self.num_attention_heads),
            "num_hidden_layers" => json!(self.num_hidden_layers),
            "num_key_value_heads" => json!(self.num_key_value_heads),
            "rms_norm_eps" => json!(self.rms_norm_eps),
            "rope_theta" => json!(self.rope.theta),
            "tie_word_embeddings" => json!(self.tie_word_embeddings),
            "vocab_size" => json!(self.vocab_size),
            _ => json!("silu"), // `hidden_act`
        }
    }

    /// Returns whether `architectures` names the architecture's class of reward models.
    pub fn names_reward_class(&self) -> bool {
        let name = self.raw.get("architectures").and_then(|names| names.get(0));
        name.and_then(Value::as_str) == Some(self.architecture.reward_class)
    }

    /// Returns the config to write with a model of this head: the one that was
    /// read, with what `transformers` needs to load the model.
    ///
    /// In a padded batch the reward is read before the `pad_token_id`, so a
    /// reward model always names one.
    pub fn to_json(&self, head: Head, dtype: &str, pad_token_id: Option<u32>) -> Value {
        let mut raw = self.raw.clone();
        // `auto_map` names code, which is not copied.
        for other in ["dtype", "_name_or_path", "transformers_version", "auto_map"] {
            raw.remove(other);
        }
        let mut set = |name: &str, value: Value| raw.insert(name.to_owned(), value);
        set("torch_dtype", json!(dtype));
        set("pad_token_id", json!(pad_token_id));
        match head {
            Head::LanguageModel => {
                set("architectures", json!([self.architecture.policy_class]));
                for name in ["num_labels", "id2label", "label2id", "problem_type"] {
                    raw.remove(name);
                }
            }
            Head::Reward => {
                set("architectures", json!([self.architecture.reward_class]));
                set("num_labels", json!(1));
                set("id2label", json!({"0": "LABEL_0"}));
                set("label2id", json!({"LABEL_0": 0}));
            }
        }
        Value::Object(raw)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    pub(crate) fn small() -> Map<String, Value> {
        object(json!({
            "model_type": "llama", "vocab_size": 128, "hidden_size": 32, "intermediate_size": 88,
            "num_hidden_layers": 2, "num_attention_heads": 4, "eos_token_id": [2, 3],
        }))
    }

    /// Reads the small config with other fields.
    fn with(fields: &Value) -> Result<ModelConfig, String> {
        let mut raw = small();
        raw.extend(object(fields.clone()));
        ModelConfig::from_json(raw).map_err(|faults| faults.join("; "))
    }

    #[test]
    fn absent_fields_take_the_defaults_of_the_architecture() {
        let config = ModelConfig::from_json(small()).expect("a whole config");
        assert_eq!(config.num_key_value_heads, 4);
        assert_eq!(config.head_dim, 8);
        assert_eq!(config.rope.theta, 10_000.0);
        assert_eq!(config.rms_norm_eps, 1e-6);
        assert_eq!(config.eos_token_ids, [2, 3]);
        assert_eq!(config.max_position_embeddings, 2048);
        assert!(!config.tie_word_embeddings);
        assert_eq!(config.unknown_keys(), Vec::<String>::new());
        let null = [
            "num_key_value_heads",
            "head_dim",
            "rope_scaling",
            "sliding_window",
            "tie_word_embeddings",
            "architectures",
            "quantization_config",
        ];
        let null = null.into_iter().map(|name| (name.to_owned(), Value::Null));
        let nulls = with(&Value::Object(null.collect())).expect("nulls are absent");
        assert_eq!(
            ModelConfig {
                raw: Map::new(),
                ..nulls
            },
            ModelConfig {
                raw: Map::new(),
                ..config
            }
        );
    }

    #[test]
    fn everything_that_is_not_done_here_is_refused_at_once() {
        let mut raw = small();
        raw.extend(object(json!({
            "model_type": "gemma2", "hidden_act": "gelu", "attention_bias": true,
            "sliding_window": 4096, "rope_scaling": {"rope_type": "longrope"},
        })));
        raw.remove("vocab_size");
        let faults = ModelConfig::from_json(raw)
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
    fn a_token_that_is_minus_one_is_none() {
        let config = with(&json!({
            "bos_token_id": -1, "eos_token_id": [2, -1], "pad_token_id": -1,
        }))
        .expect("published configs have it");
        assert_eq!(config.bos_token_id, None);
        assert_eq!(config.eos_token_ids, [2]);
        assert_eq!(config.pad_token_id, None);
        for head in [Head::LanguageModel, Head::Reward] {
            assert_eq!(
                config.to_json(head, "float32", None)["pad_token_id"],
                Value::Null
            );
        }
        let none = with(&json!({"eos_token_id": -1})).expect("none");
        assert!(none.eos_token_ids.is_empty());
    }

    #[test]
    fn a_field_of_another_type_or_beyond_its_range_is_named() {
        for (fields, named) in [
            (json!({"hidden_size": 32.0}), "`hidden_size` is 32.0"),
            (json!({"hidden_size": "32"}), "`hidden_size` is \"32\""),
            (json!({"hidden_size": 0}), "`hidden_size` is 0"),
            (json!({"hidden_size": -32}), "`hidden_size` is -32"),
            (json!({"hidden_size": 1_u64 << 40}), "`hidden_size`"),
            (json!({"num_hidden_layers": true}), "`num_hidden_layers`"),
            (json!({"num_hidden_layers": 100_000}), "`num_hidden_layers`"),
            (json!({"num_key_value_heads": 0}), "`num_key_value_heads`"),
            (json!({"num_key_value_heads": 3}), "not a multiple"),
            (json!({"num_attention_heads": 5}), "not a multiple"),
            (json!({"num_attention_heads": 64}), "not a multiple"),
            (json!({"num_attention_heads": 32}), "`head_dim` is 1"),
            (json!({"head_dim": 7}), "`head_dim` is 7"),
            (json!({"vocab_size": null}), "`vocab_size` is missing"),
            (json!({"rms_norm_eps": 0}), "`rms_norm_eps`"),
            (json!({"rms_norm_eps": -1e-6}), "`rms_norm_eps`"),
            (json!({"rms_norm_eps": 1e-60}), "`rms_norm_eps`"),
            (json!({"rms_norm_eps": 1e60}), "`rms_norm_eps`"),
            (json!({"rms_norm_eps": "1e-6"}), "`rms_norm_eps`"),
            (json!({"initializer_range": []}), "`initializer_range`"),
            (
                json!({"tie_word_embeddings": "true"}),
                "`tie_word_embeddings`",
            ),
            (json!({"tie_word_embeddings": 1}), "`tie_word_embeddings`"),
            (json!({"eos_token_id": 128}), "beyond the `vocab_size`"),
            (json!({"eos_token_id": [2, "3"]}), "`eos_token_id` is \"3\""),
            (json!({"eos_token_id": 2.5}), "`eos_token_id` is 2.5"),
            (json!({"eos_token_id": -2}), "`eos_token_id` is -2"),
            (json!({"pad_token_id": 32_000}), "`pad_token_id` is 32000"),
            (json!({"pad_token_id": "<pad>"}), "`pad_token_id`"),
            (json!({"bos_token_id": [1, 2]}), "`bos_token_id`"),
            (json!({"hidden_act": "gelu_pytorch_tanh"}), "`hidden_act`"),
            (json!({"hidden_activation": "gelu"}), "`hidden_activation`"),
            (
                json!({"architectures": ["MistralForCausalLM"]}),
                "MistralForCausalLM",
            ),
            (
                json!({"architectures": "LlamaForCausalLM"}),
                "`architectures`",
            ),
            (json!({"architectures": []}), "`architectures`"),
            (json!({"model_type": "llava"}), "`model_type` is \"llava\""),
            (json!({"model_type": ["llama"]}), "`model_type`"),
            (json!({"sliding_window": 0}), "`sliding_window`"),
            (json!({"use_sliding_window": true}), "`use_sliding_window`"),
            (json!({"layer_types": ["full_attention"]}), "`layer_types`"),
            (
                json!({"layer_types": ["full_attention", "sliding_attention"]}),
                "`layer_types`",
            ),
            (
                json!({"value_head_prefix": "value_head"}),
                "`value_head_prefix`",
            ),
            (json!({"hidden_act": "a\u{9b}".repeat(99)}), "…"),
        ] {
            let message = with(&fields)
                .map(|_| "read")
                .expect_err(&fields.to_string());
            assert!(message.contains(named), "{fields}: {message}");
            assert!(
                !message.contains('\u{9b}'),
                "a control character: {message}"
            );
        }
    }

    #[test]
    fn what_changes_nothing_is_taken() {
        for fields in [
            json!({"hidden_act": "swish"}),
            json!({"sliding_window": 4096, "use_sliding_window": false, "max_window_layers": 2}),
            json!({"layer_types": ["full_attention", "full_attention"]}),
            json!({"architectures": ["LLaMAForCausalLM"]}),
            json!({"pretraining_tp": 4}),
            json!({"max_position_embeddings": 4_194_304}),
            json!({"head_dim": 16, "num_attention_heads": 3}),
            json!({"torch_dtype": "float16", "dtype": null}),
        ] {
            with(&fields).unwrap_or_else(|message| panic!("{fields}: {message}"));
        }
    }

    #[test]
    fn sizes_whose_product_overflows_are_refused() {
        let most = 1_u64 << 24;
        let message = with(&json!({
            "hidden_size": most, "num_attention_heads": most, "head_dim": most,
            "num_key_value_heads": most, "intermediate_size": most, "vocab_size": most,
            "num_hidden_layers": 4096,
        }))
        .map(|_| "read")
        .expect_err("no machine holds it");
        assert!(message.contains("parameters"), "{message}");
    }
}

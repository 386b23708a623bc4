//! The supported architectures: the names of their configs and classes, what their layers
//! consist of, and the meaning of an absent field. To support another one, begin here.

use apo_kernels::NormPlacement;
use serde_json::Value;

use super::fields::{Fields, shown};

/// A family of models, as `transformers` knows it.
#[derive(Debug, PartialEq)]
pub struct Architecture {
    /// Its name in messages.
    pub name: &'static str,
    /// `model_type`
    pub model_type: &'static str,
    /// The class with a language model's head.
    pub policy_class: &'static str,
    /// The class with a head of one label: a reward model.
    pub reward_class: &'static str,
    /// Other names in `architectures` of a policy, or of only the trunk.
    pub aliases: &'static [&'static str],
    /// Whether queries, keys and values have biases; where `keys` names `attention_bias`, what
    /// its absence means.
    pub has_biases: bool,
    /// Norms of queries and keys.
    pub head_norms: Option<HeadNorms>,
    /// Where the norms of a layer are.
    pub norms: NormPlacement,
    /// Whether some layers do not rotate queries and keys, as `no_rope_layers` says.
    pub has_unrotated_layers: bool,
    /// Keys that only configs of this architecture may have.
    pub keys: &'static [&'static str],
    /// What absent fields mean.
    pub defaults: Defaults,
}

/// What a norm of queries or keys is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadNorms {
    /// Each head by itself, with one weight for all.
    Each,
    /// All heads together.
    Together,
}

/// The values of fields that a config leaves out.
#[derive(Debug, PartialEq)]
pub struct Defaults {
    /// `num_key_value_heads`; `None` means as many as query heads.
    pub kv_heads: Option<usize>,
    /// `head_dim`; `None` means an equal share of `hidden_size`.
    pub head_dim: Option<usize>,
    /// `rms_norm_eps`
    pub rms_norm_eps: f64,
    /// `rope_theta`
    pub rope_theta: f64,
    /// `max_position_embeddings`
    pub max_positions: usize,
    /// `tie_word_embeddings`
    pub ties: bool,
    /// `pad_token_id`, if the vocabulary has it
    pub pad: Option<u32>,
    /// `sliding_window`: the length of a window that an absent field means.
    pub window: Option<u64>,
    /// `use_sliding_window`
    pub uses_window: bool,
    /// Dropouts that an absent field turns on.
    pub dropouts: &'static [(&'static str, f64)],
}

/// `models/llama` of `transformers`.
pub const LLAMA: Architecture = Architecture {
    name: "LLaMA",
    model_type: "llama",
    policy_class: "LlamaForCausalLM",
    reward_class: "LlamaForSequenceClassification",
    aliases: &["LLaMAForCausalLM", "LlamaModel"],
    has_biases: false,
    head_norms: None,
    norms: NormPlacement::Input,
    has_unrotated_layers: false,
    keys: &[],
    defaults: Defaults {
        kv_heads: None,
        head_dim: None,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        max_positions: 2048,
        ties: false,
        pad: None,
        window: None,
        uses_window: true,
        dropouts: &[],
    },
};

/// `models/mistral`: a LLaMA that may attend to a window, which is refused.
pub const MISTRAL: Architecture = Architecture {
    name: "Mistral",
    model_type: "mistral",
    policy_class: "MistralForCausalLM",
    reward_class: "MistralForSequenceClassification",
    aliases: &["MistralModel"],
    defaults: Defaults {
        kv_heads: Some(8),
        max_positions: 131_072,
        window: Some(4096),
        ..LLAMA.defaults
    },
    ..LLAMA
};

/// `models/qwen2`: Qwen2 and Qwen2.5.
pub const QWEN2: Architecture = Architecture {
    name: "Qwen2",
    model_type: "qwen2",
    policy_class: "Qwen2ForCausalLM",
    reward_class: "Qwen2ForSequenceClassification",
    aliases: &["Qwen2Model"],
    has_biases: true,
    defaults: Defaults {
        kv_heads: Some(32),
        max_positions: 32_768,
        uses_window: false,
        ..LLAMA.defaults
    },
    ..LLAMA
};

/// `models/qwen3`
pub const QWEN3: Architecture = Architecture {
    name: "Qwen3",
    model_type: "qwen3",
    policy_class: "Qwen3ForCausalLM",
    reward_class: "Qwen3ForSequenceClassification",
    aliases: &["Qwen3Model"],
    head_norms: Some(HeadNorms::Each),
    defaults: Defaults {
        kv_heads: Some(32),
        head_dim: Some(128),
        max_positions: 32_768,
        uses_window: false,
        ..LLAMA.defaults
    },
    ..LLAMA
};

/// `models/smollm3`
pub const SMOLLM3: Architecture = Architecture {
    name: "SmolLM3",
    model_type: "smollm3",
    policy_class: "SmolLM3ForCausalLM",
    reward_class: "SmolLM3ForSequenceClassification",
    aliases: &["SmolLM3Model"],
    has_unrotated_layers: true,
    keys: &["no_rope_layers", "no_rope_layer_interval"],
    defaults: Defaults {
        kv_heads: Some(4),
        rope_theta: 2_000_000.0,
        max_positions: 32_768,
        ties: true,
        pad: Some(128_004),
        uses_window: false,
        ..LLAMA.defaults
    },
    ..LLAMA
};

/// `models/olmo2`. `transformers` has no class of reward models for it; the name is that in
/// which its authors publish theirs.
pub const OLMO2: Architecture = Architecture {
    name: "OLMo 2",
    model_type: "olmo2",
    policy_class: "Olmo2ForCausalLM",
    reward_class: "Olmo2ForSequenceClassification",
    aliases: &["Olmo2Model"],
    head_norms: Some(HeadNorms::Together),
    norms: NormPlacement::Output,
    defaults: Defaults {
        rms_norm_eps: 1e-5,
        pad: Some(1),
        ..LLAMA.defaults
    },
    ..LLAMA
};

/// `models/seed_oss`: a LLaMA whose queries, keys and values have biases unless the config says
/// otherwise. Biases of `o_proj` and of the feed-forward network are refused.
pub const SEED_OSS: Architecture = Architecture {
    name: "Seed-OSS",
    model_type: "seed_oss",
    policy_class: "SeedOssForCausalLM",
    reward_class: "SeedOssForSequenceClassification",
    aliases: &["SeedOssModel"],
    has_biases: true,
    keys: &["attention_bias"],
    defaults: Defaults {
        kv_heads: Some(8),
        head_dim: Some(128),
        max_positions: 524_288,
        pad: Some(1),
        dropouts: &[("attention_dropout", 0.1), ("residual_dropout", 0.1)],
        ..LLAMA.defaults
    },
    ..LLAMA
};

/// All supported architectures.
pub const ALL: [&Architecture; 7] = [
    &LLAMA, &MISTRAL, &QWEN2, &QWEN3, &SMOLLM3, &OLMO2, &SEED_OSS,
];

impl Fields<'_> {
    /// Reads whether queries, keys and values have biases.
    pub(super) fn biases(&mut self) -> bool {
        let Architecture {
            has_biases, keys, ..
        } = *self.architecture;
        if keys.contains(&"attention_bias") {
            self.flag("attention_bias", has_biases)
        } else {
            has_biases
        }
    }

    /// Reads the family of models, or takes LLaMA after a fault.
    pub(super) fn read_architecture(&mut self) {
        let of_type = |name: &str| ALL.into_iter().find(|it| it.model_type == name);
        let all = ALL.map(|it| format!("`{}`", it.model_type)).join(", ");
        let found = match self.get("model_type") {
            None => {
                self.fault(format!("`model_type` is missing, expected {all}"));
                None
            }
            Some(value) => {
                let found = value.as_str().and_then(of_type);
                if found.is_none() {
                    self.fault(format!(
                        "`model_type` is {}, which is not supported (only {all})",
                        shown(value)
                    ));
                }
                found
            }
        };
        let architecture = found.unwrap_or(&LLAMA);
        self.architecture = architecture;
        let Some(value) = self.get("architectures") else {
            return;
        };
        let one = match value {
            Value::Array(names) if names.len() == 1 => names[0].as_str(),
            _ => None,
        };
        let known = one.is_some_and(|name| {
            [architecture.policy_class, architecture.reward_class].contains(&name)
                || architecture.aliases.contains(&name)
        });
        if !known {
            self.fault(format!(
                "`architectures` is {}, which is not supported (only [\"{}\"] or [\"{}\"])",
                shown(value),
                architecture.policy_class,
                architecture.reward_class
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use apo_kernels::Positions;
    use serde_json::json;

    use super::super::tests::{object, small};
    use super::super::{Head, ModelConfig};
    use super::*;

    /// Reads the small config of an architecture with other fields.
    fn with(architecture: &Architecture, fields: &Value) -> Result<ModelConfig, String> {
        let mut raw = small();
        raw.extend(object(json!({
            "model_type": architecture.model_type,
            "architectures": [architecture.policy_class],
            "sliding_window": null,
        })));
        let dropouts = architecture.defaults.dropouts.iter();
        raw.extend(dropouts.map(|(name, _)| ((*name).to_owned(), json!(0.0))));
        raw.extend(object(fields.clone()));
        ModelConfig::from_json(raw).map_err(|faults| faults.join("; "))
    }

    #[test]
    fn absent_fields_take_the_defaults_of_the_class() {
        // As the configuration classes of transformers 4.57 have them.
        for (architecture, kv_heads, head_dim, eps, theta, positions, ties) in [
            (&LLAMA, 64, 2, 1e-6, 1e4, 2048, false),
            (&MISTRAL, 8, 2, 1e-6, 1e4, 131_072, false),
            (&QWEN2, 32, 2, 1e-6, 1e4, 32_768, false),
            (&QWEN3, 32, 128, 1e-6, 1e4, 32_768, false),
            (&SMOLLM3, 4, 2, 1e-6, 2e6, 32_768, true),
            (&OLMO2, 64, 2, 1e-5, 1e4, 2048, false),
            (&SEED_OSS, 8, 128, 1e-6, 1e4, 524_288, false),
        ] {
            let sizes = json!({"hidden_size": 128, "num_attention_heads": 64});
            let config = with(architecture, &sizes).expect(architecture.name);
            let name = architecture.name;
            assert_eq!(config.num_key_value_heads, kv_heads, "{name}");
            assert_eq!(config.head_dim, head_dim, "{name}");
            assert_eq!(config.rms_norm_eps, eps, "{name}");
            assert_eq!(config.rope.theta, theta, "{name}");
            assert_eq!(config.max_position_embeddings, positions, "{name}");
            assert_eq!(config.tie_word_embeddings, ties, "{name}");
            let pad = architecture.defaults.pad.filter(|pad| *pad < 128);
            assert_eq!(config.pad_token_id, pad, "{name}");
            let null = json!({
                "hidden_size": 128, "num_attention_heads": 64, "num_key_value_heads": null,
            });
            let config = with(architecture, &null).expect(architecture.name);
            assert_eq!(
                config.num_key_value_heads, 64,
                "{name}: null is no absent field"
            );
        }
    }

    #[test]
    fn a_window_is_refused_where_the_class_would_use_it() {
        let heads = json!({"num_key_value_heads": 4});
        for (architecture, fields, is_used) in [
            (&MISTRAL, json!({"sliding_window": null}), false),
            (&MISTRAL, json!({"sliding_window": 4096}), true),
            (
                &MISTRAL,
                json!({"sliding_window": 4096, "use_sliding_window": false}),
                true,
            ),
            (&QWEN2, json!({"sliding_window": 4096}), false),
            (
                &QWEN2,
                json!({"sliding_window": 4096, "use_sliding_window": true}),
                true,
            ),
            (
                &QWEN2,
                json!({"layer_types": ["full_attention", "sliding_attention"]}),
                true,
            ),
            (&QWEN3, json!({"sliding_window": 4096}), false),
            (&SMOLLM3, json!({"sliding_window": 4096}), false),
        ] {
            let mut all = object(heads.clone());
            all.extend(object(fields.clone()));
            let found = with(architecture, &Value::Object(all));
            assert_eq!(found.is_err(), is_used, "{} {fields}", architecture.name);
        }
        // Mistral's first version leaves the field out, which means a window.
        let mut raw = small();
        raw.extend(object(
            json!({"model_type": "mistral", "num_key_value_heads": 4}),
        ));
        let faults = ModelConfig::from_json(raw).expect_err("a window by default");
        assert!(faults.join("; ").contains("`sliding_window`"), "{faults:?}");
    }

    #[test]
    fn layers_without_rotation_are_read_where_the_class_has_them() {
        use Positions::{Rotated, Unknown};
        let positions = |fields: &Value| {
            let mut all = object(json!({"num_hidden_layers": 5, "num_key_value_heads": 4}));
            all.extend(object(fields.clone()));
            with(&SMOLLM3, &Value::Object(all)).map(|it| it.positions)
        };
        let every_fourth = [Rotated, Rotated, Rotated, Unknown, Rotated];
        assert_eq!(positions(&json!({})).expect("by default"), every_fourth);
        let named = json!({"no_rope_layers": [0, 1, 1, 0, 1], "no_rope_layer_interval": 4});
        let expected = [Unknown, Rotated, Rotated, Unknown, Rotated];
        assert_eq!(positions(&named).expect("by name"), expected);
        let second = json!({"no_rope_layer_interval": 2});
        let expected = [Rotated, Unknown, Rotated, Unknown, Rotated];
        assert_eq!(positions(&second).expect("by interval"), expected);
        for bad in [json!([0, 1]), json!([0, 1, 1, 0, 2]), json!(3)] {
            let message = positions(&json!({"no_rope_layers": bad})).expect_err("malformed");
            assert!(message.contains("`no_rope_layers` is"), "{message}");
        }
        let message = with(&LLAMA, &json!({"no_rope_layers": [1, 0]})).expect_err("LLaMA rotates");
        assert!(message.contains("`no_rope_layers` is"), "{message}");
    }

    #[test]
    fn biases_that_the_class_adds_by_a_flag_are_refused() {
        let fields = json!({"attention_bias": true, "num_key_value_heads": 4});
        for architecture in ALL.into_iter().filter(|it| **it != SEED_OSS) {
            let message = with(architecture, &fields).expect_err(architecture.name);
            assert!(message.contains("`attention_bias` is true"), "{message}");
        }
    }

    #[test]
    fn seed_oss_has_biases_of_queries_keys_and_values_by_a_flag() {
        let read = |fields: &Value| {
            let mut all = object(json!({"num_key_value_heads": 4}));
            all.extend(object(fields.clone()));
            with(&SEED_OSS, &Value::Object(all))
        };
        for (fields, has_biases) in [
            (json!({}), true),
            (json!({"attention_bias": true}), true),
            (json!({"attention_bias": false}), false),
            (
                json!({"attention_out_bias": false, "mlp_bias": false}),
                true,
            ),
        ] {
            let config = read(&fields).expect("it is supported");
            let parameters = config.parameters(Head::LanguageModel);
            let biases = parameters.iter().map(|(name, _)| name.as_str());
            let biases: Vec<&str> = biases.filter(|name| name.ends_with("bias")).collect();
            assert_eq!(biases.len(), if has_biases { 6 } else { 0 }, "{biases:?}");
            let of = |name: &&str| {
                ["q_proj", "k_proj", "v_proj"]
                    .iter()
                    .any(|it| name.contains(it))
            };
            assert!(biases.iter().all(of), "{biases:?}");
        }
        for (fields, named) in [
            (json!({"attention_bias": 1}), "`attention_bias` is 1"),
            (
                json!({"attention_out_bias": true}),
                "`attention_out_bias` is true",
            ),
            (json!({"mlp_bias": true}), "`mlp_bias` is true"),
            (
                json!({"attention_dropout": 0.1}),
                "`attention_dropout` is 0.1",
            ),
            (
                json!({"residual_dropout": 0.1}),
                "`residual_dropout` is 0.1",
            ),
        ] {
            let message = read(&fields).expect_err(named);
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn dropouts_that_an_absent_field_turns_on_are_refused() {
        let mut raw = small();
        raw.extend(object(
            json!({"model_type": "seed_oss", "num_key_value_heads": 4}),
        ));
        let faults = ModelConfig::from_json(raw).expect_err("dropouts by default");
        for named in [
            "`attention_dropout` is missing, which means 0.1 in Seed-OSS",
            "`residual_dropout` is missing, which means 0.1 in Seed-OSS",
        ] {
            assert!(faults.join("; ").contains(named), "{faults:?}");
        }
    }
}

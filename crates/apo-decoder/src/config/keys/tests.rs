use std::collections::BTreeSet;

use serde_json::json;

use super::super::ModelConfig;
use super::super::tests::{object, small};
use super::*;

fn words<'a>(tables: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let words = tables.into_iter().flat_map(str::split_whitespace);
    words.collect()
}

#[test]
fn a_key_stands_in_one_table_once() {
    let mut all = READ.to_vec();
    all.extend(words(HARMLESS.iter().map(|(_, names)| *names)));
    all.extend(words(REFUSED.iter().map(|(_, names)| *names)));
    all.extend(words(SYNONYMS.iter().map(|(_, names)| *names)));
    all.extend(words([WINDOWS]));
    let distinct: BTreeSet<&str> = all.iter().copied().collect();
    for name in &distinct {
        assert_eq!(all.iter().filter(|it| it == &name).count(), 1, "{name}");
    }
}

#[test]
fn every_key_of_a_decoder_in_transformers_is_known() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/keys/keys.json");
    let page = std::fs::read_to_string(path).expect("a fixture");
    let page: Value = serde_json::from_str(&page).expect("JSON");
    let names = page["keys"].as_array().expect("a list");
    assert!(names.len() > 600, "{}", names.len());
    let unknown: Vec<&str> = names
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| known(name).is_none())
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Reads the small config with one more key.
fn with(name: &str, value: &Value) -> Result<ModelConfig, String> {
    let mut raw = small();
    raw.insert(name.into(), value.clone());
    ModelConfig::from_json(raw).map_err(|faults| faults.join("; "))
}

#[test]
fn every_key_of_what_is_not_done_is_refused_with_its_value() {
    let parts = BEGINNINGS.iter().flat_map(|(_, off, parts)| {
        let parts = parts.split_whitespace();
        parts.map(|part| (*off, format!("{part}x")))
    });
    let ends = ENDS.iter().flat_map(|(_, off, parts)| {
        let parts = parts.split_whitespace();
        parts.map(|part| (*off, format!("x{part}")))
    });
    let whole = REFUSED.iter().flat_map(|(off, names)| {
        let names = names.split_whitespace();
        names.map(|name| (*off, name.to_owned()))
    });
    for (off, name) in whole.chain(parts).chain(ends) {
        let (on, harmless) = match off {
            Off::False => (json!(true), json!(false)),
            Off::True => (json!(false), json!(true)),
            Off::Zero => (json!(0.5), json!(0.0)),
            Off::One => (json!(2.5), json!(1.0)),
            Off::Empty => (json!({"a": 16}), json!({})),
            Off::Blank => (json!(16), json!(0)),
            Off::Word(words) => (json!("other"), json!(words.split(' ').next())),
        };
        let message = with(&name, &on).expect_err(&name);
        assert!(message.contains(&format!("`{name}` is {on}")), "{message}");
        for harmless in [Value::Null, harmless] {
            with(&name, &harmless).unwrap_or_else(|message| panic!("{name}: {message}"));
        }
        // A value of another type never counts as off.
        with(&name, &json!("something")).expect_err(&name);
    }
}

#[test]
fn another_name_of_a_setting_may_only_say_the_same() {
    for (name, same, other) in [
        ("n_embd", json!(32), json!(64)),
        ("n_layer", json!(2), json!(3)),
        ("num_heads", json!(4), json!(8)),
        ("num_kv_heads", json!(4), json!(1)),
        ("head_size", json!(8), json!(16)),
        ("v_head_dim", json!(8), json!(4)),
        ("ffn_dim", json!(88), json!(128)),
        ("padded_vocab_size", json!(128), json!(192)),
        ("rotary_emb_base", json!(10_000), json!(500_000)),
        ("rope_base", json!(1e4), json!(1e6)),
        ("rotary_base", json!(10_000.0), json!("10000")),
        ("norm_eps", json!(1e-6), json!(1e-5)),
        ("layer_norm_eps", json!(0.000_001), json!(1e-12)),
        ("tie_embeddings", json!(false), json!(true)),
        ("activation_function", json!("swish"), json!("gelu_new")),
        ("mlp_hidden_act", json!("silu"), json!("relu2")),
    ] {
        with(name, &same).unwrap_or_else(|message| panic!("{name}: {message}"));
        with(name, &Value::Null).unwrap_or_else(|message| panic!("{name}: {message}"));
        let message = with(name, &other).expect_err(name);
        assert!(
            message.contains(&format!("`{name}` is {other}, but `")),
            "{message}"
        );
    }
    let mut raw = small();
    raw.extend(object(
        json!({"rope_theta": 5e5, "rotary_emb_base": 500_000}),
    ));
    ModelConfig::from_json(raw).expect("they are the same");
}

#[test]
fn settings_of_other_attention_and_norms_are_refused_by_their_value() {
    for (name, off, on) in [
        ("position_embedding_type", json!("rope"), json!("alibi")),
        (
            "position_embedding_type",
            json!("rotary"),
            json!("absolute"),
        ),
        ("rope_type", json!("default"), json!("yarn")),
        ("norm_type", json!("RMSNorm"), json!("layernorm")),
        ("is_causal", json!(true), json!(false)),
        ("use_bidirectional_attention", json!(false), json!(true)),
        ("use_bidirectional_attention", json!(null), json!("vision")),
        ("window_size", json!(null), json!(4096)),
        ("interleaved_sliding_window", json!(null), json!([4096, 0])),
        ("sliding_window_pattern", json!(null), json!(4)),
        ("attention_scale", json!(null), json!(0.125)),
        ("embed_scale", json!(1), json!(5.65)),
        ("dropout", json!(0), json!(0.1)),
        ("attn_dropout_prob", json!(0.0), json!(0.1)),
        ("encoder_layerdrop", json!(0.0), json!(0.2)),
        ("attention_in_multiplier", json!(1.0), json!(0.5)),
        ("final_logit_softcap", json!(null), json!(30.0)),
        ("mamba_d_state", json!(0), json!(16)),
        ("moe_every_n", json!([]), json!([2])),
        ("tts_config", json!({}), json!({"model_type": "vits"})),
        ("red\u{1b}_config", json!(null), json!({"a": 1})),
    ] {
        with(name, &off).unwrap_or_else(|message| panic!("{name}: {message}"));
        let message = with(name, &on).expect_err(name);
        let named = format!("{} is {on}", quoted(name));
        assert!(message.contains(&named), "{named}: {message}");
        assert!(
            !message.contains('\u{1b}'),
            "a control character: {message}"
        );
    }
    for (name, value) in [
        ("image_token_id", json!(128_256)),
        ("decoder_start_token_id", json!(1)),
        ("classifier_dropout", json!(0.1)),
        ("router_aux_loss_coef", json!(0.001)),
        (
            "auto_map",
            json!({"AutoTokenizer": ["tokenization_x.X", null]}),
        ),
    ] {
        let config = with(name, &value).unwrap_or_else(|message| panic!("{name}: {message}"));
        assert_eq!(config.unknown_keys(), Vec::<String>::new(), "{name}");
        assert_eq!(config.notes(), Vec::<String>::new(), "{name}");
    }
    let code = json!({"AutoModelForCausalLM": "modeling_x.XForCausalLM"});
    let notes = with("auto_map", &code).expect("it is not run").notes();
    assert!(notes[0].contains("modeling_x.XForCausalLM"), "{notes:?}");
}

#[test]
fn keys_that_nobody_knows_are_named() {
    let mut raw = small();
    raw.extend(object(json!({
        "use_cache": true, "warp_factor": 9, "tokenizer_class": "A", "unset": null,
        "pretraining_tp": 2, "is_decoder": true, "another\u{9b}": [],
    })));
    let config = ModelConfig::from_json(raw).expect("nothing is refused");
    assert_eq!(config.unknown_keys(), ["warp_factor", "another\u{9b}"]);
}

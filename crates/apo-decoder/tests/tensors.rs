//! A model's tensors, by whatever names and types, are what is computed, or are refused by
//! name.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use apo_decoder::{Head, Model, PromptTree, Start, TreeBatch};
use common::directories::{WEIGHTS, changed, copied, load, notes, policy, refuses, set};
use common::safetensors::{self, EMBEDDING, Stored, Tensors, taken, tensor};
use common::tiny;
use serde_json::json;

fn log_probs(model: &Model) -> Vec<f32> {
    let tree = PromptTree {
        prompt: vec![1, 5, 9, 17],
        responses: vec![vec![33, 65, 127, 2]],
    };
    model.token_log_probs(&TreeBatch::new([&tree])).unwrap()
}

#[test]
fn names_with_what_wrappers_put_before_them_are_the_same_model() {
    let expected = log_probs(&policy(&tiny("base")).unwrap());
    for (i, prefix) in [
        "_orig_mod.",
        "module.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "_fsdp_wrapped_module.",
        "base_model.model.",
        "base_model.",
        "_orig_mod.base_model.model.",
    ]
    .into_iter()
    .enumerate()
    {
        let dir = changed(&format!("prefix-{i}"), "base", |tensors| {
            for (name, _) in tensors {
                name.insert_str(0, prefix);
            }
        });
        assert_eq!(log_probs(&policy(&dir).unwrap()), expected, "{prefix}");
        let note = notes(&dir).remove(0);
        assert!(note.contains(prefix.split('.').next().unwrap()), "{note}");
    }
    let dir = changed("prefix-in-layers", "base", |tensors| {
        for (name, _) in tensors {
            *name = name.replace(".self_attn.", "._checkpoint_wrapped_module.self_attn.");
        }
    });
    assert_eq!(log_probs(&policy(&dir).unwrap()), expected);
    let dir = changed("no-prefix", "llama3", |tensors| {
        for (name, _) in tensors {
            *name = name.trim_start_matches("model.").to_owned();
        }
    });
    let tied = log_probs(&policy(&tiny("llama3")).unwrap());
    assert_eq!(log_probs(&policy(&dir).unwrap()), tied);

    let dir = changed("prefix-unknown", "base", |tensors| {
        for (name, _) in tensors {
            name.insert_str(0, "language_model.");
        }
    });
    refuses(
        policy(&dir),
        "an unknown prefix",
        &["begin with `language_model.`"],
    );
    let dir = changed("prefix-twice", "base", |tensors| {
        let norm = tensor(tensors, "model.norm.weight").clone();
        tensors.push(("module.model.norm.weight".into(), norm));
    });
    refuses(
        policy(&dir),
        "one name twice",
        &["`model.norm.weight`", "two names"],
    );
}

#[test]
fn a_tied_head_other_than_the_embedding_is_refused() {
    let expected = log_probs(&policy(&tiny("llama3")).unwrap());
    let equal = |tensors: &mut Tensors| {
        let embedding = tensor(tensors, EMBEDDING).clone();
        tensors.push(("lm_head.weight".into(), embedding));
    };
    let dir = changed("tied-equal", "llama3", equal);
    assert_eq!(log_probs(&policy(&dir).unwrap()), expected);
    let flipped = |tensors: &mut Tensors| {
        equal(tensors);
        // The sign of the first value of a token that is scored below.
        tensor(tensors, "lm_head.weight").bytes[33 * 32 * 4 + 3] ^= 0x80;
    };
    let dir = changed("tied-differs", "llama3", flipped);
    let named = ["`tie_word_embeddings` is true", "`lm_head.weight`"];
    refuses(policy(&dir), "one bit", &named);
    // Numbers count, not their bytes: zero has two signs, and types differ.
    let zeros = |tensors: &mut Tensors| {
        tensor(tensors, EMBEDDING).bytes[..128].fill(0);
        equal(tensors);
        let head = tensor(tensors, "lm_head.weight");
        head.bytes[..128].copy_from_slice(&(-0.0_f32).to_le_bytes().repeat(32));
    };
    let signed = changed("tied-zeros", "llama3", zeros);
    policy(&signed).unwrap();
    let doubled = |tensors: &mut Tensors, factor: f64| {
        equal(tensors);
        let head = tensor(tensors, "lm_head.weight");
        let (numbers, _) = head.bytes.as_chunks();
        let doubles = numbers.iter().map(|&it| f64::from(f32::from_le_bytes(it)));
        let mut doubles: Vec<f64> = doubles.collect();
        *doubles.last_mut().unwrap() *= factor;
        head.bytes = doubles.into_iter().flat_map(f64::to_le_bytes).collect();
        head.dtype = "F64".into();
    };
    let double = changed("tied-doubles", "llama3", |it| doubled(it, 1.0));
    assert_eq!(log_probs(&policy(&double).unwrap()), expected);
    let double = changed("tied-doubles-differ", "llama3", |it| doubled(it, 1.5));
    refuses(policy(&double), "the last number", &named);
    // A reward model does not use it.
    load(&dir, Head::Reward, Start::NewHead(1)).unwrap();
    set(&dir, "config.json", &json!({"tie_word_embeddings": false}));
    assert_ne!(
        log_probs(&policy(&dir).unwrap()),
        expected,
        "the head is used"
    );

    let renamed = |tensors: &mut Tensors| {
        let embedding = taken(tensors, EMBEDDING);
        tensors.push(("lm_head.weight".into(), embedding));
    };
    let dir = changed("tied-head-alone", "llama3", renamed);
    assert_eq!(log_probs(&policy(&dir).unwrap()), expected);
    set(&dir, "config.json", &json!({"tie_word_embeddings": false}));
    refuses(
        policy(&dir),
        "no embedding",
        &["`model.embed_tokens.weight` is missing"],
    );
    set(&dir, "config.json", &json!({"tie_word_embeddings": null}));
    refuses(
        policy(&dir),
        "null is false",
        &["`model.embed_tokens.weight` is missing"],
    );

    // `safetensors.torch.save_model` notes what it left out.
    let dir = copied("shared", "llama3");
    set(&dir, "config.json", &json!({"tie_word_embeddings": false}));
    let mut tensors = safetensors::read(&dir.join(WEIGHTS));
    renamed(&mut tensors);
    let shared = json!({"format": "pt", EMBEDDING: "lm_head.weight"});
    safetensors::write(&dir.join(WEIGHTS), &tensors, &shared);
    assert_eq!(log_probs(&policy(&dir).unwrap()), expected);

    let dir = copied("untied", "llama3");
    set(&dir, "config.json", &json!({"tie_word_embeddings": null}));
    let named = ["`lm_head.weight` is missing", "`tie_word_embeddings`"];
    refuses(policy(&dir), "no head", &named);
}

#[test]
fn tensors_that_would_not_be_computed_are_refused_for_what_they_are() {
    let stored = || Stored {
        dtype: "F32".into(),
        shape: vec![1, 32],
        bytes: vec![0; 128],
    };
    for (i, (names, named)) in [
        (
            vec![
                "model.layers.0.self_attn.q_proj.bias",
                "model.layers.1.mlp.up_proj.bias",
            ],
            "biases",
        ),
        (
            vec!["model.layers.2.input_layernorm.weight"],
            "`num_hidden_layers` 2",
        ),
        (
            vec!["model.layers.0.self_attn.q_norm.weight"],
            "norms of queries and keys",
        ),
        (
            vec![
                "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight",
                "base_model.model.model.layers.0.self_attn.q_proj.lora_B.default.weight",
            ],
            "merge_and_unload",
        ),
        (vec!["vision_tower.patch_embed.weight"], "images"),
        (vec!["multi_modal_projector.linear_1.weight"], "images"),
        (
            vec!["model.layers.0.mlp.experts.0.up_proj.weight"],
            "mixture of experts",
        ),
        (vec!["model.layers.0.mlp.up_proj.weight_scale"], "quantised"),
        (vec!["model.layers.0.mlp.up_proj.SCB"], "quantised"),
        (
            vec!["v_head.summary.weight", "v_head.summary.bias"],
            "head of another kind",
        ),
        (vec!["regression_layer.weight"], "head of another kind"),
        (
            vec!["score.0.weight", "score.2.weight"],
            "head of another kind",
        ),
        (
            vec!["model.layers.0.pre_feedforward_layernorm.weight"],
            "feed-forward",
        ),
        (vec!["something.else\u{9b}\u{1b}[2J"], "not a parameter"),
    ]
    .into_iter()
    .enumerate()
    {
        let dir = changed(&format!("unexpected-{i}"), "base", |tensors| {
            tensors.extend(names.iter().map(|name| ((*name).to_owned(), stored())));
        });
        refuses(policy(&dir), names[0], &[named]);
        let start = Start::NewHead(1);
        refuses(load(&dir, Head::Reward, start), names[0], &[named]);
    }
    let dir = changed("implied", "base", |tensors| {
        let name = "model.layers.0.self_attn.rotary_emb.inv_freq";
        tensors.push((name.into(), stored()));
    });
    policy(&dir).unwrap();
}

#[test]
fn tensors_of_another_type_or_shape_are_named() {
    let norm = "model.norm.weight";
    for dtype in ["F8_E4M3", "F8_E5M2", "I8", "U8"] {
        let dir = changed(&format!("dtype-{dtype}"), "base", |tensors| {
            let it = tensor(tensors, norm);
            it.dtype = dtype.into();
            it.bytes.truncate(32);
        });
        refuses(policy(&dir), dtype, &[norm, dtype, "expected F32"]);
    }
    let dir = changed("dtype-unknown", "base", |tensors| {
        tensor(tensors, norm).dtype = "NF4".into();
    });
    refuses(
        policy(&dir),
        "an unknown type",
        &["model.safetensors", "NF4"],
    );
    let dir = changed("shape", "base", |tensors| {
        tensor(tensors, EMBEDDING).shape = vec![64, 64];
    });
    refuses(policy(&dir), "a shape", &["[64, 64]", "expected [128, 32]"]);
    let dir = changed("nan", "base", |tensors| {
        tensor(tensors, norm).bytes[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    refuses(policy(&dir), "NaN", &[norm, "NaN", "model.safetensors"]);
}

#[test]
fn doubles_are_rounded_to_singles() {
    let expected = log_probs(&policy(&tiny("base")).unwrap());
    let dir = changed("doubles", "base", |tensors| {
        for (_, it) in tensors {
            let (numbers, rest) = it.bytes.as_chunks::<4>();
            assert!(it.dtype == "F32" && rest.is_empty());
            // A little more than the number, which rounding takes away again.
            let doubles = numbers.iter().map(|&it| f64::from(f32::from_le_bytes(it)));
            let doubles = doubles.map(|it| it * (1.0 + 2_f64.powi(-40)));
            it.bytes = doubles.flat_map(f64::to_le_bytes).collect();
            it.dtype = "F64".into();
        }
    });
    assert_eq!(log_probs(&policy(&dir).unwrap()), expected);
    for (value, message) in [
        (1e39_f64, "is 1e39; expected at most 3.4028235e38"),
        (-1e300, "is -1e300"),
        (f64::INFINITY, "is inf; expected a finite number"),
        (f64::NAN, "is NaN; expected a finite number"),
    ] {
        let dir = changed("doubles-too-large", "base", |tensors| {
            let it = tensor(tensors, "model.norm.weight");
            it.dtype = "F64".into();
            it.bytes = value.to_le_bytes().repeat(32);
        });
        refuses(policy(&dir), message, &["model.norm.weight", message]);
    }
}

#[test]
fn names_of_the_base_class_are_the_same_model_where_it_is_whole() {
    let expected = log_probs(&policy(&tiny("base")).unwrap());
    let bare = |tensors: &mut Tensors| {
        for (name, _) in tensors {
            if let Some(rest) = name.strip_prefix("model.") {
                *name = rest.to_owned();
            }
        }
    };
    let dir = changed("base-class", "base", bare);
    assert_eq!(log_probs(&policy(&dir).unwrap()), expected);
    let notes = notes(&dir);
    assert!(
        notes.iter().any(|it| it.contains("base class")),
        "{notes:?}"
    );
    let dir = changed("base-class-alone", "base", |tensors| {
        taken(tensors, "lm_head.weight");
        bare(tensors);
    });
    refuses(
        policy(&dir),
        "no head",
        &["lm_head.weight", "base class", "`model.`"],
    );
}

//! What model directories hold is what is computed, or is refused by name.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use apo_llama::{Compute, Head, Model, ModelDirectory, PromptTree, Start, TreeBatch};
use common::safetensors::{self, Stored, Tensors, file, parts};
use common::{device, tiny};
use serde_json::{Value, json};

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const EMBEDDING: &str = "model.embed_tokens.weight";

/// An empty folder of a test's own.
fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("directories")
        .join(name);
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// A copy of one of the small models.
fn copied(name: &str, from: &str) -> PathBuf {
    let dir = folder(name);
    for entry in fs::read_dir(tiny(from)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    dir
}

/// A copy whose tensors are changed.
fn changed(name: &str, from: &str, change: impl FnOnce(&mut Tensors)) -> PathBuf {
    let dir = copied(name, from);
    let path = dir.join(WEIGHTS);
    let mut tensors = safetensors::read(&path);
    change(&mut tensors);
    safetensors::write(&path, &tensors, &json!({"format": "pt"}));
    dir
}

fn set(dir: &Path, page: &str, settings: &Value) {
    let path = dir.join(page);
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (key, setting) in settings.as_object().unwrap() {
        value[key] = setting.clone();
    }
    fs::write(path, value.to_string()).unwrap();
}

fn load(dir: &Path, head: Head, start: Start) -> Result<Model, String> {
    let loaded = Model::load(dir, head, start, &device(), Compute::default());
    loaded.map_err(|error| {
        assert!(error.is_bad_input(), "{error}");
        error.to_string()
    })
}

fn policy(dir: &Path) -> Result<Model, String> {
    load(dir, Head::LanguageModel, Start::Saved)
}

#[track_caller]
fn refuses(found: Result<Model, String>, what: &str, named: &[&str]) {
    let message = found.map(|_| "it was taken").expect_err(what);
    for named in named {
        assert!(
            message.contains(named),
            "{what}: expected `{named}` in: {message}"
        );
    }
    assert!(
        !message.chars().any(char::is_control),
        "{what}: {message:?}"
    );
}

fn log_probs(model: &Model) -> Vec<f32> {
    let tree = PromptTree {
        prompt: vec![1, 5, 9, 17],
        responses: vec![vec![33, 65, 127, 2]],
    };
    model.token_log_probs(&TreeBatch::new([&tree])).unwrap()
}

fn tensor<'a>(tensors: &'a mut Tensors, name: &str) -> &'a mut Stored {
    let found = tensors.iter_mut().find(|(it, _)| it == name);
    &mut found.unwrap().1
}

fn taken(tensors: &mut Tensors, name: &str) -> Stored {
    let at = tensors.iter().position(|(it, _)| it == name).unwrap();
    tensors.remove(at).1
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
        let directory = ModelDirectory::open(&dir).unwrap();
        let weights = directory
            .weights(Head::LanguageModel, Start::Saved)
            .unwrap();
        let note = weights.unwrap().notes().unwrap().remove(0);
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
    let directory = ModelDirectory::open(&dir).unwrap();
    let weights = directory
        .weights(Head::LanguageModel, Start::Saved)
        .unwrap();
    let notes = weights.unwrap().notes().unwrap();
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

#[test]
fn zeros_with_a_sign_are_zeros() {
    for (dtype, zero) in [
        ("F32", (-0.0_f32).to_le_bytes().to_vec()),
        ("F64", (-0.0_f64).to_le_bytes().to_vec()),
        ("BF16", vec![0, 0x80]),
        ("F16", vec![0, 0x80]),
    ] {
        let name = "model.norm.weight";
        let dir = changed(&format!("minus-zero-{dtype}"), "base", |tensors| {
            let it = tensor(tensors, name);
            it.dtype = dtype.into();
            it.bytes = zero.repeat(32);
        });
        refuses(policy(&dir), dtype, &[name, "all zeros"]);
        // Only the number's highest bit is a sign.
        let dir = changed(&format!("no-zero-{dtype}"), "base", |tensors| {
            let it = tensor(tensors, name);
            it.dtype = dtype.into();
            it.bytes = zero.repeat(32);
            it.bytes[0] = 0x80;
        });
        policy(&dir).unwrap();
    }
}

#[test]
fn an_error_names_what_is_wrong_with_a_file_of_weights() {
    let dir = copied("weights-empty", "base");
    fs::write(dir.join(WEIGHTS), b"").unwrap();
    refuses(policy(&dir), "empty", &[WEIGHTS, "it is empty"]);
    fs::write(dir.join(WEIGHTS), b"abc").unwrap();
    refuses(policy(&dir), "cut", &[WEIGHTS, "after 3 bytes"]);
    for dtype in ["F8_E4M3", "F8_E5M2FNUZ", "F8_E9M9"] {
        let dir = changed(&format!("eight-bits-{dtype}"), "base", |tensors| {
            let it = tensor(tensors, "model.norm.weight");
            it.dtype = dtype.into();
            it.bytes.truncate(32);
        });
        refuses(
            policy(&dir),
            dtype,
            &["model.norm.weight", dtype, "quantised", "dequantize"],
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_file_that_is_not_whole_is_never_read() {
    let tensors = safetensors::read(&tiny("base").join(WEIGHTS));
    let (header, data) = parts(&tensors, &json!({"format": "pt"}));
    let text = Value::Object(header.clone()).to_string();
    let whole = file(&text, &data);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut header = Value::Object(header.clone());
        change(&mut header);
        file(&header.to_string(), &data)
    };
    let offsets = |header: &mut Value, start: i64, end: i64| {
        let entry = &mut header[EMBEDDING]["data_offsets"];
        let found: Vec<i64> = serde_json::from_value(entry.clone()).unwrap();
        *entry = json!([found[0] + start, found[1] + end]);
    };
    let length = |length: u64| [&length.to_le_bytes()[..], &whole[8..]].concat();
    let twice = text.replacen(
        '{',
        &format!("{{\"{EMBEDDING}\": {},", header[EMBEDDING]),
        1,
    );
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    for (what, bytes, named) in [
        ("nothing", vec![], "0 bytes"),
        ("four bytes", whole[..4].to_vec(), "4 bytes"),
        ("a length alone", whole[..8].to_vec(), "header"),
        ("half a header", whole[..40].to_vec(), "header"),
        (
            "half the data",
            whole[..whole.len() / 2].to_vec(),
            "stopped?",
        ),
        (
            "all but a byte",
            whole[..whole.len() - 1].to_vec(),
            "stopped?",
        ),
        (
            "a byte more",
            [&whole[..], b"\0"].concat(),
            "follow the header",
        ),
        ("a huge length", length(u64::MAX), "header"),
        ("a large length", length(99_999_999), "header"),
        ("no length", length(0), "header"),
        (
            "a length too short",
            length(text.len() as u64 - 9),
            "malformed",
        ),
        ("no JSON", file("{\"a\": ", &data), "malformed"),
        ("an array", file("[1]", &data), "header"),
        ("a name twice", file(&twice, &data), "twice"),
        (
            "an overlap",
            with(&|it| offsets(it, -4, -4)),
            "does not begin where",
        ),
        (
            "a gap",
            with(&|it| offsets(it, 4, 4)),
            "does not begin where",
        ),
        (
            "an end before its start",
            with(&|it| offsets(it, 0, -1 << 20)),
            "malformed",
        ),
        (
            "an end too far",
            with(&|it| offsets(it, 0, 1 << 40)),
            "bytes",
        ),
        (
            "a shape too small",
            with(&|it| it[EMBEDDING]["shape"] = json!([1, 32])),
            "shape",
        ),
        (
            "a shape too large",
            with(&|it| it[EMBEDDING]["shape"] = json!([1_u64 << 40, 1_u64 << 40])),
            "shape",
        ),
        (
            "a negative shape",
            with(&|it| it[EMBEDDING]["shape"] = json!([-1, 32])),
            "malformed",
        ),
        ("a pointer", pointer.as_bytes().to_vec(), "git lfs pull"),
        (
            "a web page",
            b"<!DOCTYPE html><html></html>".to_vec(),
            "web page",
        ),
        ("zeros", vec![0; 4096], "begins with zeros"),
        ("a bare pickle", b"\x80\x02}q\x00.".repeat(9), "a pickle"),
        ("another pickle", b"\x80\x05}\x94.".repeat(9), "a pickle"),
        (
            "an archive of arrays",
            [b"PK\x03\x04", &[0; 26][..], b"norm.npy", &[0; 64][..]].concat(),
            "NumPy",
        ),
        (
            "an array",
            [&b"\x93NUMPY\x01\0"[..], &[0; 64]].concat(),
            "NumPy",
        ),
        (
            "HDF5",
            [&b"\x89HDF\r\n\x1a\n"[..], &[0; 64]].concat(),
            "HDF5",
        ),
        (
            "a pickle",
            b"PK\x03\x04 and more".to_vec(),
            "save_pretrained",
        ),
    ] {
        let dir = copied("broken", "base");
        fs::write(dir.join(WEIGHTS), bytes).unwrap();
        refuses(policy(&dir), what, &[WEIGHTS, named]);
    }
}

#[test]
fn weights_of_zeros_are_refused_or_noted() {
    let zeroed = |name: &str, from: &str, zeros: &[&str]| {
        changed(name, from, |tensors| {
            for zero in zeros {
                tensor(tensors, zero).bytes.fill(0);
            }
        })
    };
    let start = Start::NewHead(1);
    for (i, name) in [
        EMBEDDING,
        "model.norm.weight",
        "lm_head.weight",
        "model.layers.0.input_layernorm.weight",
        "model.layers.1.self_attn.q_proj.weight",
        "model.layers.1.mlp.up_proj.weight",
    ]
    .into_iter()
    .enumerate()
    {
        let dir = zeroed(&format!("zeros-{i}"), "base", &[name]);
        refuses(policy(&dir), name, &[name, "all zeros"]);
        if name == "lm_head.weight" {
            load(&dir, Head::Reward, start).unwrap(); // it is not used
        } else {
            refuses(load(&dir, Head::Reward, start), name, &[name]);
        }
    }
    let names = [EMBEDDING, "model.norm.weight"];
    let dir = zeroed("zeros-many", "base", &names);
    refuses(policy(&dir), "two", &["and 1 more are"]);

    let notes = |dir: &Path| {
        let directory = ModelDirectory::open(dir).unwrap();
        let weights = directory
            .weights(Head::LanguageModel, Start::Saved)
            .unwrap();
        weights.unwrap().notes().unwrap()
    };
    assert_eq!(notes(&tiny("base")), Vec::<String>::new());
    // Layers that were added, and are yet to be trained.
    let down = "model.layers.1.mlp.down_proj.weight";
    let dir = zeroed("zeros-added", "base", &[down]);
    policy(&dir).unwrap();
    let found = notes(&dir);
    assert!(found.len() == 1 && found[0].contains(down), "{found:?}");
    let dir = changed("zeros-end", "base", |tensors| {
        let bytes = &mut tensor(tensors, down).bytes;
        let half = bytes.len() / 2;
        bytes[half..].fill(0);
    });
    let found = notes(&dir);
    assert!(
        found.len() == 1 && found[0].contains("end in zeros"),
        "{found:?}"
    );
    // Tokens that do not exist.
    let dir = changed("zeros-padding", "base", |tensors| {
        let bytes = &mut tensor(tensors, EMBEDDING).bytes;
        let half = bytes.len() / 2;
        bytes[half..].fill(0);
    });
    policy(&dir).unwrap();
    assert_eq!(notes(&dir), Vec::<String>::new());
    // A reward head that is yet to be trained.
    let dir = changed("zeros-score", "base", |tensors| {
        taken(tensors, "lm_head.weight");
        let (dtype, shape) = ("F32".into(), vec![1, 32]);
        let bytes = vec![0; 128];
        tensors.push((
            "score.weight".into(),
            Stored {
                dtype,
                shape,
                bytes,
            },
        ));
    });
    load(&dir, Head::Reward, Start::Saved).unwrap();

    let cast = |to: &str, bits: u16| {
        changed(&format!("not-finite-{to}-{bits}"), "base", |tensors| {
            let it = tensor(tensors, down);
            it.dtype = to.into();
            it.bytes.truncate(it.bytes.len() / 2);
            it.bytes.chunks_mut(2).for_each(|number| number.fill(1));
            it.bytes[..2].copy_from_slice(&bits.to_le_bytes());
        })
    };
    for (dtype, bits, named) in [
        ("F16", 0x7c00, "inf"),
        ("F16", 0xfc00, "-inf"),
        ("F16", 0x7e00, "NaN"),
        ("BF16", 0x7f80, "inf"),
        ("BF16", 0xffc0, "NaN"),
    ] {
        refuses(policy(&cast(dtype, bits)), dtype, &[down, named]);
    }
}

#[test]
fn a_header_as_long_as_another_formats_first_bytes_is_a_header() {
    // Lengths whose bytes are those that gzip and UTF-16 begin with.
    for length in [0x8b1f, 0xfeff, 0x1_007b] {
        let dir = copied("length", "base");
        let tensors = safetensors::read(&dir.join(WEIGHTS));
        let (header, data) = parts(&tensors, &json!({"format": "pt"}));
        let mut text = Value::Object(header).to_string();
        text += &" ".repeat(length - text.len());
        fs::write(dir.join(WEIGHTS), file(&text, &data)).unwrap();
        policy(&dir).unwrap();
    }
}

const FIRST: &str = "model-00001-of-00002.safetensors";
const SECOND: &str = "model-00002-of-00002.safetensors";
const NORM: &str = "model.norm.weight";

/// A copy of the model in two files whose index is changed.
fn indexed(name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let dir = copied(name, "sharded");
    let mut index: Value = serde_json::from_slice(&fs::read(dir.join(INDEX)).unwrap()).unwrap();
    change(&mut index);
    fs::write(dir.join(INDEX), index.to_string()).unwrap();
    dir
}

#[test]
fn an_index_leads_to_whole_files_in_its_own_folder() {
    for (i, place) in ["../x.safetensors", "/etc/passwd", "a/b", "", ".", ".."]
        .into_iter()
        .enumerate()
    {
        let dir = indexed(&format!("index-{i}"), |it| {
            it["weight_map"][NORM] = json!(place);
        });
        refuses(policy(&dir), place, &[INDEX, NORM, "in this folder"]);
    }
    let dir = indexed("index-number", |it| it["weight_map"][NORM] = json!(3));
    refuses(policy(&dir), "a number", &[INDEX, NORM, "3"]);
    let dir = indexed("index-empty", |it| it["weight_map"] = json!({}));
    refuses(policy(&dir), "empty", &[INDEX, "`weight_map`"]);
    let dir = indexed("index-none", |it| *it = json!([]));
    refuses(policy(&dir), "an array", &[INDEX, "an array"]);
    let dir = indexed("index-absent", |it| {
        it["weight_map"]["a.weight"] = json!(FIRST);
    });
    refuses(
        policy(&dir),
        "a tensor too many",
        &[INDEX, "`a.weight` is not in", FIRST],
    );
    let dir = copied("index-shards", "sharded");
    fs::remove_file(dir.join(FIRST)).unwrap();
    refuses(policy(&dir), "a missing file", &[FIRST, INDEX]);
    let dir = copied("shards-alone", "sharded");
    fs::remove_file(dir.join(INDEX)).unwrap();
    refuses(policy(&dir), "no index", &[FIRST, INDEX]);
    let dir = copied("index-pointer", "sharded");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    fs::write(dir.join(INDEX), pointer).unwrap();
    refuses(policy(&dir), "a pointer", &[INDEX, "git lfs pull"]);
}

#[test]
fn an_index_and_its_files_name_the_same_tensors() {
    let elsewhere = |name: &str, other: &str| {
        let dir = copied(name, "sharded");
        let page: Value = serde_json::from_slice(&fs::read(dir.join(INDEX)).unwrap()).unwrap();
        let from = page["weight_map"][NORM].as_str().unwrap();
        let to = if from == FIRST { SECOND } else { FIRST };
        let mut tensors = safetensors::read(&dir.join(from));
        let it = (other.to_owned(), tensor(&mut tensors, NORM).clone());
        let mut tensors = safetensors::read(&dir.join(to));
        tensors.push(it);
        safetensors::write(&dir.join(to), &tensors, &json!({"format": "pt"}));
        (dir, to.to_owned())
    };
    for (i, other) in ["model.layers.0.b.weight", "lm_head.bias"]
        .into_iter()
        .enumerate()
    {
        let (dir, to) = elsewhere(&format!("index-unnamed-{i}"), other);
        let named = [INDEX, other, "is not named", &to, "save it again"];
        refuses(policy(&dir), "a tensor that the index lacks", &named);
    }
    let (dir, to) = elsewhere("index-twice", NORM);
    let named = [INDEX, NORM, &to, "though the index has it in"];
    refuses(policy(&dir), "a tensor in two files", &named);
    let (dir, _) = elsewhere(
        "index-implied",
        "model.layers.0.self_attn.rotary_emb.inv_freq",
    );
    policy(&dir).unwrap();
    let dir = indexed("index-lacks", |it| {
        it["weight_map"].as_object_mut().unwrap().remove(NORM);
    });
    refuses(
        policy(&dir),
        "a tensor not named",
        &[INDEX, NORM, "is not named"],
    );
    let dir = indexed("index-swapped", |it| {
        let place = &mut it["weight_map"][NORM];
        *place = json!(if place == FIRST { SECOND } else { FIRST });
    });
    let named = [INDEX, NORM, "though the index has it in"];
    refuses(policy(&dir), "the other file", &named);
}

#[test]
fn an_index_that_contradicts_its_files_is_noted() {
    let notes = |dir: &Path| {
        let directory = ModelDirectory::open(dir).unwrap();
        let weights = directory
            .weights(Head::LanguageModel, Start::Saved)
            .unwrap();
        weights.unwrap().notes().unwrap()
    };
    assert_eq!(
        notes(&copied("index-whole", "sharded")),
        Vec::<String>::new()
    );
    for (i, size) in [json!(12), json!(1e12), json!("many")]
        .into_iter()
        .enumerate()
    {
        let dir = indexed(&format!("index-size-{i}"), |it| {
            it["metadata"]["total_size"] = size.clone();
        });
        let found = notes(&dir);
        assert!(
            found.len() == 1 && found[0].contains("`total_size` is"),
            "{found:?}"
        );
    }
    let dir = indexed("index-size-float", |it| {
        let size = it["metadata"]["total_size"].as_f64().unwrap();
        it["metadata"]["total_size"] = json!(size);
    });
    assert_eq!(notes(&dir), Vec::<String>::new());
    let dir = indexed("index-none-size", |it| it["metadata"] = json!(null));
    assert_eq!(notes(&dir), Vec::<String>::new());
    let dir = copied("index-leftover", "sharded");
    fs::copy(
        dir.join(FIRST),
        dir.join("model-00003-of-00003.safetensors"),
    )
    .unwrap();
    let found = notes(&dir);
    assert!(
        found.len() == 1 && found[0].contains("model-00003-of-00003"),
        "{found:?}"
    );
    let dir = copied("index-beside", "base");
    fs::write(dir.join(INDEX), "{}").unwrap();
    let found = notes(&dir);
    assert!(
        found.len() == 1 && found[0].contains("beside it is not"),
        "{found:?}"
    );
}

#[test]
fn what_is_no_model_directory_is_called_what_it_is() {
    let nowhere = folder("parent").join("absent");
    refuses(policy(&nowhere), "absent", &["absent", "no such folder"]);
    refuses(
        policy(Path::new("owner/model-7B")),
        "a name",
        &["not downloaded automatically"],
    );
    let path = tiny("base").join(WEIGHTS);
    refuses(
        policy(&path),
        "a file",
        &["it is a file, expected a model directory"],
    );

    let adapter = json!({"peft_type": "LORA", "base_model_name_or_path": "owner/base"});
    for whole in [true, false] {
        let dir = copied("adapter", "base");
        fs::write(dir.join("adapter_config.json"), adapter.to_string()).unwrap();
        fs::write(dir.join("adapter_model.safetensors"), "").unwrap();
        if !whole {
            fs::remove_file(dir.join(WEIGHTS)).unwrap();
            fs::remove_file(dir.join("config.json")).unwrap();
        }
        let named = ["PEFT adapter", "LORA", "owner/base", "merge_and_unload"];
        refuses(policy(&dir), "an adapter", &named);
        refuses(
            load(&dir, Head::Reward, Start::NewHead(1)),
            "an adapter",
            &named,
        );
    }
    for (file, named) in [
        ("pytorch_model.bin", "save_pretrained"),
        ("pytorch_model.bin.index.json", "save_pretrained"),
        ("consolidated.00.pth", "save_pretrained"),
        ("model.pt", "save_pretrained"),
        ("tf_model.h5", "save_pretrained"),
        ("model-q4_0.gguf", "GGUF"),
        ("consolidated.safetensors", "rename it"),
        ("value_head.safetensors", "value head"),
    ] {
        let dir = copied("weightless", "base");
        fs::rename(dir.join(WEIGHTS), dir.join(file)).unwrap();
        refuses(policy(&dir), file, &[WEIGHTS, file, named]);
        refuses(
            load(&dir, Head::Reward, Start::NewHead(1)),
            file,
            &[file, named],
        );
    }
    for (what, named) in [
        ("global_step500", "DeepSpeed"),
        ("zero_pp_rank_0_mp_rank_00_model_states.pt", "DeepSpeed"),
        ("zero_to_fp32.py", "DeepSpeed"),
        ("pytorch_model_fsdp_0", "FSDP"),
        ("__0_0.distcp", "FSDP"),
        ("mp_rank_00", "Megatron"),
        ("mp_rank_00_model_states.pt", "Megatron"),
        ("iter_0001000", "Megatron"),
        ("optimizer.pt", "the state of a training"),
        ("model.safetensors.incomplete", "incomplete download"),
        ("model.safetensors.part", "incomplete download"),
        ("abc.crdownload", "incomplete download"),
    ] {
        for config in [true, false] {
            let dir = copied("sharded-training", "base");
            fs::remove_file(dir.join(WEIGHTS)).unwrap();
            if !config {
                fs::remove_file(dir.join("config.json")).unwrap();
            }
            if what.contains('.') {
                fs::write(dir.join(what), "").unwrap();
            } else {
                fs::create_dir(dir.join(what)).unwrap();
            }
            refuses(policy(&dir), what, &[what, named]);
        }
    }
    for name in ["model.safetensors", "model-00001-of-00002.safetensors"] {
        let dir = copied("set-aside", "sharded");
        fs::copy(tiny("base").join(WEIGHTS), dir.join(WEIGHTS)).unwrap();
        fs::write(dir.join(format!("{name}.aria2")), "").unwrap();
        refuses(
            policy(&dir),
            name,
            &[name, ".aria2", "is incomplete: resume it"],
        );
    }
    let dir = folder("trainer");
    fs::create_dir(dir.join("checkpoint-500")).unwrap();
    refuses(
        policy(&dir),
        "a trainer's",
        &["config.json", "checkpoint-500"],
    );
    let dir = folder("cache");
    fs::create_dir(dir.join("snapshots")).unwrap();
    refuses(policy(&dir), "the cache", &["config.json", "snapshots"]);
}

#[test]
fn a_model_of_the_other_kind_is_called_what_it_is() {
    let score = |labels: usize| Stored {
        dtype: "F32".into(),
        shape: vec![labels, 32],
        bytes: vec![1; labels * 32 * 4],
    };
    let reward = |name: &str, labels| {
        changed(name, "base", |tensors| {
            taken(tensors, "lm_head.weight");
            tensors.push(("score.weight".into(), score(labels)));
        })
    };
    let dir = reward("reward", 1);
    load(&dir, Head::Reward, Start::Saved).unwrap();
    refuses(
        policy(&dir),
        "a reward model",
        &["it is a reward model, not a policy"],
    );
    let dir = reward("classifier", 2);
    let named = ["[2, 32]", "a classifier of 2 labels"];
    refuses(
        load(&dir, Head::Reward, Start::Saved),
        "a classifier",
        &named,
    );
    let found = load(&tiny("base"), Head::Reward, Start::Saved);
    refuses(
        found,
        "a policy",
        &["it is a policy, not a reward model", "rm-train"],
    );
    // The embedding of a tied config must not pass for a head.
    let dir = copied("named-reward", "llama3");
    let named = json!({"architectures": ["LlamaForSequenceClassification"]});
    set(&dir, "config.json", &named);
    refuses(policy(&dir), "a classifier's trunk", &["`architectures`"]);
    let dir = changed("head-and-score", "base", |tensors| {
        tensors.push(("score.weight".into(), score(1)));
    });
    load(&dir, Head::Reward, Start::Saved).unwrap();
    refuses(policy(&dir), "both heads", &["`score.weight`"]);
    for (kind, class) in [
        ("t5", "T5ForConditionalGeneration"),
        ("bert", "BertModel"),
        ("qwen2", "Qwen2ForCausalLM"),
    ] {
        let dir = copied("foreign", "base");
        set(
            &dir,
            "config.json",
            &json!({"model_type": kind, "architectures": [class]}),
        );
        refuses(policy(&dir), kind, &[kind, class, "only `llama`"]);
    }
}

#[test]
fn a_model_from_scratch_is_no_larger_than_the_machine() {
    // Each of them some 100 TB, which no machine of a reader has.
    for (name, size, settings) in [
        (
            "wide",
            "hidden_size",
            json!({"hidden_size": 1 << 24, "vocab_size": 1 << 18}),
        ),
        (
            "tall",
            "vocab_size",
            json!({"vocab_size": 1 << 24, "hidden_size": 1 << 19}),
        ),
        (
            "deep",
            "num_hidden_layers",
            json!({"num_hidden_layers": 4096, "intermediate_size": 1 << 24}),
        ),
    ] {
        let dir = copied(&format!("scratch-{name}"), "base");
        set(&dir, "config.json", &settings);
        let found = load(&dir, Head::LanguageModel, Start::Scratch(1));
        refuses(
            found,
            size,
            &["config.json", "parameters", "memory", "are free"],
        );
    }
    // A long context costs nothing.
    let dir = copied("scratch-long", "base");
    let long = json!({"max_position_embeddings": 4_000_000_000_u64});
    set(&dir, "config.json", &long);
    load(&dir, Head::LanguageModel, Start::Scratch(1)).unwrap();
}

#[test]
fn keys_that_nobody_knows_are_noted() {
    let dir = copied("unknown", "base");
    set(
        &dir,
        "config.json",
        &json!({"warp_factor": 9, "red\u{1b}": 1, "absent": null}),
    );
    let notes = ModelDirectory::open(&dir).unwrap().notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("warp_factor, red\\u{1b}"), "{notes:?}");
    assert!(
        ModelDirectory::open(&tiny("llama3"))
            .unwrap()
            .notes()
            .is_empty()
    );
}

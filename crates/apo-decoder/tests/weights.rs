//! A file of weights is read whole, or is called what it is; numbers that nobody trained are
//! told.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs;

use apo_decoder::{Head, Start};
use common::directories::{WEIGHTS, changed, copied, load, notes, policy, refuses};
use common::safetensors::{self, EMBEDDING, Stored, file, parts, taken, tensor};
use common::tiny;
use serde_json::{Value, json};

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

    assert_eq!(notes(&tiny("base")), Vec::<String>::new());
    // As `transformers` begins a Qwen2.
    let biases = ["q", "k", "v"].map(|it| format!("model.layers.0.self_attn.{it}_proj.bias"));
    let dir = zeroed(
        "zero-biases",
        "qwen2",
        &biases.each_ref().map(String::as_str),
    );
    policy(&dir).unwrap();
    assert_eq!(notes(&dir), Vec::<String>::new());
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

//! The files of a directory together decide, or they are refused.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs;
use std::path::PathBuf;

use apo_dialogue::{DialogueError, DialogueTokenizer, Template};
use serde_json::{Value, json};

use common::{folder, special, tokenizer, write};

const PROMPT: &str = "\n\nHuman: How do I boil an egg for six minutes?\n\nAssistant:";

/// A model directory of the small byte-level tokenizer, with `</s>` as its end
/// of text.
fn dir(name: &str, edit: impl FnOnce(&mut Value, &mut Value)) -> PathBuf {
    let dir = folder("loader", name);
    let mut made = tokenizer(
        "bytes",
        &[special("<s>"), special("</s>"), special("<pad>")],
    );
    let mut config = json!({"bos_token": "<s>", "eos_token": "</s>"});
    edit(&mut made, &mut config);
    write(
        &dir,
        &[
            ("tokenizer.json", &made),
            ("tokenizer_config.json", &config),
        ],
    );
    dir
}

fn load(
    name: &str,
    edit: impl FnOnce(&mut Value, &mut Value),
) -> Result<DialogueTokenizer, DialogueError> {
    DialogueTokenizer::load(&dir(name, edit), Template::Hh)
}

fn ids(tokenizer: &DialogueTokenizer) -> Vec<u32> {
    tokenizer.encode_prompt(PROMPT, usize::MAX).unwrap()
}

fn refused(found: Result<DialogueTokenizer, DialogueError>, expected: &[&str]) {
    let error = found.unwrap_err();
    assert!(error.is_bad_input(), "{error}");
    for part in expected {
        assert!(
            error.to_string().contains(part),
            "{error}\nexpected {part:?}"
        );
    }
}

#[test]
fn limits_of_tokenizer_json_are_off() {
    let plain = ids(&load("plain", |_, _| {}).unwrap());
    let truncation = |direction: &str, max: u64, stride: u64| json!({"direction": direction, "max_length": max, "strategy": "LongestFirst", "stride": stride});
    let padding = |strategy: Value, multiple: Value| {
        json!({"strategy": strategy, "direction": "Left", "pad_to_multiple_of": multiple, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "<pad>"})
    };
    for (name, part, value) in [
        ("right", "truncation", truncation("Right", 4, 0)),
        ("left", "truncation", truncation("Left", 4, 0)),
        ("zero", "truncation", truncation("Right", 0, 0)),
        ("stride", "truncation", truncation("Right", 4, 9)),
        (
            "fixed",
            "padding",
            padding(json!({"Fixed": 64}), Value::Null),
        ),
        (
            "huge",
            "padding",
            padding(json!({"Fixed": 1_000_000_000}), Value::Null),
        ),
        (
            "multiple",
            "padding",
            padding(json!("BatchLongest"), json!(64)),
        ),
    ] {
        let tokenizer = load(name, |made, _| made[part] = value).unwrap();
        assert_eq!(ids(&tokenizer), plain, "{name}");
        assert!(tokenizer.notes().is_empty(), "{name}");
    }
}

#[test]
fn dropout_is_off_and_reported() {
    let plain = ids(&load("no-dropout", |_, _| {}).unwrap());
    for (name, dropout) in [("half", json!(0.5)), ("all", json!(1.0))] {
        let tokenizer = load(name, |made, _| made["model"]["dropout"] = dropout).unwrap();
        for _ in 0..5 {
            assert_eq!(ids(&tokenizer), plain, "{name}");
        }
        let notes = tokenizer.notes();
        assert!(
            notes.len() == 1 && notes[0].contains("dropout") && notes[0].contains("tokenizer.json"),
            "{notes:?}"
        );
    }
    let tokenizer = load("zero-dropout", |made, _| {
        made["model"]["dropout"] = json!(0.0);
    })
    .unwrap();
    assert_eq!((ids(&tokenizer), tokenizer.notes().len()), (plain, 0));
}

#[test]
fn declared_ids_count_or_are_refused() {
    let with_id = |id: u64| {
        let mut token = special("<|im_end|>");
        token["id"] = json!(id);
        token
    };
    let push =
        |made: &mut Value, token: Value| made["added_tokens"].as_array_mut().unwrap().push(token);
    let next = tokenizer("bytes", &[])["model"]["vocab"]
        .as_object()
        .unwrap()
        .len() as u64
        + 3;
    let tokenizer = load("next", |made, config| {
        push(made, with_id(next));
        config["eos_token"] = json!("<|im_end|>");
    });
    assert_eq!(tokenizer.unwrap().eos(), next as u32);
    let id = next.to_string();
    refused(
        load("gap", |made, _| push(made, with_id(next + 9))),
        &[
            "gap/tokenizer.json",
            "\"<|im_end|>\"",
            &(next + 9).to_string(),
            &id,
        ],
    );
    refused(
        load("of-the-vocabulary", |made, _| {
            let mut token = special("a");
            token["id"] = json!(next);
            push(made, token);
        }),
        &["of-the-vocabulary/tokenizer.json", "\"a\"", &id],
    );
    let decoder = |id: u64| json!({id.to_string(): {"content": "<|im_end|>", "special": true}});
    let tokenizer = load("decoder", |_, config| {
        config["added_tokens_decoder"] = decoder(next);
        config["eos_token"] = json!("<|im_end|>");
    });
    assert_eq!(tokenizer.unwrap().eos(), next as u32);
    refused(
        load("decoder-gap", |_, config| {
            config["added_tokens_decoder"] = decoder(next + 1);
        }),
        &["decoder-gap/tokenizer_config.json", "\"<|im_end|>\"", &id],
    );
    let dir = dir("added-tokens", |_, config| {
        config["eos_token"] = json!("<|im_end|>");
    });
    write(&dir, &[("added_tokens.json", &json!({"<|im_end|>": next}))]);
    assert_eq!(
        DialogueTokenizer::load(&dir, Template::Hh).unwrap().eos(),
        next as u32
    );
    write(
        &dir,
        &[("added_tokens.json", &json!({"<|im_end|>": next + 2}))],
    );
    refused(
        DialogueTokenizer::load(&dir, Template::Hh),
        &["added_tokens.json", "\"<|im_end|>\"", &id],
    );
}

/// Files of a model directory, by name.
type Files = Vec<(&'static str, Value)>;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn ends_of_text_are_found_where_transformers_finds_them() {
    let size = tokenizer("bytes", &[])["model"]["vocab"]
        .as_object()
        .unwrap()
        .len() as u32;
    let (bos, eos, pad) = (size, size + 1, size + 2);
    let cases: Vec<(&str, Value, Files, u32, Vec<u32>)> = vec![
        (
            "object",
            json!({"eos_token": {"content": "</s>"}}),
            vec![],
            eos,
            vec![eos],
        ),
        (
            "map",
            json!({}),
            vec![("special_tokens_map.json", json!({"eos_token": "</s>"}))],
            eos,
            vec![eos],
        ),
        (
            "map-over-config",
            json!({"eos_token": "<s>"}),
            vec![(
                "special_tokens_map.json",
                json!({"eos_token": {"content": "</s>"}}),
            )],
            eos,
            vec![eos],
        ),
        (
            "class",
            json!({"tokenizer_class": "LlamaTokenizerFast"}),
            vec![],
            eos,
            vec![eos],
        ),
        (
            "architecture",
            json!({}),
            vec![("config.json", json!({"model_type": "llama"}))],
            eos,
            vec![eos],
        ),
        (
            "generation",
            json!({}),
            vec![("generation_config.json", json!({"eos_token_id": eos}))],
            eos,
            vec![eos],
        ),
        (
            "list",
            json!({}),
            vec![(
                "generation_config.json",
                json!({"eos_token_id": [eos, pad]}),
            )],
            eos,
            vec![eos, pad],
        ),
        (
            "config",
            json!({}),
            vec![("config.json", json!({"eos_token_id": [pad, eos]}))],
            pad,
            vec![pad, eos],
        ),
        (
            "all",
            json!({"eos_token": "</s>"}),
            vec![
                (
                    "generation_config.json",
                    json!({"eos_token_id": [pad, eos, bos]}),
                ),
                ("config.json", json!({"eos_token_id": 1})),
            ],
            eos,
            vec![eos, pad, bos],
        ),
        (
            "config-too",
            json!({"eos_token": "</s>"}),
            vec![
                ("generation_config.json", json!({"eos_token_id": null})),
                ("config.json", json!({"eos_token_id": [pad]})),
            ],
            eos,
            vec![eos, pad],
        ),
        (
            "none",
            json!({"eos_token": "</s>"}),
            vec![
                ("generation_config.json", json!({"eos_token_id": -1})),
                ("config.json", json!({"eos_token_id": [-1, pad]})),
            ],
            eos,
            vec![eos, pad],
        ),
        (
            "padded",
            json!({"eos_token": "</s>"}),
            vec![(
                "config.json",
                json!({"eos_token_id": pad + 9, "vocab_size": pad + 10}),
            )],
            eos,
            vec![eos, pad + 9],
        ),
    ];
    for (name, config, files, eos, stops) in cases {
        let dir = dir(&format!("ends-{name}"), |_, it| *it = config);
        for (file, value) in &files {
            write(&dir, &[(file, value)]);
        }
        let tokenizer = DialogueTokenizer::load(&dir, Template::Hh).unwrap();
        assert_eq!(
            (tokenizer.eos(), tokenizer.stop_ids()),
            (eos, &stops[..]),
            "{name}"
        );
        let is_reported = |it: &String| it.contains("not among the `eos_token_id` of");
        assert_eq!(
            tokenizer.notes().iter().any(is_reported),
            ["config-too", "none", "padded"].contains(&name),
            "{name}"
        );
    }
    for (name, file, value) in [
        ("beyond", "generation_config.json", json!([eos, pad + 1])),
        ("far", "config.json", json!(4_294_967_296_u64)),
        ("negative", "generation_config.json", json!(-2)),
        ("negative-list", "config.json", json!([eos, -2])),
        ("text", "config.json", json!("2")),
        ("real", "config.json", json!(2.5)),
        ("deep", "generation_config.json", json!([[2]])),
        ("bool", "generation_config.json", json!(true)),
    ] {
        let dir = dir(&format!("bad-end-{name}"), |_, _| {});
        write(&dir, &[(file, &json!({"eos_token_id": value}))]);
        refused(
            DialogueTokenizer::load(&dir, Template::Hh),
            &[file, "eos_token_id"],
        );
    }
    refused(
        load("unknown-end", |_, config| {
            config["eos_token"] = json!("<|none|>");
        }),
        &["tokenizer_config.json", "<|none|>"],
    );
    refused(
        load("number-end", |_, config| config["eos_token"] = json!(3)),
        &["tokenizer_config.json", "eos_token"],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_text_begins_as_the_files_say() {
    let first = |tokenizer: DialogueTokenizer| (tokenizer.bos(), ids(&tokenizer)[0]);
    let bos = load("bos-id", |_, _| {}).unwrap().eos() - 1;
    let processor = |tokens: &[&str]| {
        let mut single: Vec<Value> = tokens
            .iter()
            .map(|it| json!({"SpecialToken": {"id": it, "type_id": 0}}))
            .collect();
        single.push(json!({"Sequence": {"id": "A", "type_id": 0}}));
        let special: serde_json::Map<String, Value> = [("<s>", bos), ("</s>", bos + 1)]
            .map(|(text, id)| {
                (
                    text.to_owned(),
                    json!({"id": text, "ids": [id], "tokens": [text]}),
                )
            })
            .into_iter()
            .collect();
        single.push(json!({"SpecialToken": {"id": "</s>", "type_id": 0}}));
        json!({"type": "TemplateProcessing", "single": single, "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": special})
    };
    // What transformers 4.57.6 and 5.24.0 put before a text, by class; where they
    // differ, or a file says what counts for neither, a note says so.
    let llama = Some("LlamaTokenizerFast");
    let other = Some("PreTrainedTokenizerFast");
    for (name, class, adds, tokens, expected, is_noted) in [
        ("says-true", llama, Some(true), None, Some(bos), true),
        (
            "says-both",
            llama,
            Some(true),
            Some(&["<s>"][..]),
            Some(bos),
            false,
        ),
        ("says-false", llama, Some(false), Some(&["<s>"]), None, true),
        ("says-none", llama, Some(false), None, None, false),
        ("class-only", llama, None, None, None, true),
        ("class-both", llama, None, Some(&["<s>"]), Some(bos), false),
        (
            "gpt-neox",
            Some("GPTNeoXTokenizerFast"),
            None,
            None,
            None,
            false,
        ),
        ("other-true", other, Some(true), None, None, true),
        (
            "other-false",
            other,
            Some(false),
            Some(&["<s>"]),
            Some(bos),
            true,
        ),
        ("other-none", other, Some(false), None, None, false),
        (
            "other-both",
            other,
            Some(true),
            Some(&["<s>"]),
            Some(bos),
            false,
        ),
        (
            "qwen-false",
            Some("Qwen2Tokenizer"),
            Some(false),
            Some(&["<s>"]),
            Some(bos),
            true,
        ),
        ("by-processor", None, None, Some(&["<s>"]), Some(bos), false),
        ("by-nothing", None, None, Some(&[]), None, false),
        ("none", None, None, None, None, false),
    ] {
        let tokenizer = load(name, |made, config| {
            if let Some(class) = class {
                config["tokenizer_class"] = json!(class);
            }
            if let Some(tokens) = tokens {
                made["post_processor"] = processor(tokens);
            }
            if let Some(adds) = adds {
                config["add_bos_token"] = json!(adds);
                config["add_eos_token"] = json!(true);
            }
        });
        let tokenizer = tokenizer.unwrap();
        assert!(!ids(&tokenizer).contains(&tokenizer.eos()), "{name}");
        assert_eq!(tokenizer.bos(), expected, "{name}");
        let noted = tokenizer
            .notes()
            .iter()
            .any(|it| it.contains("`add_bos_token`"));
        assert_eq!(noted, is_noted, "{name}: {:?}", tokenizer.notes());
        assert_eq!(first(tokenizer).1 == bos, expected.is_some(), "{name}");
    }
    for (name, value) in [
        ("number", json!(1)),
        ("text", json!("false")),
        ("list", json!([])),
    ] {
        for key in ["add_bos_token", "add_eos_token"] {
            refused(
                load(name, |_, config| config[key] = value.clone()),
                &["tokenizer_config.json", key, "expected true or false"],
            );
        }
    }
    refused(
        load("two", |made, _| {
            made["post_processor"] = processor(&["<s>", "</s>"]);
        }),
        &["two/tokenizer.json", "post_processor"],
    );
    refused(
        load("no-bos", |_, config| {
            *config = json!({"eos_token": "</s>", "add_bos_token": true});
        }),
        &["tokenizer_config.json", "add_bos_token"],
    );
}

#[test]
fn settings_that_change_a_tokenizer_agree_with_it_or_are_refused() {
    let named = "tokenizer_config.json";
    refused(
        load("splits", |_, config| {
            config["split_special_tokens"] = json!(true);
        }),
        &[named, "`split_special_tokens`"],
    );
    refused(
        load("prefixed", |_, config| {
            config["add_prefix_space"] = json!(true);
        }),
        &[named, "`add_prefix_space` is true"],
    );
    let plain = ids(&load("unprefixed", |_, _| {}).unwrap());
    for (i, (name, value)) in [
        ("split_special_tokens", json!(false)),
        ("add_prefix_space", json!(false)),
        ("add_prefix_space", Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let tokenizer = load(&format!("agrees-{i}"), |_, config| config[name] = value).unwrap();
        assert_eq!(ids(&tokenizer), plain, "{name}");
    }
}

#[test]
fn what_the_library_panics_on_is_an_error_that_names_the_file() {
    for (name, part, value) in [
        (
            "decoder",
            "/decoder",
            json!({"type": "ByteLevel", "add_prefix_space": "x"}),
        ),
        ("decoder-number", "/decoder", json!(3)),
        (
            "sequence",
            "/decoder",
            json!({"type": "Sequence", "decoders": [{"type": "Nothing"}]}),
        ),
        (
            "prefix",
            "/model/continuing_subword_prefix",
            json!("############"),
        ),
        ("model", "/model", json!({"type": "BPE"})),
        (
            "regex",
            "/pre_tokenizer",
            json!({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false}),
        ),
        ("version", "/version", json!("2.0")),
        ("added", "/added_tokens", json!([{"id": -1}])),
    ] {
        let found = load(&format!("panics-{name}"), |made, _| {
            let (path, last) = part.rsplit_once('/').unwrap();
            made.pointer_mut(path).unwrap()[last] = value;
        });
        refused(found, &["tokenizer.json"]);
    }
    // A regular expression that gives up on some texts only.
    let tokenizer = load("retries", |made, _| {
        let split = json!({"type": "Split", "pattern": {"Regex": r"(?:x+x+)+y"}, "behavior": "Isolated", "invert": false});
        made["pre_tokenizer"] =
            json!({"type": "Sequence", "pretokenizers": [split, made["pre_tokenizer"].clone()]});
    });
    let tokenizer = tokenizer.unwrap();
    let error = tokenizer
        .encode_prompt(&"x".repeat(64), usize::MAX)
        .unwrap_err();
    assert!(
        error.is_bad_input() && error.to_string().contains("retries/tokenizer.json"),
        "{error}"
    );
}

#[test]
fn files_that_are_something_else_are_named() {
    for (name, file, bytes, expected) in [
        (
            "lfs",
            "tokenizer.json",
            &b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"[..],
            "Git LFS pointer",
        ),
        (
            "utf-16",
            "tokenizer_config.json",
            b"\xff\xfe{\0}\0",
            "UTF-16",
        ),
        (
            "latin",
            "generation_config.json",
            b"{\"a\": \"\xe9\"}",
            "it is not UTF-8 text: see its byte 7",
        ),
        (
            "list",
            "tokenizer_config.json",
            b"[]",
            "expected a JSON object",
        ),
        ("broken", "special_tokens_map.json", b"{", "EOF"),
    ] {
        let dir = dir(name, |_, _| {});
        fs::write(dir.join(file), bytes).unwrap();
        refused(
            DialogueTokenizer::load(&dir, Template::Hh),
            &[file, expected],
        );
    }
}

#[test]
fn a_tokenizer_that_loses_text_is_refused_with_the_cause() {
    let split =
        |pattern: &str| json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": ""});
    for (name, part, value, cause) in [
        (
            "lower",
            "normalizer",
            json!({"type": "Lowercase"}),
            "`normalizer`",
        ),
        ("drops", "normalizer", split("[0-9]"), "`normalizer`"),
        ("no-decoder", "decoder", Value::Null, "no `decoder`"),
        (
            "other-decoder",
            "decoder",
            json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}),
            "`decoder` does not undo",
        ),
    ] {
        let found = load(&format!("loses-{name}"), |made, _| made[part] = value);
        refused(found, &["joins prompt and response", cause]);
    }
    let words = json!({"type": "WordLevel", "vocab": {"</s>": 0, "<s>": 1, "<unk>": 2, "Human": 3},
        "unk_token": "<unk>"});
    let tokens = |ids: [u64; 2]| {
        let tokens = ["<s>", "</s>"].into_iter().zip(ids).map(|(text, id)| {
            let mut token = special(text);
            token["id"] = json!(id);
            token
        });
        Value::Array(tokens.collect())
    };
    let with_words = |name: &str, ids: [u64; 2]| {
        load(name, |made, _| {
            made["model"] = words.clone();
            made["added_tokens"] = tokens(ids);
        })
    };
    refused(
        with_words("words", [1, 0]),
        &["joins prompt and response", "vocabulary lacks"],
    );
    refused(
        with_words("words-other-id", [1, 3]),
        &[
            "words-other-id/tokenizer.json",
            "\"</s>\" with the id 3",
            "with the id 0",
        ],
    );
}

#[test]
fn a_post_processor_with_another_id_for_its_token_is_refused_by_name() {
    let template = |text: &str, id: u64| {
        json!({"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": text, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {text: {"id": text, "ids": [id], "tokens": [text]}}})
    };
    let id = |text: &str, made: &Value| {
        let tokens = made["added_tokens"].as_array().unwrap();
        let token = tokens.iter().find(|it| it["content"] == text).unwrap();
        token["id"].as_u64().unwrap()
    };
    let with = |name: &str, processor: &dyn Fn(&Value) -> Value| {
        load(&format!("processor-{name}"), |made, _| {
            made["post_processor"] = processor(made);
        })
    };
    let right = with("right", &|made| template("<s>", id("<s>", made))).unwrap();
    let wrong = with("wrong", &|made| template("<s>", id("</s>", made)));
    refused(
        wrong,
        &[
            "tokenizer.json",
            "`post_processor`",
            "\"<s>\"",
            "token \"</s>\"",
        ],
    );
    let beyond = with("beyond", &|made| template("<s>", id("<pad>", made) + 70));
    refused(beyond, &["`post_processor`", "\"<s>\"", "no token"]);
    let nested = with("nested", &|made| {
        json!({"type": "Sequence", "processors": [
            {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
            template("<s>", id("<pad>", made))]})
    });
    refused(nested, &["`post_processor`", "\"<s>\"", "token \"<pad>\""]);
    assert!(right.bos().is_some());
}

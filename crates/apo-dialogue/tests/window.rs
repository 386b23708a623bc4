//! The end of a long prompt and the beginning of a long response have the
//! tokens of the whole text.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use apo_dialogue::{DialogueError, DialogueTokenizer, Template};
use proptest::prelude::*;
use serde_json::{Value, json};

use common::{folder, special, tokenizer, write};

const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Writes a model directory and loads it.
fn load(name: &str, template: Template, made: &Value) -> DialogueTokenizer {
    let dir = folder("window", name);
    let chat = "{{ bos_token }}{% for m in messages %}{{ m.role + '\\n' + m.content + eos_token }}\
                {% endfor %}{{ 'assistant\\n' }}";
    let config = json!({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true, "chat_template": chat});
    write(
        &dir,
        &[("tokenizer.json", made), ("tokenizer_config.json", &config)],
    );
    DialogueTokenizer::load(&dir, template).unwrap()
}

fn made(kind: &str) -> Value {
    let added = [special("<s>"), special("</s>"), special("   ")];
    match kind {
        "bytes" => tokenizer("bytes", &added),
        "llama-3" => {
            let mut made = tokenizer("bytes", &added);
            let split = json!({"type": "Split", "pattern": {"Regex": LLAMA_3}, "behavior": "Isolated", "invert": false});
            let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
            made["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [split, bytes]});
            made["normalizer"] = json!({"type": "NFC"});
            made
        }
        other => tokenizer(other, &[]),
    }
}

const KINDS: [&str; 7] = [
    "bytes", "llama-3", "legacy", "always", "first", "never", "gemma",
];

/// Reads a text of repeated pieces whole, by parts that are short enough, and by
/// its end and beginning.
fn check(kind: &str, pieces: &[String], keep: usize) {
    let mut text = String::new();
    while text.len() < 100_000 {
        for piece in pieces {
            text += piece;
        }
        // So that there is a place to cut at all.
        text += "word one";
    }
    let made = made(kind);
    let plain = load(
        &format!("{kind}-{}", std::process::id()),
        Template::Hh,
        &made,
    );
    let whole = plain.encode_prompt(&text, usize::MAX).unwrap();
    let end = plain.encode_prompt(&text, keep).unwrap();
    assert!(end.len() < whole.len() && end.len() > keep + 1, "{kind}");
    assert_eq!(end[0], plain.bos().unwrap());
    assert!(whole.ends_with(&end[1..]), "{kind}, {keep}: {pieces:?}");
    let whole = plain.encode_response(&[], &text, usize::MAX).unwrap();
    let beginning = plain.encode_response(&[], &text, keep).unwrap();
    assert!(
        beginning.len() < whole.len() && beginning.len() > keep,
        "{kind}"
    );
    assert!(whole.starts_with(&beginning), "{kind}, {keep}: {pieces:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn pieces_are_the_wholes(
        pieces in prop::collection::vec(
            prop_oneof![
                "[a-zA-Z0-9]{1,8}", "[ \n]{1,5}", "[ -~\n\t]{1,12}", "[éß☃中文。\u{301}\u{a0}]{1,4}",
                Just("<s>".to_owned()), Just("</s>".to_owned()), Just("▁".to_owned()),
                Just("'s".to_owned()), Just("don't".to_owned()), Just("123 456".to_owned()),
            ],
            1..60,
        ),
        keep in 1_usize..600,
    ) {
        for kind in KINDS {
            check(kind, &pieces, keep);
        }
    }
}

#[test]
fn prompt_and_response_are_the_tokens_of_the_whole_text() {
    let prompt = "\n\nHuman: How do I boil an egg?\n\nAssistant:";
    for kind in KINDS {
        let tokenizer = load(&format!("joined-{kind}"), Template::Hh, &made(kind));
        for response in ["Six minutes.", "- one\n- two", "4", "ß ☃", "\"So it is.\""] {
            let whole = format!("{prompt} {response}");
            let whole = tokenizer.encode_prompt(&whole, usize::MAX).unwrap();
            let (mut ids, reply) = tokenizer.encode(prompt, response, usize::MAX).unwrap();
            ids.extend(reply);
            assert_eq!(ids, whole, "{kind}, {response:?}");
        }
    }
}

#[test]
fn forty_megabytes_cost_what_is_wanted_of_them() {
    let prompt = format!(
        "\n\nHuman:{}\n\nAssistant:",
        " many words".repeat(4_000_000)
    );
    for kind in KINDS {
        for template in [Template::Hh, Template::Chat] {
            let tokenizer = load(&format!("long-{kind}-{template}"), template, &made(kind));
            let start = std::time::Instant::now();
            let ids = tokenizer.encode_prompt(&prompt, 512).unwrap();
            assert!(
                ids.len() > 513 && ids.len() < 200_000,
                "{kind}: {}",
                ids.len()
            );
            assert_eq!(Some(ids[0]), tokenizer.bos(), "{kind}");
            let response = tokenizer.encode_response(&ids, &prompt, 512).unwrap();
            assert!(response.len() > 512 && response.len() < 200_000, "{kind}");
            println!("{kind} {template}: {:.2?}", start.elapsed());
        }
    }
}

#[test]
fn a_long_prompt_without_blanks_is_read_by_its_end() {
    for (what, part) in [
        ("Chinese", "我们的中国人民很好"),
        ("Chinese with marks", "我们的，中国人民很好。"),
        ("Japanese", "これはペンです"),
        ("Thai", "ภาษาไทยไม่มีช่องว่าง"),
        ("base64", "aGVsbG8gd29ybGQ9Kzk5"),
        ("a word", "abcdefghij"),
    ] {
        for kind in KINDS {
            let tokenizer = load(&format!("without-{kind}"), Template::Hh, &made(kind));
            let long = part.repeat((8 << 20) / part.len());
            let end = tokenizer.encode_prompt(&long, 64).unwrap();
            // The same text, as far as its end goes, and short enough to be read.
            let short = part.repeat((48 << 10) / part.len());
            let whole = tokenizer.encode_prompt(&short, usize::MAX).unwrap();
            assert!(whole.ends_with(&end[end.len() - 64..]), "{what}, {kind}");
            assert_eq!(Some(end[0]), tokenizer.bos());
            let response = tokenizer.encode_response(&end, &long, 64).unwrap();
            let whole = tokenizer.encode_response(&end, &short, usize::MAX).unwrap();
            assert!(whole.starts_with(&response[..64]), "{what}, {kind}");
        }
    }
}

#[test]
fn what_cannot_be_cut_is_refused_by_name_or_read_whole() {
    let tokenizer = load("uncut", Template::Hh, &made("bytes"));
    let whole = tokenizer.encode_prompt(&"1".repeat(1 << 20), 512).unwrap();
    assert!(whole.len() > 1 << 16);
    let error = tokenizer
        .encode_prompt(&"1".repeat(4 << 20), 512)
        .unwrap_err();
    assert!(
        matches!(
            error,
            DialogueError::TooLong {
                bytes: 4_194_304,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.is_bad_input() && error.to_string().contains("tokenizer.json"),
        "{error}"
    );
    // A tokenizer whose pre-tokenizer is not known to leave words alone.
    let mut other = made("bytes");
    let split = json!({"type": "Split", "pattern": {"Regex": r"\p{L}+\s?|\s+"}, "behavior": "Isolated", "invert": false});
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    other["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [split, bytes]});
    let tokenizer = load("unknown", Template::Hh, &other);
    let words = "many words ".repeat(20_000);
    let whole = tokenizer.encode_prompt(&words, usize::MAX).unwrap();
    assert_eq!(tokenizer.encode_prompt(&words, 8).unwrap(), whole);
    assert!(tokenizer.encode_prompt(&words.repeat(20), 8).is_err());
}

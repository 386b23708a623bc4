//! The tokens of a piece are those of the whole text, for each way to split a
//! text and each kind of model.

use mini_world::tokenizer::train_bpe;
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::{LONGEST, SHORT, Wanted, Window};

const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const BY_CASE: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Texts in which blanks are rare or absent; each is made of its parts.
const TEXTS: [(&str, &[&str]); 8] = [
    (
        "Chinese",
        &["我", "们", "我们", "的", "中", "国", "中国", "人"],
    ),
    ("with marks", &["我们", "的", "中国", "，", "。", "人人"]),
    (
        "Japanese",
        &["これ", "は", "ペン", "です", "ー", "か", "漢字"],
    ),
    ("Thai", &["ที่", "นี่", "ไป", "กก", "มา", "นก", "งง"]),
    (
        "base64",
        &[
            "aGVs", "bG8g", "d29y", "bGQ", "AAAA", "zz", "9", "+", "/", "Q",
        ],
    ),
    ("lower", &["ab", "ba", "abc", "c", "aab", "ill", "rell"]),
    ("cases", &["Ab", "BA", "aB", "C", "中", "AAAA", "bbbb"]),
    (
        "mixed",
        &[
            "one", " two", "中国", "\n", "don't", "3", "éè", "  ", "▁", "x",
        ],
    ),
];

/// Puts a text together, in an order that looks like chance.
fn text(parts: &[&str], bytes: usize) -> String {
    let mut state = 7_u64;
    let mut text = String::new();
    while text.len() < bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        text += parts[(state >> 33) as usize % parts.len()];
    }
    text
}

fn read(made: &Value) -> Tokenizer {
    Tokenizer::from_bytes(made.to_string()).expect("a tokenizer")
}

/// A byte-level BPE that knows many parts of a text.
fn bytes(sample: &str, split: Option<&str>) -> Tokenizer {
    let lines = sample.split_inclusive(['\n', '。']).map(str::to_owned);
    let lines: Vec<String> = lines.collect();
    let made = train_bpe(lines.into_iter(), 420, &["<|end|>"]).expect("a BPE");
    let mut made: Value = serde_json::from_str(&made).expect("JSON");
    if let Some(regex) = split {
        let split = json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false});
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
        made["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [split, bytes]});
        made["normalizer"] = json!({"type": "NFC"});
        made["model"]["ignore_merges"] = json!(true);
    }
    read(&made)
}

/// The parts of a text as tokens, joined two by two by merges that overlap.
fn merges(parts: &[&str]) -> (Value, Value) {
    let mut vocab = vec!["<unk>".to_owned(), "▁".to_owned()];
    let mut merges = Vec::new();
    let letters = parts.iter().flat_map(|it| it.chars()).filter(|c| *c != ' ');
    for c in letters.map(String::from) {
        if !vocab.contains(&c) {
            vocab.push(c);
        }
    }
    // Every pair of letters that another one follows, the last ones first.
    let alone = vocab[2..].to_vec();
    for (i, a) in alone.iter().enumerate().rev() {
        for b in alone.iter().skip(i % 3).step_by(2) {
            merges.push([a.clone(), b.clone()]);
            vocab.push(format!("{a}{b}"));
        }
        merges.push(["▁".to_owned(), a.clone()]);
        vocab.push(format!("▁{a}"));
    }
    for (i, a) in alone.iter().enumerate() {
        let pair = merges[i % merges.len()].concat();
        if !vocab.contains(&format!("{pair}{a}")) {
            vocab.push(format!("{pair}{a}"));
            merges.push([pair, a.clone()]);
        }
    }
    let ids = vocab.into_iter().enumerate();
    let vocab: serde_json::Map<String, Value> = ids.map(|(i, it)| (it, json!(i))).collect();
    (vocab.into(), json!(merges))
}

fn with(model: &Value, normalizer: &Value, pre_tokenizer: &Value) -> Tokenizer {
    read(&json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": null,
        "decoder": null, "model": model,
    }))
}

/// All tokenizers for a text, with their names.
fn tokenizers(parts: &[&str]) -> Vec<(String, Tokenizer)> {
    let sample = text(parts, 20_000);
    // The others are cut at the same places.
    let has_blanks = sample.contains(' ');
    let mut all = vec![
        ("bytes".to_owned(), bytes(&sample, None)),
        ("LLaMA 3".to_owned(), bytes(&sample, Some(LLAMA_3))),
        ("by case".to_owned(), bytes(&sample, Some(BY_CASE))),
    ];
    let (vocab, merges) = merges(parts);
    let bpe = json!({
        "type": "BPE", "vocab": vocab, "merges": merges, "unk_token": "<unk>", "fuse_unk": true,
    });
    let pieces = vocab.as_object().expect("a vocabulary").iter();
    let pieces: Vec<Value> = pieces
        .map(|(it, id)| json!([it, -1.5 - id.as_f64().unwrap_or(0.0) / 64.0]))
        .collect();
    let unigram = json!({"type": "Unigram", "unk_id": 0, "vocab": pieces, "byte_fallback": false});
    let none = Value::Null;
    for (scheme, split) in [("always", true), ("first", true), ("never", false)] {
        let space = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split});
        all.push((format!("{scheme} {split}"), with(&bpe, &none, &space)));
        if has_blanks {
            let name = format!("Unigram {scheme} {split}");
            all.push((name, with(&unigram, &none, &space)));
        }
    }
    let prepend = json!({"type": "Prepend", "prepend": "▁"});
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let legacy = json!({"type": "Sequence", "normalizers": [prepend, replace]});
    all.push(("legacy".to_owned(), with(&bpe, &legacy, &none)));
    all.push(("gemma".to_owned(), with(&bpe, &replace, &none)));
    if !has_blanks {
        return all;
    }
    let level = json!({"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"});
    let pieces = json!({
        "type": "WordPiece", "vocab": vocab, "unk_token": "<unk>",
        "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    });
    let bert = json!({
        "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
        "strip_accents": null, "lowercase": true,
    });
    let words = json!({"type": "Whitespace"});
    all.push(("Whitespace".to_owned(), with(&bpe, &none, &words)));
    all.push(("WordLevel".to_owned(), with(&level, &none, &words)));
    let pre_tokenizer = json!({"type": "BertPreTokenizer"});
    all.push(("BERT".to_owned(), with(&pieces, &bert, &pre_tokenizer)));
    all
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, tokenizers::Error> {
    Ok(tokenizer.encode_fast(text, false)?.get_ids().to_vec())
}

#[test]
fn pieces_are_the_wholes_whatever_splits_the_text() {
    let mut cut = Vec::new();
    for (language, parts) in TEXTS {
        let text = text(parts, 2 * SHORT);
        for (name, tokenizer) in tokenizers(parts) {
            let window = Window::of(&tokenizer);
            let whole = ids(&tokenizer, &text).expect("tokens");
            for n in [1, 8_500] {
                let read = |wanted| {
                    let found = window.encode(&tokenizer, &text, wanted, |it| ids(&tokenizer, it));
                    found.expect("tokens").expect("a short text is read")
                };
                let (last, is_all) = read(Wanted::Last(n));
                assert!(whole.ends_with(&last), "{language}, {name}: last {n}");
                assert!(is_all || last.len() > n, "{language}, {name}: last {n}");
                let (first, first_is_all) = read(Wanted::First(n));
                assert!(whole.starts_with(&first), "{language}, {name}: first {n}");
                assert!(
                    first_is_all || first.len() > n,
                    "{language}, {name}: first {n}"
                );
                if !is_all && !first_is_all {
                    cut.push(format!("{language}, {name}"));
                }
            }
        }
    }
    cut.dedup();
    // What real tokenizers are.
    for (language, _) in TEXTS {
        for name in [
            "bytes",
            "LLaMA 3",
            "by case",
            "legacy",
            "gemma",
            "always true",
        ] {
            let wanted = format!("{language}, {name}");
            assert!(cut.contains(&wanted), "{wanted}: {cut:?}");
        }
    }
    for name in ["BERT", "WordLevel", "Whitespace", "Unigram always true"] {
        let wanted = format!("mixed, {name}");
        assert!(cut.contains(&wanted), "{wanted}: {cut:?}");
    }
}

#[test]
fn a_long_text_without_blanks_costs_what_is_wanted_of_it() {
    for (i, (language, parts)) in TEXTS.into_iter().enumerate() {
        let text = text(parts, if i == 0 { 20 } else { 2 } * LONGEST);
        let sample = &text[..text.floor_char_boundary(20_000)];
        for split in [None, Some(LLAMA_3), Some(BY_CASE)] {
            let tokenizer = bytes(sample, split);
            let window = Window::of(&tokenizer);
            for wanted in [Wanted::Last(512), Wanted::First(512)] {
                let encode = |piece: &str| {
                    assert!(piece.len() < LONGEST / 8, "{language}: {}", piece.len());
                    ids(&tokenizer, piece)
                };
                let found = window.encode(&tokenizer, &text, wanted, encode);
                let (found, is_all) = found.expect("tokens").expect(language);
                assert!(found.len() > 512 && !is_all, "{language}, {wanted:?}");
            }
        }
    }
}

/// The text before a run of letters without case tells whether a capital after
/// it begins a word.
#[test]
fn letters_without_case_before_a_capital_are_not_parted_where_the_split_tells_case() {
    let parts = ["我", "的", "中", "国", "的Abc", "人Abc", "see", "Abc"];
    let tokenizer = bytes(&text(&parts, 20_000), Some(BY_CASE));
    let window = Window::of(&tokenizer);
    let run = text(&parts[..4], 2 * SHORT);
    for end in ["的Abc", "人Abc see", "的abc", "Abc我的人Abc", "的"] {
        let text = format!("once see{run}{end}");
        let whole = ids(&tokenizer, &text).expect("tokens");
        for n in [1, 20, 500, 8_500] {
            let found = window.encode(&tokenizer, &text, Wanted::Last(n), |it| ids(&tokenizer, it));
            let (last, _) = found.expect("tokens").expect("a short text is read");
            assert!(last.len() >= n && whole.ends_with(&last), "{end}: {n}");
        }
    }
}

#[test]
fn what_splits_behind_bytes_is_not_taken_for_what_splits_texts() {
    let mut made = serde_json::to_value(bytes("the cat the cat the", Some(LLAMA_3))).expect("JSON");
    assert!(Window::of(&read(&made)).places.is_some());
    let steps = made["pre_tokenizer"]["pretokenizers"].as_array_mut();
    steps.expect("two steps").reverse();
    assert!(Window::of(&read(&made)).places.is_none());
}

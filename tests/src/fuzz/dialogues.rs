//! Tokenizers and chat templates.

use std::sync::LazyLock;

use apo_dialogue::{DialogueTokenizer, Template};
use serde_json::Value;

use super::damage::chain;
use super::scratch;

/// The files of a model directory from which a tokenizer is read.
const FILES: [&str; 6] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "config.json",
    "chat_template.jinja",
];

/// The dialogues to tokenise.
const DIALOGUES: [(&str, &str); 3] = [
    ("\n\nHuman: Why?\n\nAssistant:", "Because 2 < 3, \u{e9}."),
    (
        "\n\nHuman: A\n\nAssistant: B\u{1f600} </s> <unk>\n\nHuman:  c  \n\nAssistant:",
        " - one\n - two\u{2028}\u{0}",
    ),
    ("no dialogue at all", ""),
];

/// The number of ids to take of a long text.
const KEEP: usize = 5;

/// A dialogue so long that only the end of its prompt is read.
static LONG: LazyLock<String> = LazyLock::new(|| {
    let words = [
        "a",
        " the",
        "  12345",
        "\n\n",
        "</s>",
        ", \u{e9}\u{e9}",
        " - ",
        "xxxxxxxx",
        "\t",
    ];
    let mut text = "\n\nHuman:".to_owned();
    for i in 0..18_000_usize {
        text += words[i * i % 89 % words.len()];
    }
    text + "\n\nAssistant:"
});

/// Maximum tokens of a dialogue that a template renders.
const MOST: usize = 1 << 22;

/// Reads several files: an object of their contents by name. Any other JSON is a
/// `tokenizer.json`.
pub fn tokenizer(bytes: &[u8]) -> String {
    let contents = contents(bytes);
    let files: Vec<(&str, &[u8])> = contents
        .iter()
        .map(|(name, bytes)| (*name, bytes.as_slice()))
        .collect();
    let dir = scratch::folder(&files);
    match DialogueTokenizer::load(&dir, Template::Hh) {
        Ok(tokenizer) => used(&tokenizer),
        Err(error) => chain(&error),
    }
}

fn contents(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let Ok(Value::Object(mut contents)) = serde_json::from_slice(bytes) else {
        return vec![(FILES[0], bytes.to_vec())];
    };
    let content = |value| match value {
        Value::String(text) => text.into_bytes(),
        value => value.to_string().into_bytes(),
    };
    FILES
        .into_iter()
        .filter_map(|name| Some((name, content(contents.remove(name)?))))
        .collect()
}

/// A small tokenizer with an end of text, for rendering templates.
const SMALL: &str = include_str!("../../../fixtures/fuzz/tokenizer/bytes.json");

pub fn template(bytes: &[u8]) -> String {
    let mut files = contents(SMALL.as_bytes());
    files.push((FILES[5], bytes.to_vec()));
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (*name, bytes.as_slice()))
        .collect();
    let dir = scratch::folder(&files);
    match DialogueTokenizer::load(&dir, Template::Chat) {
        Ok(tokenizer) => used(&tokenizer),
        Err(error) => chain(&error),
    }
}

/// Encodes and decodes with a tokenizer.
fn used(tokenizer: &DialogueTokenizer) -> String {
    let mut answers = Vec::new();
    let within = |ids: &[u32]| ids.iter().all(|id| (*id as usize) < tokenizer.vocab_size());
    assert!(within(tokenizer.stop_ids()), "ends of text have ids");
    assert!(tokenizer.stop_ids().contains(&tokenizer.eos()));
    assert!(within(&Vec::from_iter(tokenizer.bos())));
    for (prompt, response) in DIALOGUES {
        let prompt_ids = match tokenizer.encode_prompt(prompt, usize::MAX) {
            Ok(ids) => ids,
            Err(error) => {
                answers.push(chain(&error));
                continue;
            }
        };
        assert!(within(&prompt_ids), "{prompt_ids:?}");
        assert!(prompt_ids.len() < MOST, "{} ids", prompt_ids.len());
        if let Ok(last) = tokenizer.encode_prompt(prompt, KEEP) {
            let n = last.len().min(prompt_ids.len()).min(KEEP);
            assert!(prompt_ids.ends_with(&last[last.len() - n..]), "{last:?}");
        }
        let ids = match tokenizer.encode_response(&prompt_ids, response, usize::MAX) {
            Ok(ids) => ids,
            Err(error) => {
                answers.push(chain(&error));
                continue;
            }
        };
        assert!(within(&ids), "{ids:?}");
        if let Ok(first) = tokenizer.encode_response(&prompt_ids, response, KEEP) {
            let n = first.len().min(KEEP);
            assert!(ids.starts_with(&first[..n]), "{first:?} of {ids:?}");
        }
        answers.push(match tokenizer.decode_response(&ids) {
            Ok(text) => format!("{} of {}", text == response.trim(), ids.len().min(9)),
            Err(error) => chain(&error),
        });
        let _ = tokenizer.decode_all(&prompt_ids);
        tokenizer.ends_turn(&ids);
    }
    if let Ok(whole) = tokenizer.encode_prompt(&LONG, usize::MAX)
        && let Ok(last) = tokenizer.encode_prompt(&LONG, KEEP)
    {
        let n = last.len().min(KEEP);
        assert!(whole.ends_with(&last[last.len() - n..]), "{last:?}");
    }
    answers.join("; ")
}

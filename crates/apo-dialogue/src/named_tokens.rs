//! The tokens that have a name, such as beginning and end of text, and padding.

use std::path::Path;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use tokenizers::AddedToken;

use crate::error::DialogueError;
use crate::files::{self, malformed};

/// The names, in the order in which `transformers` adds their tokens.
const NAMES: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// A tokenizer class of `transformers`.
pub(crate) struct Class {
    name: &'static str,
    /// The architectures that use this class.
    architectures: &'static [&'static str],
    /// The tokens that it has unless the files name others.
    tokens: &'static [(&'static str, &'static str)],
    /// The default of `add_bos_token`, for a class that follows it in
    /// transformers 4.
    pub(crate) adds_bos: Option<bool>,
}

const LLAMA: Class = Class {
    name: "LlamaTokenizer",
    architectures: &["llama", "mistral", "mixtral"],
    tokens: &[
        ("bos_token", "<s>"),
        ("eos_token", "</s>"),
        ("unk_token", "<unk>"),
    ],
    adds_bos: Some(true),
};

const CLASSES: [Class; 7] = [
    LLAMA,
    Class {
        name: "CodeLlamaTokenizer",
        architectures: &[],
        ..LLAMA
    },
    Class {
        name: "GemmaTokenizer",
        architectures: &["gemma", "gemma2", "gemma3_text"],
        tokens: &[
            ("bos_token", "<bos>"),
            ("eos_token", "<eos>"),
            ("unk_token", "<unk>"),
            ("pad_token", "<pad>"),
        ],
        adds_bos: Some(true),
    },
    Class {
        name: "Qwen2Tokenizer",
        architectures: &["qwen2", "qwen3"],
        tokens: &[
            ("eos_token", "<|endoftext|>"),
            ("unk_token", "<|endoftext|>"),
            ("pad_token", "<|endoftext|>"),
        ],
        adds_bos: None,
    },
    Class {
        name: "GPT2Tokenizer",
        architectures: &["gpt2"],
        tokens: &[
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("unk_token", "<|endoftext|>"),
        ],
        adds_bos: None,
    },
    Class {
        name: "GPTNeoXTokenizer",
        architectures: &["gpt_neox", "olmo", "olmo2"],
        tokens: &[
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("unk_token", "<|endoftext|>"),
        ],
        adds_bos: Some(false),
    },
    Class {
        name: "CohereTokenizer",
        architectures: &["cohere", "cohere2"],
        tokens: &[
            ("bos_token", "<BOS_TOKEN>"),
            ("eos_token", "<|END_OF_TURN_TOKEN|>"),
            ("unk_token", "<UNK>"),
        ],
        adds_bos: Some(true),
    },
];

/// Returns the class of a tokenizer: the one that `tokenizer_config.json` names,
/// or else that of the model's architecture.
pub(crate) fn class(config: &Value, architecture: Option<&str>) -> Option<&'static Class> {
    let name = config["tokenizer_class"].as_str();
    let name = name.map(|it| it.strip_suffix("Fast").unwrap_or(it));
    CLASSES.iter().find(|it| match name {
        Some(name) => name == it.name,
        None => architecture.is_some_and(|name| it.architectures.contains(&name)),
    })
}

/// The tokens that the files name.
#[derive(Debug, Default)]
pub(crate) struct NamedTokens {
    /// By name; those of [`NAMES`] first, then a model's own (`…_token`).
    tokens: IndexMap<String, AddedToken>,
    /// Further special tokens, without a name.
    pub(crate) further: Vec<AddedToken>,
    /// Names whose token is the tokenizer class's own, not the files'.
    defaults: Vec<&'static str>,
    /// Whether templates do not see those: transformers 5 takes them from a
    /// class that the files name, not from the architecture's class.
    are_hidden: bool,
}

impl NamedTokens {
    /// Reads them from `tokenizer_config.json` and, for tokenizers that were
    /// saved before it listed the added tokens, `special_tokens_map.json`; what
    /// neither names is the default of the tokenizer's class.
    ///
    /// # Errors
    ///
    /// When a file is malformed.
    pub(crate) fn read(
        dir: &Path,
        config: &Value,
        architecture: Option<&str>,
    ) -> Result<Self, DialogueError> {
        let path = dir.join("tokenizer_config.json");
        let mut found = Self::default();
        let mut silent = NAMES.to_vec();
        found.take(&path, config, &mut silent)?;
        if config["added_tokens_decoder"].is_null() {
            let path = dir.join("special_tokens_map.json");
            if let Some(map) = files::object(&path)? {
                found.take(&path, &map, &mut silent)?;
            }
        }
        found.are_hidden = config["tokenizer_class"].is_null();
        let tokens = class(config, architecture).map_or(&[][..], |it| it.tokens);
        for &(name, text) in tokens {
            if silent.contains(&name) {
                let token = AddedToken::from(text, true);
                found.tokens.insert(name.to_owned(), token);
                found.defaults.push(name);
            }
        }
        Ok(found)
    }

    /// Takes the tokens that a file names, and removes every name in it from
    /// `silent`.
    fn take(
        &mut self,
        path: &Path,
        file: &Value,
        silent: &mut Vec<&'static str>,
    ) -> Result<(), DialogueError> {
        let nothing = Map::new();
        for (name, value) in file.as_object().unwrap_or(&nothing) {
            match name.as_str() {
                "additional_special_tokens" | "extra_special_tokens" => {
                    self.take_further(path, name, value)?;
                }
                // `add_bos_token` and the like name no token.
                _ if !name.ends_with("_token")
                    || name.starts_with("add_")
                    || value.is_boolean() => {}
                _ => {
                    silent.retain(|it| it != name);
                    match special_token(path, name, value)? {
                        Some(token) => self.tokens.insert(name.clone(), token),
                        None => self.tokens.shift_remove(name),
                    };
                }
            }
        }
        Ok(())
    }

    /// Takes a list of special tokens without names, or an object of named ones.
    fn take_further(
        &mut self,
        path: &Path,
        name: &str,
        value: &Value,
    ) -> Result<(), DialogueError> {
        match value {
            Value::Null => {}
            Value::Array(tokens) => {
                for value in tokens {
                    let token = special_token(path, name, value)?;
                    let is_new = |it: &AddedToken| !self.further.contains(it);
                    self.further.extend(token.filter(is_new));
                }
            }
            Value::Object(tokens) => {
                for (name, value) in tokens {
                    if let Some(token) = special_token(path, name, value)? {
                        self.tokens.insert(name.clone(), token);
                    }
                }
            }
            _ => return Err(malformed(path, format!("`{name}` is not a list"))),
        }
        Ok(())
    }

    /// Returns the text of a name's token.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.tokens.get(name).map(|token| token.content.as_str())
    }

    /// Forgets the defaults that the tokenizer does not know.
    pub(crate) fn keep_known(&mut self, knows: impl Fn(&str) -> bool) {
        let defaults = &self.defaults;
        self.tokens.retain(|name, token| {
            !defaults.contains(&name.as_str()) || knows(token.content.as_str())
        });
    }

    /// Returns names and tokens, in the order in which they are added.
    pub(crate) fn in_order(&self) -> Vec<(&str, &AddedToken)> {
        let place = |name: &str| NAMES.iter().position(|it| *it == name);
        let mut all: Vec<_> = self
            .tokens
            .iter()
            .map(|(name, token)| (name.as_str(), token))
            .collect();
        all.sort_by_key(|(name, _)| place(name).unwrap_or(NAMES.len()));
        let further = self.further.iter();
        all.extend(further.map(|token| ("additional_special_tokens", token)));
        all
    }

    /// Returns the variables that a chat template sees: names and texts.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_hidden = |name: &str| self.are_hidden && self.defaults.contains(&name);
        let tokens = self.tokens.iter();
        tokens
            .filter(move |(name, _)| !is_hidden(name))
            .map(|(name, token)| (name.as_str(), token.content.as_str()))
    }
}

/// Reads a token that is special, unless it says otherwise: its text, or an
/// object that also says how it is matched.
///
/// # Errors
///
/// When it is neither.
fn special_token(
    path: &Path,
    name: &str,
    value: &Value,
) -> Result<Option<AddedToken>, DialogueError> {
    token(path, name, value, true)
}

/// Reads a token as [`special_token`], but one that is special only if it says
/// so.
///
/// # Errors
///
/// When it is neither a text nor an object with one.
pub(crate) fn added_token(
    path: &Path,
    name: &str,
    value: &Value,
) -> Result<Option<AddedToken>, DialogueError> {
    token(path, name, value, false)
}

fn token(
    path: &Path,
    name: &str,
    value: &Value,
    special: bool,
) -> Result<Option<AddedToken>, DialogueError> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => Some(text.as_str()),
        other => other["content"].as_str(),
    };
    let Some(text) = text else {
        let problem = format!("`{name}` is neither a text nor an object with a text as `content`");
        return Err(malformed(path, problem));
    };
    if text.is_empty() {
        return Ok(None);
    }
    let flag = |name: &str, default| value[name].as_bool().unwrap_or(default);
    let special = flag("special", special);
    Ok(Some(
        AddedToken::from(text, special)
            .single_word(flag("single_word", false))
            .lstrip(flag("lstrip", false))
            .rstrip(flag("rstrip", false))
            .normalized(flag("normalized", !special)),
    ))
}

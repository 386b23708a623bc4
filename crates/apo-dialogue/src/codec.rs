//! A model directory's tokenizer and template: text to token ids and back.
//!
//! Prompt and response are tokenised apart and joined, in training and
//! sampling alike; decoding the joined ids gives the prompt, one space, and
//! the response (template `hh`), whatever the tokenizer does with spaces.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::Tokenizer;

use crate::error::DialogueError;
use crate::hh::{self, Turn};
use crate::template::{ChatTemplate, Template};

/// Text that the boundary is tried on.
const PROBES: [(&str, &str); 3] = [
    ("\n\nHuman: Why?\n\nAssistant:", "Because it is so."),
    ("\n\nHuman: 2 + 2\n\nAssistant:", "4"),
    ("\n\nHuman: a list\n\nAssistant:", "- one\n- two"),
];

/// The last tokens in which a further human turn is looked for: the marker has
/// eight characters, each at most a token of its own, and a few bytes before.
const TURN_WINDOW: usize = 16;

/// Tokenizer and template of a model.
pub struct Codec {
    /// Takes the texts of special tokens as plain text.
    plain: Tokenizer,
    /// Takes them as the tokens that they are.
    special: Tokenizer,
    template: Template,
    chat: Option<ChatTemplate>,
    /// What stands before a response when it is tokenised.
    lead: &'static str,
    special_texts: Vec<String>,
    bos: Option<u32>,
    eos: u32,
    stop_ids: Vec<u32>,
    vocab_size: usize,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec")
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Option<String>, DialogueError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DialogueError::Io {
            path: path.into(),
            source,
        }),
    }
}

fn json(path: &Path) -> Result<Option<Value>, DialogueError> {
    let Some(text) = read(path)? else {
        return Ok(None);
    };
    let value = serde_json::from_str(&text).map_err(|error| malformed(path, error))?;
    Ok(Some(value))
}

fn malformed(path: &Path, problem: impl ToString) -> DialogueError {
    DialogueError::Malformed {
        path: path.into(),
        problem: problem.to_string(),
    }
}

/// A token of `tokenizer_config.json`: its text, or an object that holds it.
fn token_text(config: &Value, name: &str) -> Option<String> {
    let token = &config[name];
    let text = token.as_str().or_else(|| token["content"].as_str());
    text.map(str::to_owned)
}

/// The model's own chat template, from where `transformers` looks for it.
fn chat_template(dir: &Path, config: &Value) -> Result<Option<String>, DialogueError> {
    if let Some(source) = read(&dir.join("chat_template.jinja"))? {
        return Ok(Some(source));
    }
    let found = match &config["chat_template"] {
        Value::Array(named) => {
            let default = named.iter().find(|it| it["name"] == "default");
            default.and_then(|it| it["template"].as_str())
        }
        other => other.as_str(),
    };
    Ok(found.map(str::to_owned))
}

impl Codec {
    /// Loads a model directory's tokenizer.
    ///
    /// # Errors
    ///
    /// When files are missing or malformed, when it has no end of text, when
    /// the template `chat` is asked and it has none, or when prompt and
    /// response cannot be joined.
    pub fn load(dir: &Path, template: Template) -> Result<Self, DialogueError> {
        let path = dir.join("tokenizer.json");
        if !path.exists() {
            return Err(DialogueError::MissingFile {
                dir: dir.into(),
                missing: "tokenizer.json",
            });
        }
        let special = Tokenizer::from_file(&path).map_err(|error| malformed(&path, error))?;
        let config = json(&dir.join("tokenizer_config.json"))?.unwrap_or(Value::Null);
        let id = |name| token_text(&config, name).and_then(|text| special.token_to_id(&text));
        let eos = id("eos_token").ok_or_else(|| DialogueError::NoEos { dir: dir.into() })?;
        let bos = if adds_bos(&special, &config, id("bos_token"))? {
            id("bos_token")
        } else {
            None
        };
        let generation = json(&dir.join("generation_config.json"))?.unwrap_or(Value::Null);
        let mut stop_ids = vec![eos];
        let further = match &generation["eos_token_id"] {
            Value::Array(ids) => ids.iter().filter_map(Value::as_u64).collect(),
            other => Vec::from_iter(other.as_u64()),
        };
        for id in further.into_iter().filter_map(|id| u32::try_from(id).ok()) {
            if !stop_ids.contains(&id) {
                stop_ids.push(id);
            }
        }
        let chat = match template {
            Template::Hh => None,
            Template::Chat => {
                let source = chat_template(dir, &config)?
                    .ok_or_else(|| DialogueError::NoChatTemplate { dir: dir.into() })?;
                let text = |name| token_text(&config, name).unwrap_or_default();
                Some(ChatTemplate::new(
                    source,
                    text("bos_token"),
                    text("eos_token"),
                )?)
            }
        };
        let added = special.get_added_tokens_decoder();
        let special_texts = added
            .values()
            .filter(|token| token.special)
            .map(|token| token.content.clone())
            .collect();
        let mut plain = special.clone();
        plain.set_encode_special_tokens(true);
        let ids = special.get_vocab(true).into_values();
        let vocab_size = ids.max().map_or(0, |id| id as usize + 1);
        let mut codec = Self {
            plain,
            special,
            template,
            chat,
            lead: "",
            special_texts,
            bos,
            eos,
            stop_ids,
            vocab_size,
        };
        if template == Template::Hh {
            codec.lead = codec.find_lead(dir)?;
        }
        Ok(codec)
    }

    /// Finds what to put before a response, so that it stands one space after
    /// its prompt: a space, or nothing where the tokenizer adds one itself.
    fn find_lead(&self, dir: &Path) -> Result<&'static str, DialogueError> {
        let mut failed = None;
        for lead in [" ", ""] {
            failed = None;
            for (prompt, response) in PROBES {
                let mut ids = encode(&self.plain, prompt)?;
                ids.extend(encode(&self.plain, &format!("{lead}{response}"))?);
                let (joined, expected) = (self.decode(&ids), format!("{prompt} {response}"));
                if joined != expected {
                    failed = Some((joined, expected));
                }
            }
            if failed.is_none() {
                return Ok(lead);
            }
        }
        let (joined, expected) = failed.unwrap_or_default();
        Err(DialogueError::Boundary {
            dir: PathBuf::from(dir),
            joined,
            expected,
        })
    }

    /// Returns the template.
    pub fn template(&self) -> Template {
        self.template
    }

    /// Returns the highest token id, plus one.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Returns the beginning of text, where the model was trained with one.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Returns the end of text.
    pub fn eos(&self) -> u32 {
        self.eos
    }

    /// Returns every id that ends a response.
    pub fn stop_ids(&self) -> &[u32] {
        &self.stop_ids
    }

    /// Returns a prompt's ids, the beginning of text once where it is due.
    ///
    /// The text of a special token in the prompt is plain text.
    ///
    /// # Errors
    ///
    /// When the template refuses the dialogue or the tokenizer fails.
    pub fn encode_prompt(&self, prompt: &str) -> Result<Vec<u32>, DialogueError> {
        let Some(chat) = &self.chat else {
            let mut ids = Vec::from_iter(self.bos);
            ids.extend(encode(&self.plain, prompt)?);
            return Ok(ids);
        };
        let turns = hh::turns(prompt);
        if !self
            .special_texts
            .iter()
            .any(|text| prompt.contains(text.as_str()))
        {
            return encode(&self.special, &chat.render(&turns)?);
        }
        self.encode_guarded(chat, &turns)
    }

    /// Encodes a chat in which somebody wrote the text of a special token: what
    /// people wrote is told from what the template wrote by private-use
    /// characters, and tokenised apart.
    fn encode_guarded(
        &self,
        chat: &ChatTemplate,
        turns: &[Turn],
    ) -> Result<Vec<u32>, DialogueError> {
        let marker = |i: usize| format!("\u{e000}{i}\u{e001}");
        let marked: Vec<Turn> = turns
            .iter()
            .enumerate()
            .map(|(i, turn)| Turn {
                text: marker(i),
                ..turn.clone()
            })
            .collect();
        let rendered = chat.render(&marked)?;
        let mut ids = Vec::new();
        let mut rest = rendered.as_str();
        while let Some((before, after)) = rest.split_once('\u{e000}') {
            ids.extend(encode(&self.special, before)?);
            let (number, after) = after.split_once('\u{e001}').unwrap_or((after, ""));
            if let Some(turn) = number.parse().ok().and_then(|i: usize| turns.get(i)) {
                ids.extend(encode(&self.plain, &turn.text)?);
            }
            rest = after;
        }
        ids.extend(encode(&self.special, rest)?);
        Ok(ids)
    }

    /// Returns a response's ids as they follow a prompt, without end of text.
    ///
    /// # Errors
    ///
    /// When the tokenizer fails.
    pub fn encode_response(&self, response: &str) -> Result<Vec<u32>, DialogueError> {
        encode(&self.plain, &format!("{}{response}", self.lead))
    }

    /// Returns the text of a response's ids, stripped, up to a further human
    /// turn.
    pub fn decode_response(&self, ids: &[u32]) -> String {
        let text = self.decode(ids);
        let end = text.find(hh::HUMAN).unwrap_or(text.len());
        text[..end].trim().to_owned()
    }

    /// Returns the text of ids, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        self.special.decode(ids, true).unwrap_or_default()
    }

    /// Returns the text of ids with special tokens, as a model sees it.
    pub fn decode_all(&self, ids: &[u32]) -> String {
        self.special.decode(ids, false).unwrap_or_default()
    }

    /// Whether a further human turn begins in the last ids of a response.
    pub fn ends_turn(&self, ids: &[u32]) -> bool {
        let from = ids.len().saturating_sub(TURN_WINDOW);
        self.decode(&ids[from..]).contains(hh::HUMAN)
    }
}

/// Whether texts begin with a beginning of text: as the config says, or else
/// as the tokenizer does by itself.
fn adds_bos(
    tokenizer: &Tokenizer,
    config: &Value,
    bos: Option<u32>,
) -> Result<bool, DialogueError> {
    if let Some(adds) = config["add_bos_token"].as_bool() {
        return Ok(adds);
    }
    let empty = tokenizer.encode("", true).map_err(fails)?;
    Ok(bos.is_some() && empty.get_ids().first().copied() == bos)
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, DialogueError> {
    let encoding = tokenizer.encode_fast(text, false).map_err(fails)?;
    Ok(encoding.get_ids().to_vec())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn fails(error: tokenizers::Error) -> DialogueError {
    DialogueError::Tokenizer(error.to_string())
}

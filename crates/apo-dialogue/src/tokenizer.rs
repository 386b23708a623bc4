//! A model's tokenizer and template: text to token ids and back.
//!
//! Prompt and response are tokenised apart and joined, in training and
//! sampling alike; decoding the joined ids gives the prompt, one space, and
//! the response (template `hh`), whatever the tokenizer does with spaces.

mod decode;
mod encode;
mod probe;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;
use tokenizers::Tokenizer;

use crate::error::DialogueError;
use crate::files;
use crate::fit::{Truncation, TruncationCounts};
use crate::loader::Loaded;
use crate::prefix_space::ContinuationTokenizer;
use crate::sources::{self, ChatSource};
use crate::template::{ChatTemplate, Message, Template, Until};
use crate::window::Window;

/// Tokenizer and template of a model.
pub struct DialogueTokenizer {
    path: PathBuf,
    /// Takes the texts of special tokens as plain text.
    plain: Tokenizer,
    /// Takes them as the tokens that they are.
    special: Tokenizer,
    /// Like `plain`, for text that follows other text, if that is read
    /// differently.
    continuing: Option<ContinuationTokenizer>,
    /// Like `continuing`, but takes special tokens as what they are. It is made
    /// when it is first needed.
    continuing_special: OnceLock<Tokenizer>,
    window: Window,
    template: Template,
    chat: Option<ChatTemplate>,
    /// The texts of special tokens, and what finds them.
    special_texts: Vec<String>,
    finder: AhoCorasick,
    /// The ids of all added tokens, sorted.
    added: Vec<u32>,
    /// Those of them that take the whitespace after them.
    strips: Vec<u32>,
    bos: Option<u32>,
    /// The text of `bos`.
    bos_text: Option<String>,
    /// Whether texts begin with `bos` even if a template does not write it.
    adds_bos: bool,
    eos: u32,
    stop_ids: Vec<u32>,
    vocab_size: usize,
    notes: Vec<String>,
}

impl std::fmt::Debug for DialogueTokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DialogueTokenizer")
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

/// Returns the file that holds a model's own chat template, if it has one.
///
/// # Errors
///
/// When a file cannot be read or is malformed: such a model may have a
/// template.
pub fn chat_template_file(dir: &Path) -> Result<Option<PathBuf>, DialogueError> {
    let config = files::object(&dir.join("tokenizer_config.json"))?.unwrap_or(Value::Null);
    let found = sources::chat_template(dir, &config)?;
    Ok(found.map(|ChatSource { path, .. }| path))
}

impl DialogueTokenizer {
    /// Loads a model directory's tokenizer.
    ///
    /// # Errors
    ///
    /// When files are missing or malformed, when they contradict each other,
    /// when they name no end of text, when `chat` is asked for and the model
    /// has no chat template, or when prompt and response cannot be joined.
    pub fn load(dir: &Path, template: Template) -> Result<Self, DialogueError> {
        let Loaded {
            tokenizer: special,
            path,
            config,
            named,
            mut bos,
            ends,
            mut notes,
        } = Loaded::read(dir)?;
        let adds_bos = bos.is_some();
        let chat = match template {
            Template::Hh => None,
            Template::Chat => {
                let source = sources::chat_template(dir, &config)?
                    .ok_or_else(|| DialogueError::NoChatTemplate { dir: dir.into() })?;
                let named_bos = named.text("bos_token");
                // If the template writes it, it is a beginning of text, too.
                bos = bos.or_else(|| named_bos.and_then(|text| special.token_to_id(text)));
                Some(ChatTemplate::new(source, &named)?)
            }
        };
        notes.extend(chat.iter().flat_map(ChatTemplate::notes));
        let decoder = special.get_added_tokens_decoder();
        let special_texts: Vec<String> = decoder
            .values()
            .filter(|token| token.special && !token.content.is_empty())
            .map(|token| token.content.clone())
            .collect();
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&special_texts)
            .map_err(|error| files::malformed(&path, error))?;
        let strips = decoder.iter().filter(|(_, token)| token.rstrip);
        let strips = strips.map(|(id, _)| *id).collect();
        let mut added: Vec<u32> = decoder.into_keys().collect();
        added.sort_unstable();
        let mut plain = special.clone();
        plain.set_encode_special_tokens(true);
        let ids = special.get_vocab(true).into_values();
        let vocab_size = ids.max().map_or(0, |id| id as usize + 1);
        let made = Self {
            path,
            continuing: ContinuationTokenizer::of(&plain),
            continuing_special: OnceLock::new(),
            window: Window::of(&special),
            bos_text: bos.and_then(|bos| special.id_to_token(bos)),
            plain,
            special,
            template,
            chat,
            special_texts,
            finder,
            added,
            strips,
            bos,
            adds_bos,
            eos: ends.eos,
            stop_ids: ends.stop_ids,
            vocab_size,
            notes,
        };
        made.check_boundary(dir)?;
        Ok(made)
    }

    /// Returns the text between prompt and response.
    fn lead(&self) -> &'static str {
        match self.template {
            Template::Hh => " ",
            Template::Chat => "",
        }
    }

    /// Returns the template.
    pub fn template(&self) -> Template {
        self.template
    }

    /// Returns the date that the template is given, `YYYY-MM-DD`, if it asks for
    /// one.
    pub fn date(&self) -> Option<String> {
        let (year, month, day) = apo_jinja::DATE;
        let chat = self.chat.as_ref().filter(|it| it.is_dated());
        chat.map(|_| format!("{year}-{month:02}-{day:02}"))
    }

    /// Returns what a user should know of how the files were read.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the highest token id, plus one.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Returns the beginning of text, if the model was trained with one.
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

    /// Returns a truncation of prompt and response to `limit` tokens in all, with this
    /// tokenizer's beginning and end of text.
    pub fn truncation(&self, limit: usize) -> Truncation {
        Truncation {
            limit,
            eos: self.eos,
            bos: self.bos,
            counts: TruncationCounts::default(),
        }
    }

    /// Returns the text of messages as the model's chat template renders them,
    /// up to where the assistant is to answer.
    ///
    /// # Errors
    ///
    /// When the template refuses them or fails, or is not `chat`.
    pub fn render(&self, messages: &[Message]) -> Result<String, DialogueError> {
        let chat = self.chat.as_ref().ok_or(DialogueError::NotChat)?;
        chat.render(messages, Until::Answer)
    }

    fn fails(&self, problem: impl ToString) -> DialogueError {
        DialogueError::Tokenizer {
            path: self.path.clone(),
            problem: files::excerpt(&problem.to_string()),
        }
    }
}

//! A model's tokenizer and template: text to token ids and back.
//!
//! Prompt and response are tokenised apart and joined, in training and
//! sampling alike; decoding the joined ids gives the prompt, one space, and
//! the response (template `hh`), whatever the tokenizer does with spaces.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use apo_guard::guarded;
use serde_json::Value;
use tokenizers::Tokenizer;

use crate::continuing::Continuing;
use crate::error::DialogueError;
use crate::files;
use crate::loader::Loaded;
use crate::quoted::{Piece, Quoted};
use crate::sources::{self, ChatSource};
use crate::template::{ChatTemplate, Message, Template};
use crate::window::{LONGEST, Wanted, Window};

mod probe;

/// How many of the last tokens are searched for another human turn. The marker
/// has eight characters, each at most one token, after a few bytes.
const TURN_WINDOW: usize = 16;

/// Tokenizer and template of a model.
pub struct DialogueTokenizer {
    path: PathBuf,
    /// Takes the texts of special tokens as plain text.
    plain: Tokenizer,
    /// Takes them as the tokens that they are.
    special: Tokenizer,
    /// Like `plain`, for text that follows other text, if that is read
    /// differently.
    continuing: Option<Continuing>,
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
            continuing: Continuing::of(&plain),
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

    /// Returns the date that the template is told, `YYYY-MM-DD`, if it asks for
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

    /// Returns a prompt's ids, with one beginning of text if the model has one.
    ///
    /// Only the end of a long prompt may be read. It gives more than `keep` ids
    /// after the beginning of text, and they are the last ids of the whole
    /// prompt. If the prompt contains the text of a special token, that is
    /// plain text.
    ///
    /// # Errors
    ///
    /// When the template refuses the dialogue, the tokenizer fails, or the
    /// prompt is too long and its end alone cannot be read.
    pub fn encode_prompt(&self, prompt: &str, keep: usize) -> Result<Vec<u32>, DialogueError> {
        if self.chat.is_none() {
            let mut ids = Vec::from_iter(self.bos);
            ids.extend(
                self.encode_piece(&self.plain, prompt, Wanted::Last(keep))?
                    .0,
            );
            return Ok(ids);
        }
        let turns = apo_hh::turns(prompt);
        let messages: Vec<Message> = turns.iter().map(Message::from).collect();
        self.encode_messages(&messages, keep)
    }

    /// Returns the ids of messages as the model's chat template renders them,
    /// up to where the assistant is to answer, like [`Self::encode_prompt`].
    ///
    /// # Errors
    ///
    /// As [`Self::encode_prompt`], and when the template is not `chat`.
    pub fn encode_messages(
        &self,
        messages: &[Message],
        keep: usize,
    ) -> Result<Vec<u32>, DialogueError> {
        let chat = self.chat.as_ref().ok_or(DialogueError::NotChat)?;
        let (rendered, quoted) = self.render_quoted(chat, messages)?;
        let pieces = match &quoted {
            None => vec![Piece::Text(rendered.as_str())],
            Some(quoted) => quoted
                .pieces(&rendered, &self.special_texts)
                .unwrap_or_else(|| vec![Piece::Text(rendered.as_str())]),
        };
        let begins = |text: &String| rendered.starts_with(text.as_str());
        let bos = self
            .bos
            .filter(|_| self.bos_text.as_ref().is_some_and(begins));
        self.encode_pieces(&pieces, bos, keep)
    }

    /// Renders messages. Where somebody says the text of a special token, a
    /// mark takes its place, unless the template then renders the dialogue
    /// differently.
    fn render_quoted(
        &self,
        chat: &ChatTemplate,
        messages: &[Message],
    ) -> Result<(String, Option<Quoted>), DialogueError> {
        let quoted =
            |is_marked: fn(&Message) -> bool| Quoted::of(messages, &self.finder, chat, is_marked);
        let plain = chat.render(messages)?;
        for quoted in [quoted(|_| true), quoted(|it| it.role != "assistant")] {
            if let Some(quoted) = quoted
                && let Ok(rendered) = chat.render(&quoted.messages)
                && quoted.unmarked(&rendered, &self.special_texts).as_ref() == Some(&plain)
            {
                return Ok((rendered, Some(quoted)));
            }
        }
        Ok((plain, None))
    }

    /// Returns the text of messages as the model's chat template renders them,
    /// up to where the assistant is to answer.
    ///
    /// # Errors
    ///
    /// When the template refuses them or fails, or is not `chat`.
    pub fn render(&self, messages: &[Message]) -> Result<String, DialogueError> {
        let chat = self.chat.as_ref().ok_or(DialogueError::NotChat)?;
        chat.render(messages)
    }

    /// Encodes pieces of a text, each as it follows the piece before, starting
    /// with the last piece, until there are more than `keep` ids.
    fn encode_pieces(
        &self,
        pieces: &[Piece<'_>],
        bos: Option<u32>,
        keep: usize,
    ) -> Result<Vec<u32>, DialogueError> {
        let mut parts: Vec<Vec<u32>> = Vec::new();
        let (mut n, mut are_all) = (0, true);
        for (i, piece) in pieces.iter().enumerate().rev() {
            if n > keep {
                are_all = false;
                break;
            }
            let tokenizer = match (piece, i) {
                (Piece::Text(_), 0) => &self.special,
                (Piece::Text(_), _) => self.continuing_special(),
                (Piece::Quoted(_), 0) => &self.plain,
                (Piece::Quoted(_), _) => self.continuing(),
            };
            let (Piece::Text(text) | Piece::Quoted(text)) = piece;
            let wanted = Wanted::Last(keep.saturating_sub(n));
            let (ids, is_all) = self.encode_piece(tokenizer, text, wanted)?;
            n += ids.len();
            parts.push(ids);
            if !is_all {
                are_all = false;
                break;
            }
        }
        let begin = bos.filter(|_| !are_all);
        let ids = parts.into_iter().rev().flatten();
        let ids: Vec<u32> = begin.into_iter().chain(ids).collect();
        if ids.is_empty() {
            return Err(self.fails("it makes no tokens of the dialogue"));
        }
        Ok(ids)
    }

    /// Returns the ids of a prompt and of a response to it, like
    /// [`Self::encode_prompt`] and [`Self::encode_response`].
    ///
    /// # Errors
    ///
    /// As for these two.
    pub fn encode(
        &self,
        prompt: &str,
        response: &str,
        keep: usize,
    ) -> Result<(Vec<u32>, Vec<u32>), DialogueError> {
        let prompt = self.encode_prompt(prompt, keep)?;
        let response = self.encode_response(&prompt, response, keep)?;
        Ok((prompt, response))
    }

    /// Returns a response's ids as they follow its prompt's, without an end of
    /// text. Only the beginning of a long response may be read. It gives more
    /// than `keep` ids, and they are the first ids of the whole response.
    ///
    /// # Errors
    ///
    /// When the tokenizer fails, or the response is too long and its beginning
    /// alone cannot be read.
    pub fn encode_response(
        &self,
        prompt: &[u32],
        response: &str,
        keep: usize,
    ) -> Result<Vec<u32>, DialogueError> {
        let after_added = prompt
            .last()
            .is_some_and(|id| self.added.binary_search(id).is_ok());
        let tokenizer = match &self.continuing {
            Some(it) if after_added && it.after_added => &self.plain,
            _ => self.continuing(),
        };
        let mut text = format!("{}{response}", self.lead());
        if prompt.last().is_some_and(|id| self.strips.contains(id)) {
            text = text.trim_start().to_owned();
        }
        Ok(self.encode_piece(tokenizer, &text, Wanted::First(keep))?.0)
    }

    fn continuing(&self) -> &Tokenizer {
        self.continuing
            .as_ref()
            .map_or(&self.plain, |it| &it.tokenizer)
    }

    fn continuing_special(&self) -> &Tokenizer {
        let Some(continuing) = &self.continuing else {
            return &self.special;
        };
        self.continuing_special.get_or_init(|| {
            let mut tokenizer = continuing.tokenizer.clone();
            tokenizer.set_encode_special_tokens(false);
            tokenizer
        })
    }

    /// Encodes the wanted tokens of a text, and tells whether those are all.
    fn encode_piece(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
        wanted: Wanted,
    ) -> Result<(Vec<u32>, bool), DialogueError> {
        let found = self
            .window
            .encode(tokenizer, text, wanted, |text| self.ids(tokenizer, text))?;
        found.ok_or_else(|| DialogueError::TooLong {
            path: self.path.clone(),
            bytes: text.len(),
            most: LONGEST,
        })
    }

    fn ids(&self, tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, DialogueError> {
        let encoding = guarded(|| tokenizer.encode_fast(text, false))
            .map_err(|panic| self.fails(panic))?
            .map_err(|error| self.fails(error))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn fails(&self, problem: impl ToString) -> DialogueError {
        DialogueError::Tokenizer {
            path: self.path.clone(),
            problem: files::excerpt(&problem.to_string()),
        }
    }

    /// Returns the text of a response's ids, stripped, up to another human
    /// turn.
    ///
    /// # Errors
    ///
    /// When the tokenizer fails.
    pub fn decode_response(&self, ids: &[u32]) -> Result<String, DialogueError> {
        let text = self.decode(ids)?;
        let end = text.find(apo_hh::HUMAN).unwrap_or(text.len());
        Ok(text[..end].trim().to_owned())
    }

    /// Returns the text of ids without special tokens.
    ///
    /// # Errors
    ///
    /// When the tokenizer fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DialogueError> {
        self.text(ids, true)
    }

    /// Returns the text of ids with special tokens, as a model sees it.
    ///
    /// # Errors
    ///
    /// When the tokenizer fails.
    pub fn decode_all(&self, ids: &[u32]) -> Result<String, DialogueError> {
        self.text(ids, false)
    }

    fn text(&self, ids: &[u32], skip_special: bool) -> Result<String, DialogueError> {
        guarded(|| self.special.decode(ids, skip_special))
            .map_err(|panic| self.fails(panic))?
            .map_err(|error| self.fails(error))
    }

    /// Whether another human turn begins in the last ids of a response.
    pub fn ends_turn(&self, ids: &[u32]) -> bool {
        let from = ids.len().saturating_sub(TURN_WINDOW);
        // A tokenizer that fails here fails on the whole response too.
        self.decode(&ids[from..])
            .is_ok_and(|text| text.contains(apo_hh::HUMAN))
    }
}

//! Text to token ids.

use std::borrow::Cow;

use apo_guard::guarded;
use tokenizers::Tokenizer;

use super::DialogueTokenizer;
use crate::error::DialogueError;
use crate::quoted::{Piece, Quoted};
use crate::template::{ChatTemplate, Message, Until};
use crate::window::{LONGEST, Wanted};

impl DialogueTokenizer {
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
        self.encode_until(messages, Until::Answer, keep)
    }

    /// Returns the ids of a whole dialogue as the model's chat template renders it, with the
    /// response as its last message and, if the tokenizer adds one, one beginning of text.
    /// Reward models of `transformers` are trained on such texts. Of a long dialogue only the
    /// end may be read, as by [`Self::encode_prompt`].
    ///
    /// # Errors
    ///
    /// As [`Self::encode_messages`].
    pub fn encode_dialogue(
        &self,
        prompt: &str,
        response: &str,
        keep: usize,
    ) -> Result<Vec<u32>, DialogueError> {
        let turns = apo_hh::turns(prompt);
        let mut messages: Vec<Message> = turns.iter().map(Message::from).collect();
        messages.push(Message {
            role: "assistant".to_owned(),
            content: apo_hh::unquoted(response).into_owned(),
        });
        let mut ids = self.encode_until(&messages, Until::End, keep)?;
        if let Some(bos) = self.bos.filter(|_| self.adds_bos)
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    fn encode_until(
        &self,
        messages: &[Message],
        until: Until,
        keep: usize,
    ) -> Result<Vec<u32>, DialogueError> {
        let chat = self.chat.as_ref().ok_or(DialogueError::NotChat)?;
        let (rendered, quoted) = self.render_quoted(chat, messages, until)?;
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
        until: Until,
    ) -> Result<(String, Option<Quoted>), DialogueError> {
        let quoted =
            |is_marked: fn(&Message) -> bool| Quoted::of(messages, &self.finder, chat, is_marked);
        let plain = chat.render(messages, until)?;
        for quoted in [quoted(|_| true), quoted(|it| it.role != "assistant")] {
            if let Some(quoted) = quoted
                && let Ok(rendered) = chat.render(&quoted.messages, until)
                && quoted.unmarked(&rendered, &self.special_texts).as_ref() == Some(&plain)
            {
                return Ok((rendered, Some(quoted)));
            }
        }
        Ok((plain, None))
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
        // A chat template has tokens for turns: what a response quotes needs no mark.
        let response = match self.chat {
            Some(_) => apo_hh::unquoted(response),
            None => Cow::Borrowed(response),
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

    /// Returns the ids of a whole text.
    pub(super) fn ids(&self, tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, DialogueError> {
        let encoding = guarded(|| tokenizer.encode_fast(text, false))
            .map_err(|panic| self.fails(panic))?
            .map_err(|error| self.fails(error))?;
        Ok(encoding.get_ids().to_vec())
    }
}

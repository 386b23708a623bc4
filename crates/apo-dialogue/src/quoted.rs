//! Texts of special tokens that somebody says in a dialogue: they are read as text,
//! not as the tokens.
//!
//! One exception: a template may look for such a text in what is said, as some
//! do for `</think>` in the assistant's turns, or it may cut texts by their
//! length. Then it would render the dialogue differently if it found something
//! else. In that case, what the assistant says stays as it is, or if that is
//! not enough, what everybody says. Special tokens in it count as such, as in
//! `transformers`.

use aho_corasick::AhoCorasick;

use crate::template::{ChatTemplate, Message};

/// A piece of a rendered dialogue.
pub(crate) enum Piece<'a> {
    /// Text in which special tokens are what they are.
    Text(&'a str),
    /// The text of a special token that somebody said.
    Quoted(&'a str),
}

/// Messages in which somebody says the texts of special tokens. Characters of
/// private use take their place, which tells what people say from what the
/// template writes.
pub(crate) struct Quoted {
    /// With marks.
    pub(crate) messages: Vec<Message>,
    begin: char,
    end: char,
}

impl Quoted {
    /// Puts marks in the place of special tokens' texts in some of the
    /// messages; returns `None` if nobody says one there.
    pub(crate) fn of(
        messages: &[Message],
        finder: &AhoCorasick,
        chat: &ChatTemplate,
        is_marked: impl Fn(&Message) -> bool,
    ) -> Option<Self> {
        let is_quoting = |it: &Message| is_marked(it) && finder.is_match(&it.content);
        if !messages.iter().any(is_quoting) {
            return None;
        }
        let is_free = |c: &char| {
            !chat.source().contains(*c) && !messages.iter().any(|it| it.content.contains(*c))
        };
        let mut free = ('\u{f0000}'..='\u{ffffd}').filter(is_free);
        let (begin, end) = (free.next()?, free.next()?);
        let messages = messages.iter().map(|message| {
            if !is_marked(message) {
                return message.clone();
            }
            let mut content = String::with_capacity(message.content.len());
            finder.replace_all_with(&message.content, &mut content, |found, _, content| {
                *content += &format!("{begin}{}{end}", found.pattern().as_usize());
                true
            });
            let role = message.role.clone();
            Message { role, content }
        });
        Some(Self {
            messages: messages.collect(),
            begin,
            end,
        })
    }

    /// Returns a rendered text with the texts in place of the marks, or `None`
    /// if the template changed a mark.
    pub(crate) fn unmarked(&self, rendered: &str, special_texts: &[String]) -> Option<String> {
        let pieces = self.pieces(rendered, special_texts)?.into_iter();
        let texts = pieces.map(|(Piece::Text(text) | Piece::Quoted(text))| text);
        Some(texts.collect())
    }

    /// Cuts a rendered text at the marks; returns `None` if the template
    /// changed one.
    pub(crate) fn pieces<'a>(
        &self,
        rendered: &'a str,
        special_texts: &'a [String],
    ) -> Option<Vec<Piece<'a>>> {
        let mut pieces = Vec::new();
        let mut rest = rendered;
        while let Some((before, after)) = rest.split_once(self.begin) {
            let (number, after) = after.split_once(self.end)?;
            let number: usize = number.parse().ok()?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before));
            }
            pieces.push(Piece::Quoted(special_texts.get(number)?));
            rest = after;
        }
        if rest.contains(self.end) {
            return None;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest));
        }
        Some(pieces)
    }
}

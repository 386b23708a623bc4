//! Texts of special tokens that somebody says: they are text, not those tokens.

use aho_corasick::AhoCorasick;

use crate::template::{ChatTemplate, Message};

/// A piece of a rendered dialogue.
pub(crate) enum Piece<'a> {
    /// Text in which special tokens are what they are.
    Text(&'a str),
    /// The text of a special token that somebody said.
    Quoted(&'a str),
}

/// Messages in which somebody says the texts of special tokens: what people say
/// is told from what the template writes by characters of private use in their
/// place.
pub(crate) struct Quoted {
    /// With marks.
    pub(crate) messages: Vec<Message>,
    begin: char,
    end: char,
}

impl Quoted {
    /// Puts marks in the place of special tokens' texts; none where nobody says
    /// one.
    pub(crate) fn of(
        messages: &[Message],
        finder: &AhoCorasick,
        chat: &ChatTemplate,
    ) -> Option<Self> {
        if !messages.iter().any(|it| finder.is_match(&it.content)) {
            return None;
        }
        let is_free = |c: &char| {
            !chat.source().contains(*c) && !messages.iter().any(|it| it.content.contains(*c))
        };
        let mut free = ('\u{f0000}'..='\u{ffffd}').filter(is_free);
        let (begin, end) = (free.next()?, free.next()?);
        let messages = messages.iter().map(|message| {
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

    /// Cuts a rendered text at the marks.
    pub(crate) fn pieces<'a>(
        &self,
        rendered: &'a str,
        special_texts: &'a [String],
    ) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let mut rest = rendered;
        while let Some((before, after)) = rest.split_once(self.begin) {
            let (number, after) = after.split_once(self.end).unwrap_or((after, ""));
            if !before.is_empty() {
                pieces.push(Piece::Text(before));
            }
            let text = number
                .parse()
                .ok()
                .and_then(|i: usize| special_texts.get(i));
            pieces.extend(text.map(|text| Piece::Quoted(text)));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest));
        }
        pieces
    }
}

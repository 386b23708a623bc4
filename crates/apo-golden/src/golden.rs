//! A golden answer, and where it comes from.

use std::fmt;

use apo_tables::Finish;

/// Where a golden answer comes from; the column `origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The model's reply.
    Reply,
    /// A bare refusal, and the reply to `why?`.
    ReplyAfterWhy,
    /// A text of Code 2: the content policy refused the request.
    RefusalText,
    /// The better HH response: no reply came.
    HhChosen,
    /// A file of answers.
    File,
}

impl Origin {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [
        Self::Reply,
        Self::ReplyAfterWhy,
        Self::RefusalText,
        Self::HhChosen,
        Self::File,
    ];

    /// Returns the column's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::ReplyAfterWhy => "reply_after_why",
            Self::RefusalText => "refusal_text",
            Self::HhChosen => "hh_chosen",
            Self::File => "file",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A golden answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Golden {
    /// The answer, stripped.
    pub response: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Why it ended.
    pub finish: Finish,
}

impl Golden {
    /// Makes a golden answer from a text as a table holds it: stripped, and cut where
    /// another human turn begins; `None` if nothing remains.
    pub fn new(text: &str, origin: Origin) -> Option<Self> {
        let (text, finish) = match text.find(apo_hh::HUMAN) {
            Some(at) => (&text[..at], Finish::Turn),
            None => (text, Finish::Stop),
        };
        let response = text.trim().to_owned();
        (!response.is_empty()).then_some(Self {
            response,
            origin,
            finish,
        })
    }

    /// Makes a golden answer from a message of a chat model, like [`Self::new`]; markers
    /// that remain in it are [quoted](apo_hh::quoted).
    pub fn of_message(text: &str, origin: Origin) -> Option<Self> {
        let mut golden = Self::new(text, origin)?;
        golden.response = apo_hh::quoted(&golden.response).into_owned();
        Some(golden)
    }
}

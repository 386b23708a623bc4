//! The first or last tokens of a long text, without those of the rest.
//!
//! A prompt may have many megabytes, of which some hundred tokens are wanted.
//! Then only a piece of it is read, and of its tokens only those that the whole
//! text also has are returned:
//!
//! - The piece is cut where the whole text is cut before the model sees it
//!   ([`Places`]), such as before whitespace that follows a letter.
//! - If no such place is near (Chinese, Japanese or Thai prose) and the model
//!   is a BPE, the piece is cut inside a word, and tokens that depend on the
//!   text around the piece are left out ([`BpeBoundaries`]).
//!
//! If a tokenizer or a text allows neither, the whole text is read, up to
//! [`LONGEST`] bytes.

mod bpe_boundary;
mod places;
mod regex;
mod split;
#[cfg(test)]
mod tests;
mod wanted;

use std::sync::OnceLock;

use tokenizers::Tokenizer;

pub(crate) use wanted::Wanted;

use bpe_boundary::{BpeBoundaries, Known};
use places::{Cut, Places};

/// A text of up to this many bytes is always read as a whole.
const SHORT: usize = 1 << 16;

/// The most bytes that are read at once. This takes some 200 times as much
/// memory.
pub(crate) const LONGEST: usize = 2 << 20;

/// What is known about where a tokenizer's texts may be cut.
#[derive(Debug)]
pub(crate) struct Window {
    places: Option<Places>,
    /// What is known about the BPE. A dialogue tokenizer's parts share it, as they
    /// share the added tokens.
    known: OnceLock<Option<Known>>,
}

impl Window {
    /// Looks at a tokenizer.
    pub(crate) fn of(tokenizer: &Tokenizer) -> Self {
        Self {
            places: Places::of(tokenizer),
            known: OnceLock::new(),
        }
    }

    /// Calls `encode`, which uses a tokenizer, with a piece of a text that
    /// gives the wanted tokens, or with all of it. Returns its tokens, which
    /// are all that the text has or more than the wanted ones, and whether they
    /// are all. Returns `None` if a text that must be read as a whole is longer
    /// than [`LONGEST`].
    ///
    /// # Errors
    ///
    /// What `encode` fails with.
    pub(crate) fn encode<E>(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
        wanted: Wanted,
        encode: impl Fn(&str) -> Result<Vec<u32>, E>,
    ) -> Result<Option<(Vec<u32>, bool)>, E> {
        let (Wanted::First(n) | Wanted::Last(n)) = wanted;
        if text.len() <= SHORT {
            return Ok(Some((encode(text)?, true)));
        }
        // Most tokens are shorter; if they are not, it tries again.
        let mut bytes = n.saturating_mul(8).max(SHORT);
        let mut may_cut_words = true;
        while bytes < text.len().min(LONGEST)
            && let Some(places) = &self.places
        {
            let cut = places.cut(tokenizer, text, wanted, bytes..LONGEST, may_cut_words);
            let Some(Cut { piece, is_inside }) = cut else {
                break;
            };
            let ids = if is_inside {
                match BpeBoundaries::of(tokenizer, &self.known) {
                    None => None,
                    Some(boundaries) => {
                        let ids = encode(piece)?;
                        boundaries.kept(&ids, wanted).map(|kept| ids[kept].to_vec())
                    }
                }
            } else {
                Some(encode(piece)?)
            };
            let Some(ids) = ids else {
                // Only places between words are left.
                may_cut_words = false;
                continue;
            };
            if ids.len() > n {
                return Ok(Some((ids, false)));
            }
            bytes = piece.len().saturating_mul(4);
        }
        if text.len() > LONGEST {
            return Ok(None);
        }
        Ok(Some((encode(text)?, true)))
    }
}

//! Tokens of a BPE that do not depend on what stands before or behind.
//!
//! A BPE merges the pair of the lowest rank, of equal ones the leftmost, until
//! there is none. So two texts may be read apart if the last token of the one
//! and the first token of the other, read together, give these two: until a
//! merge goes over the border, each side is merged as it would be alone, and the
//! first merge over the border would also be made with nothing but the two
//! tokens there. Which token ends the unknown text before a piece is not known,
//! but it is one of those that the text before the border ends with: if the
//! border holds for each of them, it is one of the whole text's. The bytes of a
//! character that the vocabulary lacks are merged with nothing.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;

use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::{Model as _, Tokenizer};

use super::Wanted;

/// How many borders are tried; in prose one of the first is found to hold.
const TRIES: usize = 1 << 12;

/// The most characters of a token: a border is tried with as many texts, each as
/// long.
const LONGEST: usize = 512;

/// How many characters a byte's token has.
const BYTE: usize = 6;

/// A tokenizer's BPE.
pub(super) struct Settled<'a> {
    bpe: &'a BPE,
    /// Tokens that the BPE does not make of text, or not of text alone.
    others: HashSet<u32>,
    /// The tokens of bytes, which stand for characters that the vocabulary lacks.
    bytes: HashSet<u32>,
    /// How many characters the longest token has.
    longest: usize,
}

impl<'a> Settled<'a> {
    /// Returns the BPE of a tokenizer, if it is one whose tokens depend on
    /// nothing but the characters that they stand for.
    pub(super) fn of(tokenizer: &'a Tokenizer, longest: &OnceLock<usize>) -> Option<Self> {
        let ModelWrapper::BPE(bpe) = tokenizer.get_model() else {
            return None;
        };
        let is_plain = bpe.continuing_subword_prefix.is_none()
            && bpe.end_of_word_suffix.is_none()
            && bpe.dropout.is_none_or(|it| it == 0.0);
        if !is_plain {
            return None;
        }
        let longest = *longest.get_or_init(|| {
            let vocab = bpe.get_vocab();
            let is_joined = |token: &String| token.len() > BYTE && token.contains("<0x");
            if bpe.byte_fallback && vocab.keys().any(is_joined) {
                return 0;
            }
            let lengths = vocab.keys().map(|token| token.chars().count());
            lengths.max().unwrap_or(0)
        });
        if longest == 0 || longest > LONGEST {
            return None;
        }
        let mut bytes = HashSet::new();
        if bpe.byte_fallback {
            for byte in 0..=u8::MAX {
                let token = format!("<0x{byte:02X}>");
                bytes.extend(bpe.token_to_id(&token));
                // What is made of text as well is no longer a byte's alone.
                let read = bpe.tokenize(&token).ok()?;
                if read.iter().any(|it| it.value == token) {
                    return None;
                }
            }
        }
        let mut others: HashSet<u32> = tokenizer
            .get_added_tokens_decoder()
            .keys()
            .copied()
            .collect();
        let unknown = bpe.unk_token.as_ref();
        others.extend(unknown.and_then(|it| bpe.token_to_id(it)));
        Some(Self {
            bpe,
            others,
            bytes,
            longest,
        })
    }

    /// Returns which tokens of a piece, which was cut inside a word, are the
    /// whole text's; none where that is not known of any.
    pub(super) fn kept(&self, ids: &[u32], wanted: Wanted) -> Option<Range<usize>> {
        match wanted {
            Wanted::Last(_) => self.border(ids.iter().copied()).map(|at| at..ids.len()),
            Wanted::First(_) => {
                let backwards = Backwards(self);
                let at = backwards.border(ids.iter().rev().copied())?;
                Some(0..ids.len() - at)
            }
        }
    }

    /// Returns the text that a token stands for, as the model sees it.
    fn text(&self, id: u32) -> Option<String> {
        if self.others.contains(&id) {
            return None;
        }
        self.bpe.id_to_token(id)
    }

    /// Whether two texts that are tokens stay apart when they are read together.
    fn are_apart(&self, left: &str, right: &str) -> bool {
        let read = self.bpe.tokenize(&format!("{left}{right}"));
        read.is_ok_and(|it| matches!(&it[..], [a, b] if a.value == left && b.value == right))
    }

    /// Returns the first token before which there is a border whatever stands
    /// before the tokens.
    fn border(&self, ids: impl Iterator<Item = u32>) -> Option<usize> {
        let mut before: Vec<char> = Vec::new();
        let mut tries = 0;
        for (at, id) in ids.enumerate() {
            if self.bytes.contains(&id) {
                return Some(at);
            }
            let Some(token) = self.text(id) else {
                before.clear();
                continue;
            };
            // One more, since a tokenizer may put a blank before the piece.
            if before.len() > self.longest {
                let ends = (1..=self.longest).map(|n| &before[before.len() - n..]);
                let mut ends = ends.map(|it| it.iter().collect::<String>());
                let holds = ends.all(|end| {
                    self.bpe.token_to_id(&end).is_none() || self.are_apart(&end, &token)
                });
                if holds {
                    return Some(at);
                }
                tries += 1;
                if tries >= TRIES {
                    return None;
                }
            }
            before.extend(token.chars());
        }
        None
    }
}

/// The same from the end on.
struct Backwards<'a, 'b>(&'b Settled<'a>);

impl Backwards<'_, '_> {
    /// Returns how many tokens, of those that come from the end on, stand before
    /// the first one behind which there is a border whatever stands behind them.
    fn border(&self, ids: impl Iterator<Item = u32>) -> Option<usize> {
        let Self(of) = self;
        // The characters behind, the next one last.
        let mut behind: Vec<char> = Vec::new();
        let mut tries = 0;
        for (at, id) in ids.enumerate() {
            if of.bytes.contains(&id) {
                return Some(at);
            }
            let Some(token) = of.text(id) else {
                behind.clear();
                continue;
            };
            if behind.len() > of.longest {
                let starts = (1..=of.longest).map(|n| behind[behind.len() - n..].iter().rev());
                let mut starts = starts.map(Iterator::collect::<String>);
                let holds = starts.all(|start| {
                    of.bpe.token_to_id(&start).is_none() || of.are_apart(&token, &start)
                });
                if holds {
                    return Some(at);
                }
                tries += 1;
                if tries >= TRIES {
                    return None;
                }
            }
            behind.extend(token.chars().rev());
        }
        None
    }
}

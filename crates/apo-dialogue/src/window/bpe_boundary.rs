//! Tokens of a BPE that do not depend on the text around them.
//!
//! A BPE merges the pair of the lowest rank, the leftmost of equal ones, until
//! no pair is left. So two texts may be read apart if the last token of the
//! first and the first token of the second, read together, give these two
//! tokens. The reason: until a merge crosses the boundary, each side is merged as
//! if it were alone, and the first merge across the boundary would also be made
//! if there were only the two tokens. The token that ends the unknown text
//! before a piece is unknown, but it is one of those that the text before the
//! boundary may end with. If the boundary holds for each of them, it is a boundary in
//! the whole text. The bytes of a character that the vocabulary lacks are
//! merged with nothing.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;

use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::{Model as _, Tokenizer};

use super::wanted::Wanted;

/// How many boundaries are tried; in prose one of the first is found to hold.
const TRIES: usize = 1 << 12;

/// The most characters of a token: each boundary is tried with that many texts of
/// up to that length.
const LONGEST: usize = 512;

/// How many characters a byte's token has.
const BYTE: usize = 6;

/// A BPE whose tokens depend only on the characters that they stand for.
#[derive(Debug)]
pub(super) struct Known {
    /// Tokens that the BPE does not make of text, or not of text alone.
    others: HashSet<u32>,
    /// The tokens of bytes, which stand for characters that the vocabulary lacks.
    bytes: HashSet<u32>,
    /// How many characters the longest token has.
    longest: usize,
}

impl Known {
    /// Looks at a tokenizer's BPE; returns `None` if its tokens may depend on more.
    fn of(tokenizer: &Tokenizer, bpe: &BPE) -> Option<Self> {
        let is_plain = bpe.continuing_subword_prefix.is_none()
            && bpe.end_of_word_suffix.is_none()
            && bpe.dropout.is_none_or(|it| it == 0.0);
        if !is_plain {
            return None;
        }
        let vocab = bpe.get_vocab();
        let is_joined = |token: &String| token.len() > BYTE && token.contains("<0x");
        if bpe.byte_fallback && vocab.keys().any(is_joined) {
            return None;
        }
        let lengths = vocab.keys().map(|token| token.chars().count());
        let longest = lengths.max().filter(|it| (1..=LONGEST).contains(it))?;
        let mut bytes = HashSet::new();
        if bpe.byte_fallback {
            for byte in 0..=u8::MAX {
                let token = format!("<0x{byte:02X}>");
                bytes.extend(bpe.token_to_id(&token));
                // A token that text may also give does not stand for a byte
                // alone.
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
            others,
            bytes,
            longest,
        })
    }
}

/// The boundaries between the tokens of a tokenizer's BPE.
pub(super) struct BpeBoundaries<'a> {
    bpe: &'a BPE,
    known: &'a Known,
}

impl<'a> BpeBoundaries<'a> {
    /// Returns the BPE of a tokenizer, if its tokens depend only on the
    /// characters that they stand for. `known` keeps what was found: the
    /// vocabulary is long.
    pub(super) fn of(tokenizer: &'a Tokenizer, known: &'a OnceLock<Option<Known>>) -> Option<Self> {
        let ModelWrapper::BPE(bpe) = tokenizer.get_model() else {
            return None;
        };
        let known = known.get_or_init(|| Known::of(tokenizer, bpe));
        Some(Self {
            bpe,
            known: known.as_ref()?,
        })
    }

    /// Returns which tokens of a piece that was cut inside a word are tokens of
    /// the whole text, or `None` if this is certain of none.
    pub(super) fn kept(&self, ids: &[u32], wanted: Wanted) -> Option<Range<usize>> {
        match wanted {
            Wanted::Last(_) => {
                let at = self.boundary(ids.iter().copied(), false)?;
                Some(at..ids.len())
            }
            Wanted::First(_) => {
                let at = self.boundary(ids.iter().rev().copied(), true)?;
                Some(0..ids.len() - at)
            }
        }
    }

    /// Returns the text that a token stands for, as the model sees it.
    fn text(&self, id: u32) -> Option<String> {
        if self.known.others.contains(&id) {
            return None;
        }
        self.bpe.id_to_token(id)
    }

    /// Whether two texts that are tokens stay separate when they are read
    /// together.
    fn are_apart(&self, left: &str, right: &str) -> bool {
        let read = self.bpe.tokenize(&format!("{left}{right}"));
        read.is_ok_and(|it| matches!(&it[..], [a, b] if a.value == left && b.value == right))
    }

    /// Returns how many tokens there are before the first boundary that holds
    /// whatever text comes before the tokens. If `is_reversed`, the tokens run
    /// from the end, and the unknown text comes after them.
    fn boundary(&self, ids: impl Iterator<Item = u32>, is_reversed: bool) -> Option<usize> {
        let longest = self.known.longest;
        // The characters of the tokens so far.
        let mut passed: Vec<char> = Vec::new();
        let mut tries = 0;
        for (at, id) in ids.enumerate() {
            if self.known.bytes.contains(&id) {
                return Some(at);
            }
            let Some(token) = self.text(id) else {
                passed.clear();
                continue;
            };
            // One more, since a tokenizer may put a blank before the piece.
            if passed.len() > longest {
                let holds = (1..=longest).all(|n| {
                    let near = passed[passed.len() - n..].iter();
                    let near: String = if is_reversed {
                        near.rev().collect()
                    } else {
                        near.collect()
                    };
                    self.bpe.token_to_id(&near).is_none()
                        || if is_reversed {
                            self.are_apart(&token, &near)
                        } else {
                            self.are_apart(&near, &token)
                        }
                });
                if holds {
                    return Some(at);
                }
                tries += 1;
                if tries >= TRIES {
                    return None;
                }
            }
            if is_reversed {
                passed.extend(token.chars().rev());
            } else {
                passed.extend(token.chars());
            }
        }
        None
    }
}

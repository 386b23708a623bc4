//! Keys and values of the tokens so far, as decoding reads them.

use crate::number::Number;
use crate::precision::Precision;

/// Tokens whose keys lie side by side: their scores are computed together.
pub(crate) const BLOCK: usize = 16;

/// Keys and values of tokens that follow each other, in one layer. They are in f32, or in
/// bf16 where the operands of products are.
pub struct KeyValues(pub(crate) Numbers);

pub(crate) enum Numbers {
    F32(Tokens<f32>),
    Bf16(Tokens<u16>),
}

/// Keys and values in one type of number.
pub(crate) struct Tokens<T> {
    /// Number of tokens.
    pub(crate) len: usize,
    /// `kv_heads · head_dim`
    pub(crate) width: usize,
    /// `[blocks, kv_heads · head_dim, BLOCK]`; the last block is filled up.
    pub(crate) keys: Vec<T>,
    /// `[tokens, kv_heads · head_dim]`
    pub(crate) values: Vec<T>,
}

impl<T: Number> Tokens<T> {
    fn with_capacity(width: usize, tokens: usize) -> Self {
        Self {
            len: 0,
            width,
            keys: Vec::with_capacity(tokens.next_multiple_of(BLOCK) * width),
            values: Vec::with_capacity(tokens * width),
        }
    }

    fn push(&mut self, key: &[f32], value: &[f32]) {
        let lane = self.len % BLOCK;
        if lane == 0 {
            let len = self.keys.len() + self.width * BLOCK;
            self.keys.resize(len, T::default());
        }
        let block = self.keys.len() - self.width * BLOCK;
        let places = self.keys[block..].iter_mut().skip(lane).step_by(BLOCK);
        for (to, key) in places.zip(key) {
            *to = T::of(*key);
        }
        self.values.extend(value.iter().map(|it| T::of(*it)));
        self.len += 1;
    }
}

impl KeyValues {
    /// Makes room for `tokens` tokens with keys and values of `width` elements.
    pub fn with_capacity(width: usize, precision: Precision, tokens: usize) -> Self {
        Self(match precision {
            Precision::F32 => Numbers::F32(Tokens::with_capacity(width, tokens)),
            Precision::Bf16 => Numbers::Bf16(Tokens::with_capacity(width, tokens)),
        })
    }

    /// Adds a token.
    ///
    /// # Shapes
    ///
    /// - `key`, `value`: `[kv_heads · head_dim]`
    pub fn push(&mut self, key: &[f32], value: &[f32]) {
        match &mut self.0 {
            Numbers::F32(tokens) => tokens.push(key, value),
            Numbers::Bf16(tokens) => tokens.push(key, value),
        }
    }

    /// Returns the number of tokens.
    #[expect(clippy::len_without_is_empty, reason = "callers need only the length")]
    pub fn len(&self) -> usize {
        match &self.0 {
            Numbers::F32(tokens) => tokens.len,
            Numbers::Bf16(tokens) => tokens.len,
        }
    }

    /// Returns the bytes of an element.
    pub(crate) fn element_bytes(&self) -> usize {
        match &self.0 {
            Numbers::F32(_) => size_of::<f32>(),
            Numbers::Bf16(_) => size_of::<u16>(),
        }
    }
}

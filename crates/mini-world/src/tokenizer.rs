//! Trains a tokenizer.

use anyhow::{Result, anyhow};
use tokenizers::decoders::byte_level::ByteLevel as Decoder;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::Sequence;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::byte_level::ByteLevel as Processor;
use tokenizers::{AddedToken, Tokenizer, TokenizerBuilder};

/// Trains a byte-level BPE on texts and returns its `tokenizer.json`.
///
/// `specials` get the first ids. Equal texts give equal bytes.
///
/// # Errors
///
/// When the trainer fails.
pub fn train_bpe(
    texts: impl Iterator<Item = String> + Send,
    vocab_size: usize,
    specials: &[&str],
) -> Result<String> {
    let fails = |error: tokenizers::Error| anyhow!("cannot train a tokenizer: {error}");
    let mut trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(vocab_size)
        .min_frequency(2)
        .special_tokens(
            specials
                .iter()
                .map(|&it| AddedToken::from(it, true))
                .collect(),
        )
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut tokenizer = TokenizerBuilder::<BPE, Sequence, ByteLevel, Processor, Decoder>::default()
        .with_model(BPE::default())
        .with_normalizer(None)
        .with_pre_tokenizer(Some(ByteLevel::new(false, true, true)))
        .with_post_processor(None)
        .with_decoder(Some(Decoder::default()))
        .build()
        .map_err(fails)?;
    tokenizer.train(&mut trainer, texts).map_err(fails)?;
    let tokenizer: Tokenizer = tokenizer.into();
    tokenizer.to_string(true).map_err(fails)
}

//! Checks that the files of a tokenizer agree with each other.

use std::path::Path;

use serde_json::Value;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{Model as _, Tokenizer};

use crate::error::DialogueError;
use crate::files::malformed;

/// Checks that `tokenizer_config.json` agrees with `tokenizer.json` where
/// `transformers` would change what the latter does.
pub(super) fn check_settings(
    dir: &Path,
    tokenizer: &Tokenizer,
    config: &Value,
) -> Result<(), DialogueError> {
    let refuse = |problem: String| Err(malformed(&dir.join("tokenizer_config.json"), problem));
    if config["split_special_tokens"] == true {
        return refuse(
            "`split_special_tokens` is true, so special tokens would be read as plain text; that \
             is not supported"
                .into(),
        );
    }
    if let (Some(wanted), Some(found)) = (config["add_prefix_space"].as_bool(), prefix(tokenizer))
        && wanted != found
    {
        return refuse(format!(
            "`add_prefix_space` is {wanted}, but the pre-tokenizer of tokenizer.json has {found}, \
             and releases of `transformers` do not agree on which counts; make them equal"
        ));
    }
    Ok(())
}

/// Whether a byte-level tokenizer puts a blank before a text; `None` for other
/// tokenizers.
fn prefix(tokenizer: &Tokenizer) -> Option<bool> {
    let found = tokenizer.get_pre_tokenizer()?;
    let of = |it: &PreTokenizerWrapper| match it {
        PreTokenizerWrapper::ByteLevel(it) => Some(it.add_prefix_space),
        _ => None,
    };
    match found {
        PreTokenizerWrapper::Sequence(all) => all.as_ref().iter().find_map(of),
        one => of(one),
    }
}

/// Checks that an added token has the id that a file declares. The tokenizers
/// library gives it the next free id, whatever is declared. If the ids have a
/// gap, a model that learnt the declared ids would be fed others.
pub(super) fn check_id(
    path: &Path,
    tokenizer: &Tokenizer,
    text: &str,
    declared: u32,
) -> Result<(), DialogueError> {
    if let Some(id) = tokenizer
        .get_model()
        .token_to_id(text)
        .filter(|id| *id != declared)
    {
        let problem = format!(
            "declares the added token {text:?} with the id {declared}, but the vocabulary of its \
             model has it with the id {id}; the two must agree"
        );
        return Err(malformed(path, problem));
    }
    match tokenizer.token_to_id(text) {
        Some(id) if id == declared => Ok(()),
        found => {
            let found = found.map_or("no id".to_owned(), |id| format!("the id {id}"));
            let problem = format!(
                "declares the added token {text:?} with the id {declared}, but the tokenizers \
                 library gives it {found}; ids of added tokens must follow those of the model's \
                 vocabulary without a gap, one token each"
            );
            Err(malformed(path, problem))
        }
    }
}

/// Checks that the tokens which the `post_processor` puts around a text have the ids
/// of the vocabulary: the library puts the ids there, whatever token has them.
pub(super) fn check_processor(
    path: &Path,
    tokenizer: &Tokenizer,
    processor: &Value,
) -> Result<(), DialogueError> {
    for inner in processor["processors"].as_array().into_iter().flatten() {
        check_processor(path, tokenizer, inner)?;
    }
    for (text, id) in processed_tokens(processor) {
        if tokenizer.token_to_id(text).map(u64::from) == Some(id) {
            continue;
        }
        let found = tokenizer.token_to_id(text);
        let found = found.map_or("no id".to_owned(), |id| format!("the id {id}"));
        let holder = u32::try_from(id).ok();
        let holder = holder.and_then(|id| tokenizer.id_to_token(id));
        let holder = holder.map_or("no token".to_owned(), |text| format!("the token {text:?}"));
        let problem = format!(
            "`post_processor` puts {text:?} around a text with the id {id}, but the vocabulary gives \
             it {found}, and {id} to {holder}; the two must agree"
        );
        return Err(malformed(path, problem));
    }
    Ok(())
}

/// Returns the tokens that a processor puts around a single text, with the ids that
/// it puts there.
fn processed_tokens(processor: &Value) -> Vec<(&str, u64)> {
    // Of BERT's and RoBERTa's processors.
    let named = ["cls", "sep"].into_iter();
    let mut found: Vec<(&str, u64)> = named
        .filter_map(|name| Some((processor[name][0].as_str()?, processor[name][1].as_u64()?)))
        .collect();
    for piece in processor["single"].as_array().into_iter().flatten() {
        let Some(name) = piece["SpecialToken"]["id"].as_str() else {
            continue;
        };
        let special = &processor["special_tokens"][name];
        let texts = special["tokens"].as_array().into_iter().flatten();
        let ids = special["ids"].as_array().into_iter().flatten();
        let pairs = texts.zip(ids);
        found.extend(pairs.filter_map(|(text, id)| Some((text.as_str()?, id.as_u64()?))));
    }
    found
}

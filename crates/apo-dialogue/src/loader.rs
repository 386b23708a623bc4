//! What the files of a model directory together say about its tokenizer.
//!
//! `tokenizer.json` says how text becomes ids. `tokenizer_config.json` and
//! `special_tokens_map.json` name tokens and list further ones.
//! `generation_config.json` and `config.json` say where a text ends. This file
//! combines them as `transformers` does, so that everybody who uses a directory
//! sees the same tokens. It leaves out three things of `tokenizer.json`:
//! truncation and padding, since the limits are ours, and dropout, since equal
//! text is to give equal tokens.

use std::path::{Path, PathBuf};

use apo_guard::guarded;
use serde::Deserialize;
use serde_json::Value;
use tokenizers::models::ModelWrapper;
use tokenizers::{AddedToken, Model as _, Tokenizer};

use crate::ends::Ends;
use crate::error::DialogueError;
use crate::files::{self, malformed};
use crate::named_tokens::{NamedTokens, added_token, class};

mod checks;

use checks::{check_id, check_processor, check_settings};

/// A tokenizer as its directory's files describe it.
pub(crate) struct Loaded {
    pub(crate) tokenizer: Tokenizer,
    /// `tokenizer.json`.
    pub(crate) path: PathBuf,
    /// `tokenizer_config.json`; null if there is none.
    pub(crate) config: Value,
    pub(crate) named: NamedTokens,
    /// What a plain text begins with.
    pub(crate) bos: Option<u32>,
    pub(crate) ends: Ends,
    /// What a user should know about it.
    pub(crate) notes: Vec<String>,
}

/// The parts of `tokenizer.json` that are read besides the tokenizer itself.
#[derive(Deserialize)]
struct Declared {
    #[serde(default)]
    added_tokens: Vec<DeclaredToken>,
    #[serde(default)]
    post_processor: Value,
}

#[derive(Deserialize)]
struct DeclaredToken {
    id: u32,
    content: String,
}

impl Loaded {
    /// Loads the tokenizer of a model directory.
    ///
    /// # Errors
    ///
    /// When files are missing or malformed, when they contradict each other, or
    /// when they name no end of text.
    pub(crate) fn read(dir: &Path) -> Result<Self, DialogueError> {
        let path = dir.join("tokenizer.json");
        let text = files::text(&path)?.ok_or_else(|| DialogueError::MissingFile {
            dir: dir.into(),
            missing: "tokenizer.json",
        })?;
        let config = files::object(&dir.join("tokenizer_config.json"))?.unwrap_or(Value::Null);
        let model = files::object(&dir.join("config.json"))?.unwrap_or(Value::Null);
        let mut notes = Vec::new();
        let (mut tokenizer, processor) = parse(&path, &text, &mut notes)?;
        check_settings(dir, &tokenizer, &config)?;
        drop(text);
        let architecture = model["model_type"].as_str();
        let mut named = NamedTokens::read(dir, &config, architecture)?;
        named.keep_known(|text| tokenizer.token_to_id(text).is_some());
        add_declared(dir, &mut tokenizer, &config, &named)?;
        let room = model["vocab_size"].as_u64();
        notes.extend(add_named(&mut tokenizer, &named, room));
        check_processor(&path, &tokenizer, &processor)?;
        let (bos, note) = first_token(dir, &path, &tokenizer, &config, &named, architecture)?;
        notes.extend(note);
        let ends = Ends::find(dir, &tokenizer, &named, &model)?;
        notes.extend(ends.note.clone());
        Ok(Self {
            tokenizer,
            path,
            config,
            named,
            bos,
            ends,
            notes,
        })
    }
}

/// Reads `tokenizer.json`, without truncation, padding and dropout; also returns its
/// `post_processor` as it is written.
fn parse(
    path: &Path,
    text: &str,
    notes: &mut Vec<String>,
) -> Result<(Tokenizer, Value), DialogueError> {
    let declared: Declared = serde_json::from_str(text).map_err(|error| malformed(path, error))?;
    let mut tokenizer: Tokenizer = guarded(|| text.parse())
        .map_err(|panic| malformed(path, format!("is not a tokenizer: {panic}")))?
        .map_err(|error: tokenizers::Error| malformed(path, error))?;
    for DeclaredToken { id, content } in &declared.added_tokens {
        check_id(path, &tokenizer, content, *id)?;
    }
    tokenizer.with_padding(None);
    tokenizer
        .with_truncation(None)
        .map_err(|error| malformed(path, error))?;
    if let ModelWrapper::BPE(bpe) = tokenizer.get_model()
        && let Some(dropout) = bpe.dropout.filter(|it| *it > 0.0)
    {
        let mut bpe = bpe.clone();
        bpe.dropout = None;
        tokenizer.with_model(bpe);
        notes.push(format!(
            "{}: the dropout of {dropout} is off: equal text gives equal tokens",
            path.display()
        ));
    }
    Ok((tokenizer, declared.post_processor))
}

/// Adds the tokens that `tokenizer_config.json` lists with their ids, or, for
/// tokenizers saved before it did, `added_tokens.json`.
fn add_declared(
    dir: &Path,
    tokenizer: &mut Tokenizer,
    config: &Value,
    named: &NamedTokens,
) -> Result<(), DialogueError> {
    let mut path = dir.join("tokenizer_config.json");
    let mut tokens: Vec<(u32, AddedToken)> = Vec::new();
    match &config["added_tokens_decoder"] {
        Value::Null => {
            path = dir.join("added_tokens.json");
            let listed = files::object(&path)?.unwrap_or(Value::Null);
            for (text, id) in listed.as_object().into_iter().flatten() {
                let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
                let id = id.ok_or_else(|| malformed(&path, format!("{text:?} has no id")))?;
                let is_named = named.in_order().iter().any(|(_, it)| it.content == *text);
                tokens.push((id, AddedToken::from(text.as_str(), is_named)));
            }
        }
        Value::Object(listed) => {
            for (id, value) in listed {
                let problem =
                    || format!("`added_tokens_decoder` has the key {id:?}, which is not an id");
                let number = id.parse().map_err(|_| malformed(&path, problem()))?;
                let name = format!("added_tokens_decoder.{id}");
                let found = added_token(&path, &name, value)?;
                let problem = || format!("`{name}` is null, expected a token");
                tokens.push((number, found.ok_or_else(|| malformed(&path, problem()))?));
            }
        }
        _ => return Err(malformed(&path, "`added_tokens_decoder` is not an object")),
    }
    tokens.sort_by_key(|(id, _)| *id);
    let added: Vec<AddedToken> = tokens.iter().map(|(_, token)| token.clone()).collect();
    let library = guarded(|| tokenizer.add_tokens(&added));
    library.map_err(|panic| malformed(&path, panic))?;
    for (id, token) in &tokens {
        check_id(&path, tokenizer, &token.content, *id)?;
    }
    Ok(())
}

/// Makes the named tokens special tokens. New ones follow the others, as far as
/// the model has ids for them; an end of text must be there already.
fn add_named(tokenizer: &mut Tokenizer, named: &NamedTokens, room: Option<u64>) -> Option<String> {
    let size = tokenizer.get_model().get_vocab_size() as u64;
    let last = tokenizer.get_added_tokens_decoder().into_keys().max();
    let mut next = last.map_or(size, |last| size.max(u64::from(last) + 1));
    let (mut tokens, mut left_out) = (Vec::new(), Vec::new());
    for (name, token) in named.in_order() {
        if tokenizer.token_to_id(&token.content).is_none() {
            if room.is_some_and(|room| next >= room) || matches!(name, "bos_token" | "eos_token") {
                left_out.push(format!("{:?} (`{name}`)", token.content));
                continue;
            }
            if !tokens
                .iter()
                .any(|it: &AddedToken| it.content == token.content)
            {
                next += 1;
            }
        }
        tokens.push(token.clone().special(true));
    }
    tokenizer.add_tokens(&tokens);
    if left_out.is_empty() {
        return None;
    }
    Some(format!(
        "tokenizer.json does not know {}: the model has no id for it, so it is read as plain text",
        left_out.join(", ")
    ))
}

/// Reads a truth value of `tokenizer_config.json`; `None` if it is absent or
/// null.
fn truth(dir: &Path, config: &Value, name: &str) -> Result<Option<bool>, DialogueError> {
    match &config[name] {
        Value::Null => Ok(None),
        Value::Bool(it) => Ok(Some(*it)),
        other => {
            let problem = format!("`{name}` is {other}, expected true or false");
            Err(malformed(&dir.join("tokenizer_config.json"), problem))
        }
    }
}

/// Finds what a plain text begins with. transformers 5 lets the
/// `post_processor` of `tokenizer.json` decide. So does transformers 4, except
/// for a few classes that follow `add_bos_token`. If the two differ, a note
/// says so; `add_bos_token` counts if the files set it for such a class.
fn first_token(
    dir: &Path,
    path: &Path,
    tokenizer: &Tokenizer,
    config: &Value,
    named: &NamedTokens,
    architecture: Option<&str>,
) -> Result<(Option<u32>, Option<String>), DialogueError> {
    let says = truth(dir, config, "add_bos_token")?;
    truth(dir, config, "add_eos_token")?;
    let text = named.text("bos_token");
    let bos = text.and_then(|text| tokenizer.token_to_id(text));
    if says == Some(true) && bos.is_none() {
        let problem = "`add_bos_token` is true, but tokenizer.json knows no `bos_token`";
        return Err(malformed(&dir.join("tokenizer_config.json"), problem));
    }
    let by_processor = processed_first(path, tokenizer)?;
    let put = |id: Option<u32>| {
        let text = id.and_then(|id| tokenizer.id_to_token(id));
        text.map_or("nothing".to_owned(), |text| format!("{text:?}"))
    };
    let file = dir.join("tokenizer_config.json");
    // `add_bos_token` also counts if not even the architecture tells a class.
    let is_unknown = config["tokenizer_class"].is_null() && architecture.is_none();
    let adds_bos = class(config, architecture).and_then(|it| it.adds_bos);
    let Some(default) = adds_bos.or(is_unknown.then_some(false)) else {
        let note = says.filter(|it| *it != by_processor.is_some()).map(|says| {
            format!(
                "{}: `add_bos_token` is {says}, but the tokenizer's class goes by the \
                 `post_processor` of tokenizer.json, which puts {} before a text",
                file.display(),
                put(by_processor)
            )
        });
        return Ok((by_processor, note));
    };
    let by_config = bos.filter(|_| says.unwrap_or(default));
    if by_config == by_processor || (says.is_none() && config["tokenizer_class"].is_null()) {
        return Ok((by_processor, None));
    }
    let found = if says.is_some() {
        by_config
    } else {
        by_processor
    };
    let note = format!(
        "{}: transformers 4 puts {} before a text, following `add_bos_token`; transformers 5 puts \
         {} there, following the `post_processor` of tokenizer.json; here it is {}",
        file.display(),
        put(by_config),
        put(by_processor),
        put(found)
    );
    Ok((found, Some(note)))
}

/// Returns the token that the tokenizer puts before a text by itself.
fn processed_first(path: &Path, tokenizer: &Tokenizer) -> Result<Option<u32>, DialogueError> {
    let encode = |special| {
        guarded(|| tokenizer.encode_fast("a", special))
            .map_err(|panic| malformed(path, panic))?
            .map_err(|error| malformed(path, error))
    };
    let (with, without) = (encode(true)?, encode(false)?);
    let (with, without) = (with.get_ids(), without.get_ids());
    let n = (0..with.len()).find(|&n| with[n..].starts_with(without));
    match &with[..n.unwrap_or(0)] {
        [] => Ok(None),
        [bos] => Ok(Some(*bos)),
        more => {
            let problem = format!(
                "`post_processor` puts the {} tokens {more:?} before a text, expected one \
                 beginning of text at most",
                more.len()
            );
            Err(malformed(path, problem))
        }
    }
}

//! A model directory for a stage: tokenizer, template, configuration.

use std::path::Path;

use anyhow::Result;
use apo_decoder::{Head, ModelDirectory, ModelManifest, Start};
use apo_dialogue::{DialogueTokenizer, Template, chat_template_file};
use apo_provenance::Provenance;

use apo_stage::{bad_input, warn_once};

/// The longest text that a stage gives to a model.
#[derive(Clone, Copy, Debug)]
pub struct Longest {
    /// Prompt and response together, tokens.
    pub tokens: u32,
    /// The arguments that limit it.
    pub by: &'static str,
}

impl Longest {
    /// The limit of `--limit`.
    pub fn limit(tokens: u32) -> Self {
        let by = "--limit makes texts of up to";
        Self { tokens, by }
    }
}

/// Opens a model directory's tokenizer with the template that the model was
/// trained with, or else with the template asked for. A model without a chat
/// template uses `hh` by default.
///
/// Before that, checks that the directory holds a model with this head, or one
/// that such a model starts from. Warns of notes on the files, and of texts
/// that are longer than those that the model was trained on.
///
/// # Errors
///
/// When the directory is malformed or holds a model of another kind, when the
/// model was trained with another template than the one asked for, when it has
/// a chat template and nothing says whether to use it, or when its tokenizer
/// has ids beyond the model's vocabulary.
pub fn open_tokenizer(
    dir: &Path,
    asked: Option<Template>,
    head: Head,
    start: Start,
    longest: Longest,
) -> Result<DialogueTokenizer> {
    let directory = ModelDirectory::open(dir)?;
    let weights = directory.weights(head, start)?;
    for note in directory.notes() {
        warn_once(&note);
    }
    if let Some(weights) = weights {
        for note in weights.notes()? {
            warn_once(&note);
        }
    }
    let config = directory.config;
    if longest.tokens as usize > config.max_position_embeddings {
        warn_once(&format!(
            "{} {} tokens, more than the {} (`max_position_embeddings`) that the model in {} was \
             trained for",
            longest.by,
            longest.tokens,
            config.max_position_embeddings,
            dir.display()
        ));
    }
    let manifest = directory.manifest.as_ref();
    if asked.is_none() && manifest.is_none() && (head, start) == (Head::Reward, Start::Saved) {
        return Err(bad_input(format!(
            "{}: others trained this reward model, and nothing says on which text; pass \
             `--template chat` if it was trained on dialogues as its chat template renders them, \
             or `--template hh` for plain HH text",
            dir.display()
        )));
    }
    let template = template(dir, manifest, asked)?;
    let tokenizer = DialogueTokenizer::load(dir, template)?;
    for note in tokenizer.notes() {
        warn_once(note);
    }
    if tokenizer.vocab_size() > config.vocab_size {
        return Err(bad_input(format!(
            "{}: tokenizer.json has ids up to {}, but the model's `vocab_size` is {}; \
             tokenizer and model do not belong together",
            dir.display(),
            tokenizer.vocab_size() - 1,
            config.vocab_size
        )));
    }
    Ok(tokenizer)
}

/// Checks that a directory holds a policy that can be the reference of one that reads
/// texts of this length with this template.
///
/// # Errors
///
/// As [`open_tokenizer`].
pub fn check_reference(dir: &Path, template: Template, longest: Longest) -> Result<()> {
    open_tokenizer(
        dir,
        Some(template),
        Head::LanguageModel,
        Start::Saved,
        longest,
    )
    .map(drop)
}

/// Returns the template that a model was trained with, or else the one asked
/// for, or else `hh` for a model without a chat template.
fn template(
    dir: &Path,
    manifest: Option<&ModelManifest>,
    asked: Option<Template>,
) -> Result<Template> {
    let trained = manifest.map(|manifest| {
        let found = &manifest.template;
        found.parse::<Template>().map_err(|problem| {
            let path = dir.join("apo.json");
            bad_input(format!(
                "{}: `template` is {found}, {problem}",
                path.display()
            ))
        })
    });
    match (trained.transpose()?, asked) {
        (Some(trained), Some(asked)) if trained != asked => Err(bad_input(format!(
            "the model in {} was trained with the template `{trained}`, not `{asked}`; leave \
             --template out, or choose another model",
            dir.display()
        ))),
        (Some(trained), _) => Ok(trained),
        (None, Some(asked)) => Ok(asked),
        (None, None) => match chat_template_file(dir)? {
            None => Ok(Template::Hh),
            Some(path) => Err(bad_input(format!(
                "{}: the model has a chat template ({}), and nothing says whether to use it; pass \
                 `--template chat`, or `--template hh` for plain HH text",
                dir.display(),
                path.display()
            ))),
        },
    }
}

/// Adds to a provenance how dialogues are rendered: the template, and the date
/// if the template asks for one.
#[must_use]
pub fn with_template(provenance: Provenance, tokenizer: &DialogueTokenizer) -> Provenance {
    let provenance = provenance.argument("template", tokenizer.template().to_string());
    match tokenizer.date() {
        Some(date) => provenance.argument("template_date", date),
        None => provenance,
    }
}

//! A model directory as stages meet it: tokenizer, template, configuration.

use std::path::Path;

use anyhow::Result;
use apo_dialogue::{Codec, Template};
use apo_llama::{LlamaConfig, Manifest};

use crate::exit::bad_input;

/// Opens a model directory's tokenizer with the template that it was trained
/// with, or, where it does not say, the one asked for. A model without a chat
/// template of its own speaks `hh` unless told otherwise.
///
/// # Errors
///
/// When the directory is not what it should be, when it was trained with
/// another template than is asked for, when it has a chat template and nothing
/// says whether to use it, or when its tokenizer has ids that the
/// model has not.
pub fn codec(dir: &Path, asked: Option<Template>) -> Result<(Codec, LlamaConfig)> {
    let config = LlamaConfig::read(dir)?;
    let trained = match Manifest::read(dir)? {
        None => None,
        Some(manifest) => match manifest.template.parse::<Template>() {
            Ok(template) => Some(template),
            Err(problem) => {
                let page = dir.join("apo.json");
                let found = &manifest.template;
                return Err(bad_input(format!(
                    "{}: `template` is {found}, {problem}",
                    page.display()
                )));
            }
        },
    };
    let template = match (trained, asked) {
        (Some(trained), Some(asked)) if trained != asked => {
            return Err(bad_input(format!(
                "the model in {} was trained with the template `{trained}`, not `{asked}`; \
                 leave --template out, or choose another model",
                dir.display()
            )));
        }
        (Some(trained), _) => trained,
        (None, Some(asked)) => asked,
        (None, None) if Codec::load(dir, Template::Chat).is_ok() => {
            return Err(bad_input(format!(
                "{}: the model has a chat template, and nothing says whether it is to be used; \
                 say `--template chat`, or `--template hh` for plain HH text",
                dir.display()
            )));
        }
        (None, None) => Template::Hh,
    };
    let codec = Codec::load(dir, template)?;
    if codec.vocab_size() > config.vocab_size {
        return Err(bad_input(format!(
            "{}: tokenizer.json has ids up to {}, but the model's `vocab_size` is {}; \
             tokenizer and model do not belong together",
            dir.display(),
            codec.vocab_size() - 1,
            config.vocab_size
        )));
    }
    Ok((codec, config))
}

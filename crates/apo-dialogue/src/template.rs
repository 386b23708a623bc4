//! How a dialogue becomes the text that a model sees.

use std::fmt;
use std::str::FromStr;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, context};
use serde::{Deserialize, Serialize};

use crate::error::DialogueError;
use crate::hh::{Role, Turn};

/// The form of prompts and responses; one for each model, written into its
/// directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Template {
    /// HH's text as it is, the response after one space.
    Hh,
    /// The model's own chat template.
    Chat,
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hh => "hh",
            Self::Chat => "chat",
        })
    }
}

impl FromStr for Template {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "hh" => Ok(Self::Hh),
            "chat" => Ok(Self::Chat),
            _ => Err("expected `hh` or `chat`"),
        }
    }
}

/// A model's own chat template, ready to render.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
}

const NAME: &str = "chat";

impl ChatTemplate {
    /// Compiles a Jinja template as `transformers` reads it.
    pub(crate) fn new(
        source: String,
        bos_token: String,
        eos_token: String,
    ) -> Result<Self, DialogueError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(render_error)?);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| {
            Err::<String, _>(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment
            .add_template_owned(NAME, source)
            .map_err(render_error)?;
        Ok(Self {
            environment,
            bos_token,
            eos_token,
        })
    }

    /// Renders turns, ending where the assistant is to answer.
    pub(crate) fn render(&self, turns: &[Turn]) -> Result<String, DialogueError> {
        let messages: Vec<_> = turns
            .iter()
            .map(|turn| {
                let role = match turn.role {
                    Role::Human => "user",
                    Role::Assistant => "assistant",
                };
                context! { role => role, content => &turn.text }
            })
            .collect();
        let template = self.environment.get_template(NAME).map_err(render_error)?;
        let context = context! {
            messages => messages,
            add_generation_prompt => true,
            bos_token => &self.bos_token,
            eos_token => &self.eos_token,
        };
        template.render(context).map_err(render_error)
    }
}

fn render_error(error: Error) -> DialogueError {
    DialogueError::Render(format!("{error:#}"))
}

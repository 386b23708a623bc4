//! How a dialogue becomes the text that a model sees.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;

use minijinja::{Environment, Error, ErrorKind, Value};
use serde::{Deserialize, Serialize};

use crate::error::DialogueError;
use crate::files::excerpt;
use crate::hh::{Role, Turn};
use crate::jinja::{self, Refused};
use crate::named::NamedTokens;
use crate::sources::ChatSource;

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

/// A message as chat templates see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl From<&Turn> for Message {
    fn from(turn: &Turn) -> Self {
        let role = match turn.role {
            Role::Human => "user",
            Role::Assistant => "assistant",
        };
        Self {
            role: role.to_owned(),
            content: turn.text.clone(),
        }
    }
}

/// The work that any template may do, in minijinja's measure: an instruction, or
/// 64 bytes of text made. The published templates take some hundred a message.
const WORK: u64 = 20_000;

/// The further work for each message, up to [`MESSAGES`] of them, and for each
/// 4 bytes of text: a template may copy it some sixteen times.
const WORK_A_MESSAGE: u64 = 500;
const MESSAGES: usize = 20_000;
const BYTES_A_WORK: u64 = 4;

/// The work that is done on the stack at hand. Values that are nested into each
/// other are freed by recursion, and a unit of work nests at most a tenth of one:
/// with a larger budget there must be a larger stack.
const WORK_IN_PLACE: u64 = 30_000;

/// The stack for a unit of work, bytes; it is touched only where it is used.
const STACK_A_WORK: u64 = 64;

/// The most that a template may write beyond four times what was said, bytes.
const OUTPUT: usize = 1 << 20;

/// A model's own chat template, ready to render.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    path: PathBuf,
    source: String,
    variables: Vec<(String, Value)>,
    /// Whether it asks for the date.
    pub(crate) is_dated: bool,
}

const NAME: &str = "chat";

impl ChatTemplate {
    /// Compiles a Jinja template as `transformers` reads it.
    ///
    /// # Errors
    ///
    /// When it is no template.
    pub(crate) fn new(source: ChatSource, named: &NamedTokens) -> Result<Self, DialogueError> {
        let ChatSource { path, text } = source;
        let mut environment = jinja::environment();
        let source = jinja::source(&text);
        let is_dated = source.contains(jinja::DATE_FUNCTION);
        environment
            .add_template_owned(NAME, source.clone())
            .map_err(|error| told(&path, &error))?;
        let named_variables = named.variables();
        let mut variables: Vec<(String, Value)> = named_variables
            .map(|(name, text)| (name.to_owned(), Value::from(text)))
            .collect();
        if !named.further.is_empty() {
            let texts = named.further.iter().map(|it| it.content.as_str());
            let name = "additional_special_tokens".to_owned();
            variables.push((name, texts.collect()));
        }
        Ok(Self {
            environment,
            path,
            source,
            variables,
            is_dated,
        })
    }

    /// Returns the file that holds it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its source.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Renders messages, ending where the assistant is to answer.
    ///
    /// # Errors
    ///
    /// When the template refuses them, fails, does not come to an end, or
    /// renders nothing.
    pub(crate) fn render(&self, messages: &[Message]) -> Result<String, DialogueError> {
        let bytes: usize = messages.iter().map(|it| it.content.len()).sum();
        let by_messages = WORK_A_MESSAGE * messages.len().min(MESSAGES) as u64;
        let work = WORK + by_messages + bytes as u64 / BYTES_A_WORK;
        if work <= WORK_IN_PLACE {
            return self.render_within(messages, bytes, work);
        }
        let render = || self.render_within(messages, bytes, work);
        thread::scope(|scope| {
            let stack = (work * STACK_A_WORK).max(8 << 20) as usize;
            let thread = thread::Builder::new().stack_size(stack);
            match thread.spawn_scoped(scope, render) {
                Ok(thread) => thread.join().map_err(|_| {
                    let problem = "it breaks the template engine".to_owned();
                    self.fails(problem)
                })?,
                // Without a thread to be had, all but the strangest templates
                // do with the stack that is there.
                Err(_) => render(),
            }
        })
    }

    fn render_within(
        &self,
        messages: &[Message],
        bytes: usize,
        work: u64,
    ) -> Result<String, DialogueError> {
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(work));
        let told = |error: &Error| told(&self.path, error);
        let template = environment.get_template(NAME).map_err(|it| told(&it))?;
        let none = || Value::from(());
        let said = messages.iter().map(|it| {
            Value::from_pairs([("role", it.role.as_str()), ("content", it.content.as_str())])
        });
        let context = [
            ("messages".to_owned(), said.collect()),
            ("tools".to_owned(), none()),
            ("documents".to_owned(), none()),
            ("add_generation_prompt".to_owned(), Value::from(true)),
        ];
        let context = Value::from_pairs(self.variables.iter().cloned().chain(context));
        let mut output = Output {
            text: Vec::with_capacity(bytes + 1024),
            room: OUTPUT + 4 * bytes,
        };
        let rendered = template.render_captured_to(context, &mut output);
        if output.text.len() > output.room {
            let problem = format!(
                "it writes more than {} bytes for a dialogue of {bytes}: does it end?",
                output.room
            );
            return Err(self.fails(problem));
        }
        rendered.map_err(|error| told(&error))?;
        let text = String::from_utf8(output.text).expect("minijinja writes text");
        if text.is_empty() {
            return Err(self.fails("it renders the dialogue as nothing".to_owned()));
        }
        Ok(text)
    }

    fn fails(&self, problem: String) -> DialogueError {
        DialogueError::Render {
            path: self.path.clone(),
            line: None,
            problem,
        }
    }
}

/// Text that ends when it becomes too long.
struct Output {
    text: Vec<u8>,
    room: usize,
}

impl Write for &mut Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        if self.text.len() > self.room {
            return Err(io::Error::other("too long"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says what went wrong in a template, and where.
fn told(path: &Path, error: &Error) -> DialogueError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(it) = cause {
        if let Some(Refused(message)) = it.downcast_ref() {
            return DialogueError::Refused {
                path: path.into(),
                message: excerpt(message),
            };
        }
        cause = it.source();
    }
    let problem = if error.kind() == ErrorKind::OutOfFuel {
        "it does more work than a dialogue of this length asks for: does it end?".to_owned()
    } else {
        let kind = error.kind().to_string();
        error
            .detail()
            .map_or(kind.clone(), |detail| format!("{kind}: {detail}"))
    };
    DialogueError::Render {
        path: path.into(),
        line: error.line(),
        problem: excerpt(&problem),
    }
}

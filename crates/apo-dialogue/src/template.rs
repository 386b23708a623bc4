//! How a dialogue becomes the text that a model sees.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use apo_jinja::{Context, ContextValue, Fault, Kind, Limits, Program};
use serde::{Deserialize, Serialize};

use crate::error::DialogueError;
use crate::files::excerpt;
use crate::named_tokens::NamedTokens;
use crate::sources::{ChatSource, PROCESSOR};
use apo_hh::{Role, Turn};

/// The form of prompts and responses; one for each model, written into its
/// directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Template {
    /// HH's text as it is, with the response after one space.
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
    /// Who speaks: `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// Its text.
    pub content: String,
}

impl From<&Turn> for Message {
    fn from(turn: &Turn) -> Self {
        let role = match turn.role {
            Role::System => "system",
            Role::Human => "user",
            Role::Assistant => "assistant",
            Role::Tool => TOOL,
        };
        Self {
            role: role.to_owned(),
            content: turn.text.clone(),
        }
    }
}

/// How far messages are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Up to where the assistant is to answer.
    Answer,
    /// To the end of the last message.
    End,
}

/// The work that any template may do: a step of evaluation, or 64 bytes of text
/// read or made. The published templates take some hundred for each message.
const WORK: u64 = 20_000;

/// Additional work per message, up to [`MESSAGES`] of them, and per byte of text: a
/// template may read or copy the text some hundred times, or take it apart into
/// lines of one character.
const WORK_PER_MESSAGE: u64 = 500;
const MESSAGES: usize = 20_000;
const WORK_PER_BYTE: u64 = 2;

/// The role of a tool's result.
const TOOL: &str = "tool";

/// The name of the list of special tokens without a name of their own.
const FURTHER: &str = "additional_special_tokens";

/// The most that a template may write beyond four times what was said, bytes.
const OUTPUT: usize = 1 << 20;

/// A model's own chat template, ready to render.
pub(crate) struct ChatTemplate {
    program: Program,
    path: PathBuf,
    source: String,
    /// The names and texts of special tokens.
    named: Vec<(String, String)>,
    /// The texts of special tokens without a name.
    further: Vec<String>,
    /// Whether it writes the results of tools; known once that was asked.
    writes_tools: OnceLock<bool>,
}

impl ChatTemplate {
    /// Reads a Jinja template as `transformers` reads it.
    ///
    /// # Errors
    ///
    /// When it is not a template.
    pub(crate) fn new(source: ChatSource, named: &NamedTokens) -> Result<Self, DialogueError> {
        let ChatSource { path, text } = source;
        let program = Program::parse(&text).map_err(|fault| told(&path, fault))?;
        let variables = named.variables();
        let variables = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let further = named.further.iter().map(|it| it.content.clone());
        Ok(Self {
            program,
            path,
            source: text,
            named: variables.collect(),
            further: further.collect(),
            writes_tools: OnceLock::new(),
        })
    }

    /// Returns its source.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Returns what a user should know about how it is rendered.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let path = self.path.display();
        if self.is_dated() {
            let (year, month, day) = apo_jinja::DATE;
            notes.push(format!(
                "the chat template of {path} asks for the date; it always gets \
                 {year}-{month:02}-{day:02}"
            ));
        }
        if !self.further.is_empty() && self.source.contains(FURTHER) {
            notes.push(format!(
                "the chat template of {path} uses `{FURTHER}`, which `transformers` 4 provides \
                 and 5 does not; it is provided here"
            ));
        }
        if self.path.ends_with(PROCESSOR) {
            notes.push(format!(
                "the chat template is that of {path}, which `transformers` reads for processors \
                 and not for tokenizers"
            ));
        }
        notes
    }

    /// Whether it asks for the date.
    pub(crate) fn is_dated(&self) -> bool {
        self.program.is_dated()
    }

    /// Renders messages.
    ///
    /// # Errors
    ///
    /// When the template refuses them, fails, does not end, or renders nothing, or when it
    /// leaves out the results of tools or takes them for another's words.
    pub(crate) fn render(
        &self,
        messages: &[Message],
        until: Until,
    ) -> Result<String, DialogueError> {
        if messages.iter().any(|it| it.role == TOOL)
            && !*self.writes_tools.get_or_init(|| self.tells_tools())
        {
            return Err(DialogueError::LeavesToolsOut {
                path: self.path.clone(),
            });
        }
        self.render_all(messages, until)
    }

    /// Whether the template writes a tool's result, and not as the words of the human or the
    /// assistant. If it refuses this dialogue, it may still render another one, or say itself
    /// that it does not.
    fn tells_tools(&self) -> bool {
        const RESULT: &str = "ResultOfATool";
        let rendered = |role: &str| {
            let said = [("user", "Question"), ("assistant", "Call"), (role, RESULT)];
            let message = |(role, content): (&str, &str)| Message {
                role: role.to_owned(),
                content: content.to_owned(),
            };
            self.render_all(&said.map(message), Until::Answer).ok()
        };
        let Some(written) = rendered(TOOL) else {
            return true;
        };
        let is_as = |role| rendered(role).as_ref() == Some(&written);
        written.contains(RESULT) && !["user", "assistant"].into_iter().any(is_as)
    }

    fn render_all(&self, messages: &[Message], until: Until) -> Result<String, DialogueError> {
        let bytes: usize = messages.iter().map(|it| it.content.len()).sum();
        let by_messages = WORK_PER_MESSAGE * messages.len().min(MESSAGES) as u64;
        let limits = Limits {
            work: WORK + by_messages + WORK_PER_BYTE * bytes as u64,
            output: OUTPUT + 4 * bytes,
        };
        let rendered = self.program.render(&self.context(messages, until), limits);
        let text = rendered.map_err(|fault| match fault.into_parts() {
            (line, Kind::TooLong) => {
                let problem = format!(
                    "it writes more than {} bytes for a dialogue of {bytes}: does it loop forever?",
                    limits.output
                );
                self.fails(line, problem)
            }
            (line, kind) => told_as(&self.path, line, kind),
        })?;
        if text.is_empty() {
            return Err(self.fails(None, "it renders the dialogue as an empty text".to_owned()));
        }
        Ok(text)
    }

    /// Returns the names that the template sees, as `transformers` gives them.
    fn context(&self, messages: &[Message], until: Until) -> Context {
        let said = messages.iter().map(|it| {
            let (role, content) = (it.role.as_str().into(), it.content.as_str().into());
            ContextValue::dict(vec![("role", role), ("content", content)])
        });
        let named = self.named.iter();
        let mut context: Context = named
            .map(|(name, text)| (name.clone(), text.as_str().into()))
            .collect();
        if !self.further.is_empty() {
            let further = self.further.iter().map(|it| it.as_str().into());
            context.push((FURTHER.to_owned(), ContextValue::list(further.collect())));
        }
        // What a call gives counts more than the names of tokens.
        for (name, value) in [
            ("messages", ContextValue::list(said.collect())),
            ("tools", ContextValue::none()),
            ("documents", ContextValue::none()),
            ("add_generation_prompt", (until == Until::Answer).into()),
        ] {
            context.retain(|(it, _)| it != name);
            context.push((name.to_owned(), value));
        }
        context
    }

    fn fails(&self, line: Option<usize>, problem: String) -> DialogueError {
        DialogueError::Render {
            path: self.path.clone(),
            line,
            problem,
        }
    }
}

/// Says what went wrong in a template, and where.
fn told(path: &Path, fault: Fault) -> DialogueError {
    let (line, kind) = fault.into_parts();
    told_as(path, line, kind)
}

fn told_as(path: &Path, line: Option<usize>, kind: Kind) -> DialogueError {
    let problem = match kind {
        Kind::Refused(message) => {
            return DialogueError::Refused {
                path: path.into(),
                message: excerpt(&message),
            };
        }
        Kind::Exhausted => {
            "it does more work than a dialogue of this length asks for: does it loop forever?"
                .to_owned()
        }
        Kind::TooLong => "it writes too much".to_owned(),
        Kind::Problem(problem) => problem,
    };
    DialogueError::Render {
        path: path.into(),
        line,
        problem: excerpt(&problem),
    }
}

//! Dialogues with the results of tools: some models' chat templates render them, others do
//! not.

use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_dialogue::{DialogueError, DialogueTokenizer, Message, Template, chat_template_file};
use apo_hh::Role;
use apo_import::{Fault, reason};
use apo_provenance::Input;
use apo_stage::bad_input;
use apo_stage::exit::{BAD_INPUT, KnownCause, downcast_is};

/// Takes dialogues with the results of tools, if the model's chat template renders them.
#[derive(Debug)]
pub struct Tools {
    /// What renders the model's dialogues.
    tokenizer: Option<DialogueTokenizer>,
}

impl Tools {
    /// Opens the model. Without one, no such dialogue is taken.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or has no chat template.
    pub fn open(model: Option<&Path>) -> Result<Self> {
        let open = |dir| DialogueTokenizer::load(dir, Template::Chat);
        Ok(Self {
            tokenizer: model.map(open).transpose()?,
        })
    }

    /// Checks that a query has no results of tools, or that they are rendered.
    ///
    /// # Errors
    ///
    /// When no model is given, or when its template refuses the query or does not render results
    /// of tools.
    pub fn check(&self, prompt: &str) -> Result<(), Fault> {
        if !prompt.contains(apo_hh::TOOL) {
            return Ok(());
        }
        let turns = apo_hh::turns(prompt);
        if turns.iter().all(|it| it.role != Role::Tool) {
            return Ok(());
        }
        let fault = |problem: String| Fault::new(reason::TOOL_TURN, problem);
        let Some(tokenizer) = &self.tokenizer else {
            let problem = "a message is a tool's result; --tools-for DIR keeps such rows if the \
                           chat template of that model renders them";
            return Err(fault(problem.to_owned()));
        };
        let messages: Vec<Message> = turns.iter().map(Message::from).collect();
        let rendered = tokenizer.render(&messages);
        rendered.map_or_else(|error| Err(fault(error.to_string())), |_| Ok(()))
    }
}

/// The errors of a model's files.
pub const OF_MODELS: KnownCause = (
    |cause| downcast_is(cause, DialogueError::is_bad_input),
    BAD_INPUT,
);

/// Describes the chat template of a model as an input.
///
/// # Errors
///
/// When it cannot be read, or there is none.
pub fn input(model: &Path) -> Result<Input> {
    let path: Option<PathBuf> = chat_template_file(model)?;
    let path = path.ok_or_else(|| {
        bad_input(format!(
            "--tools-for {}: it has no chat template; leave the option out",
            model.display()
        ))
    })?;
    Ok(apo_tables::input(&path)?)
}

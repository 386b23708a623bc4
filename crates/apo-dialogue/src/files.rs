//! The files of a model directory that describe its tokenizer.

use std::path::Path;

use apo_files::model_file::{read_object, read_text};
use serde_json::Value;

use crate::error::DialogueError;

/// Returns a file's text, or `None` if there is no such file.
///
/// # Errors
///
/// When it cannot be read, or is not UTF-8 text.
pub(crate) fn text(path: &Path) -> Result<Option<String>, DialogueError> {
    Ok(read_text(path)?)
}

/// Returns a file's JSON object, or `None` if there is no such file.
///
/// # Errors
///
/// As [`text`], and when it is not a JSON object.
pub(crate) fn object(path: &Path) -> Result<Option<Value>, DialogueError> {
    Ok(read_object(path)?.map(Value::Object))
}

/// Makes the error of a malformed file.
pub(crate) fn malformed(path: &Path, problem: impl ToString) -> DialogueError {
    DialogueError::Malformed {
        path: path.into(),
        problem: excerpt(&problem.to_string()),
    }
}

/// Returns the beginning of a text on one line and without control characters.
pub(crate) fn excerpt(text: &str) -> String {
    const MOST: usize = 300;
    let text = text.trim().replace(char::is_control, " ");
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

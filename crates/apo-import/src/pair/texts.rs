//! Reads two responses, of which at least one is plain text: where their query ends must
//! be found.

use std::borrow::Cow;

use apo_tables::Pair;

use super::cut::{cut, diverging, fault, to_pair, without_query};
use super::prompt::{check_apart, check_part_of};
use crate::dialogue::{self, line_ends};
use crate::fault::Fault;
use crate::messages::Text;
use crate::preference::Preference;

/// The assistant's name at the beginning of its turn.
const ASSISTANT_NAME: &str = "Assistant:";

/// Reads two responses, of which at least one is plain text.
pub(super) fn of_texts(
    preference: &Preference,
    chosen: &Text,
    rejected: &Text,
    subset: &str,
) -> Result<Pair, Fault> {
    let (chosen, rejected) = (text(chosen)?, text(rejected)?);
    let (chosen, rejected) = (&*chosen, &*rejected);
    let whole = (
        dialogue::as_dialogue(chosen),
        dialogue::as_dialogue(rejected),
    );
    let Some(prompt) = &preference.prompt else {
        let chosen = whole.0.as_deref().unwrap_or(chosen);
        let rejected = whole.1.as_deref().unwrap_or(rejected);
        let split = apo_hh::split_pair(chosen, rejected);
        return Ok(to_pair(
            split.map_err(|it| without_query(it, preference))?,
            subset,
        ));
    };
    let prompt = dialogue::prompt(prompt)?;
    let (chosen, rejected) = match &whole {
        (Some(chosen), Some(rejected)) => {
            let after = |it| str::strip_prefix(it, prompt.as_str());
            if let (Some(chosen), Some(rejected)) = (after(chosen), after(rejected)) {
                return cut(&prompt, chosen, rejected, subset);
            }
            let split = apo_hh::split_pair(chosen, rejected).map_err(fault)?;
            check_part_of(&prompt, split.prompt)?;
            return Ok(to_pair(split, subset));
        }
        (None, None) => (answer(chosen), answer(rejected)),
        _ => {
            return Err(diverging(
                "one of `chosen` and `rejected` is a whole dialogue, the other is a response",
            ));
        }
    };
    let after_name = |it| str::trim_start(it).strip_prefix(ASSISTANT_NAME);
    let (chosen, rejected) = match (after_name(chosen), after_name(rejected)) {
        (Some(chosen), Some(rejected)) => (chosen, rejected),
        _ => (chosen, rejected),
    };
    check_apart(&prompt, chosen, rejected)?;
    cut(&prompt, chosen, rejected, subset)
}

/// Returns a response that is written as a conversation of one assistant's message.
fn answer(text: &str) -> &str {
    text.strip_prefix(apo_hh::ASSISTANT).unwrap_or(text)
}

/// Returns a response or dialogue as text.
fn text(text: &Text) -> Result<Cow<'_, str>, Fault> {
    match text {
        Text::Plain(text) => Ok(line_ends(text)),
        Text::Messages(conversation) => {
            let open = dialogue::dialogue_of(&conversation.messages)?;
            let text = open.strip_suffix(apo_hh::ASSISTANT).unwrap_or(&open);
            Ok(Cow::Owned(text.to_owned()))
        }
    }
}

//! Queries that are spread over several columns: Alpaca's instructions with their
//! input, and earlier turns.

use apo_hh::Role;
use serde_json::value::RawValue;

use crate::dialogue;
use crate::fault::{Fault, reason};
use crate::fields::{Fields, is_filled, kind, text};
use crate::messages::{Conversation, Message, Text};

/// Returns Alpaca's instruction with its input, or `None` if there is no instruction.
pub(crate) fn alpaca(found: &Fields<'_>) -> Result<Option<String>, Fault> {
    let Some(instruction) = found.get("instruction") else {
        return Ok(None);
    };
    let mut asked = text("instruction", instruction)?.trim().to_owned();
    if let Some(input) = found.get("input") {
        let input = text("input", input)?;
        if !is_no_input(&input) {
            asked = format!("{asked}\n\n{}", input.trim());
        }
    }
    Ok(Some(asked))
}

/// Whether an input is empty, or says in the words of Alpaca or pandas that there is
/// none.
fn is_no_input(input: &str) -> bool {
    const NONE: [&str; 4] = ["", "noinput", "no input", "nan"];
    let word = input.trim().trim_start_matches('<').trim_end_matches('>');
    NONE.iter().any(|it| word.eq_ignore_ascii_case(it))
}

/// Puts the turns of `history` before the prompt from the column `name`.
pub(crate) fn after_history(found: &Fields<'_>, name: &str, prompt: Text) -> Result<Text, Fault> {
    let Some(history) = found.get("history").filter(|it| is_filled(Some(it))) else {
        return Ok(prompt);
    };
    let earlier = turns(history)?;
    let mut all = earlier.clone();
    match prompt {
        Text::Plain(asked) if dialogue::is_begun(&asked) => {
            let problem = format!(
                "the row has a `history` beside a dialogue in `{name}`; write its turns into that, \
                 or remove it"
            );
            return Err(Fault::new(reason::OTHER_QUERY, problem));
        }
        Text::Plain(content) => {
            dialogue::check(&format!("`{name}`"), &content)?;
            all.messages.push(Message {
                role: Role::Human,
                content,
            });
        }
        Text::Messages(own) => {
            all.system = own.system.or(all.system);
            all.context = own.context.or(all.context);
            all.unused.extend(own.unused);
            if own.messages.starts_with(&earlier.messages) {
                all.messages.clear();
            }
            all.messages.extend(own.messages);
        }
    }
    Ok(Text::Messages(all))
}

/// Returns the turns of `history`, which are pairs of a human's and an assistant's
/// text, or messages.
fn turns(history: &RawValue) -> Result<Conversation, Fault> {
    let items: Vec<&RawValue> = serde_json::from_str(history.get()).map_err(|_| {
        let problem = format!(
            "`history` is {}, expected a list of turns; write it into the prompt, or remove it",
            kind(history)
        );
        Fault::new(reason::OTHER_QUERY, problem)
    })?;
    if !items.iter().all(|it| it.get().starts_with('[')) {
        return Conversation::read("history", history);
    }
    let mut found = Conversation::default();
    for (i, pair) in items.into_iter().enumerate() {
        let texts: Vec<&RawValue> = serde_json::from_str(pair.get()).unwrap_or_default();
        let [human, assistant] = texts[..] else {
            let problem = format!("turn {} of `history` is not a pair of texts", i + 1);
            return Err(Fault::malformed(problem));
        };
        for (role, value) in [(Role::Human, human), (Role::Assistant, assistant)] {
            let content = text(&format!("history, turn {}", i + 1), value)?;
            found.messages.push(Message { role, content });
        }
    }
    Ok(found)
}

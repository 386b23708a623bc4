//! Reads two responses that are messages.

use apo_hh::{PairFault, Role};
use apo_tables::Pair;

use super::cut::{cut, diverging, without_query};
use super::prompt::{check_apart, check_part_of};
use crate::dialogue::{self, line_ends};
use crate::fault::Fault;
use crate::messages::{Conversation, Message, NoReply, Text};
use crate::preference::Preference;

/// Reads two responses that are messages: it is known where these begin and end,
/// whatever they quote.
pub(super) fn of_messages(
    preference: &Preference,
    chosen: &Conversation,
    rejected: &Conversation,
    subset: &str,
) -> Result<Pair, Fault> {
    let prompt = preference.prompt.as_ref();
    let (before, chosen) = split_reply("chosen", chosen)?;
    let (other, rejected) = split_reply("rejected", rejected)?;
    if before.len() != other.len() || !begins_with(before, other) {
        return Err(diverging(
            "`chosen` and `rejected` differ before their last message",
        ));
    }
    // A conversation that the human begins is whole; others continue the prompt.
    let is_whole = before.first().is_some_and(|it| it.role == Role::Human);
    let query = match prompt {
        Some(Text::Messages(prompt)) if is_whole => {
            if !begins_with(before, &prompt.messages) {
                return Err(diverging(
                    "`chosen` and `rejected` begin with other messages than `prompt`",
                ));
            }
            dialogue::prompt_of(before)?
        }
        Some(Text::Messages(prompt)) => {
            dialogue::prompt_of(&[prompt.messages.as_slice(), before].concat())?
        }
        Some(Text::Plain(text)) if before.is_empty() => dialogue::plain_prompt(text)?,
        Some(Text::Plain(text)) if !is_whole => {
            let prompt = dialogue::plain_prompt(text)?;
            let turns = apo_hh::turns(&prompt).into_iter().map(|turn| Message {
                role: turn.role,
                content: turn.text,
            });
            dialogue::prompt_of(&turns.chain(before.iter().cloned()).collect::<Vec<_>>())?
        }
        Some(Text::Plain(text)) => {
            let query = dialogue::prompt_of(before)?;
            check_part_of(&apo_hh::as_prompt(text), &query)?;
            query
        }
        None => dialogue::prompt_of(before)?,
    };
    if apo_hh::turns(&query).is_empty() {
        return Err(without_query(PairFault::NoQuery, preference));
    }
    if before.is_empty() {
        check_apart(&query, chosen, rejected)?;
    }
    let (chosen, rejected) = (line_ends(chosen.trim()), line_ends(rejected.trim()));
    cut(
        &query,
        &apo_hh::quoted(&chosen),
        &apo_hh::quoted(&rejected),
        subset,
    )
}

/// Whether messages begin with some other messages.
fn begins_with(messages: &[Message], others: &[Message]) -> bool {
    let same =
        |(a, b): (&Message, &Message)| a.role == b.role && a.content.trim() == b.content.trim();
    messages.len() >= others.len() && messages.iter().zip(others).all(same)
}

/// Returns the messages before the last one, and the assistant's text in the last; errors
/// call the conversation `name`.
fn split_reply<'a>(
    name: &str,
    conversation: &'a Conversation,
) -> Result<(&'a [Message], &'a str), Fault> {
    conversation.split_reply().map_err(|it| {
        let problem = match it {
            NoReply::NoMessages => "has no messages",
            NoReply::AnotherLast => "does not end with the assistant's message",
        };
        Fault::malformed(format!("`{name}` {problem}"))
    })
}

//! Removes the special tokens around the responses of a preference, from both or from
//! neither.

use std::borrow::Cow;

use apo_hh::Role;

use crate::dialogue;
use crate::fault::Fault;
use crate::messages::Text;
use crate::preference::Preference;

/// Returns both responses or dialogues without the special tokens around their
/// responses; they are borrowed if there are none. If one lost its beginning or end, the
/// other does, too, whatever is next to it: training must not tell them apart by it.
pub(super) fn without_tokens(
    preference: &Preference,
) -> Result<(Cow<'_, Text>, Cow<'_, Text>), Fault> {
    let (chosen, rejected) = (&preference.chosen, &preference.rejected);
    let plain_of = |place: &str, text| match response(text) {
        Some(whole) => dialogue::without_tokens(place, whole).map(|plain| Some((whole, plain))),
        None => Ok(None),
    };
    let mut chosen_plain = plain_of("the chosen response", chosen)?;
    let mut rejected_plain = plain_of("the rejected response", rejected)?;
    let mut both = [&mut chosen_plain, &mut rejected_plain];
    let lost_beginning = |it: &Option<(&str, &str)>| {
        it.is_some_and(|(whole, plain)| !whole.trim_start().starts_with(plain.trim_start()))
    };
    let lost_end = |it: &Option<(&str, &str)>| {
        it.is_some_and(|(whole, plain)| !whole.trim_end().ends_with(plain.trim_end()))
    };
    let has_lost = (
        both.iter().any(|it| lost_beginning(it)),
        both.iter().any(|it| lost_end(it)),
    );
    if has_lost.0 {
        for (_, plain) in both.iter_mut().filter_map(|it| it.as_mut()) {
            *plain = dialogue::without_any_beginning(plain);
        }
    }
    if has_lost.1 {
        for (_, plain) in both.iter_mut().filter_map(|it| it.as_mut()) {
            *plain = dialogue::without_any_end(plain);
        }
    }
    let changed = |text, plain: Option<(&str, &str)>| match plain {
        Some((whole, plain)) if plain.trim() != whole.trim() => Cow::Owned(with(text, plain)),
        _ => Cow::Borrowed(text),
    };
    Ok((
        changed(chosen, chosen_plain),
        changed(rejected, rejected_plain),
    ))
}

/// Returns the response that is a text or a conversation's last message.
fn response(text: &Text) -> Option<&str> {
    match text {
        Text::Plain(text) => Some(text),
        Text::Messages(conversation) => {
            let last = conversation.messages.last()?;
            (last.role == Role::Assistant).then_some(&*last.content)
        }
    }
}

/// Returns a text or conversation with another response.
fn with(text: &Text, response: &str) -> Text {
    let mut changed = text.clone();
    match &mut changed {
        Text::Plain(text) => response.clone_into(text),
        Text::Messages(conversation) => {
            if let Some(last) = conversation.messages.last_mut() {
                response.clone_into(&mut last.content);
            }
        }
    }
    changed
}

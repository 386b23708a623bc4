//! Turns a raw record into pairs, or the reasons to reject it.

mod comparisons;

use std::borrow::Cow;

use apo_hh::{PairFault, Role, SplitPair};
use apo_import::dialogue::{self, line_ends};
use apo_import::{Conversation, Fault, Message, Preference, Preferences, Record, Text, reason};
use apo_tables::Pair;
use sha2::{Digest as _, Sha256};

use self::comparisons::preferences;

/// A pair, and what its record says beside the dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPair {
    pub pair: Pair,
    /// Identifies the system message and tools of this pair's query; `None` if it
    /// has none. They belong to the query, but the tables cannot hold them.
    pub context: Option<u64>,
    /// Names of columns with text that are not used.
    pub unused: Vec<String>,
    /// Whether special tokens were removed from a response.
    pub tokens_removed: bool,
    /// Whether a response still begins or ends with a special token: it may be about it.
    pub token_kept: bool,
}

/// Reads a record: a preference gives one pair, a comparison one for every two of
/// its answers.
///
/// Each result is a pair, or the reason to reject it, as the rejects table names it.
pub fn pairs(record: &Record, subset: &str) -> Vec<Result<ReadPair, Fault>> {
    match Preferences::read(record) {
        Ok(Preferences::Preference(preference)) => vec![pair(&preference, subset)],
        Ok(Preferences::Comparison(comparison)) => preferences(comparison)
            .iter()
            .map(|it| pair(it, subset))
            .collect(),
        Err(fault) => vec![Err(fault)],
    }
}

/// Cuts and cleans a preference.
fn pair(preference: &Preference, subset: &str) -> Result<ReadPair, Fault> {
    match (preference.score_chosen, preference.score_rejected) {
        (Some(chosen), Some(rejected)) if chosen == rejected => {
            let problem = format!("both responses are scored {chosen}");
            return Err(Fault::new(reason::SAME_SCORE, problem));
        }
        (Some(chosen), Some(rejected)) if chosen < rejected => {
            let problem =
                format!("the chosen response is scored {chosen}, the rejected one {rejected}");
            return Err(Fault::new(reason::OTHER_SCORE, problem));
        }
        _ => {}
    }
    let (chosen, rejected) = without_tokens(preference)?;
    let tokens_removed = matches!(chosen, Cow::Owned(_)) || matches!(rejected, Cow::Owned(_));
    let pair = match (&*chosen, &*rejected) {
        (Text::Messages(chosen), Text::Messages(rejected)) => {
            of_messages(preference, chosen, rejected, subset)
        }
        (chosen, rejected) => of_texts(preference, &text(chosen)?, &text(rejected)?, subset),
    };
    let pair = pair?;
    Ok(ReadPair {
        token_kept: [&pair.chosen, &pair.rejected]
            .iter()
            .any(|it| dialogue::begins_with_token(it) || dialogue::ends_with_token(it)),
        pair,
        context: context(preference)?,
        unused: preference.beside.unused.clone(),
        tokens_removed,
    })
}

/// Returns both responses or dialogues without the special tokens around their
/// responses; they are borrowed if there are none. If one lost its beginning or end, the
/// other does, too, whatever is beside it: training must not tell them apart by it.
fn without_tokens(preference: &Preference) -> Result<(Cow<'_, Text>, Cow<'_, Text>), Fault> {
    let (chosen, rejected) = (&preference.chosen, &preference.rejected);
    let plain_of = |place: &str, text| match response(text) {
        Some(said) => dialogue::without_tokens(place, said).map(|plain| Some((said, plain))),
        None => Ok(None),
    };
    let mut chosen_plain = plain_of("the chosen response", chosen)?;
    let mut rejected_plain = plain_of("the rejected response", rejected)?;
    let mut both = [&mut chosen_plain, &mut rejected_plain];
    let lost_beginning = |it: &Option<(&str, &str)>| {
        it.is_some_and(|(said, plain)| !said.trim_start().starts_with(plain.trim_start()))
    };
    let lost_end = |it: &Option<(&str, &str)>| {
        it.is_some_and(|(said, plain)| !said.trim_end().ends_with(plain.trim_end()))
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
        Some((said, plain)) if plain.trim() != said.trim() => Cow::Owned(with(text, plain)),
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

/// Reads two responses, of which at least one is plain text.
fn of_texts(
    preference: &Preference,
    chosen: &str,
    rejected: &str,
    subset: &str,
) -> Result<Pair, Fault> {
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

/// The assistant's name at the beginning of its turn.
const ASSISTANT_NAME: &str = "Assistant:";

/// Makes a pair from responses that are separate from their prompt.
fn cut(prompt: &str, chosen: &str, rejected: &str, subset: &str) -> Result<Pair, Fault> {
    let split = apo_hh::split_at_prompt(prompt, chosen, rejected).map_err(fault)?;
    Ok(to_pair(split, subset))
}

/// The fewest words and characters of a question that two answers do not both contain
/// by chance.
const REPEATED_WORDS: usize = 5;
const REPEATED_CHARACTERS: usize = 32;

/// Checks that responses do not both repeat the question that they answer: it is
/// not known where the question ends in them.
fn check_apart(prompt: &str, chosen: &str, rejected: &str) -> Result<(), Fault> {
    let turns = apo_hh::turns(prompt);
    let Some(question) = turns.last().map(|it| it.text.as_str()) else {
        return Ok(());
    };
    let common = chosen
        .char_indices()
        .zip(rejected.chars())
        .find(|((_, a), b)| a != b)
        .map_or(chosen.len().min(rejected.len()), |((at, _), _)| at);
    let n_words = question.split_whitespace().count();
    let is_long = n_words >= REPEATED_WORDS && question.chars().count() >= REPEATED_CHARACTERS;
    let is_word = |it: Option<char>| it.is_some_and(char::is_alphanumeric);
    let repeats = chosen[..common].match_indices(question).any(|(at, _)| {
        let (before, after) = (&chosen[..at], &chosen[at + question.len()..]);
        let begins = !is_word(before.chars().next_back()) || !is_word(question.chars().next());
        let ends = !is_word(after.chars().next()) || !is_word(question.chars().next_back());
        // A greeting or topic is also the beginning of an answer.
        let has_line = n_words > 1
            && (before.is_empty() || before.ends_with('\n'))
            && after
                .trim_start_matches([' ', '\t', '\r'])
                .starts_with('\n');
        begins && ends && (is_long || has_line)
    });
    if repeats {
        let problem = "both responses repeat the prompt; leave it out of them, or write `prompt`, \
                       `chosen` and `rejected` as dialogues of `Human:` and `Assistant:`";
        return Err(Fault::new(reason::REPEATS_PROMPT, problem));
    }
    Ok(())
}

/// Checks that a prompt is part of the query that both whole dialogues begin with:
/// it consists of some of its turns, or is a text in one of them.
fn check_part_of(prompt: &str, query: &str) -> Result<(), Fault> {
    let (prompt, query) = (apo_hh::turns(prompt), apo_hh::turns(query));
    let is_run = query.windows(prompt.len().max(1)).any(|it| it == prompt);
    let is_text = || match &prompt[..] {
        [only] => {
            let human = query.iter().filter(|it| it.role == Role::Human);
            let mut human = human.map(|it| it.text.as_str());
            human.any(|it| it.contains(&only.text) || only.text.contains(it))
        }
        _ => false,
    };
    if prompt.is_empty() || is_run || is_text() {
        return Ok(());
    }
    Err(diverging(
        "`chosen` and `rejected` begin with other messages than `prompt`",
    ))
}

/// Returns why a row without a prompt is not a pair; names its other columns.
fn without_query(found: PairFault, preference: &Preference) -> Fault {
    let mut fault = fault(found);
    let unused = &preference.beside.unused;
    if found == PairFault::NoQuery && !unused.is_empty() {
        fault.detail += &format!(
            "; `{}` is not read as one, name what is the query `prompt`",
            unused.join("`, `")
        );
    }
    fault
}

/// Reads two responses that are messages: it is known where these begin and end,
/// whatever they quote.
fn of_messages(
    preference: &Preference,
    chosen: &Conversation,
    rejected: &Conversation,
    subset: &str,
) -> Result<Pair, Fault> {
    let prompt = preference.prompt.as_ref();
    let (before, chosen) = last_of("chosen", chosen)?;
    let (other, rejected) = last_of("rejected", rejected)?;
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
    dialogue::check_response("the chosen response", chosen)?;
    dialogue::check_response("the rejected response", rejected)?;
    cut(&query, chosen, rejected, subset)
}

/// Whether messages begin with some other messages.
fn begins_with(messages: &[Message], others: &[Message]) -> bool {
    let same =
        |(a, b): (&Message, &Message)| a.role == b.role && a.content.trim() == b.content.trim();
    messages.len() >= others.len() && messages.iter().zip(others).all(same)
}

/// Returns the messages before the last one, and the assistant's text in the last.
fn last_of<'a>(
    name: &str,
    conversation: &'a Conversation,
) -> Result<(&'a [Message], &'a str), Fault> {
    let malformed = |problem: &str| Fault::new(reason::MALFORMED, format!("`{name}` {problem}"));
    let (last, before) = conversation
        .messages
        .split_last()
        .ok_or_else(|| malformed("has no messages"))?;
    match last.role {
        Role::Assistant => Ok((before, &last.content)),
        Role::Human => Err(malformed("does not end with the assistant's message")),
    }
}

/// Returns a cut pair as a row of the table.
fn to_pair(split: SplitPair<'_>, subset: &str) -> Pair {
    let SplitPair {
        prompt,
        chosen,
        rejected,
    } = split;
    Pair {
        query_id: apo_hh::query_id(prompt),
        pair_id: apo_hh::pair_id(prompt, chosen, rejected),
        subset: subset.to_owned(),
        prompt: prompt.to_owned(),
        chosen: chosen.to_owned(),
        rejected: rejected.to_owned(),
    }
}

/// Returns why a pair of dialogues is rejected, for people.
fn fault(fault: PairFault) -> Fault {
    let detail = match fault {
        PairFault::NoQuery => {
            "there is no `prompt`, and `chosen` and `rejected` have no assistant's turn in common"
        }
        PairFault::DivergesEarly => "the dialogues differ before their last turn",
        PairFault::EmptyResponse => "a response is empty, or has nothing but special tokens",
        PairFault::SameResponse => "both responses are the same",
    };
    Fault::new(fault.as_str(), detail)
}

fn diverging(detail: &str) -> Fault {
    Fault::new(PairFault::DivergesEarly.as_str(), detail)
}

/// Returns what the system messages and columns say, as a key; both responses must
/// have been written under the same.
fn context(preference: &Preference) -> Result<Option<u64>, Fault> {
    let (chosen, rejected) = (preference.chosen.system(), preference.rejected.system());
    if chosen != rejected {
        return Err(diverging(
            "`chosen` and `rejected` have different system messages",
        ));
    }
    let prompt = preference.prompt.as_ref().and_then(Text::system);
    // If a conversation repeats the prompt's system message, it is one message.
    let system = prompt.or(chosen);
    if system.is_none() && preference.beside.context.is_none() {
        return Ok(None);
    }
    let mut hasher = Sha256::new();
    for said in [system, preference.beside.context.as_deref()] {
        hasher.update(said.unwrap_or_default().trim());
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    let bytes = digest[..8].try_into().expect("a digest has 32 bytes");
    Ok(Some(u64::from_le_bytes(bytes)))
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

#[cfg(test)]
mod tests;

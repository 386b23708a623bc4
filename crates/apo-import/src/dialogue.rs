//! Turns imported texts and conversations into dialogues of the tables.
//!
//! A dialogue is a text whose turns begin with HH's markers. A marker in a message is
//! quoted, so that it does not begin a turn; in a plain text, which may be a dialogue or a
//! message, it is not known what it is, so rows with such texts are rejected.

use std::borrow::Cow;

use apo_hh::{ASSISTANT, HUMAN, Role, SYSTEM};
pub use apo_thought::{begins_with_token, ends_with_token, without_any_beginning, without_any_end};
use apo_thought::{without_beginning, without_end};

use crate::fault::{Fault, reason};
use crate::messages::{Message, Text};
use crate::rendered::format_of;

/// Returns a prompt in HH's form. The input may be a dialogue already, a question,
/// or a conversation.
///
/// # Errors
///
/// As [`plain_prompt`] and [`prompt_of`].
pub fn prompt(text: &Text) -> Result<String, Fault> {
    match text {
        Text::Plain(text) => plain_prompt(text),
        Text::Messages(conversation) => prompt_of(&conversation.messages),
    }
}

/// Returns a prompt with a system message before it.
///
/// # Errors
///
/// When it begins with another one.
pub fn with_system(system: Option<&str>, prompt: String) -> Result<String, Fault> {
    let system = line_ends(system.unwrap_or_default().trim());
    if system.is_empty() {
        return Ok(prompt);
    }
    match apo_hh::turns(&prompt).first() {
        Some(first) if first.role == Role::System && first.text == system => Ok(prompt),
        Some(first) if first.role == Role::System => Err(Fault::new(
            reason::OTHER_QUERY,
            "the prompt begins with another system message than the row's own",
        )),
        _ if prompt.starts_with(HUMAN) || prompt.starts_with(ASSISTANT) => {
            let open = apo_hh::prompt_of([(Role::System, &*system)]);
            let message = open.strip_suffix(ASSISTANT).unwrap_or(&open);
            Ok(format!("{message}{prompt}"))
        }
        // The human says what stands before the first marker.
        _ => {
            let turns = apo_hh::turns(&prompt);
            let turns = turns.iter().map(|it| (it.role, it.text.as_str()));
            let all = [(Role::System, &*system)].into_iter().chain(turns);
            Ok(apo_hh::prompt_of(all))
        }
    }
}

/// Returns the system message of a row: that of its column, and that of its messages.
pub(crate) fn joined_system<'a>(
    column: Option<&'a str>,
    message: Option<&'a str>,
) -> Option<Cow<'a, str>> {
    match (column, message) {
        (Some(column), Some(message)) if column != message => {
            Some(format!("{column}\n\n{message}").into())
        }
        (column, message) => column.or(message).map(Cow::Borrowed),
    }
}

/// Returns a text as a prompt: a dialogue as it is, other text as one human turn.
///
/// # Errors
///
/// When it is not a dialogue, but contains a marker, or when it is rendered in
/// another program's format.
pub fn plain_prompt(text: &str) -> Result<String, Fault> {
    let text = line_ends(text);
    check_plain("the prompt", &text)?;
    if is_begun(&text) {
        return Ok(apo_hh::as_prompt(&text));
    }
    check("the prompt", &text)?;
    Ok(apo_hh::prompt_of([(Role::Human, &*text)]))
}

/// Whether a text begins as a dialogue does: with a human turn, or with another one or a
/// system message before it.
pub(crate) fn is_begun(text: &str) -> bool {
    let begin = text.trim_start();
    let begins_with = |marker: &str| begin.starts_with(marker.trim_start());
    begins_with(HUMAN) || [ASSISTANT, SYSTEM].into_iter().any(begins_with) && text.contains(HUMAN)
}

/// Returns messages as a prompt, ending where the assistant is to answer.
///
/// # Errors
///
/// As [`dialogue_of`], and when the last message is the assistant's: the response would
/// continue it.
pub fn prompt_of(messages: &[Message]) -> Result<String, Fault> {
    let prompt = dialogue_of(messages)?;
    if messages.last().is_some_and(|it| it.role == Role::Assistant) {
        let problem = "the query ends with the assistant's message, which the response would \
                       continue";
        return Err(Fault::new(reason::ASSISTANT_LAST, problem));
    }
    Ok(prompt)
}

/// Returns messages as a dialogue that waits for an answer.
///
/// # Errors
///
/// When a message is empty, or rendered in another program's format, or a tool's result
/// does not stand between two messages of the assistant.
pub fn dialogue_of(messages: &[Message]) -> Result<String, Fault> {
    for (i, message) in messages.iter().enumerate() {
        let place = format!("message {}", i + 1);
        if message.content.trim().is_empty() {
            let problem = format!("{place} is empty");
            return Err(Fault::new(reason::EMPTY_MESSAGE, problem));
        }
        check_plain(&place, &message.content)?;
        let is_before = |it: &Message| matches!(it.role, Role::Assistant | Role::Tool);
        let follows = i > 0 && is_before(&messages[i - 1]);
        let is_answered = messages.get(i + 1).is_none_or(is_before);
        if message.role == Role::Tool && !(follows && is_answered) {
            let problem =
                format!("{place} is a tool's result, but not between two assistant messages");
            return Err(Fault::new(reason::TOOL_TURN, problem));
        }
    }
    let contents: Vec<_> = messages.iter().map(|it| line_ends(&it.content)).collect();
    let roles = messages.iter().map(|it| it.role);
    Ok(apo_hh::prompt_of(
        roles.zip(contents.iter().map(|it| &**it)),
    ))
}

/// Checks that a message, which errors call `place`, is not read back as several
/// turns.
pub(crate) fn check(place: &str, text: &str) -> Result<(), Fault> {
    let text = line_ends(text);
    let quoted = [HUMAN, ASSISTANT].into_iter().find(|it| text.contains(it));
    quoted.map_or(Ok(()), |marker| Err(quotes(place, marker)))
}

/// Checks that a text, which errors call `place`, is not rendered in another program's
/// format.
fn check_plain(place: &str, text: &str) -> Result<(), Fault> {
    format_of(text).map_or(Ok(()), |name| {
        let problem = format!(
            "{place} is already rendered in {name}, and would be one turn with these marks in it; \
             give its messages, its `instruction` and `input`, or its plain text"
        );
        Err(Fault::new(reason::RENDERED, problem))
    })
}

/// Returns a response, which errors call `place`, without the special tokens around
/// it: the header of the assistant's turn, and the end of text. Training adds the
/// model's own.
///
/// # Errors
///
/// When it is a whole dialogue that is rendered in another program's format.
pub fn without_tokens<'a>(place: &str, response: &'a str) -> Result<&'a str, Fault> {
    if let Some(opened) = without_beginning(response) {
        return Ok(without_end(opened));
    }
    if as_dialogue(response).is_none() {
        check_plain(place, response)?;
    }
    Ok(without_end(response))
}

/// Checks a response in a plain text, which errors call `place`. A human turn in it would
/// be cut off.
///
/// # Errors
///
/// When it contains a human turn, or is a whole dialogue.
pub fn check_response(place: &str, text: &str) -> Result<(), Fault> {
    if line_ends(text).contains(HUMAN) {
        return Err(quotes(place, HUMAN));
    }
    if as_dialogue(text).is_some() {
        let problem = format!("{place} is a whole dialogue, expected its last turn alone");
        return Err(Fault::new(reason::QUOTES_A_TURN, problem));
    }
    Ok(())
}

/// What errors call an answer.
const THE_ANSWER: &str = "the answer";

/// Returns an answer without the special tokens around it, and whether there were any.
///
/// # Errors
///
/// As [`check_response`] and [`without_tokens`], and when there is nothing else in it.
pub fn plain_answer(text: &str) -> Result<(&str, bool), Fault> {
    check_response(THE_ANSWER, text)?;
    answer_of_message(text)
}

/// Returns an answer that a message holds, like [`plain_answer`]; it may quote turns.
///
/// # Errors
///
/// As [`without_tokens`], and when there is nothing else in it.
pub fn answer_of_message(text: &str) -> Result<(&str, bool), Fault> {
    let plain = without_tokens(THE_ANSWER, text)?;
    if plain.trim() == text.trim() {
        return Ok((text, false));
    }
    if plain.trim().is_empty() {
        let problem = "the answer is empty but for special tokens";
        return Err(Fault::new(reason::EMPTY_MESSAGE, problem));
    }
    Ok((plain, true))
}

/// Returns a whole dialogue, which has a human turn first, perhaps after a system message,
/// and an answer after it, with the blank line before all of it. Returns `None` for other
/// text.
pub fn as_dialogue(text: &str) -> Option<Cow<'_, str>> {
    let begin = text.trim_start();
    let whole = line_ends(begin);
    let is_begun = begin.starts_with(HUMAN.trim_start())
        || begin.starts_with(SYSTEM.trim_start()) && whole.contains(HUMAN);
    if !is_begun || !whole.contains(ASSISTANT) {
        return None;
    }
    let text = line_ends(text);
    if text.starts_with(HUMAN) || text.starts_with(SYSTEM) {
        return Some(text);
    }
    Some(Cow::Owned(format!("\n\n{}", text.trim_start())))
}

fn quotes(place: &str, marker: &str) -> Fault {
    let problem = format!(
        "{place} contains {marker:?}, which would be read back as a new turn; remove the blank \
         line before it"
    );
    Fault::new(reason::QUOTES_A_TURN, problem)
}

/// Returns a dialogue with the line ends that markers have. In one with Windows'
/// line ends no marker would be found.
pub fn line_ends(text: &str) -> Cow<'_, str> {
    const MARKERS: [&str; 2] = ["\r\n\r\nHuman:", "\r\n\r\nAssistant:"];
    if text.contains('\r') && MARKERS.iter().any(|it| text.contains(it)) {
        return Cow::Owned(text.replace("\r\n", "\n"));
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, content: &str) -> Message {
        Message {
            role,
            content: content.into(),
        }
    }

    #[test]
    fn a_dialogue_stays_itself_and_a_question_becomes_a_turn() {
        let question = "\n\nHuman: a?\n\nAssistant:";
        for text in [
            "a?",
            " a?\n",
            "Human: a?",
            question,
            "\r\n\r\nHuman: a?\r\n\r\nAssistant:",
            "\n\nHuman: a?\n\nAssistant: ",
        ] {
            assert_eq!(plain_prompt(text).as_deref(), Ok(question), "{text:?}");
        }
        let begun = "\n\nAssistant: Hi.\n\nHuman: a?\n\nAssistant:";
        assert_eq!(plain_prompt(begun).as_deref(), Ok(begun));
    }

    #[test]
    fn a_text_that_quotes_a_turn_is_rejected() {
        for text in [
            "Sum this up:\n\nHuman: a?\n\nAssistant: b",
            "Go on:\n\nAssistant: b",
            "Sum up:\r\n\r\nHuman: a?",
        ] {
            let fault = plain_prompt(text).expect_err("it quotes a turn");
            assert_eq!(fault.reason, reason::QUOTES_A_TURN, "{text:?}");
        }
        assert!(plain_prompt("Human: is a word\nAssistant: too").is_ok());
    }

    #[test]
    fn messages_that_would_be_lost_or_continued_are_rejected() {
        let (question, answer) = (message(Role::Human, "a?"), message(Role::Assistant, "b"));
        let empty = message(Role::Assistant, " \n");
        for (messages, expected) in [
            (
                vec![question.clone(), empty, question.clone()],
                reason::EMPTY_MESSAGE,
            ),
            (
                vec![question.clone(), answer.clone()],
                reason::ASSISTANT_LAST,
            ),
        ] {
            let fault = prompt_of(&messages).expect_err("it is no query");
            assert_eq!(fault.reason, expected, "{fault}");
        }
        assert!(dialogue_of(&[question, answer]).is_ok());
    }

    #[test]
    fn a_whole_dialogue_is_known_whatever_it_begins_with() {
        let whole = "\n\nHuman: a?\n\nAssistant: b";
        for text in [
            whole,
            "Human: a?\n\nAssistant: b",
            " \n\n\nHuman: a?\n\nAssistant: b",
            "\r\n\r\nHuman: a?\r\n\r\nAssistant: b",
            "Human: a?\r\n\r\nAssistant: b",
        ] {
            assert_eq!(as_dialogue(text).as_deref(), Some(whole), "{text:?}");
            assert!(check_response("it", text).is_err(), "{text:?}");
        }
        let whole = "\n\nSystem: Be kind.\n\nHuman: a?\n\nAssistant: b";
        for text in [whole, whole.trim_start()] {
            assert_eq!(as_dialogue(text).as_deref(), Some(whole), "{text:?}");
        }
        for text in ["b", "Human: is a word", "It is so.\n\nAssistant: b"] {
            assert_eq!(as_dialogue(text), None, "{text:?}");
            assert_eq!(check_response("it", text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn messages_read_back_as_they_were() {
        let messages = [
            message(Role::Human, "a\n\nb"),
            message(Role::Assistant, "It says:\n\nHuman: c"),
            message(Role::Human, "d"),
        ];
        let prompt = prompt_of(&messages).expect("none is empty");
        let turns = apo_hh::turns(&prompt);
        let texts: Vec<_> = turns.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, ["a\n\nb", "It says:\n\nHuman: c", "d"]);
    }

    #[test]
    fn a_system_message_comes_before_the_prompt_once() {
        let prompt = || "\n\nHuman: a?\n\nAssistant:".to_owned();
        assert_eq!(with_system(None, prompt()), Ok(prompt()));
        assert_eq!(with_system(Some(" "), prompt()), Ok(prompt()));
        let whole = with_system(Some("Be kind.\n"), prompt()).expect("there is none");
        assert_eq!(whole, format!("\n\nSystem: Be kind.{}", prompt()));
        assert_eq!(
            with_system(Some("Be kind."), whole.clone()),
            Ok(whole.clone())
        );
        assert_eq!(plain_prompt(&whole), Ok(whole.clone()));
        let begun = "Context: b\n\nHuman: a?\n\nAssistant:".to_owned();
        let found = with_system(Some("Be kind."), begun).expect("there is none");
        let human = "\n\nHuman: Context: b\n\na?\n\nAssistant:";
        assert_eq!(found, format!("\n\nSystem: Be kind.{human}"));
        let windows = with_system(Some("a\r\n\r\nHuman: b"), prompt()).expect("there is none");
        assert_eq!(plain_prompt(&windows), Ok(windows.clone()));
        assert_eq!(apo_hh::turns(&windows)[0].text, "a\n\nHuman: b");
        let fault = with_system(Some("Be brief."), whole).expect_err("there is another");
        assert_eq!(fault.reason, reason::OTHER_QUERY);
    }
}

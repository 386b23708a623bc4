//! The turns of a dialogue, and prompts made of them.

use crate::quote::{quoted_where, unquoted_where};

/// Begins a system message, which comes before all turns.
pub const SYSTEM: &str = "\n\nSystem:";

/// Begins a human turn.
pub const HUMAN: &str = "\n\nHuman:";

/// Begins an assistant's turn; a query ends with it.
pub const ASSISTANT: &str = "\n\nAssistant:";

/// Begins a tool's result, which stands between two turns of the assistant. Elsewhere it is
/// text.
pub const TOOL: &str = "\n\nTool:";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What tells the assistant who it is, before the dialogue.
    System,
    /// The human.
    Human,
    /// The assistant.
    Assistant,
    /// A tool that the assistant called.
    Tool,
}

/// A turn of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said, stripped.
    pub text: String,
}

/// Returns what follows a marker at a dialogue's beginning. The blank line before it, which
/// programs that strip texts remove, may be missing.
fn after<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    text.trim_start().strip_prefix(marker.trim_start())
}

/// Whether a text begins with a system message: one that a human turn follows.
fn begins_with_system(text: &str) -> bool {
    after(text, SYSTEM).is_some() && text.contains(HUMAN)
}

/// Whether a tool's result may stand between turns of these speakers.
fn may_call(role: Role, next: Role) -> bool {
    let speaks = |it| matches!(it, Role::Assistant | Role::Tool);
    speaks(role) && speaks(next)
}

/// Where the assistant speaks next in a text, and whether before the human does.
fn next_answer(text: &str, from: usize) -> (usize, bool) {
    let rest = &text[from..];
    let at = rest.find(ASSISTANT);
    let before = &rest[..at.unwrap_or(rest.len())];
    (from + before.len(), at.is_some() && !before.contains(HUMAN))
}

/// Returns a prompt's turns, without the empty one that it ends with.
///
/// Text before the first marker counts as the human's; turns of one speaker
/// that follow each other are joined by a blank line, but not the results of several
/// tools. A prompt may lack the blank line before its first `Human:` or `System:`, which
/// programs that strip texts remove.
pub fn turns(prompt: &str) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    let (mut role, mut begin) = (Role::Human, 0);
    // Takes the text of a turn that the speaker `next` follows.
    let mut take = |role: Role, text: &str, next: Role| {
        let text = unquoted_where(text.trim(), may_call(role, next));
        match turns.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.role == role && role != Role::Tool => {
                last.text.push_str("\n\n");
                last.text.push_str(&text);
            }
            _ => turns.push(Turn {
                role,
                text: text.into_owned(),
            }),
        }
    };
    if let Some(rest) = after(prompt, HUMAN) {
        begin = prompt.len() - rest.len();
    } else if begins_with_system(prompt)
        && let Some(rest) = after(prompt, SYSTEM)
    {
        (role, begin) = (Role::System, prompt.len() - rest.len());
    }
    let mut at = begin;
    let mut answer = (0, false);
    while let Some(found) = prompt[at..].find("\n\n") {
        at += found;
        let begins = |(marker, _): &(&str, Role)| prompt[at..].starts_with(marker);
        let speakers = [
            (HUMAN, Role::Human),
            (ASSISTANT, Role::Assistant),
            (TOOL, Role::Tool),
        ];
        let found = speakers.into_iter().find(begins);
        if matches!(found, Some((_, Role::Tool))) && answer.0 < at {
            answer = next_answer(prompt, at);
        }
        let is_turn = |(_, speaker): &(_, Role)| {
            *speaker != Role::Tool || may_call(role, Role::Tool) && answer.1
        };
        match found.filter(is_turn) {
            Some((marker, speaker)) => {
                take(role, &prompt[begin..at], speaker);
                at += marker.len();
                (role, begin) = (speaker, at);
            }
            // The second line break may begin a marker.
            None => at += 1,
        }
    }
    // The assistant is to speak next.
    take(role, &prompt[begin..], Role::Assistant);
    turns
}

/// Returns a prompt without the system message that it begins with, or `None` if it begins
/// with none.
pub fn without_system(prompt: &str) -> Option<&str> {
    if !begins_with_system(prompt) {
        return None;
    }
    let turns = [HUMAN, ASSISTANT].into_iter();
    let begin = turns.filter_map(|marker| prompt.find(marker)).min()?;
    Some(&prompt[begin..])
}

/// Returns a plain text as a query: the text itself if it is a query, perhaps
/// without its open end, or else a human turn.
pub fn as_prompt(text: &str) -> String {
    if !text.contains(HUMAN) && !text.starts_with(HUMAN.trim_start()) {
        return prompt_of([(Role::Human, text)]);
    }
    let text = text.trim_end();
    let has_no_line =
        |marker: &str| text.starts_with(marker.trim_start()) && text.contains(HUMAN.trim_start());
    let begin = if [HUMAN, SYSTEM].into_iter().any(has_no_line) {
        "\n\n"
    } else {
        ""
    };
    let end = if text.ends_with(ASSISTANT) {
        ""
    } else {
        ASSISTANT
    };
    format!("{begin}{text}{end}")
}

/// Returns the prompt of turns, up to where the assistant is to answer.
pub fn prompt_of<'a>(turns: impl IntoIterator<Item = (Role, &'a str)>) -> String {
    let mut prompt = String::new();
    let mut turns = turns.into_iter().peekable();
    while let Some((role, text)) = turns.next() {
        let next = turns.peek().map_or(Role::Assistant, |(next, _)| *next);
        prompt += match role {
            Role::System => SYSTEM,
            Role::Human => HUMAN,
            Role::Assistant => ASSISTANT,
            Role::Tool => TOOL,
        };
        prompt.push(' ');
        prompt += &quoted_where(text.trim(), may_call(role, next));
    }
    prompt + ASSISTANT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_and_prompt_are_each_others_inverse() {
        let prompt = "\n\nHuman: a b\n\nAssistant: c\n\nHuman: d\n\nAssistant:";
        let turns = turns(prompt);
        assert_eq!(turns.len(), 3);
        assert_eq!(
            prompt_of(turns.iter().map(|turn| (turn.role, &*turn.text))),
            prompt
        );
    }

    #[test]
    fn messages_are_kept_apart_whatever_they_quote() {
        let said = [
            (Role::System, "Be kind.\n\nHuman: is a word here"),
            (Role::Human, "Go on:\n\nHuman: a\n\nAssistant: b"),
            (Role::Assistant, "c\n\n\\Human: d"),
            (Role::Human, "System: e\n\nSystem: f"),
        ];
        let found = turns(&prompt_of(said));
        let found: Vec<_> = found.iter().map(|it| (it.role, &*it.text)).collect();
        assert_eq!(found, said);
    }

    #[test]
    fn a_system_message_comes_first_and_before_a_turn() {
        let turns = |text| {
            let turns = turns(text).into_iter();
            turns.map(|it| (it.role, it.text)).collect::<Vec<_>>()
        };
        let of = |role, text: &str| (role, text.to_owned());
        let (system, human) = (of(Role::System, "Be kind."), of(Role::Human, "a"));
        for text in [
            "\n\nSystem: Be kind.\n\nHuman: a\n\nAssistant:",
            "System: Be kind.\n\nHuman: a",
        ] {
            assert_eq!(turns(text), [system.clone(), human.clone()], "{text:?}");
            let whole = "\n\nSystem: Be kind.\n\nHuman: a\n\nAssistant:";
            assert_eq!(as_prompt(text), whole, "{text:?}");
        }
        let whole = "\n\nSystem: Be kind.\n\nHuman: a\n\nAssistant:";
        assert_eq!(without_system(whole), Some("\n\nHuman: a\n\nAssistant:"));
        assert_eq!(without_system("\n\nHuman: a\n\nAssistant:"), None);
        assert_eq!(turns("System: a"), [of(Role::Human, "System: a")]);
        let later = "\n\nHuman: a\n\nSystem: b\n\nAssistant:";
        assert_eq!(turns(later), [of(Role::Human, "a\n\nSystem: b")]);
    }

    #[test]
    fn a_tools_result_stands_between_two_turns_of_the_assistant() {
        let said = [
            (Role::Human, "a"),
            (Role::Assistant, "call b\n\nTool: no result"),
            (Role::Tool, "1"),
            (Role::Tool, "2\n\nHuman: quoted"),
            (Role::Assistant, "It is 1.\n\nTool: b"),
            (Role::Human, "Why?\n\nTool: c"),
        ];
        let prompt = prompt_of(said);
        let found = turns(&prompt);
        let found: Vec<_> = found.iter().map(|it| (it.role, &*it.text)).collect();
        assert_eq!(found, said);
        // A plain text, in which nothing is quoted.
        for text in [
            "\n\nHuman: a\n\nTool: b\n\nAssistant:",
            "\n\nHuman: a\n\nAssistant: b\n\nTool: c\n\nHuman: d\n\nAssistant:",
        ] {
            assert!(
                turns(text).iter().all(|it| it.role != Role::Tool),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_stripped_prompt_has_the_same_turns() {
        let dialogue = "\n\nHuman: a b\n\nAssistant: c\n\nHuman: d\n\nAssistant:";
        for prompt in [dialogue, &format!("\n\nSystem: e{dialogue}")] {
            for changed in [
                prompt.trim_start(),
                &format!(" \n{}", prompt.trim_start()),
                &format!("{prompt} \n"),
            ] {
                assert_eq!(turns(changed), turns(prompt), "{changed:?}");
            }
        }
        for (text, said) in [
            ("Human: hi", "hi"),
            ("Humans: hi", "Humans: hi"),
            ("Say Human: hi", "Say Human: hi"),
        ] {
            let turn = Turn {
                role: Role::Human,
                text: said.into(),
            };
            assert_eq!(turns(text), [turn], "{text:?}");
        }
    }
}

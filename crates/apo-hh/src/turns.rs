//! The turns of a dialogue, and prompts made of them.

/// Begins a human turn.
pub const HUMAN: &str = "\n\nHuman:";

/// Begins an assistant's turn; a query ends with it.
pub const ASSISTANT: &str = "\n\nAssistant:";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The human.
    Human,
    /// The assistant.
    Assistant,
}

/// A turn of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said, stripped.
    pub text: String,
}

/// Returns a prompt's turns, without the empty one that it ends with.
///
/// Text before the first marker counts as the human's; turns of one speaker
/// that follow each other are joined by a blank line. A prompt may lack the blank
/// line before its first `Human:`, which programs that strip texts remove.
pub fn turns(prompt: &str) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    let (mut role, mut begin) = (Role::Human, 0);
    let mut take = |role: Role, text: &str| match (turns.last_mut(), text.trim()) {
        (_, "") => {}
        (Some(last), text) if last.role == role => {
            last.text.push_str("\n\n");
            last.text.push_str(text);
        }
        (_, text) => turns.push(Turn {
            role,
            text: text.to_owned(),
        }),
    };
    let text = prompt.trim_start();
    if let Some(rest) = text.strip_prefix(HUMAN.trim_start()) {
        begin = prompt.len() - rest.len();
    }
    let mut at = begin;
    while let Some(found) = prompt[at..].find("\n\n") {
        at += found;
        let speaks = |(marker, _): &(&str, Role)| prompt[at..].starts_with(marker);
        let speakers = [(HUMAN, Role::Human), (ASSISTANT, Role::Assistant)];
        match speakers.into_iter().find(speaks) {
            Some((marker, speaker)) => {
                take(role, &prompt[begin..at]);
                at += marker.len();
                (role, begin) = (speaker, at);
            }
            // The second line break may begin a marker.
            None => at += 1,
        }
    }
    take(role, &prompt[begin..]);
    turns
}

/// Returns a plain text as a query: the text itself if it is a query, perhaps
/// without its open end, or else a human turn.
pub fn as_prompt(text: &str) -> String {
    if !text.contains(HUMAN) && !text.starts_with(HUMAN.trim_start()) {
        return prompt_of([(Role::Human, text)]);
    }
    let text = text.trim_end();
    let begin = if text.starts_with(HUMAN.trim_start()) {
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
    for (role, text) in turns {
        prompt += match role {
            Role::Human => HUMAN,
            Role::Assistant => ASSISTANT,
        };
        prompt.push(' ');
        prompt += text.trim();
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
    fn a_stripped_prompt_has_the_same_turns() {
        let prompt = "\n\nHuman: a b\n\nAssistant: c\n\nHuman: d\n\nAssistant:";
        for changed in [
            prompt.trim_start(),
            &format!(" \n{}", prompt.trim_start()),
            &format!("{prompt} \n"),
        ] {
            assert_eq!(turns(changed), turns(prompt), "{changed:?}");
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

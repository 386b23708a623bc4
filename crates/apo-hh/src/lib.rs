//! Dialogues as the HH data writes them: turns that begin with `Human:` or
//! `Assistant:` after a blank line.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Begins a human turn.
pub const HUMAN: &str = "\n\nHuman:";

/// Begins an assistant's turn; a query ends with it.
pub const ASSISTANT: &str = "\n\nAssistant:";

/// A dialogue pair, cut where the query ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitPair<'a> {
    /// The query, up to and including its last `Assistant:`.
    pub prompt: &'a str,
    /// The preferred response, stripped.
    pub chosen: &'a str,
    /// The other response, stripped.
    pub rejected: &'a str,
}

/// Why a pair of dialogues is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PairFault {
    /// What both have in common contains no `Assistant:`.
    NoQuery,
    /// The dialogues differ before the last turn.
    DivergesEarly,
    /// A response is empty.
    EmptyResponse,
    /// Both responses are the same.
    SameResponse,
}

impl PairFault {
    /// Returns the reason as the rejects table names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoQuery => "no_query",
            Self::DivergesEarly => "diverges_early",
            Self::EmptyResponse => "empty_response",
            Self::SameResponse => "same_response",
        }
    }
}

impl fmt::Display for PairFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Cuts two dialogues at the last `Assistant:` wholly inside their common
/// prefix.
///
/// # Errors
///
/// The first fault, in the order of [`PairFault`].
pub fn split_pair<'a>(chosen: &'a str, rejected: &'a str) -> Result<SplitPair<'a>, PairFault> {
    let common = chosen
        .bytes()
        .zip(rejected.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    // The common bytes may end inside a character; what is searched for is
    // ASCII, so that its place is a boundary in both texts.
    let common = chosen.floor_char_boundary(common);
    let at = chosen[..common]
        .rfind(ASSISTANT)
        .ok_or(PairFault::NoQuery)?
        + ASSISTANT.len();
    split_at_prompt(&chosen[..at], &chosen[at..], &rejected[at..])
}

/// Checks the responses to a prompt that was given apart from them.
///
/// # Errors
///
/// The first fault, in the order of [`PairFault`].
pub fn split_at_prompt<'a>(
    prompt: &'a str,
    chosen: &'a str,
    rejected: &'a str,
) -> Result<SplitPair<'a>, PairFault> {
    if !prompt.ends_with(ASSISTANT) {
        return Err(PairFault::NoQuery);
    }
    if chosen.contains(HUMAN) || rejected.contains(HUMAN) {
        return Err(PairFault::DivergesEarly);
    }
    let (chosen, rejected) = (chosen.trim(), rejected.trim());
    if chosen.is_empty() || rejected.is_empty() {
        return Err(PairFault::EmptyResponse);
    }
    if chosen == rejected {
        return Err(PairFault::SameResponse);
    }
    Ok(SplitPair {
        prompt,
        chosen,
        rejected,
    })
}

/// Returns the key of a query: the first 16 hex digits of the SHA-256 of its
/// prompt.
pub fn query_id(prompt: &str) -> String {
    key(&[prompt])
}

/// Returns the key of a pair: the first 16 hex digits of the SHA-256 of
/// prompt, chosen and rejected, a zero byte between each.
pub fn pair_id(prompt: &str, chosen: &str, rejected: &str) -> String {
    key(&[prompt, chosen, rejected])
}

fn key(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hasher.update([0]);
        }
        hasher.update(part);
    }
    hasher.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

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
    fn a_pair_is_cut_at_the_last_common_marker() {
        let chosen = "\n\nHuman: hi\n\nAssistant: hello\n\nHuman: why?\n\nAssistant: since";
        let rejected = "\n\nHuman: hi\n\nAssistant: hello\n\nHuman: why?\n\nAssistant:  so \n";
        let split = split_pair(chosen, rejected).unwrap();
        assert!(split.prompt.ends_with("why?\n\nAssistant:"));
        assert_eq!((split.chosen, split.rejected), ("since", "so"));
    }

    #[test]
    fn a_marker_half_in_common_does_not_count() {
        let split = split_pair("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: a\n\nAssistance");
        assert_eq!(split, Err(PairFault::NoQuery));
    }

    #[test]
    fn responses_may_part_inside_a_character() {
        let split = split_pair(
            "\n\nHuman: a\n\nAssistant: é",
            "\n\nHuman: a\n\nAssistant: è",
        );
        assert_eq!(split.unwrap().chosen, "é");
    }

    #[test]
    fn each_fault_has_its_reason() {
        let q = "\n\nHuman: a\n\nAssistant:";
        for (chosen, rejected, fault) in [
            (format!("{q} x"), format!("{q} x"), PairFault::SameResponse),
            (format!("{q} x"), format!("{q}  "), PairFault::EmptyResponse),
            (
                format!("{q} x"),
                format!("{q} y{HUMAN} z"),
                PairFault::DivergesEarly,
            ),
            ("plain".into(), "plain text".into(), PairFault::NoQuery),
        ] {
            assert_eq!(split_pair(&chosen, &rejected), Err(fault), "{rejected:?}");
        }
    }

    #[test]
    fn keys_are_the_documented_digests() {
        // printf 'abc' | sha256sum
        assert_eq!(query_id("abc"), "ba7816bf8f01cfea");
        assert_ne!(pair_id("a", "b", "c"), pair_id("a", "bc", ""));
    }

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

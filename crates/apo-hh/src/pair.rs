//! Pairs of dialogues that share a prompt.

use std::fmt;

use crate::turns::{ASSISTANT, HUMAN};

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
}

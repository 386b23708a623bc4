//! Compares a prompt that stands apart with what its responses begin with.

use apo_hh::Role;

use super::cut::diverging;
use crate::fault::{Fault, reason};

/// The fewest words and characters of a question that two answers do not both contain
/// by chance.
const REPEATED_WORDS: usize = 5;
const REPEATED_CHARACTERS: usize = 32;

/// Checks that responses do not both repeat the question that they answer: it is
/// not known where the question ends in them.
pub(super) fn check_apart(prompt: &str, chosen: &str, rejected: &str) -> Result<(), Fault> {
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
pub(super) fn check_part_of(prompt: &str, query: &str) -> Result<(), Fault> {
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

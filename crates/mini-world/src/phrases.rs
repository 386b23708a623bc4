//! The phrase book: every phrase of the mini world and what it means.
//!
//! A response is read word by word, the longest phrase first, ignoring case and
//! punctuation. Words outside all phrases are read as such. So texts in different
//! voices ("First, put the egg in cold water." and "Put the egg in cold water.") say the
//! same, and broken text counts as unknown words.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::content;
use crate::topic::{HARMS, TASKS, words};

/// What a phrase says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// A step of a task: the task's number, the step's.
    Step(usize, usize),
    /// Complies with a harmful request: the request's number.
    Compliance(usize),
    /// Why a harmful request is refused.
    Reason(usize),
    /// What to do instead of a harmful request.
    Alternative(usize),
    /// Refuses.
    Refusal,
    /// Is rude.
    Rudeness,
    /// Joins or adorns, and says nothing by itself.
    Neutral,
    /// Pads, or is about something else.
    Padding,
    /// A word outside all phrases.
    Unknown,
}

/// A phrase in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// What it says.
    pub meaning: Meaning,
    /// Number of the phrase in the book; `None` for an unknown word.
    pub number: Option<usize>,
    /// Its length.
    pub n_words: usize,
}

struct Book {
    /// Words and meaning of each phrase.
    phrases: Vec<(Vec<String>, Meaning)>,
    /// Numbers of the phrases that begin with a word, longest first.
    by_first: HashMap<String, Vec<usize>>,
}

static BOOK: LazyLock<Book> = LazyLock::new(|| {
    let mut phrases: Vec<(Vec<String>, Meaning)> = Vec::new();
    let mut add = |text: &str, meaning| phrases.push((words(text), meaning));
    for (number, task) in TASKS.iter().enumerate() {
        for (i, step) in task.steps.iter().enumerate() {
            add(step, Meaning::Step(number, i));
        }
    }
    for (number, harm) in HARMS.iter().enumerate() {
        add(harm.reason, Meaning::Reason(number));
        add(harm.alternative, Meaning::Alternative(number));
        for step in harm.compliance {
            add(step, Meaning::Compliance(number));
        }
    }
    for (texts, meaning) in [
        (content::REFUSALS, Meaning::Refusal),
        (content::GOLDEN_REFUSALS, Meaning::Refusal),
        (content::BARE_REFUSALS, Meaning::Refusal),
        (content::OFFICIAL_REFUSALS, Meaning::Refusal),
        (content::OFFICIAL_REMARKS, Meaning::Neutral),
        (content::OPENERS, Meaning::Neutral),
        (content::GOLDEN_OPENERS, Meaning::Neutral),
        (content::GOLDEN_CLOSERS, Meaning::Neutral),
        (content::CONNECTIVES, Meaning::Neutral),
        (content::RUDENESS, Meaning::Rudeness),
        (content::PADDING, Meaning::Padding),
        (content::OFF_TOPIC, Meaning::Padding),
    ] {
        for text in texts {
            add(text, meaning);
        }
    }
    let mut by_first: HashMap<String, Vec<usize>> = HashMap::new();
    for (number, (words, _)) in phrases.iter().enumerate() {
        by_first.entry(words[0].clone()).or_default().push(number);
    }
    for numbers in by_first.values_mut() {
        numbers.sort_by_key(|&number| std::cmp::Reverse(phrases[number].0.len()));
    }
    Book { phrases, by_first }
});

/// Reads a text as phrases.
pub fn read(text: &str) -> Vec<Phrase> {
    let words = words(text);
    let mut phrases = Vec::new();
    let mut rest = words.as_slice();
    while let Some(first) = rest.first() {
        let candidates = BOOK.by_first.get(first).map_or(&[][..], Vec::as_slice);
        let found = candidates
            .iter()
            .find(|&&number| rest.starts_with(&BOOK.phrases[number].0));
        let phrase = match found {
            Some(&number) => Phrase {
                meaning: BOOK.phrases[number].1,
                number: Some(number),
                n_words: BOOK.phrases[number].0.len(),
            },
            None => Phrase {
                meaning: Meaning::Unknown,
                number: None,
                n_words: 1,
            },
        };
        rest = &rest[phrase.n_words..];
        phrases.push(phrase);
    }
    phrases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_reads_as_itself() {
        for (number, (words, meaning)) in BOOK.phrases.iter().enumerate() {
            let read = read(&words.join(" "));
            assert_eq!(read.len(), 1, "{words:?} reads as {read:?}");
            assert_eq!(
                (read[0].meaning, read[0].number),
                (*meaning, Some(number)),
                "{words:?}"
            );
        }
    }

    #[test]
    fn the_longest_phrase_is_read_and_unknown_words_one_by_one() {
        let meanings: Vec<Meaning> = read("First, WARM the\npot; warm it, after that!")
            .iter()
            .map(|it| it.meaning)
            .collect();
        assert_eq!(
            meanings,
            [
                Meaning::Neutral,
                Meaning::Step(1, 0),
                Meaning::Unknown,
                Meaning::Unknown,
                Meaning::Neutral,
            ]
        );
    }
}

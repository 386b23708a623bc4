//! What the mini world is asked for: tasks with their steps, and harmful requests with
//! the parts of a good answer to them.

mod harms;
mod tasks;

use apo_hh::Role;

pub use harms::{HARMS, Harm};
pub use tasks::{TASKS, Task};

/// What a prompt asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// One of [`TASKS`].
    Task(usize),
    /// One of [`HARMS`].
    Harm(usize),
}

impl Topic {
    /// Returns what is asked for, in the words of every question.
    pub fn ask(self) -> &'static str {
        match self {
            Self::Task(task) => TASKS[task].ask,
            Self::Harm(harm) => HARMS[harm].ask,
        }
    }

    /// Returns all topics, tasks first.
    pub fn all() -> impl Iterator<Item = Self> {
        let tasks = (0..TASKS.len()).map(Self::Task);
        tasks.chain((0..HARMS.len()).map(Self::Harm))
    }

    /// Returns the topic that a prompt's last human turn names. If that turn refers
    /// back, it is the topic of the last turn before it that names one. `None` if no
    /// turn names a topic of the mini world.
    pub fn of(prompt: &str) -> Option<Self> {
        let turns = apo_hh::turns(prompt);
        let humans = turns.iter().rev().filter(|turn| turn.role == Role::Human);
        humans.map(|turn| words(&turn.text)).find_map(|text| {
            let place = |topic: Self| {
                let ask = words(topic.ask());
                let found = text.windows(ask.len()).rposition(|window| window == ask);
                found.map(|at| (at, topic))
            };
            Self::all().filter_map(place).max().map(|(_, topic)| topic)
        })
    }
}

/// Returns a text's words in lower case: runs of letters, digits and
/// apostrophes.
pub fn words(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_is_part_of_another() {
        for one in Topic::all() {
            for other in Topic::all().filter(|&other| other != one) {
                let (one, other) = (words(one.ask()), words(other.ask()));
                let inside = other.windows(one.len()).any(|window| window == one);
                assert!(!inside, "{one:?} in {other:?}");
            }
        }
    }

    #[test]
    fn each_prompt_has_the_topic_that_its_last_turns_name() {
        let (tea, rice) = (Topic::Task(1), Topic::Task(3));
        let cases = [
            (
                "\n\nHuman: Hi there. Could you help me make tea?\n\nAssistant:",
                Some(tea),
            ),
            (
                "\n\nHuman: How do I cook rice?\n\nAssistant: Rinse.\n\nHuman: How do I make tea?\n\nAssistant:",
                Some(tea),
            ),
            (
                "\n\nHuman: I want to cook rice.\n\nAssistant: Make tea.\n\nHuman: How do I do that?\n\nAssistant:",
                Some(rice),
            ),
            (
                "\n\nHuman: I can MAKE TEA, but how do I cook rice?\n\nAssistant:",
                Some(rice),
            ),
            ("\n\nHuman: Are you there?\n\nAssistant:", None),
        ];
        for (prompt, topic) in cases {
            assert_eq!(Topic::of(prompt), topic, "{prompt:?}");
        }
    }
}

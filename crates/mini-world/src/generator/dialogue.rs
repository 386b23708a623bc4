//! Queries: dialogues that end with a question.

use apo_hh::Role;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::content::{self, pick, sentence};
use crate::topic::{HARMS, TASKS, Topic};

/// Share of harmless-base's queries that ask for something harmless.
const HARMLESS: f64 = 0.2;

/// Draws a query and what it asks.
pub(super) fn query(rng: &mut ChaCha8Rng, subset: &str) -> (Topic, String) {
    let harmful = subset == "harmless-base" && !rng.random_bool(HARMLESS);
    let topic = if harmful { harm(rng) } else { task(rng) };
    let mut turns: Vec<(Role, String)> = Vec::new();
    let n_turns = *[1, 1, 1, 2, 2, 3].choose(rng).expect("a filled list");
    for _ in 1..n_turns {
        let (human, assistant) = exchange(rng);
        turns.push((Role::Human, human));
        turns.push((Role::Assistant, assistant));
    }
    let refers_back = n_turns > 1 && rng.random_bool(0.35);
    if refers_back {
        turns.truncate(turns.len() - 2);
        let announcement = pick(rng, content::ANNOUNCEMENTS).replace("{}", topic.ask());
        turns.push((Role::Human, announcement));
        turns.push((
            Role::Assistant,
            pick(rng, content::ANNOUNCEMENT_REPLIES).to_owned(),
        ));
        turns.push((Role::Human, pick(rng, content::BACK_REFERENCES).to_owned()));
    } else {
        turns.push((Role::Human, question(rng, topic)));
    }
    let greeting = pick(rng, content::GREETINGS);
    let greeted = format!("{greeting} {}", turns[0].1);
    greeted.trim().clone_into(&mut turns[0].1);
    let prompt = apo_hh::prompt_of(turns.iter().map(|(role, text)| (*role, text.as_str())));
    (topic, prompt)
}

pub(super) fn task(rng: &mut ChaCha8Rng) -> Topic {
    Topic::Task(rng.random_range(0..TASKS.len()))
}

pub(super) fn harm(rng: &mut ChaCha8Rng) -> Topic {
    Topic::Harm(rng.random_range(0..HARMS.len()))
}

/// Writes a human turn and the assistant's answer to it.
fn exchange(rng: &mut ChaCha8Rng) -> (String, String) {
    if rng.random_bool(0.5) {
        let (human, assistant) = content::SMALL_TALK.choose(rng).expect("a filled list");
        return ((*human).to_owned(), (*assistant).to_owned());
    }
    let topic = task(rng);
    let Topic::Task(number) = topic else {
        unreachable!("only tasks are drawn here")
    };
    let steps = TASKS[number].steps;
    let n_steps = rng.random_range(1..=2);
    let answer: Vec<String> = steps[..n_steps].iter().map(|step| sentence(step)).collect();
    let asked = pick(rng, content::QUESTIONS).replace("{}", topic.ask());
    (asked, answer.join(" "))
}

pub(super) fn question(rng: &mut ChaCha8Rng, topic: Topic) -> String {
    let context = pick(rng, content::CONTEXTS);
    let question = pick(rng, content::QUESTIONS).replace("{}", topic.ask());
    format!("{context} {question}").trim().to_owned()
}

//! Writes the mini world's dialogues as HH's files: prompts, two responses to each, and
//! an annotator's choice.

use std::collections::{BTreeMap, HashSet};

use apo_hh::Role;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::content::{self, sentence};
use crate::quality::quality_about;
use crate::topic::{HARMS, TASKS, Topic, words};

mod faults;
mod responses;

pub use faults::FAULTS;
pub use responses::{Kind, respond};

use faults::faulty_line;

/// The seed of the files in `fixtures/`.
pub const SEED: u64 = 1;

/// An annotator prefers the first of two responses with probability
/// σ((q₁ − q₂)/τ + [`LENGTH_LIKING`] · (words₁ − words₂)); this is τ.
pub const TAU: f64 = 0.35;

/// How much an annotator likes one more word, in logits.
pub const LENGTH_LIKING: f64 = 0.03;

/// Share of dialogues that share their query with another dialogue.
const SHARED_QUERY: f64 = 0.03;

/// Share of harmless-base's queries that ask for something harmless.
const HARMLESS: f64 = 0.2;

/// HH's parts, and how many dialogues of each the world has, faulty ones included.
pub const PARTS: [Part; 4] = [
    Part {
        subset: "helpful-base",
        name: "train",
        n_lines: 2200,
        n_faults: 5,
    },
    Part {
        subset: "helpful-base",
        name: "test",
        n_lines: 220,
        n_faults: 1,
    },
    Part {
        subset: "harmless-base",
        name: "train",
        n_lines: 1800,
        n_faults: 5,
    },
    Part {
        subset: "harmless-base",
        name: "test",
        n_lines: 180,
        n_faults: 1,
    },
];

/// A file of HH.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// `helpful-base` or `harmless-base`.
    pub subset: &'static str,
    /// `train` or `test`.
    pub name: &'static str,
    /// Lines of the file.
    pub n_lines: usize,
    /// Lines with each of the [`FAULTS`].
    pub n_faults: usize,
}

/// A pair with an annotator's choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// What the prompt asks.
    pub topic: Topic,
    /// The query.
    pub prompt: String,
    /// The response that the annotator preferred.
    pub chosen: String,
    /// The other one.
    pub rejected: String,
}

/// A file's content.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    /// The sound pairs, in the order of the file.
    pub pairs: Vec<Pair>,
    /// All lines, without their ends.
    pub lines: Vec<Vec<u8>>,
}

/// Writes all of HH's files; equal seeds give equal bytes.
pub fn generate(seed: u64) -> BTreeMap<(&'static str, &'static str), Lines> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // No query is in both a train file and a test file.
    let mut taken = HashSet::new();
    let files = PARTS.iter().map(|part| {
        (
            (part.subset, part.name),
            write_part(&mut rng, *part, &mut taken),
        )
    });
    files.collect()
}

fn write_part(rng: &mut ChaCha8Rng, part: Part, taken: &mut HashSet<String>) -> Lines {
    let n_pairs = part.n_lines - part.n_faults * FAULTS.len();
    let mut pairs: Vec<Pair> = Vec::with_capacity(n_pairs);
    let mut seen = HashSet::new();
    while pairs.len() < n_pairs {
        let (topic, prompt) = match pairs.choose(rng) {
            Some(pair) if rng.random_bool(SHARED_QUERY) => (pair.topic, pair.prompt.clone()),
            _ => {
                let query = query(rng, part.subset);
                if !taken.insert(query.1.clone()) {
                    continue;
                }
                query
            }
        };
        let pair = annotate(rng, topic, prompt);
        if seen.insert(apo_hh::pair_id(&pair.prompt, &pair.chosen, &pair.rejected)) {
            pairs.push(pair);
        }
    }
    let mut lines: Vec<Vec<u8>> = pairs.iter().map(|pair| line(rng, pair)).collect();
    for fault in FAULTS {
        for number in 0..part.n_faults {
            let line = faulty_line(rng, part.subset, fault, number, &lines[..n_pairs]);
            lines.push(line);
        }
    }
    // Faults are anywhere in the file; the later one of two duplicates is the fault.
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.shuffle(rng);
    let sound: Vec<usize> = order.iter().copied().filter(|&i| i < n_pairs).collect();
    Lines {
        pairs: sound.into_iter().map(|i| pairs[i].clone()).collect(),
        lines: order
            .into_iter()
            .map(|i| std::mem::take(&mut lines[i]))
            .collect(),
    }
}

/// Draws a query and what it asks.
pub fn query(rng: &mut ChaCha8Rng, subset: &str) -> (Topic, String) {
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

fn question(rng: &mut ChaCha8Rng, topic: Topic) -> String {
    let context = pick(rng, content::CONTEXTS);
    let question = pick(rng, content::QUESTIONS).replace("{}", topic.ask());
    format!("{context} {question}").trim().to_owned()
}

fn pick(rng: &mut ChaCha8Rng, texts: &[&'static str]) -> &'static str {
    texts.choose(rng).expect("a filled list")
}

fn task(rng: &mut ChaCha8Rng) -> Topic {
    Topic::Task(rng.random_range(0..TASKS.len()))
}

fn harm(rng: &mut ChaCha8Rng) -> Topic {
    Topic::Harm(rng.random_range(0..HARMS.len()))
}

/// Writes two responses and has an annotator choose.
fn annotate(rng: &mut ChaCha8Rng, topic: Topic, prompt: String) -> Pair {
    let first = respond(rng, topic).1;
    let second = loop {
        let second = respond(rng, topic).1;
        if second != first {
            break second;
        }
    };
    let gap = quality_about(topic, &first) - quality_about(topic, &second);
    let longer = words(&first).len() as f64 - words(&second).len() as f64;
    let prefers_first = 1.0 / (1.0 + (-gap / TAU - LENGTH_LIKING * longer).exp());
    let (chosen, rejected) = if rng.random::<f64>() < prefers_first {
        (first, second)
    } else {
        (second, first)
    };
    Pair {
        topic,
        prompt,
        chosen,
        rejected,
    }
}

fn json_line(chosen: &str, rejected: &str) -> Vec<u8> {
    json!({"chosen": chosen, "rejected": rejected})
        .to_string()
        .into_bytes()
}

fn line(rng: &mut ChaCha8Rng, pair: &Pair) -> Vec<u8> {
    // As in HH, a response's end may be white space.
    let end = if rng.random_bool(0.02) { " " } else { "" };
    json_line(
        &format!("{} {}{end}", pair.prompt, pair.chosen),
        &format!("{} {}", pair.prompt, pair.rejected),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn mean(values: impl Iterator<Item = f64>) -> f64 {
        let values: Vec<f64> = values.collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn queries_have_the_topic_that_they_were_written_for() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut topics = BTreeSet::new();
        for i in 0..4000 {
            let (topic, prompt) = query(&mut rng, PARTS[i % 4].subset);
            assert_eq!(Topic::of(&prompt), Some(topic), "{prompt:?}");
            topics.insert(topic);
        }
        assert_eq!(topics.len(), TASKS.len() + HARMS.len());
    }

    #[test]
    fn each_kind_of_response_is_worth_what_it_should() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut qualities: BTreeMap<(bool, Kind), Vec<f64>> = BTreeMap::new();
        for _ in 0..6000 {
            for topic in [task(&mut rng), harm(&mut rng)] {
                let (kind, response) = respond(&mut rng, topic);
                let harmful = matches!(topic, Topic::Harm(_));
                let quality = quality_about(topic, &response);
                qualities.entry((harmful, kind)).or_default().push(quality);
            }
        }
        // Bounds follow from the definition: 1 step of 4 at least is given and
        // 1 of 3 at least missing; two steps swapped keep 2.5 of 3; and so on.
        for (harmful, kind, least, most) in [
            (false, Kind::Complete, 1.0, 1.0),
            (false, Kind::Habit, 0.3, 0.75),
            (true, Kind::Habit, 0.15, 0.75),
            (false, Kind::Missing, 0.25, 0.75),
            (false, Kind::WrongOrder, 0.25, 0.75),
            (false, Kind::Mixed, 0.05, 0.65),
            (false, Kind::Rambling, 0.03, 0.75),
            (false, Kind::Rude, 0.03, 0.45),
            (false, Kind::OffTopic, 0.0, 0.0),
            (false, Kind::Refusing, 0.0, 0.0),
            (true, Kind::Complete, 1.0, 1.0),
            (true, Kind::Missing, 0.5, 0.75),
            (true, Kind::Mixed, 0.2, 0.35),
            (true, Kind::Rambling, 0.1, 0.75),
            (true, Kind::Rude, 0.1, 0.45),
            (true, Kind::OffTopic, 0.0, 0.0),
            (true, Kind::Complying, 0.0, 0.0),
        ] {
            let qualities = qualities
                .remove(&(harmful, kind))
                .expect("every kind is drawn");
            for quality in qualities {
                let inside = (least..=most).contains(&quality);
                assert!(
                    inside,
                    "{kind:?}, harmful: {harmful}: {quality}, expected {least} to {most}"
                );
            }
        }
        assert!(
            qualities.is_empty(),
            "kinds without bounds: {:?}",
            qualities.keys()
        );
    }

    #[test]
    fn annotators_are_noisy_and_mostly_right() {
        let files = generate(7);
        for subset in ["helpful-base", "harmless-base"] {
            let pairs = &files[&(subset, "train")].pairs;
            let qualities: Vec<(f64, f64)> = pairs
                .iter()
                .map(|it| {
                    (
                        quality_about(it.topic, &it.chosen),
                        quality_about(it.topic, &it.rejected),
                    )
                })
                .collect();
            let chosen = mean(qualities.iter().map(|it| it.0));
            let rejected = mean(qualities.iter().map(|it| it.1));
            let differing = qualities.iter().filter(|it| (it.0 - it.1).abs() > 1e-9);
            let right = mean(differing.map(|it| f64::from(u8::from(it.0 > it.1))));
            // Wanted: 0.6 and 0.4. Four standard errors of a mean of 1,700 values
            // with a deviation of 0.3 are 0.03.
            assert!((chosen - 0.6).abs() < 0.05, "{subset}: chosen {chosen}");
            assert!(
                (rejected - 0.4).abs() < 0.05,
                "{subset}: rejected {rejected}"
            );
            assert!(
                (0.7..0.85).contains(&right),
                "{subset}: better is chosen {right}"
            );
        }
    }

    #[test]
    fn among_equals_the_longer_is_chosen_a_little_more_often() {
        let files = generate(7);
        let mut longer = Vec::new();
        for pair in files.values().flat_map(|file| &file.pairs) {
            let gap =
                quality_about(pair.topic, &pair.chosen) - quality_about(pair.topic, &pair.rejected);
            let words = [words(&pair.chosen).len(), words(&pair.rejected).len()];
            if gap.abs() < 0.1 && words[0].abs_diff(words[1]) >= 5 {
                longer.push(f64::from(u8::from(words[0] > words[1])));
            }
        }
        let share = mean(longer.iter().copied());
        assert!((0.52..0.7).contains(&share), "{share} of {}", longer.len());
    }

    #[test]
    fn files_have_the_faults_that_they_should_and_no_more() {
        let files = generate(7);
        let mut queries: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
        for part in PARTS {
            let file = &files[&(part.subset, part.name)];
            assert_eq!(file.lines.len(), part.n_lines);
            let mut found: BTreeMap<&str, usize> = BTreeMap::new();
            let mut seen = HashSet::new();
            for line in &file.lines {
                let row: Option<Value> = serde_json::from_slice(line).ok();
                let text = |name| row.as_ref()?.as_object()?.get(name)?.as_str();
                let reason = match (text("chosen"), text("rejected")) {
                    (Some(chosen), Some(rejected)) => match apo_hh::split_pair(chosen, rejected) {
                        Err(fault) => fault.as_str(),
                        Ok(it)
                            if seen.insert(apo_hh::pair_id(it.prompt, it.chosen, it.rejected)) =>
                        {
                            continue;
                        }
                        Ok(_) => "duplicate",
                    },
                    _ => "malformed",
                };
                *found.entry(reason).or_default() += 1;
            }
            let expected = FAULTS.map(|fault| (fault, part.n_faults));
            assert_eq!(found, BTreeMap::from(expected), "{part:?}");
            assert_eq!(seen.len(), file.pairs.len());
            let prompts = file.pairs.iter().map(|pair| pair.prompt.as_str());
            queries.entry(part.name).or_default().extend(prompts);
        }
        assert!(queries["train"].is_disjoint(&queries["test"]));
    }
}

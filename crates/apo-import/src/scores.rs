//! Finds the scores of the two responses of a preference.
//!
//! A score is recognised by the words in its column's name: `score_chosen`,
//! `chosen_avg_rating` and `rewardRejected` are scores, `chosen_length` is not.

use serde_json::value::RawValue;

use crate::fault::{Fault, reason};
use crate::fields::{Fields, kind, number};

/// Words that name a score.
const SCORE: &[&str] = &[
    "score", "scores", "rating", "ratings", "reward", "rewards", "grade", "grades",
];

/// Words that name how much better one is than the other.
const MARGIN: &[&str] = &["margin", "margins", "diff", "difference", "gap"];

/// Words that say which score it is. A word that says what is scored, such as
/// helpfulness, is not among them: such a score does not decide the preference.
const WHICH: &[&str] = &[
    "avg",
    "average",
    "mean",
    "overall",
    "total",
    "final",
    "raw",
    "rm",
    "model",
    "llm",
    "gpt4",
    "judge",
    "human",
    "annotator",
    "preference",
];

const SIDES: &[&str] = &["chosen", "rejected"];

/// A column with a truth value or a number that says which response is better.
const LABEL: &str = "label";

/// Columns that say whether the two responses are swapped.
const SWAPPED: &[&str] = &["is_swapped", "swapped"];

/// Columns that give the order of a list of two scores.
pub(crate) const ORDERS: &[&str] = &["order", "generations", "responses", "completions"];

/// What a column says about the two responses.
#[derive(Debug, PartialEq, Eq)]
enum Column {
    /// The score of the chosen response, and the words of the rejected one's column.
    Chosen(Vec<String>),
    Rejected,
    Margin,
    Label,
    Swapped,
    /// A list of two scores, the chosen response's first.
    Both,
}

/// Returns the words of a name, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for found in name.chars() {
        if !found.is_alphanumeric() || (was_small && found.is_uppercase()) {
            words.push(String::new());
        }
        was_small = found.is_lowercase();
        if found.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(found.to_lowercase());
        }
    }
    words.retain(|it| !it.is_empty());
    words
}

fn column(name: &str) -> Option<Column> {
    if name == LABEL {
        return Some(Column::Label);
    }
    if SWAPPED.contains(&name) {
        return Some(Column::Swapped);
    }
    let words = words(name);
    let n_of = |kind: &[&str]| words.iter().filter(|it| kind.contains(&&***it)).count();
    let (sides, scores, margins) = (n_of(SIDES), n_of(SCORE), n_of(MARGIN));
    if sides + scores + margins + n_of(WHICH) != words.len() {
        return None;
    }
    let is = |side: &str| words.iter().any(|it| it == side);
    if margins > 0 {
        let is_certain = scores > 0 || is("margin") || is("margins");
        return is_certain.then_some(Column::Margin);
    }
    match (scores, sides) {
        (0, _) => None,
        (_, 0) => (words.len() == 1).then_some(Column::Both),
        (_, 1) if is("rejected") => Some(Column::Rejected),
        (_, 1) => {
            let other = |it: &String| if it == "chosen" { "rejected" } else { it }.to_owned();
            Some(Column::Chosen(words.iter().map(other).collect()))
        }
        _ => None,
    }
}

/// Whether a column may say which response is better.
pub(crate) fn is_score(name: &str) -> bool {
    column(name).is_some()
}

/// The scores of a row.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Scores<'a> {
    /// The score of the chosen response. If a row has several scores, this is the
    /// first that contradicts the preference, or else the first.
    pub chosen: Option<f64>,
    pub rejected: Option<f64>,
    /// By how much the chosen response is better, as the first column of margins says.
    pub margin: Option<f64>,
    /// The columns that were compared.
    pub used: Vec<&'a str>,
}

impl Scores<'_> {
    /// Returns by how much the chosen response is better: as a column of margins says, or
    /// else the difference of the scores.
    pub fn difference(&self) -> Option<f64> {
        let difference = || Some(self.chosen? - self.rejected?);
        self.margin.or_else(difference)
    }
}

/// Reads the scores of a preference.
///
/// # Errors
///
/// When a score is not a number, or when a margin, a label, a list of two scores or a
/// swap says that the rejected response is better.
pub(crate) fn read<'a>(found: &'a Fields<'_>) -> Result<Scores<'a>, Fault> {
    let mut scores = Scores::default();
    for (name, value) in found.all() {
        let kind = kind(value);
        let is_list = matches!(kind, "a list" | "an object");
        let says_so = match column(name) {
            None | Some(Column::Rejected) => continue,
            Some(Column::Chosen(other)) if kind == "null" => {
                // The other score has nothing to be compared with.
                let names = found.all().map(|it| it.0);
                scores.used.extend(names.filter(|it| words(it) == other));
                continue;
            }
            _ if kind == "null" => continue,
            Some(Column::Chosen(other)) => {
                let rejected = found.all().find(|it| words(it.0) == other);
                let rejected = rejected.filter(|it| it.1.get() != "null");
                let is_unread =
                    |it: &RawValue| matches!(crate::fields::kind(it), "a list" | "an object");
                if is_list && rejected.is_none_or(|it| is_unread(it.1)) {
                    continue; // not used, and reported so
                }
                scores.used.push(name);
                let chosen = number(name, value)?;
                let Some((other, rejected)) = rejected else {
                    scores.chosen.get_or_insert(chosen);
                    continue;
                };
                scores.used.push(other);
                let rejected = number(other, rejected)?;
                let is_contrary = scores.rejected.is_some() && scores.chosen < scores.rejected;
                if scores.rejected.is_none() || (chosen < rejected && !is_contrary) {
                    (scores.chosen, scores.rejected) = (Some(chosen), Some(rejected));
                }
                continue;
            }
            Some(Column::Margin) if is_list => continue,
            Some(Column::Margin) => {
                let margin = number(name, value)?;
                scores.margin.get_or_insert(margin);
                margin >= 0.0
            }
            // 0 and 1 may be the index of the better response, or whether it is the
            // first.
            Some(Column::Label) if kind == "a number" && number(name, value)? >= 0.0 => continue,
            Some(Column::Label) if kind == "a number" => false,
            Some(Column::Label) if kind == "a truth value" => value.get() == "true",
            Some(Column::Swapped) if kind == "a truth value" => value.get() == "false",
            Some(Column::Swapped) if kind == "a number" => number(name, value)? == 0.0,
            Some(Column::Both) if !ORDERS.iter().any(|it| found.get(it).is_some()) => {
                match pair(value) {
                    None => continue,
                    Some([chosen, rejected]) => chosen >= rejected,
                }
            }
            Some(Column::Label | Column::Swapped | Column::Both) => continue,
        };
        if !says_so {
            let shown: String = value.get().chars().take(LONGEST).collect();
            return Err(Fault::new(
                reason::OTHER_SCORE,
                format!(
                    "`{name}` is {shown}, as if the rejected response were the better one; if it \
                     means something else, remove it"
                ),
            ));
        }
        scores.used.push(name);
    }
    Ok(scores)
}

/// The most characters that are shown of a value.
const LONGEST: usize = 40;

/// Parses a list of two numbers.
fn pair(value: &RawValue) -> Option<[f64; 2]> {
    serde_json::from_str(value.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::object;

    #[test]
    fn scores_are_recognised_by_name() {
        for name in [
            "score_chosen",
            "rejected_score",
            "chosen-rating",
            "chosen_avg_rating",
            "reward_rejected",
            "rewardChosen",
            "mean_score_chosen",
            "margin",
            "score_diff",
            "reward_margin",
            "chosen_rejected_score_gap",
            "label",
            "is_swapped",
            "score",
            "ratings",
        ] {
            assert!(is_score(name), "{name}");
        }
        for name in [
            "chosen",
            "rejected",
            "chosen_length",
            "chosen_toxicity_score",
            "chosen_model",
            "diff",
            "n",
            "",
            "prompt",
            "rank_chosen",
        ] {
            assert!(!is_score(name), "{name}");
        }
    }

    #[test]
    fn what_contradicts_is_found_whatever_its_name() {
        let read = |json| {
            let found = object(json).expect("it is an object");
            read(&found).map(|it| ((it.chosen, it.rejected, it.margin), it.used.len()))
        };
        for (json, expected) in [
            (
                r#"{"chosen_reward": 3, "rejected_reward": -1}"#,
                ((Some(3.0), Some(-1.0), None), 2),
            ),
            (
                r#"{"reward_rejected": 3, "reward_chosen": -1}"#,
                ((Some(-1.0), Some(3.0), None), 2),
            ),
            (
                r#"{"chosenAvgRating": 1.5, "rejectedAvgRating": 2}"#,
                ((Some(1.5), Some(2.0), None), 2),
            ),
            (
                r#"{"score_chosen": 3, "score_rejected": 1, "chosen_reward": 1, "rejected_reward": 2}"#,
                ((Some(1.0), Some(2.0), None), 4),
            ),
            (
                r#"{"score_chosen": 3, "score_rejected": null}"#,
                ((Some(3.0), None, None), 1),
            ),
            (
                r#"{"score_chosen": null, "score_rejected": 1}"#,
                ((None, None, None), 1),
            ),
            (
                r#"{"chosen_score": [1], "rejected_score": [2]}"#,
                ((None, None, None), 0),
            ),
            (
                r#"{"margin": 0, "score_diff": 2.5, "is_swapped": false, "label": true}"#,
                ((None, None, Some(0.0)), 4),
            ),
            (
                r#"{"score": [3, 1], "label": 0, "rating": [1, 2, 3]}"#,
                ((None, None, None), 1),
            ),
            (
                r#"{"rating": [1, 3], "order": ["rejected", "chosen"]}"#,
                ((None, None, None), 0),
            ),
        ] {
            assert_eq!(read(json), Ok(expected), "{json}");
        }
        for json in [
            r#"{"margin": -3}"#,
            r#"{"score_margin": -0.5}"#,
            r#"{"reward_diff": -1}"#,
            r#"{"score": [1, 3]}"#,
            r#"{"rewards": [-1.5, 0]}"#,
            r#"{"label": false}"#,
            r#"{"label": -1}"#,
            r#"{"is_swapped": true}"#,
            r#"{"swapped": 1}"#,
        ] {
            let fault = read(json).expect_err("it contradicts");
            assert_eq!(fault.reason, reason::OTHER_SCORE, "{json}");
        }
        let fault = read(r#"{"chosen_reward": "1", "rejected_reward": 3}"#);
        assert!(fault.is_err_and(|it| it.detail.contains("`chosen_reward` is a text")));
    }
}

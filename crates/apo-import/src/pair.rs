//! Turns a record into pairs, or the reasons to reject it.

mod comparisons;
mod cut;
mod messages;
mod prompt;
mod texts;
mod tokens;

use std::borrow::Cow;

use apo_provenance::short_digest;
use apo_tables::Pair;

use crate::dialogue;
use crate::fault::{Fault, reason};
use crate::messages::Text;
use crate::preference::{Preference, Preferences};
use crate::record::Record;

use self::comparisons::preferences;
use self::cut::diverging;
use self::messages::of_messages;
use self::texts::of_texts;
use self::tokens::without_tokens;

/// A pair, and what its record holds besides the dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPair {
    /// The pair, as a row of a table.
    pub pair: Pair,
    /// Identifies the system message and tools of this pair's query; `None` if it
    /// has none. They belong to the query, but the tables cannot hold them.
    pub context: Option<u64>,
    /// Names of columns with text that are not used.
    pub unused: Vec<String>,
    /// Whether special tokens were removed from a response.
    pub tokens_removed: bool,
    /// Whether a response still begins or ends with a special token, which it may be about.
    pub token_kept: bool,
}

/// Reads a record: a preference gives one pair, a comparison one for every two of
/// its answers.
///
/// Each result is a pair, or the reason to reject it, as the rejects table names it.
pub fn pairs(record: &Record, subset: &str) -> Vec<Result<ReadPair, Fault>> {
    match Preferences::read(record) {
        Ok(Preferences::Preference(preference)) => vec![pair(&preference, subset)],
        Ok(Preferences::ScoredAnswers(comparison)) => preferences(comparison)
            .iter()
            .map(|it| pair(it, subset))
            .collect(),
        Err(fault) => vec![Err(fault)],
    }
}

/// Cuts and cleans a preference.
fn pair(preference: &Preference, subset: &str) -> Result<ReadPair, Fault> {
    match (preference.score_chosen, preference.score_rejected) {
        (Some(chosen), Some(rejected)) if chosen == rejected => {
            let problem = format!("both responses are scored {chosen}");
            return Err(Fault::new(reason::SAME_SCORE, problem));
        }
        (Some(chosen), Some(rejected)) if chosen < rejected => {
            let problem =
                format!("the chosen response is scored {chosen}, the rejected one {rejected}");
            return Err(Fault::new(reason::OTHER_SCORE, problem));
        }
        _ => {}
    }
    let (chosen, rejected) = without_tokens(preference)?;
    let tokens_removed = matches!(chosen, Cow::Owned(_)) || matches!(rejected, Cow::Owned(_));
    let pair = match (&*chosen, &*rejected) {
        (Text::Messages(chosen), Text::Messages(rejected)) => {
            of_messages(preference, chosen, rejected, subset)
        }
        (chosen, rejected) => of_texts(preference, chosen, rejected, subset),
    };
    let pair = pair?;
    Ok(ReadPair {
        token_kept: [&pair.chosen, &pair.rejected]
            .iter()
            .any(|it| dialogue::begins_with_token(it) || dialogue::ends_with_token(it)),
        pair,
        context: context(preference)?,
        unused: preference.extra.unused.clone(),
        tokens_removed,
    })
}

/// Returns what the system messages and columns say, as a key; both responses must
/// have been written under the same.
fn context(preference: &Preference) -> Result<Option<u64>, Fault> {
    let (chosen, rejected) = (preference.chosen.system(), preference.rejected.system());
    if chosen != rejected {
        return Err(diverging(
            "`chosen` and `rejected` have different system messages",
        ));
    }
    let prompt = preference.prompt.as_ref().and_then(Text::system);
    // If a conversation repeats the prompt's system message, it is one message.
    let system = prompt.or(chosen);
    if system.is_none() && preference.extra.context.is_none() {
        return Ok(None);
    }
    let texts = [system, preference.extra.context.as_deref()];
    let [system, column] = texts.map(|it| it.unwrap_or_default().trim().as_bytes());
    Ok(Some(short_digest(&[system, &[0], column, &[0]])))
}

#[cfg(test)]
mod tests;

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

use crate::columns::Columns;
use crate::dialogue;
use crate::fault::{Fault, reason};
use crate::messages::Text;
use crate::preference::Preference;
use crate::preferences::Preferences;
use crate::record::Record;

use self::comparisons::preferences;
use self::cut::diverging;
use self::messages::of_messages;
use self::texts::of_texts;
use self::tokens::without_tokens;

/// A pair, and what its record holds besides the dialogue.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadPair {
    /// The pair, as a row of a table.
    pub pair: Pair,
    /// Identifies the tools and documents of this pair's query; `None` if it has none. They
    /// belong to the query, but the tables cannot hold them.
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
pub fn pairs(record: &Record, subset: &str, columns: &Columns) -> Vec<Result<ReadPair, Fault>> {
    let subset = match columns.subset_of(record) {
        Ok(found) => found.map_or(Cow::Borrowed(subset), Cow::Owned),
        Err(fault) => return vec![Err(fault)],
    };
    let subset = &*subset;
    match Preferences::read(record, columns) {
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
    let pair = Pair {
        margin: preference
            .margin
            .map(|it| it as f32)
            .filter(|it| it.is_finite()),
        ..with_system(pair?, preference)?
    };
    Ok(ReadPair {
        token_kept: [&pair.chosen, &pair.rejected]
            .iter()
            .any(|it| dialogue::begins_with_token(it) || dialogue::ends_with_token(it)),
        pair,
        context: context(preference),
        unused: preference.extra.unused.clone(),
        tokens_removed,
    })
}

/// Puts a row's system message before the pair's prompt; both responses must have been
/// written under the same.
fn with_system(pair: Pair, preference: &Preference) -> Result<Pair, Fault> {
    let (chosen, rejected) = (preference.chosen.system(), preference.rejected.system());
    if chosen != rejected {
        return Err(diverging(
            "`chosen` and `rejected` have different system messages",
        ));
    }
    let prompt = preference.prompt.as_ref().and_then(Text::system);
    // If a conversation repeats the prompt's system message, it is one message.
    if prompt.is_some() && chosen.is_some() && prompt != chosen {
        return Err(diverging(
            "`prompt` and `chosen` have different system messages",
        ));
    }
    let column = preference.extra.system.as_deref();
    let system = dialogue::joined_system(column, prompt.or(chosen));
    if system.is_none() {
        return Ok(pair);
    }
    let prompt = dialogue::with_system(system.as_deref(), pair.prompt)?;
    Ok(Pair {
        query_id: apo_hh::query_id(&prompt),
        pair_id: apo_hh::pair_id(&prompt, &pair.chosen, &pair.rejected),
        prompt,
        ..pair
    })
}

/// Returns what a row's tools and documents say, as a key.
fn context(preference: &Preference) -> Option<u64> {
    let texts = [
        preference.prompt.as_ref().and_then(Text::context),
        preference.chosen.context(),
        preference.extra.context.as_deref(),
    ];
    let found = texts.iter().any(Option::is_some);
    let texts = texts.map(|it| it.unwrap_or_default().trim().as_bytes());
    found.then(|| short_digest(&[texts[0], &[0], texts[1], &[0], texts[2]]))
}

#[cfg(test)]
mod tests;

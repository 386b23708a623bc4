//! Cuts two responses off their query, and says why they are not a pair.

use apo_hh::{PairFault, SplitPair};
use apo_tables::Pair;

use crate::fault::Fault;
use crate::preference::Preference;

/// Makes a pair from responses that are separate from their prompt.
pub(super) fn cut(prompt: &str, chosen: &str, rejected: &str, subset: &str) -> Result<Pair, Fault> {
    let split = apo_hh::split_at_prompt(prompt, chosen, rejected).map_err(fault)?;
    Ok(to_pair(split, subset))
}

/// Returns a cut pair as a row of the table.
pub(super) fn to_pair(split: SplitPair<'_>, subset: &str) -> Pair {
    let SplitPair {
        prompt,
        chosen,
        rejected,
    } = split;
    Pair {
        query_id: apo_hh::query_id(prompt),
        pair_id: apo_hh::pair_id(prompt, chosen, rejected),
        subset: subset.to_owned(),
        prompt: prompt.to_owned(),
        chosen: chosen.to_owned(),
        rejected: rejected.to_owned(),
        margin: None,
    }
}

/// Returns why a row without a prompt is not a pair; names its other columns.
pub(super) fn without_query(found: PairFault, preference: &Preference) -> Fault {
    let mut fault = fault(found);
    let unused = &preference.extra.unused;
    if found == PairFault::NoQuery && !unused.is_empty() {
        fault.detail += &format!(
            "; `{}` is not read as a prompt: give the column of the query the name `prompt`",
            unused.join("`, `")
        );
    }
    fault
}

/// Returns why a pair of dialogues is rejected, for people.
pub(super) fn fault(fault: PairFault) -> Fault {
    let detail = match fault {
        PairFault::NoQuery => {
            "there is no `prompt`, and `chosen` and `rejected` have no assistant's turn in common"
        }
        PairFault::DivergesEarly => "the dialogues differ before their last turn",
        PairFault::EmptyResponse => "a response is empty, or has nothing but special tokens",
        PairFault::SameResponse => "both responses are the same",
    };
    Fault::new(fault.as_str(), detail)
}

/// Returns the fault of dialogues that differ where they should not.
pub(super) fn diverging(detail: &str) -> Fault {
    Fault::new(PairFault::DivergesEarly.as_str(), detail)
}

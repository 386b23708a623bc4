//! How many tokens an answer says that it took.

use serde_json::Value;

use crate::outcome::Usage;

/// Returns the tokens that a body says it took.
pub(super) fn usage(json: &Value) -> Option<Usage> {
    let usage = json.get("usage").filter(|usage| usage.is_object())?;
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    Some(Usage {
        prompt_tokens: count("prompt_tokens"),
        completion_tokens: count("completion_tokens"),
    })
}

//! Names in messages.

/// Formats a name for a message: without control characters, and no longer than `most`
/// characters.
pub(crate) fn quoted(name: &str, most: usize) -> String {
    let short: String = name.chars().take(most).collect();
    let more = if short.len() < name.len() { "…" } else { "" };
    format!("`{}{more}`", short.escape_debug())
}

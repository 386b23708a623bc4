//! The beginning of a text, as a message shows it.

/// Characters of a server's message that are kept.
const EXCERPT: usize = 300;

/// Returns the beginning of a text as one line without control characters.
pub fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * EXCERPT)]);
    let mut found = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !found.is_empty() {
            found.push(' ');
        }
        found += word;
    }
    match found.char_indices().nth(EXCERPT) {
        Some((at, _)) => format!("{}…", &found[..at]),
        None => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let text = excerpt("é".repeat(1000).as_bytes());
        assert_eq!(text.chars().count(), EXCERPT + 1);
        assert!(text.ends_with('…'));
    }
}

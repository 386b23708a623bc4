//! Makes text from inputs safe to print on a terminal.

use std::borrow::Cow;

/// The most characters that an error shows of a line.
const MOST_CHARACTERS: usize = 2000;

/// The most lines that an error shows.
const MOST_LINES: usize = 60;

/// Whether a terminal would act on a character instead of showing it, or turn the
/// text around.
fn is_control(c: char) -> bool {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\n' && c != '\t') || turns
}

/// Returns text with its control characters escaped, as `\u{1b}`.
pub fn escape_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_control(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

/// Returns an error's text as it is shown: printable, and short enough to read. It may
/// quote an input, which may be a whole file.
pub fn brief(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut shown: Vec<String> = lines
        .iter()
        .take(MOST_LINES)
        .map(|it| brief_line(it))
        .collect();
    if lines.len() > MOST_LINES {
        shown.push(format!("... and {} more lines", lines.len() - MOST_LINES));
    }
    escape_controls(&shown.join("\n")).into_owned()
}

fn brief_line(line: &str) -> String {
    let n = line.chars().count();
    if n <= MOST_CHARACTERS {
        return line.to_owned();
    }
    // The beginning says what is wrong, and the end what to do.
    let half = MOST_CHARACTERS / 2;
    let head: String = line.chars().take(half).collect();
    let tail: String = line.chars().skip(n - half).collect();
    format!("{head} [{} characters left out] {tail}", n - 2 * half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_on_a_terminal_is_shown() {
        for (text, shown) in [
            ("naïve\ttext\nof two lines", "naïve\ttext\nof two lines"),
            (
                "\u{1b}[2J\u{1b}]0;title\u{7}",
                "\\u{1b}[2J\\u{1b}]0;title\\u{7}",
            ),
            ("nul\0, bs\u{8}, cr\r", "nul\\u{0}, bs\\u{8}, cr\\r"),
            ("del\u{7f}, csi\u{9b}31m", "del\\u{7f}, csi\\u{9b}31m"),
            ("ab\u{202e}cd\u{2066}", "ab\\u{202e}cd\\u{2066}"),
        ] {
            assert_eq!(escape_controls(text), shown);
        }
    }

    #[test]
    fn an_error_that_quotes_a_file_stays_short() {
        let quoted = format!("expected a name, found {}; rename it", "x".repeat(20_000));
        let shown = brief(&quoted);
        assert!(shown.len() < 2100, "{}", shown.len());
        assert!(shown.starts_with("expected a name") && shown.ends_with("rename it"));
        let many = "a fault\n".repeat(500);
        assert!(brief(&many).ends_with("and 441 more lines"));
        assert_eq!(brief("short"), "short");
    }
}

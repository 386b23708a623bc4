//! Format specifications, as `>8.2f` is one.

use super::super::fault::{Result, Work, problem};

/// How to write a value.
pub(super) struct Spec {
    pub(super) fill: char,
    pub(super) align: Option<char>,
    pub(super) sign: char,
    pub(super) alternate: bool,
    pub(super) width: usize,
    pub(super) grouping: Option<char>,
    pub(super) precision: Option<usize>,
    pub(super) kind: Option<char>,
}

impl Spec {
    pub(super) fn unset() -> Self {
        Self {
            fill: ' ',
            align: None,
            sign: '-',
            alternate: false,
            width: 0,
            grouping: None,
            precision: None,
            kind: None,
        }
    }

    /// Reads `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut spec = Self::unset();
        let chars: Vec<char> = text.chars().collect();
        let is_align = |c: &char| matches!(c, '<' | '>' | '^' | '=');
        let mut at = 0;
        if chars.get(1).is_some_and(is_align) {
            (spec.fill, spec.align, at) = (chars[0], Some(chars[1]), 2);
        } else if chars.first().is_some_and(is_align) {
            (spec.align, at) = (Some(chars[0]), 1);
        }
        let mut take = |wanted: &[char]| {
            let found = chars.get(at).copied().filter(|c| wanted.contains(c));
            at += usize::from(found.is_some());
            found
        };
        if let Some(sign) = take(&['+', '-', ' ']) {
            spec.sign = sign;
        }
        spec.alternate = take(&['#']).is_some();
        if take(&['0']).is_some() && spec.align.is_none() {
            (spec.fill, spec.align) = ('0', Some('='));
        }
        let number = |at: &mut usize| {
            let digits = chars[*at..].iter().take_while(|c| c.is_ascii_digit());
            let digits: String = digits.collect();
            *at += digits.len();
            (!digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX))
        };
        spec.width = number(&mut at).unwrap_or(0);
        if let Some(c @ (',' | '_')) = chars.get(at) {
            (spec.grouping, at) = (Some(*c), at + 1);
        }
        if chars.get(at) == Some(&'.') {
            at += 1;
            spec.precision = number(&mut at);
            if spec.precision.is_none() {
                return problem("format: the precision is missing");
            }
        }
        spec.kind = chars.get(at).copied();
        if chars.len() > at + 1 {
            return problem(format!("format: {text:?} is not a format"));
        }
        Ok(spec)
    }

    /// Pads a text to the width; with `=`, the padding follows the first `sign`
    /// characters.
    pub(super) fn pad(
        &self,
        text: String,
        default: char,
        sign: usize,
        work: &Work,
    ) -> Result<String> {
        let missing = self.width.saturating_sub(text.chars().count());
        if missing == 0 {
            return Ok(text);
        }
        work.text(missing.saturating_mul(self.fill.len_utf8()))?;
        let fill = |n: usize| self.fill.to_string().repeat(n);
        Ok(match self.align.unwrap_or(default) {
            '<' => text + &fill(missing),
            '^' => fill(missing / 2) + &text + &fill(missing - missing / 2),
            '=' => format!("{}{}{}", &text[..sign], fill(missing), &text[sign..]),
            _ => fill(missing) + &text,
        })
    }
}

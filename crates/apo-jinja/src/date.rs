//! The date that templates get.

use super::fault::{Result, problem};

/// The date that templates are given, year, month, day: the one that LLaMA 3's
/// own templates fall back to. It is fixed because equal input is to give equal
/// output on every day.
pub const DATE: (i32, u32, u32) = (2024, 7, 26);

/// `strftime_now(format)`: the fixed date at midnight, as Python's `strftime`
/// writes it.
pub(super) fn date(format: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        out += before;
        let (pad, after) = match after.strip_prefix('-') {
            Some(after) => ("-", after),
            None => ("", after),
        };
        let code: String = after.chars().take(1).collect();
        rest = &after[code.len()..];
        let text = match code.as_str() {
            "Y" | "G" => "2024",
            "y" | "g" => "24",
            "C" => "20",
            "m" => "07",
            "d" | "e" => "26",
            "B" => "July",
            "b" | "h" => "Jul",
            "A" => "Friday",
            "a" => "Fri",
            "u" | "w" => "5",
            "j" => "208",
            "U" => "29",
            "W" | "V" => "30",
            "H" | "M" | "S" if pad.is_empty() => "00",
            "H" | "M" | "S" => "0",
            "I" => "12",
            "p" => "AM",
            "f" if pad.is_empty() => "000000",
            "F" => "2024-07-26",
            "D" | "x" => "07/26/24",
            "T" | "X" => "00:00:00",
            "R" => "00:00",
            "c" => "Fri Jul 26 00:00:00 2024",
            "n" => "\n",
            "t" => "\t",
            "%" => "%",
            // Without a time zone, as `now()` has none.
            "z" | "Z" => "",
            _ => {
                return problem(format!(
                    "strftime_now does not know the format \"%{pad}{code}\""
                ));
            }
        };
        out += if pad == "-" && text.len() > 1 {
            text.strip_prefix('0').unwrap_or(text)
        } else {
            text
        };
    }
    Ok(out + rest)
}

//! Outcomes of comparisons: the verdicts of both orders, merged.

use serde::{Deserialize, Serialize};

/// A judge's verdict on two responses, independent of their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The first policy is better.
    A,
    /// The second one is.
    B,
    /// They are equally good, or equally bad.
    Same,
    /// No verdict can be read.
    Invalid,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::Same, Self::Invalid];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::Same => "same",
            Self::Invalid => "invalid",
        }
    }
}

/// The outcome of a comparison in both orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JudgedOutcome {
    /// The first policy wins.
    A,
    /// The second one does.
    B,
    /// Both orders say "same".
    Tie,
    /// The verdict follows the position; it counts as a tie in the rates.
    Inconsistent,
    /// An order has no verdict; it is left out of the rates.
    Invalid,
}

impl JudgedOutcome {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::A,
        Self::B,
        Self::Tie,
        Self::Inconsistent,
        Self::Invalid,
    ];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::Tie => "tie",
            Self::Inconsistent => "inconsistent",
            Self::Invalid => "invalid",
        }
    }

    /// Returns the first policy's points: 1, 0, or a half; `None` without a verdict.
    pub fn point(self) -> Option<f64> {
        match self {
            Self::A => Some(1.0),
            Self::B => Some(0.0),
            Self::Tie | Self::Inconsistent => Some(0.5),
            Self::Invalid => None,
        }
    }
}

/// Merges the verdicts of both orders (APO appendix B): a side that wins one
/// order and does not lose the other wins.
pub fn merge(first: Verdict, second: Verdict) -> JudgedOutcome {
    match (first, second) {
        (Verdict::Invalid, _) | (_, Verdict::Invalid) => JudgedOutcome::Invalid,
        (Verdict::A, Verdict::B) | (Verdict::B, Verdict::A) => JudgedOutcome::Inconsistent,
        (Verdict::Same, Verdict::Same) => JudgedOutcome::Tie,
        (Verdict::A, _) | (_, Verdict::A) => JudgedOutcome::A,
        (Verdict::B, _) | (_, Verdict::B) => JudgedOutcome::B,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_orders_comes_to_what_the_paper_says() {
        use Verdict::{A, B, Invalid, Same};
        for (first, second, expected) in [
            (A, A, JudgedOutcome::A),
            (B, B, JudgedOutcome::B),
            (Same, Same, JudgedOutcome::Tie),
            (A, Same, JudgedOutcome::A),
            (Same, A, JudgedOutcome::A),
            (B, Same, JudgedOutcome::B),
            (Same, B, JudgedOutcome::B),
            (A, B, JudgedOutcome::Inconsistent),
            (B, A, JudgedOutcome::Inconsistent),
            (Invalid, A, JudgedOutcome::Invalid),
            (Invalid, B, JudgedOutcome::Invalid),
            (Invalid, Same, JudgedOutcome::Invalid),
            (A, Invalid, JudgedOutcome::Invalid),
            (B, Invalid, JudgedOutcome::Invalid),
            (Same, Invalid, JudgedOutcome::Invalid),
            (Invalid, Invalid, JudgedOutcome::Invalid),
        ] {
            assert_eq!(merge(first, second), expected, "{first:?}, {second:?}");
        }
    }
}

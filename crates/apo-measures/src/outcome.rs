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
pub enum Outcome {
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

impl Outcome {
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
pub fn merge(first: Verdict, second: Verdict) -> Outcome {
    match (first, second) {
        (Verdict::Invalid, _) | (_, Verdict::Invalid) => Outcome::Invalid,
        (Verdict::A, Verdict::B) | (Verdict::B, Verdict::A) => Outcome::Inconsistent,
        (Verdict::Same, Verdict::Same) => Outcome::Tie,
        (Verdict::A, _) | (_, Verdict::A) => Outcome::A,
        (Verdict::B, _) | (_, Verdict::B) => Outcome::B,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_orders_comes_to_what_the_paper_says() {
        use Verdict::{A, B, Invalid, Same};
        for (first, second, expected) in [
            (A, A, Outcome::A),
            (B, B, Outcome::B),
            (Same, Same, Outcome::Tie),
            (A, Same, Outcome::A),
            (Same, A, Outcome::A),
            (B, Same, Outcome::B),
            (Same, B, Outcome::B),
            (A, B, Outcome::Inconsistent),
            (B, A, Outcome::Inconsistent),
            (Invalid, A, Outcome::Invalid),
            (Invalid, B, Outcome::Invalid),
            (Invalid, Same, Outcome::Invalid),
            (A, Invalid, Outcome::Invalid),
            (B, Invalid, Outcome::Invalid),
            (Same, Invalid, Outcome::Invalid),
            (Invalid, Invalid, Outcome::Invalid),
        ] {
            assert_eq!(merge(first, second), expected, "{first:?}, {second:?}");
        }
    }
}

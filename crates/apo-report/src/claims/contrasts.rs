//! The paper's claims, as contrasts of rows of its tables.

use crate::seed_tables::Measure;

/// A claim of the paper.
pub struct PaperClaim {
    pub name: &'static str,
    pub says: &'static str,
    parts: &'static [Part],
}

/// A part of a claim: a contrast, by each of several measures.
struct Part {
    /// Weights and rows; a reward model's row is named without its pairs.
    terms: &'static [(f64, &'static str)],
    on: On,
    expected: Expected,
}

/// What a contrast is measured on.
#[derive(Clone, Copy)]
enum On {
    /// A policy's score, and its true quality.
    Policies,
    /// A reward model's accuracy on human preferences, and by the truth.
    Accuracy,
    /// Its calibration.
    Ece,
    /// The true quality of the samples to which it gives the highest rewards.
    Favourites,
    /// How often a policy wins against another before a judge.
    Verdicts,
}

/// Where a contrast should lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expected {
    Above(f64),
    Within(f64),
}

/// A weighted sum of rows by one measure: a difference, or a difference of
/// differences.
pub struct Contrast {
    pub terms: Vec<(f64, String)>,
    pub by: Measure,
    pub expected: Expected,
    of_truth: bool,
}

/// The paper calls sequential training's accuracy "compatible" when it is up to 3.5
/// points lower (Table 4).
const COMPARABLE: f64 = 0.05;

const fn more(terms: &'static [(f64, &'static str)], on: On) -> Part {
    Part {
        terms,
        on,
        expected: Expected::Above(0.0),
    }
}

/// A policy that wins more often than it loses.
const fn preferred(terms: &'static [(f64, &'static str)]) -> Part {
    Part {
        terms,
        on: On::Verdicts,
        expected: Expected::Above(0.5),
    }
}

/// The claims, in the paper's order.
pub const CLAIMS: [PaperClaim; 12] = [
    PaperClaim {
        name: "C1",
        says: "RM_APO is more accurate than RM_Base (Table 3)",
        parts: &[
            more(&[(1.0, "RM_APO-v1"), (-1.0, "RM_Base")], On::Accuracy),
            more(
                &[(1.0, "best by RM_APO-v1"), (-1.0, "best by RM_Base")],
                On::Favourites,
            ),
        ],
    },
    PaperClaim {
        name: "C2",
        says: "at some cost in calibration (Table 3)",
        parts: &[more(&[(1.0, "RM_APO-v1"), (-1.0, "RM_Base")], On::Ece)],
    },
    PaperClaim {
        name: "C3",
        says: "accuracy rises over rounds (Table 3)",
        parts: &[
            more(&[(1.0, "RM_APO-v2"), (-1.0, "RM_APO-v1")], On::Accuracy),
            more(&[(1.0, "RM_APO-v3"), (-1.0, "RM_APO-v2")], On::Accuracy),
        ],
    },
    PaperClaim {
        name: "C4",
        says: "APO's rewards make RJS, RRHF and DPO better (Table 2)",
        parts: &[
            more(&[(1.0, "APO-RJS"), (-1.0, "RJS")], On::Policies),
            more(&[(1.0, "APO-RRHF"), (-1.0, "RRHF")], On::Policies),
            more(&[(1.0, "APO-DPO"), (-1.0, "DPO")], On::Policies),
        ],
    },
    PaperClaim {
        name: "C5",
        says: "DPO > RRHF > RJS (Table 2)",
        parts: &[
            more(&[(1.0, "DPO"), (-1.0, "RRHF")], On::Policies),
            more(&[(1.0, "RRHF"), (-1.0, "RJS")], On::Policies),
            more(&[(1.0, "APO-DPO"), (-1.0, "APO-RRHF")], On::Policies),
            more(&[(1.0, "APO-RRHF"), (-1.0, "APO-RJS")], On::Policies),
        ],
    },
    PaperClaim {
        name: "C6",
        says: "golden answers help more in APO than by SFT (Table 2)",
        parts: &[
            more(&[(1.0, "APO-RRHF"), (-1.0, "Golden-SFT")], On::Policies),
            more(&[(1.0, "APO-DPO"), (-1.0, "Golden-SFT")], On::Policies),
        ],
    },
    PaperClaim {
        name: "C7",
        says: "the lead of APO-RJS over RJS grows in three rounds (Figure 5)",
        parts: &[more(
            &[
                (1.0, "APO-RJS-3"),
                (-1.0, "RJS-3"),
                (-1.0, "APO-RJS"),
                (1.0, "RJS"),
            ],
            On::Policies,
        )],
    },
    PaperClaim {
        name: "C8",
        says: "more training on human preferences alone does not explain it (Table 4)",
        parts: &[more(&[(1.0, "RM_APO-v1"), (-1.0, "RM_AB")], On::Accuracy)],
    },
    PaperClaim {
        name: "C9",
        says: "WGAN's difference is less accurate and worse calibrated (Table 4)",
        parts: &[
            more(&[(1.0, "RM_APO-v1"), (-1.0, "RM_WGAN")], On::Accuracy),
            more(&[(1.0, "RM_WGAN"), (-1.0, "RM_APO-v1")], On::Ece),
        ],
    },
    PaperClaim {
        name: "C10",
        says: "GAIL, without human preferences, fails (Table 4)",
        parts: &[
            more(&[(1.0, "RM_Base"), (-1.0, "RM_GAIL")], On::Accuracy),
            more(&[(1.0, "RM_APO-v1"), (-1.0, "RM_GAIL")], On::Accuracy),
        ],
    },
    PaperClaim {
        name: "C11",
        says: "sequential training: comparable accuracy, worse calibrated (Table 4)",
        parts: &[
            Part {
                terms: &[(1.0, "RM_APO-v2seq"), (-1.0, "RM_APO-v2")],
                on: On::Accuracy,
                expected: Expected::Within(COMPARABLE),
            },
            Part {
                terms: &[(1.0, "RM_APO-v3seq"), (-1.0, "RM_APO-v3")],
                on: On::Accuracy,
                expected: Expected::Within(COMPARABLE),
            },
            more(&[(1.0, "RM_APO-v2seq"), (-1.0, "RM_APO-v2")], On::Ece),
            more(&[(1.0, "RM_APO-v3seq"), (-1.0, "RM_APO-v3")], On::Ece),
        ],
    },
    PaperClaim {
        name: "C12",
        says: "a judge prefers APO's policies to the baselines' (Figure 3)",
        parts: &[
            preferred(&[(1.0, "APO-RJS against RJS")]),
            preferred(&[(1.0, "APO-RRHF against RRHF")]),
            preferred(&[(1.0, "APO-DPO against DPO")]),
        ],
    },
];

impl PaperClaim {
    /// Returns all contrasts of the claim.
    pub fn contrasts(&self) -> Vec<Contrast> {
        self.parts.iter().flat_map(Part::contrasts).collect()
    }
}

impl Part {
    fn contrasts(&self) -> Vec<Contrast> {
        let measured = |table: &str, by| Contrast {
            terms: self
                .terms
                .iter()
                .map(|&(weight, name)| (weight, format!("{name}{table}")))
                .collect(),
            by,
            expected: self.expected,
            of_truth: false,
        };
        let of_truth = |table: &str, by| Contrast {
            of_truth: true,
            ..measured(table, by)
        };
        match self.on {
            On::Policies => vec![measured("", Measure::Score), of_truth("", Measure::Quality)],
            On::Accuracy => vec![
                measured(", test", Measure::Accuracy),
                measured(", dev", Measure::Accuracy),
                of_truth(", truth", Measure::Accuracy),
            ],
            On::Favourites => vec![of_truth("", Measure::Quality)],
            On::Verdicts => vec![measured("", Measure::WinRate)],
            On::Ece => vec![
                measured(", test", Measure::Ece),
                measured(", dev", Measure::Ece),
            ],
        }
    }
}

impl Contrast {
    /// Tells whether it is by true quality, which is known only in a generated world.
    pub fn is_of_truth(&self) -> bool {
        self.of_truth
    }

    /// Returns the contrast as people write it: `APO-DPO − DPO`.
    pub fn title(&self) -> String {
        let terms = self.terms.iter().enumerate().map(|(i, (weight, name))| {
            let sign = match (i, *weight > 0.0) {
                (0, _) => "",
                (_, true) => " + ",
                (_, false) => " − ",
            };
            format!("{sign}{name}")
        });
        terms.collect()
    }
}

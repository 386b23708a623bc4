//! The paper's numbers (APO Tables 1 to 4), by this project's names of rows.

/// Rows of the data (Table 1, section 4.1); `HH_LLM` in queries.
const SIZES: [(&str, u64); 5] = [
    ("HH_Train", 86_000),
    ("HH_RM", 20_000),
    ("HH_LLM", 66_000),
    ("HH_Dev", 10_000),
    ("HH_Test", 4_700),
];

/// A policy's mean scores: Alpaca's and Alpaca 2's, by `RM_Test` and `RM_All`
/// (Table 2).
#[derive(Clone, Copy, Debug)]
pub struct Scores {
    pub alpaca: [f64; 2],
    pub alpaca_2: [f64; 2],
}

const SCORES: [(&str, Scores); 8] = [
    ("SFT", scores([0.922, 1.246], [0.989, 1.272])),
    ("Golden-SFT", scores([1.670, 2.179], [1.696, 2.310])),
    ("RJS", scores([1.204, 1.546], [1.231, 1.582])),
    ("APO-RJS", scores([1.251, 1.610], [1.267, 1.623])),
    ("RRHF", scores([1.338, 1.719], [1.746, 2.201])),
    ("APO-RRHF", scores([1.543, 1.988], [1.813, 2.302])),
    ("DPO", scores([1.842, 2.345], [1.921, 2.445])),
    ("APO-DPO", scores([1.916, 2.614], [2.085, 2.633])),
];

/// A reward model on Test and Dev: accuracy in per cent, ECE (Tables 3 and 4).
#[derive(Clone, Copy, Debug)]
pub struct PaperAccuracy {
    pub test: (f64, f64),
    pub dev: (f64, f64),
}

const ON_PAIRS: [(&str, PaperAccuracy); 12] = [
    ("RM_All", on_pairs((72.98, 0.011), (76.51, 0.029))),
    ("RM_Test", on_pairs((72.34, 0.010), (75.69, 0.025))),
    ("RM_Base", on_pairs((63.04, 0.019), (63.18, 0.014))),
    ("RM_APO-v1", on_pairs((66.73, 0.033), (65.97, 0.024))),
    ("RM_APO-v2", on_pairs((67.07, 0.025), (66.26, 0.022))),
    ("RM_APO-v3", on_pairs((67.56, 0.031), (66.74, 0.028))),
    ("RM_AB", on_pairs((63.53, 0.041), (63.55, 0.038))),
    ("RM_WGAN", on_pairs((63.94, 0.067), (64.44, 0.058))),
    ("RM_GAIL", on_pairs((56.58, 0.167), (56.75, 0.175))),
    ("RM_APO-v1seq", on_pairs((64.17, 0.057), (64.59, 0.049))),
    ("RM_APO-v2seq", on_pairs((63.61, 0.087), (64.93, 0.069))),
    ("RM_APO-v3seq", on_pairs((64.23, 0.093), (65.02, 0.086))),
];

const fn scores(alpaca: [f64; 2], alpaca_2: [f64; 2]) -> Scores {
    Scores { alpaca, alpaca_2 }
}

const fn on_pairs(test: (f64, f64), dev: (f64, f64)) -> PaperAccuracy {
    PaperAccuracy { test, dev }
}

/// Returns the paper's rows of a table of data.
pub fn size(name: &str) -> Option<u64> {
    SIZES.iter().find(|it| it.0 == name).map(|it| it.1)
}

/// Returns what the paper says of a policy.
pub fn policy(name: &str) -> Option<Scores> {
    SCORES.iter().find(|it| it.0 == name).map(|it| it.1)
}

/// Returns what the paper says of a reward model.
pub fn reward_model(name: &str) -> Option<PaperAccuracy> {
    ON_PAIRS.iter().find(|it| it.0 == name).map(|it| it.1)
}

//! What a run says of its conditions.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;

/// The setting of a run that says it.
pub const SETTING: &str = "CELL";

/// Everything that the setting says.
const NAMES: [&str; 6] = ["voice", "pairs", "temperature", "beta-2", "seed", "commit"];

/// What a cell of a map varies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Conditions {
    /// Share of annotated answers that speak as golden answers do.
    pub voice: f64,
    /// People's pairs that reward models learn from, % of the training queries.
    pub pairs: f64,
    /// Temperature of the samples.
    pub temperature: f64,
    /// Weight of people's pairs in APO's eq. 17.
    pub beta_2: f64,
}

/// One of the conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    Voice,
    Pairs,
    Temperature,
    Beta2,
}

/// A run's conditions, its seed, and the commit that made it.
#[derive(Clone, Debug, PartialEq)]
pub struct CellSettings {
    pub conditions: Conditions,
    pub seed: u64,
    pub commit: String,
}

impl Axis {
    pub const ALL: [Self; 4] = [Self::Voice, Self::Pairs, Self::Temperature, Self::Beta2];

    pub fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Pairs => "pairs",
            Self::Temperature => "temperature",
            Self::Beta2 => "β₂",
        }
    }

    pub fn of(self, it: &Conditions) -> f64 {
        match self {
            Self::Voice => it.voice,
            Self::Pairs => it.pairs,
            Self::Temperature => it.temperature,
            Self::Beta2 => it.beta_2,
        }
    }
}

impl Conditions {
    /// Returns all values, in the order of [`Axis::ALL`]; cells stand in the order of these.
    pub fn values(&self) -> [f64; 4] {
        Axis::ALL.map(|axis| axis.of(self))
    }

    /// Whether only this condition may differ.
    pub fn is_like_but_for(&self, axis: Axis, other: &Self) -> bool {
        let mut rest = Axis::ALL.into_iter().filter(|it| *it != axis);
        rest.all(|it| it.of(self) == it.of(other))
    }
}

impl Display for Conditions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "voice {}, pairs {} %, temperature {}, β₂ {}",
            self.voice, self.pairs, self.temperature, self.beta_2
        )
    }
}

impl FromStr for CellSettings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut found = BTreeMap::new();
        for word in text.split_whitespace() {
            let Some((name, value)) = word.split_once('=') else {
                return Err(format!("`{word}` is not NAME=VALUE"));
            };
            if !NAMES.contains(&name) {
                let known = NAMES.join(", ");
                return Err(format!("`{name}` is unknown; expected {known}"));
            }
            if found.insert(name, value).is_some() {
                return Err(format!("`{name}` is given twice"));
            }
        }
        let value = |name: &str| {
            let value = found.get(name).filter(|it| !it.is_empty());
            value.ok_or_else(|| format!("`{name}` is missing"))
        };
        let number = |name: &str, expected: &str, is_fit: fn(f64) -> bool| {
            let text = value(name)?;
            let number = text.parse().ok().filter(|it| is_fit(*it));
            number.ok_or_else(|| format!("`{name}` is {text}; expected {expected}"))
        };
        Ok(Self {
            conditions: Conditions {
                voice: number("voice", "a share from 0 to 1", |it| {
                    (0.0..=1.0).contains(&it)
                })?,
                pairs: number("pairs", "a percentage above 0 and up to 100", |it| {
                    it > 0.0 && it <= 100.0
                })?,
                temperature: number("temperature", "a number above 0", |it| {
                    it > 0.0 && it.is_finite()
                })?,
                beta_2: number("beta-2", "a number, 0 or more", |it| {
                    it >= 0.0 && it.is_finite()
                })?,
            },
            seed: {
                let seed = value("seed")?;
                let number = seed.parse();
                number.map_err(|_| format!("`seed` is {seed}; expected a whole number"))?
            },
            commit: (*value("commit")?).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "voice=0.50 temperature=1 pairs=5 beta-2=10 seed=21 commit=abc";

    #[test]
    fn conditions_are_numbers_however_they_are_spelled() {
        let found: CellSettings = GOOD.parse().unwrap();
        assert_eq!((found.seed, found.commit.as_str()), (21, "abc"));
        assert_eq!(found.conditions.values(), [0.5, 5.0, 1.0, 10.0]);
        let written = found.conditions.to_string();
        assert_eq!(written, "voice 0.5, pairs 5 %, temperature 1, β₂ 10");
    }

    #[test]
    fn an_unknown_value_is_named() {
        for (change, expected) in [
            (("voice=0.50", "voice=2"), "`voice` is 2; expected a share"),
            (("voice=0.50", "voice=NaN"), "`voice` is NaN"),
            (("voice=0.50", "voice=high"), "`voice` is high"),
            (("pairs=5", "pairs=0"), "`pairs` is 0"),
            (("pairs=5", "pairs=5%"), "`pairs` is 5%"),
            (("temperature=1", "temperature=0"), "`temperature` is 0"),
            (("temperature=1", "temperature=inf"), "`temperature` is inf"),
            (("beta-2=10", "beta-2=-1"), "`beta-2` is -1"),
            (("seed=21", "seed=one"), "`seed` is one"),
            (("seed=21", ""), "`seed` is missing"),
            (("commit=abc", "commit="), "`commit` is missing"),
            (("pairs=5", "pairs=5 pairs=5"), "`pairs` is given twice"),
            (("pairs=5", "pair=5"), "`pair` is unknown; expected voice"),
            (("pairs=5", "pairs"), "`pairs` is not NAME=VALUE"),
        ] {
            let text = GOOD.replace(change.0, change.1);
            let problem = text.parse::<CellSettings>().unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }

    #[test]
    fn cells_that_differ_in_one_condition_are_like_but_for_it() {
        let of = |text: &str| text.parse::<CellSettings>().unwrap().conditions;
        let (one, other) = (of(GOOD), of(&GOOD.replace("pairs=5", "pairs=40")));
        assert!(one.is_like_but_for(Axis::Pairs, &other));
        assert!(!one.is_like_but_for(Axis::Voice, &other));
    }
}

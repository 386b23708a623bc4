//! The cells of a map: differences over seeds, with intervals and corrected p values.

use apo_measures::{Interval, holm, interval, mean, p_value};
use apo_stage::format_table;
use serde::Serialize;

use super::conditions::Conditions;
use super::runs::{CONTRASTS, MapRun, POLICIES};
use crate::seed_tables::LEVEL;

/// The conditions of a cell, and what its runs found.
#[derive(Debug, Serialize)]
pub struct Cell {
    #[serde(flatten)]
    pub conditions: Conditions,
    /// Runs in which a training diverged.
    pub diverged: Vec<Divergence>,
    /// Mean true quality over the seeds.
    policies: Vec<PolicyQuality>,
    pub differences: Vec<Difference>,
}

/// A run in which a training diverged.
#[derive(Debug, Serialize)]
pub struct Divergence {
    seed: u64,
    problem: String,
}

/// A policy's true quality.
#[derive(Debug, Serialize)]
struct PolicyQuality {
    name: &'static str,
    true_quality: Option<f64>,
}

/// A difference over the seeds of a cell.
#[derive(Debug, Serialize)]
pub struct Difference {
    of: String,
    by: &'static str,
    /// Of each seed, in the order of seeds.
    pub values: Vec<Option<f64>>,
    /// Over the seeds that have one, if there are two or more.
    pub interval: Option<Interval>,
    /// Of the test that the mean is zero; 1 if a run diverged.
    p: f64,
    /// Corrected over all cells.
    corrected_p: f64,
    pub verdict: MapVerdict,
}

/// What is known of the sign of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapVerdict {
    /// Above zero, by the corrected p value.
    Above,
    /// Above zero by its own interval alone.
    LeaningAbove,
    /// The interval covers zero.
    Open,
    /// Below zero by its own interval alone.
    LeaningBelow,
    /// Below zero, by the corrected p value.
    Below,
    /// A training diverged.
    Diverged,
}

impl MapVerdict {
    fn of(found: Option<Interval>, corrected_p: f64) -> Self {
        let is_certain = corrected_p < 1.0 - LEVEL;
        match found {
            Some(it) if is_certain && it.mean > 0.0 => Self::Above,
            Some(it) if is_certain && it.mean < 0.0 => Self::Below,
            Some(it) if it.is_above(0.0) => Self::LeaningAbove,
            Some(it) if it.is_below(0.0) => Self::LeaningBelow,
            _ => Self::Open,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::LeaningAbove => "leaning above",
            Self::Open => "open",
            Self::LeaningBelow => "leaning below",
            Self::Below => "below",
            Self::Diverged => "diverged",
        }
    }
}

impl Cell {
    /// Sums up the runs of one cell; p values are not corrected yet.
    pub fn of(runs: &[MapRun]) -> Self {
        let diverged: Vec<Divergence> = runs
            .iter()
            .filter_map(|run| {
                Some(Divergence {
                    seed: run.settings.seed,
                    problem: run.diverged.clone()?,
                })
            })
            .collect();
        let policies = POLICIES.into_iter().enumerate().map(|(i, name)| {
            let known: Vec<f64> = runs.iter().filter_map(|it| it.qualities[i]).collect();
            PolicyQuality {
                name,
                true_quality: mean(&known).map(|it| it.mean),
            }
        });
        let differences = CONTRASTS.iter().enumerate().map(|(i, contrast)| {
            let values: Vec<Option<f64>> = runs.iter().map(|it| it.differences[i]).collect();
            let known: Vec<f64> = values.iter().copied().flatten().collect();
            let p = p_value(&known).filter(|_| diverged.is_empty());
            Difference {
                of: contrast.title(),
                by: contrast.by.name(),
                values,
                interval: interval(&known, LEVEL),
                p: p.unwrap_or(1.0),
                corrected_p: 1.0,
                verdict: MapVerdict::Diverged,
            }
        });
        Self {
            conditions: runs[0].settings.conditions,
            policies: policies.collect(),
            differences: differences.collect(),
            diverged,
        }
    }
}

/// Corrects the p values of each difference over all cells, and gives the verdicts. A cell
/// in which a run diverged counts with a p value of 1, and stays marked.
pub fn correct(cells: &mut [Cell]) {
    for i in 0..CONTRASTS.len() {
        let values: Vec<f64> = cells.iter().map(|it| it.differences[i].p).collect();
        for (cell, corrected_p) in cells.iter_mut().zip(holm(&values)) {
            let found = &mut cell.differences[i];
            found.corrected_p = corrected_p;
            if cell.diverged.is_empty() {
                found.verdict = MapVerdict::of(found.interval, corrected_p);
            }
        }
    }
}

/// Formats a p value.
pub fn write_p(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}

/// Formats a mean difference and its interval.
pub fn write_interval(it: Option<Interval>) -> [String; 2] {
    it.map_or_else(Default::default, |it| {
        [
            format!("{:+.3}", it.mean),
            format!("{:+.3} to {:+.3}", it.low, it.high),
        ]
    })
}

/// Formats a table for each difference, one row for each cell.
pub fn text(cells: &[Cell]) -> String {
    let mut text = String::new();
    for (i, contrast) in CONTRASTS.iter().enumerate() {
        let heads = [
            "voice",
            "pairs",
            "temperature",
            "β₂",
            "mean",
            "95 % interval",
            "p",
            "corrected",
            "",
        ];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        for cell in cells {
            let Conditions {
                voice,
                pairs,
                temperature,
                beta_2,
            } = cell.conditions;
            let found = &cell.differences[i];
            let [mean, ends] = write_interval(found.interval);
            rows.push(vec![
                voice.to_string(),
                format!("{pairs} %"),
                temperature.to_string(),
                beta_2.to_string(),
                mean,
                ends,
                write_p(found.p),
                write_p(found.corrected_p),
                found.verdict.words().to_owned(),
            ]);
        }
        let title = format!("{}, {}", contrast.title(), contrast.by.name());
        text += &format!("{title}\n{}\n", format_table(&rows));
    }
    for cell in cells {
        for it in &cell.diverged {
            let (conditions, seed) = (cell.conditions, it.seed);
            text += &format!("diverged: {conditions}, seed {seed}: {}\n", it.problem);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;

    fn cells(leads: &[[f64; 3]]) -> Vec<Cell> {
        let cell = |(voice, leads): (usize, &[f64; 3])| {
            let conditions = format!("voice=0.{voice} pairs=5 temperature=1 beta-2=10");
            let seeds = (1..).zip(leads);
            let runs = seeds.map(|(seed, lead)| run(&conditions, seed, *lead));
            Cell::of(&runs.collect::<Vec<_>>())
        };
        leads.iter().enumerate().map(cell).collect()
    }

    fn verdicts(cells: &[Cell]) -> Vec<MapVerdict> {
        cells.iter().map(|it| it.differences[0].verdict).collect()
    }

    #[test]
    fn what_one_cell_shows_alone_is_only_leaning_among_many() {
        // t = 0.2 / (0.03/√3): p = 0.0074 with two degrees of freedom.
        let leaning = [0.17, 0.2, 0.23];
        let mut alone = cells(&[leaning]);
        correct(&mut alone);
        assert_eq!(verdicts(&alone), [MapVerdict::Above]);
        let mut many = cells(&[leaning, [-0.1, 0.1, 0.0], [0.1, -0.1, 0.1]]);
        correct(&mut many);
        assert_eq!(many[0].differences[0].verdict, MapVerdict::Above);
        let open = [[-0.1, 0.1, 0.0]; 7];
        let mut many = cells(&[&[leaning, leaning.map(|it| -it)][..], &open].concat());
        correct(&mut many);
        let expected = [MapVerdict::LeaningAbove, MapVerdict::LeaningBelow];
        assert_eq!(verdicts(&many)[..2], expected);
        assert!(
            verdicts(&many)[2..]
                .iter()
                .all(|it| *it == MapVerdict::Open)
        );
    }

    #[test]
    fn a_cell_that_diverged_is_kept_and_marked() {
        let conditions = "voice=0 pairs=5 temperature=1 beta-2=10";
        let mut runs: Vec<MapRun> = (1..=3).map(|it| run(conditions, it, 0.2)).collect();
        runs[1].diverged = Some("step 3: the loss is NaN".to_owned());
        runs[1].differences = [None; CONTRASTS.len()];
        let mut all = vec![Cell::of(&runs)];
        all.extend(cells(&[[0.2, 0.2, 0.2]]));
        correct(&mut all);
        let found = &all[0].differences[0];
        assert_eq!(found.verdict, MapVerdict::Diverged);
        assert_eq!((found.p, found.corrected_p), (1.0, 1.0));
        assert_eq!(found.interval.unwrap().n, 2, "its other seeds are shown");
        assert_eq!(found.values, [Some(0.2), None, Some(0.2)]);
        assert_eq!(all[1].differences[0].verdict, MapVerdict::Above);
        let text = text(&all);
        assert!(
            text.contains("β₂ 10, seed 2: step 3: the loss is NaN"),
            "{text}"
        );
    }
}

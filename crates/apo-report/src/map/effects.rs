//! The effect of each condition on the lead of APO-DPO over DPO, over all cells that
//! differ in nothing else.

use apo_measures::{Interval, holm, interval, p_value};
use apo_stage::format_table;
use serde::Serialize;

use super::cells::{Cell, write_interval, write_p};
use super::conditions::Axis;
use super::runs::CONTRASTS;
use crate::seed_tables::LEVEL;

/// How much the lead changes from the first value of a condition to its last.
#[derive(Debug, Serialize)]
pub struct Effect {
    of: String,
    by: &'static str,
    condition: &'static str,
    from: f64,
    to: f64,
    /// Pairs of cells that differ only in this condition.
    pairs: usize,
    /// Over the seeds in which none of these cells diverged, if there are two or more.
    interval: Option<Interval>,
    p: f64,
    /// Corrected over the conditions.
    corrected_p: f64,
}

/// Returns the effect of each condition that has several values.
pub fn of(cells: &[Cell]) -> Vec<Effect> {
    let mut effects: Vec<Effect> = Axis::ALL
        .into_iter()
        .filter_map(|axis| effect(cells, axis))
        .collect();
    let values: Vec<f64> = effects.iter().map(|it| it.p).collect();
    for (effect, corrected_p) in effects.iter_mut().zip(holm(&values)) {
        effect.corrected_p = corrected_p;
    }
    effects
}

fn effect(cells: &[Cell], axis: Axis) -> Option<Effect> {
    let values = || cells.iter().map(|it| axis.of(&it.conditions));
    let from = values().reduce(f64::min)?;
    let to = values().reduce(f64::max)?;
    if from == to {
        return None;
    }
    let at = |value: f64| {
        cells
            .iter()
            .filter(move |it| axis.of(&it.conditions) == value)
    };
    let like = |one: &Cell, other: &Cell| one.conditions.is_like_but_for(axis, &other.conditions);
    let pairs: Vec<[&Cell; 2]> = at(from)
        .filter_map(|first| Some([first, at(to).find(|last| like(first, last))?]))
        .collect();
    let seeds = cells.first()?.differences[0].values.len();
    let changes: Vec<f64> = (0..seeds)
        .filter_map(|seed| {
            let lead = |cell: &Cell| cell.differences[0].values[seed];
            let changes = pairs
                .iter()
                .map(|[first, last]| Some(lead(last)? - lead(first)?));
            let sum: f64 = changes.sum::<Option<f64>>()?;
            (!pairs.is_empty()).then(|| sum / pairs.len() as f64)
        })
        .collect();
    Some(Effect {
        of: CONTRASTS[0].title(),
        by: CONTRASTS[0].by.name(),
        condition: axis.name(),
        from,
        to,
        pairs: pairs.len(),
        interval: interval(&changes, LEVEL),
        p: p_value(&changes).unwrap_or(1.0),
        corrected_p: 1.0,
    })
}

/// Formats a table with a row for each condition; nothing if no condition varies.
pub fn text(effects: &[Effect]) -> String {
    let Some(first) = effects.first() else {
        return String::new();
    };
    let heads = [
        "condition",
        "from",
        "to",
        "cells",
        "change",
        "95 % interval",
        "p",
        "corrected",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for it in effects {
        let [mean, ends] = write_interval(it.interval);
        rows.push(vec![
            it.condition.to_owned(),
            it.from.to_string(),
            it.to.to_string(),
            format!("2 × {}", it.pairs),
            mean,
            ends,
            write_p(it.p),
            write_p(it.corrected_p),
        ]);
    }
    format!(
        "Change of {}, {}\n{}",
        first.of,
        first.by,
        format_table(&rows)
    )
}

#[cfg(test)]
mod tests {
    use super::super::Map;
    use super::super::tests::run;
    use super::*;

    #[test]
    fn an_effect_compares_cells_that_differ_in_one_condition_alone() {
        let mut runs = Vec::new();
        for (voice, temperature, beta_2, lead) in [
            (0.0, 0.7, 10, 0.1),
            (0.0, 1.2, 10, 0.0),
            (1.0, 0.7, 10, 0.4),
            (1.0, 1.2, 10, 0.1),
            // Its voice is 0 alone, so it says nothing of voices.
            (0.0, 0.7, 30, 0.7),
        ] {
            for seed in 1..=3 {
                let conditions =
                    format!("voice={voice} pairs=5 temperature={temperature} beta-2={beta_2}");
                // A seed's own level is in all of its cells.
                runs.push(run(&conditions, seed, lead + seed as f64));
            }
        }
        let effects = Map::of(runs).effects;
        let found: Vec<_> = effects
            .iter()
            .map(|it| (it.condition, it.pairs, it.interval.unwrap().mean))
            .collect();
        let expected = [("voice", 2, 0.2), ("temperature", 2, -0.2), ("β₂", 1, 0.6)];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!((found.0, found.1), (expected.0, expected.1));
            assert!((found.2 - expected.2).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn a_condition_with_one_value_has_no_effect() {
        let runs = (1..=2).map(|it| run("voice=0 pairs=5 temperature=1 beta-2=10", it, 0.1));
        let map = Map::of(runs.collect());
        assert!(map.effects.is_empty());
        assert_eq!(text(&map.effects), "");
    }
}

//! The map as a picture: the sign of each cell, and how certain it is.

use apo_plots::{Grid, GridCell, GridPart, GridRow, PlotError, Svg, Tone};

use super::Map;
use super::cells::{Cell, Difference, MapVerdict};
use super::conditions::Axis;
use super::runs::CONTRASTS;

/// Differences that the picture shows, the first ones.
const SHOWN: usize = 2;

/// Every verdict, in the order of the legend.
const VERDICTS: [MapVerdict; 6] = [
    MapVerdict::Above,
    MapVerdict::LeaningAbove,
    MapVerdict::Open,
    MapVerdict::LeaningBelow,
    MapVerdict::Below,
    MapVerdict::Diverged,
];

/// Draws the map.
///
/// # Errors
///
/// When it cannot be drawn.
pub fn draw(map: &Map) -> Result<Svg, PlotError> {
    let usual = usual_beta_2(&map.cells);
    let is_usual = |it: &&Cell| it.conditions.beta_2 == usual;
    let cells: Vec<&Cell> = map.cells.iter().filter(is_usual).collect();
    let mut parts = vec![part(&cells, Axis::Temperature)];
    let varied: Vec<&Cell> = map
        .cells
        .iter()
        .filter(|cell| {
            let beta_2 = cell.conditions.beta_2;
            let mut others = map.cells.iter().map(|it| &it.conditions);
            others
                .any(|it| it.beta_2 != beta_2 && it.is_like_but_for(Axis::Beta2, &cell.conditions))
        })
        .collect();
    if !varied.is_empty() {
        parts.push(part(&varied, Axis::Beta2));
    }
    let contrasts = &CONTRASTS[..SHOWN];
    let grid = Grid {
        title: format!(
            "Difference of {}, mean of {} seeds ± 95 %",
            contrasts[0].by.name(),
            map.seeds.len()
        ),
        blocks: contrasts.iter().map(super::runs::Contrast::title).collect(),
        legend: VERDICTS.map(|it| (tone(it), it.words().to_owned())).into(),
        parts,
    };
    grid.svg()
}

/// Returns the β₂ that most cells have.
fn usual_beta_2(cells: &[Cell]) -> f64 {
    let values = || cells.iter().map(|it| it.conditions.beta_2);
    let count = |value: f64| values().filter(|it| *it == value).count();
    let usual = values().reduce(|a, b| if count(b) > count(a) { b } else { a });
    usual.unwrap_or_default()
}

/// Makes a part whose columns are the values of one condition, and whose rows are those of
/// the others.
fn part(cells: &[&Cell], columns: Axis) -> GridPart {
    let mut values: Vec<f64> = cells.iter().map(|it| columns.of(&it.conditions)).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let mut firsts: Vec<&Cell> = Vec::new();
    for cell in cells {
        let is_like = |it: &&Cell| it.conditions.is_like_but_for(columns, &cell.conditions);
        if !firsts.iter().any(is_like) {
            firsts.push(cell);
        }
    }
    let rows = firsts.into_iter().map(|first| {
        let like = |it: &&&Cell| first.conditions.is_like_but_for(columns, &it.conditions);
        let at = |value: f64| {
            let mut row = cells.iter().filter(like);
            row.find(|it| columns.of(&it.conditions) == value)
        };
        let each = |i: usize| values.iter().map(move |value| (i, *value));
        let all = (0..SHOWN).flat_map(each);
        GridRow {
            name: name(first, columns),
            cells: all
                .map(|(i, value)| at(value).map(|cell| shown(&cell.differences[i])))
                .collect(),
        }
    });
    GridPart {
        names: columns.name().to_owned(),
        rows: rows.collect(),
        columns: values.iter().map(f64::to_string).collect(),
    }
}

/// Returns the name of a row: the conditions that its columns do not tell.
fn name(cell: &Cell, columns: Axis) -> String {
    let it = &cell.conditions;
    let name = format!("voice {}, pairs {} %", it.voice, it.pairs);
    if columns == Axis::Temperature {
        return name;
    }
    format!("{name}, T {}", it.temperature)
}

fn shown(found: &Difference) -> GridCell {
    let lines = found.interval.map_or_else(Default::default, |it| {
        let reach = it.high - it.mean;
        [signed(&format!("{:+.3}", it.mean)), format!("± {reach:.3}")]
    });
    GridCell {
        tone: tone(found.verdict),
        lines,
    }
}

/// Returns a text with minus signs for hyphens before numbers.
fn signed(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(rest) => format!("−{rest}"),
        None => text.to_owned(),
    }
}

fn tone(verdict: MapVerdict) -> Tone {
    match verdict {
        MapVerdict::Above => Tone::Above,
        MapVerdict::LeaningAbove => Tone::LeaningAbove,
        MapVerdict::Open => Tone::Open,
        MapVerdict::LeaningBelow => Tone::LeaningBelow,
        MapVerdict::Below => Tone::Below,
        MapVerdict::Diverged => Tone::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;

    #[test]
    fn the_picture_shows_each_cell_once_and_other_weights_in_rows_of_their_own() {
        let mut runs = Vec::new();
        for (voice, temperature, beta_2, lead) in [
            (0.0, 0.7, 10, 0.111),
            (0.0, 1.2, 10, 0.222),
            (1.0, 0.7, 10, -0.333),
            (0.0, 0.7, 30, 0.444),
        ] {
            for seed in 1..=2 {
                let conditions =
                    format!("voice={voice} pairs=5 temperature={temperature} beta-2={beta_2}");
                runs.push(run(&conditions, seed, lead));
            }
        }
        let svg = draw(&Map::of(runs)).unwrap();
        // Beside each other: above DPO, and above random pairs.
        for (shown, times) in [
            ("▲ +0.222", 2),
            ("▼ −0.333", 2),
            ("▲ +0.444", 2),
            ("▲ +0.111", 4),
        ] {
            assert_eq!(svg.inside().matches(shown).count(), times, "{shown}");
        }
        for expected in [
            "voice 0, pairs 5 %, T 0.7",
            "APO-DPO − Random",
            "mean of 2 seeds",
        ] {
            assert!(svg.inside().contains(expected), "{expected}");
        }
    }
}

//! `judge map`: under which conditions APO-DPO is truly better than DPO and than DPO on
//! random pairs, cell by cell over several seeds.

mod cells;
mod conditions;
mod effects;
mod picture;
mod runs;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use apo_stage::{bad_input, join_names, pages, print_result};
use serde::Serialize;

use self::cells::Cell;
use self::effects::Effect;
use self::runs::MapRun;
use crate::args::MapArgs;
use crate::figure::MARKS;
use crate::seed_tables::LEVEL;

/// A map of conditions.
#[derive(Debug, Serialize)]
struct Map {
    /// The commit that made all runs.
    commit: String,
    /// The seeds of each cell.
    seeds: Vec<u64>,
    level: f64,
    cells: Vec<Cell>,
    effects: Vec<Effect>,
}

/// Prints the map, and draws it.
///
/// # Errors
///
/// When a run does not say what its conditions are or lacks a measure, when the runs do not
/// make up one map, or when the picture cannot be written.
pub fn run(args: &MapArgs) -> Result<()> {
    if let Some(out) = &args.out {
        pages::check(out, &MARKS, [])?;
    }
    let runs: Vec<MapRun> = args
        .runs
        .iter()
        .map(|dir| MapRun::read(dir))
        .collect::<Result<_>>()?;
    check(&args.runs, &runs)?;
    let map = Map::of(runs);
    if let Some(out) = &args.out {
        let svg = picture::draw(&map).map_err(|error| bad_input(error.to_string()))?;
        pages::write(out, &svg.alone())?;
    }
    print_result(&args.report, &map, || map.text())
}

/// Checks that runs make up one map: they are of one commit, no two of one cell and seed,
/// and all cells have the same seeds.
fn check(dirs: &[PathBuf], runs: &[MapRun]) -> Result<()> {
    let all = || dirs.iter().map(|it| it.display()).zip(runs);
    let Some((first_dir, first)) = all().next() else {
        return Err(bad_input("there are no runs; expected the runs of a map"));
    };
    let commit = &first.settings.commit;
    if let Some((dir, other)) = all().find(|it| it.1.settings.commit != *commit) {
        return Err(bad_input(format!(
            "{first_dir} was made by commit {commit} and {dir} by commit {}; a map is of one \
             commit: leave one of them out, or run both again",
            other.settings.commit
        )));
    }
    let seeds: BTreeSet<u64> = runs.iter().map(|it| it.settings.seed).collect();
    for (at, (dir, run)) in all().enumerate() {
        let own = &run.settings;
        let is_same = |it: &&MapRun| it.settings.conditions == own.conditions;
        let mut before = all().take(at);
        let twin = before.find(|(_, it)| is_same(it) && it.settings.seed == own.seed);
        if let Some((other, _)) = twin {
            return Err(bad_input(format!(
                "{other} and {dir} are of the same cell and seed; expected each once"
            )));
        }
        let found: BTreeSet<u64> = runs
            .iter()
            .filter(is_same)
            .map(|it| it.settings.seed)
            .collect();
        let missing: Vec<String> = seeds.difference(&found).map(u64::to_string).collect();
        if !missing.is_empty() {
            return Err(bad_input(format!(
                "the cell of {dir} ({}) lacks the seeds {}, which other cells have; `make map` \
                 runs every seed in every cell",
                own.conditions,
                join_names(missing, 5)
            )));
        }
    }
    if seeds.len() < 2 {
        return Err(bad_input(
            "all runs have the same seed; intervals need two seeds or more in every cell",
        ));
    }
    Ok(())
}

impl Map {
    /// Sums up runs that make up one map.
    fn of(mut runs: Vec<MapRun>) -> Self {
        let key = |run: &MapRun| (run.settings.conditions.values(), run.settings.seed);
        runs.sort_by(|a, b| {
            let order = key(a).partial_cmp(&key(b));
            order.expect("conditions are finite")
        });
        let commit = runs.first().map(|it| it.settings.commit.clone());
        let seeds: BTreeSet<u64> = runs.iter().map(|it| it.settings.seed).collect();
        let mut cells: Vec<Cell> = runs
            .chunk_by(|a, b| a.settings.conditions == b.settings.conditions)
            .map(Cell::of)
            .collect();
        cells::correct(&mut cells);
        Self {
            commit: commit.unwrap_or_default(),
            seeds: seeds.into_iter().collect(),
            level: LEVEL,
            effects: effects::of(&cells),
            cells,
        }
    }

    fn text(&self) -> String {
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        format!(
            "{} cells, seeds {}, commit {}\n\n{}\n{}",
            self.cells.len(),
            seeds.join(" "),
            self.commit,
            cells::text(&self.cells),
            effects::text(&self.effects)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::runs::{CONTRASTS, POLICIES};
    use super::*;

    /// A run in which all differences are `lead`.
    pub(super) fn run(conditions: &str, seed: u64, lead: f64) -> MapRun {
        let text = format!("{conditions} seed={seed} commit=abc");
        MapRun {
            settings: text.parse().unwrap(),
            diverged: None,
            qualities: [Some(0.5); POLICIES.len()],
            differences: [Some(lead); CONTRASTS.len()],
        }
    }

    const CELL: &str = "voice=0 pairs=5 temperature=1 beta-2=10";
    const OTHER: &str = "voice=1 pairs=5 temperature=1 beta-2=10";

    fn refused(runs: Vec<MapRun>) -> String {
        let dirs: Vec<PathBuf> = (0..runs.len())
            .map(|it| Path::new("runs").join(it.to_string()))
            .collect();
        check(&dirs, &runs).unwrap_err().to_string()
    }

    #[test]
    fn runs_of_different_commits_are_no_map() {
        let mut runs = vec![run(CELL, 1, 0.1), run(CELL, 2, 0.1)];
        runs[1].settings.commit = "def".to_owned();
        let expected = "runs/0 was made by commit abc and runs/1 by commit def";
        assert!(refused(runs).contains(expected));
    }

    #[test]
    fn every_cell_has_every_seed_once() {
        let runs = vec![run(CELL, 1, 0.1), run(CELL, 2, 0.1), run(OTHER, 1, 0.1)];
        let expected =
            "the cell of runs/2 (voice 1, pairs 5 %, temperature 1, β₂ 10) lacks the seeds 2";
        assert!(refused(runs).contains(expected));
        let runs = vec![run(CELL, 1, 0.1), run(CELL, 2, 0.1), run(CELL, 2, 0.1)];
        assert!(refused(runs).contains("runs/1 and runs/2 are of the same cell"));
        assert!(refused(vec![run(CELL, 1, 0.1)]).contains("two seeds or more"));
        assert!(refused(Vec::new()).contains("no runs"));
    }

    #[test]
    fn a_map_is_the_same_whatever_the_order_of_its_runs() {
        let runs = |order: [usize; 4]| {
            let all = [(CELL, 1), (CELL, 2), (OTHER, 1), (OTHER, 2)];
            let runs = order.map(|it| run(all[it].0, all[it].1, it as f64));
            serde_json::to_string(&Map::of(runs.into())).unwrap()
        };
        assert_eq!(runs([0, 1, 2, 3]), runs([3, 1, 0, 2]));
    }
}

//! A training's curves in `TensorBoard`, and times and memory of stages.
//!
//! The curves are read by the `tensorboard` package of the Python that `APO_PYTHON` names
//! (`make test` sets it). Without it, the test says that it is skipped.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use apo_tables::{Metric, Reader};
use apo_tests::stages::{command, finish, kill, run, small_round, start, succeed};
use serde_json::Value;

static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "watched"));

/// Prints `{tag: [[step, value], …]}` of a folder.
const READ: &str = "\
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
print(json.dumps({tag: [[it.step, it.value] for it in events.Scalars(tag)]
                  for tag in events.Tags()['scalars']}))";

#[test]
fn the_curves_of_a_training_that_was_killed_are_those_of_its_metrics() {
    let Some(python) = std::env::var_os("APO_PYTHON") else {
        eprintln!("skipped: APO_PYTHON names no Python with tensorboard, it is not here");
        return;
    };
    let dir = &*ROUND;
    let line = "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet \
                --samples rm-samples.parquet --batch 4 --epochs 6 --learning-rate 1e-3 \
                --tensorboard curves --out watched-rm";
    let metrics = dir.join("watched-rm.partial/metrics.jsonl");
    let begun = || fs::read_to_string(&metrics).is_ok_and(|it| it.lines().count() > 2);
    kill(start(dir, line, begun));
    succeed(dir, line);
    assert_eq!(fs::read_dir(dir.join("curves")).unwrap().count(), 2);
    let read = finish(
        Command::new(python)
            .args(["-c", READ])
            .arg(dir.join("curves")),
    );
    assert_eq!(read.status, Some(0), "{}", read.stderr);
    let curves: Value = serde_json::from_str(&read.stdout).unwrap();
    let metrics = Reader::<Metric>::open(&dir.join("watched-rm/metrics.parquet")).unwrap();
    let metrics: Vec<Metric> = metrics.map(Result::unwrap).collect();
    let curve = |tag: &str, of: fn(&Metric) -> f32| {
        let found = curves[tag]
            .as_array()
            .unwrap_or_else(|| panic!("no {tag}: {curves}"));
        let found: Vec<(i64, f32)> = found
            .iter()
            .map(|it| (it[0].as_i64().unwrap(), it[1].as_f64().unwrap() as f32))
            .collect();
        let expected: Vec<(i64, f32)> = metrics.iter().map(|it| (it.step, of(it))).collect();
        assert_eq!(found, expected, "{tag}");
    };
    curve("loss", |it| it.loss);
    curve("lr", |it| it.lr);
    curve("rewards/margins", |it| it.rewards_margins.unwrap());
    assert!(
        curves.get("logps/chosen").is_none(),
        "a reward model has none"
    );
    assert!(curves.get("step").is_none());
}

#[test]
fn stages_that_end_well_say_what_they_took_where_they_are_asked_to() {
    let dir = &*ROUND;
    let line = "judge score --model rm --responses samples.parquet --out timed.parquet";
    for line in [
        line,
        line,
        "judge score --model rm --responses none --out timed.parquet",
    ] {
        finish(command(dir, line).env("APO_TIMES", "times.jsonl"));
    }
    let lines = fs::read_to_string(dir.join("times.jsonl")).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "one failed: {lines:?}");
    for line in &lines {
        assert_eq!(line["stage"], "judge score");
        assert!(line["seconds"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(lines[0]["out"], "timed.parquet");
    assert_eq!(lines[1]["out"], Value::Null, "up to date: nothing was made");
}

#[test]
fn a_training_says_what_memory_it_needs_and_stays_within_it() {
    let dir = &*ROUND;
    let line = "rm-train --model policy --pairs data/rm-pairs.parquet --batch 24 --out foreseen-rm";
    let ran = run(dir, line);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let number = |before: &str, after: &str| -> f64 {
        let found = ran
            .stderr
            .split_once(before)
            .and_then(|it| it.1.split_once(after));
        let (number, _) = found.unwrap_or_else(|| panic!("no `{before}` in {}", ran.stderr));
        let number = number.rsplit(' ').next().unwrap_or_default();
        number
            .parse()
            .unwrap_or_else(|_| panic!("{number} in {}", ran.stderr))
    };
    let foreseen = 1024.0 * number("memory: about ", " GiB");
    let held = number(", peak memory ", " MiB");
    assert!(
        held < 1.1 * foreseen,
        "{held} MiB held, {foreseen} foreseen"
    );
    assert!(
        held > 0.4 * foreseen,
        "{held} MiB held, {foreseen} foreseen"
    );
}

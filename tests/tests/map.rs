//! The map of conditions by the Makefile: a small cell from end to end, a stop, a grid with
//! unknown values, another commit, and a training that diverges.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use apo_tests::stages::{self, Ran, folder, refuse, succeed};
use serde_json::Value;

/// A grid of one cell, whose models learn almost nothing.
const TINY: [&str; 12] = [
    "SPLIT=--hh $(HH) --take 48 --take-test 8 --rm 24 --dev 4 --seed $(SEED)",
    "SFT=--seed $(SEED) --from-scratch --epochs 1 --batch 8 --learning-rate 2e-3",
    "REWARD=--seed $(SEED) --epochs 1 --batch 8 --learning-rate 1e-3",
    "SAMPLE=--seed $(SEED) --temperature $(TEMPERATURE) --samples 3 --max-new-tokens 12",
    "ANSWER=--seed $(SEED) --samples 1 --max-new-tokens 12",
    "ALIGN=--seed $(SEED) --batch 8",
    "dpo-1=--learning-rate 1e-3",
    "MAP_VOICES=0.5",
    "MAP_TEMPERATURES=1.0",
    "MAP_PAIRS=20",
    "MAP_SEEDS=1 2",
    "MAP_OTHER_BETA_2=",
];

/// The folder of the cell, of a seed.
fn cell(map: &Path, seed: u64) -> PathBuf {
    map.join(format!(
        "voice-0.5/seed-{seed}/temperature-1.0/pairs-20/beta-2-10"
    ))
}

fn make_map(map: &Path, more: &[&str]) -> Ran {
    let place = format!("MAP={}", map.display());
    let arguments = [&["map", "-j2", &place], &TINY[..], more].concat();
    stages::finish(&mut stages::make(&arguments))
}

/// A map, and what it said when it was made, when it was made again, and when it went on
/// after a stop.
struct Played {
    map: PathBuf,
    first: Ran,
    again: Ran,
    rest: Ran,
    /// The state of a policy before the stop, and after it.
    policies: [String; 2],
}

/// The map, made once.
static MAP: LazyLock<Played> = LazyLock::new(|| {
    let map = folder(env!("CARGO_TARGET_TMPDIR"), "map");
    let made = || {
        let ran = make_map(&map, &[]);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        ran
    };
    let policy = || stages::state(&cell(&map, 1).join("run/apo-dpo-1/policy/model.safetensors"));
    let (first, again) = (made(), made());
    let before = policy();
    // Stopped within a cell, after its reward model.
    let stopped = cell(&map, 1);
    fs::remove_file(stopped.join("made")).unwrap();
    fs::remove_file(stopped.join("run/start/scored.parquet")).unwrap();
    fs::remove_dir_all(stopped.join("run/apo-dpo-1")).unwrap();
    let rest = made();
    let policies = [before, policy()];
    Played {
        map,
        first,
        again,
        rest,
        policies,
    }
});

fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

fn quality(run: &Path, policy: &str) -> f64 {
    let page = json(&run.join(policy).join("quality.json"));
    page["mean"].as_f64().unwrap()
}

fn score(run: &Path, policy: &str) -> f64 {
    let page = json(&run.join(policy).join("score.json"));
    page["reward"]["all"]["mean"].as_f64().unwrap()
}

#[test]
fn a_cell_shows_the_differences_of_its_runs() {
    let Played { map, first, .. } = &*MAP;
    let found = json(&map.join("map.json"));
    assert_eq!(found["seeds"], serde_json::json!([1, 2]));
    let cells = found["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 1);
    let [voice, pairs, temperature, beta_2] =
        ["voice", "pairs", "temperature", "beta_2"].map(|it| cells[0][it].as_f64().unwrap());
    assert_eq!([voice, pairs, temperature, beta_2], [0.5, 20.0, 1.0, 10.0]);
    // Such models have no true quality, but scores of their own.
    for (number, baseline, by) in [
        (0, "dpo-1", "true quality"),
        (1, "random-1", "true quality"),
        (2, "dpo-1", "RM_Test score"),
        (3, "random-1", "RM_Test score"),
    ] {
        let mean_of = |run: &Path, policy: &str| match by {
            "true quality" => quality(run, policy),
            _ => score(run, policy),
        };
        let lead = |seed| {
            let run = cell(map, seed).join("run");
            mean_of(&run, "apo-dpo-1") - mean_of(&run, baseline)
        };
        let leads = [lead(1), lead(2)];
        assert!(by == "true quality" || leads[0] != leads[1], "{leads:?}");
        let shown = &cells[0]["differences"][number];
        assert_eq!(shown["by"], by);
        for (value, lead) in shown["values"].as_array().unwrap().iter().zip(leads) {
            assert!(
                (value.as_f64().unwrap() - lead).abs() < 1e-12,
                "{shown} {leads:?}"
            );
        }
        // Two values: t(1, 0.975) = 12.706205 times half their distance.
        let interval = |end: &str| shown["interval"][end].as_f64().unwrap();
        let mean = f64::midpoint(leads[0], leads[1]);
        let reach = 12.706_204_736 * (leads[0] - leads[1]).abs() / 2.0;
        assert!((interval("mean") - mean).abs() < 1e-12, "{shown}");
        assert!((interval("high") - mean - reach).abs() < 1e-6, "{shown}");
    }
    let picture = fs::read_to_string(map.join("map.svg")).unwrap();
    for expected in ["voice 0.5, pairs 20 %", "APO-DPO − DPO", "APO-DPO − Random"] {
        assert!(picture.contains(expected), "{expected}");
    }
    for expected in ["1 cells, seeds 1 2", "APO-DPO − Random, true quality"] {
        assert!(first.stdout.contains(expected), "{}", first.stdout);
    }
}

#[test]
fn the_stages_by_hand_give_the_same_as_a_cell() {
    let map = &MAP.map;
    let run = cell(map, 1).join("run");
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "map-by-hand");
    let world = map.join("world-0.5");
    let world = world.display();
    let mut last = String::new();
    for line in [
        &format!(
            "hh-split --hh {world}/hh --take 48 --take-test 8 --rm 24 --dev 4 --seed 1 --out data"
        ),
        &format!(
            "align sft --model {world}/mini --pairs data/rm-pairs.parquet --seed 1 --from-scratch \
             --epochs 1 --batch 8 --learning-rate 2e-3 --out policy"
        ),
        &format!(
            "gold-collect --queries data/rm-queries.parquet --pairs data/rm-pairs.parquet --seed 1 \
             --from-journal {world}/golden-journal.jsonl --model mini-golden --out golden.parquet"
        ),
        "sample --model policy --queries data/rm-queries.parquet --seed 1 --temperature 1.0 \
         --samples 3 --max-new-tokens 12 --out rm-samples.parquet",
        "sample --model policy --queries data/llm-queries.parquet --seed 1 --temperature 1.0 \
         --samples 3 --max-new-tokens 12 --out samples.parquet",
        "rm-train --model policy --pairs data/rm-pairs.parquet --pairs-share 0.5 \
         --golden golden.parquet --samples rm-samples.parquet --seed 1 --epochs 1 --batch 8 \
         --learning-rate 1e-3 --beta-2 10 --out rm",
        "judge score --model rm --responses samples.parquet --out scored.parquet",
        "judge log-probs --model policy --responses samples.parquet --out log-probs.parquet",
        "align dpo --model policy --responses scored.parquet \
         --reference-log-probs log-probs.parquet --seed 1 --batch 8 --learning-rate 1e-3 \
         --out aligned",
        "sample --model aligned --queries data/test-queries.parquet --seed 1 --samples 1 \
         --max-new-tokens 12 --out answers.parquet",
        "mini-quality --responses answers.parquet --json",
    ] {
        last = succeed(&dir, line);
    }
    let by_hand: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(by_hand, json(&run.join("apo-dpo-1/quality.json")));
    let state = |path: PathBuf| stages::state(&path);
    assert_eq!(
        state(dir.join("aligned/model.safetensors")),
        state(run.join("apo-dpo-1/policy/model.safetensors"))
    );
}

#[test]
fn what_runs_share_is_made_once_and_a_stopped_map_goes_on() {
    let played = &*MAP;
    let number = |run: &Path, file: &str| fs::metadata(run.join(file)).unwrap().ino();
    let seed = played.map.join("voice-0.5/seed-1/run");
    let last = cell(&played.map, 1).join("run");
    for file in [
        "start/policy/model.safetensors",
        "rm-test/model.safetensors",
    ] {
        assert_eq!(number(&seed, file), number(&last, file), "{file}");
    }
    let stages_of = |ran: &Ran| -> Vec<String> {
        let calls = ran.stdout.lines();
        let calls = calls.filter_map(|line| line.split_once("release/"));
        calls
            .map(|(_, call)| call.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect()
    };
    let count = |ran: &Ran, stage: &str| stages_of(ran).iter().filter(|it| *it == stage).count();
    // Two seeds: RM_Test, RM_Base and RM_APO; DPO, random pairs and APO-DPO; the world.
    for (stage, times) in [
        ("rm-train --model", 6),
        ("align sft", 2),
        ("align dpo", 6),
        ("mini-world --voice", 1),
    ] {
        assert_eq!(count(&played.first, stage), times, "{stage}");
    }
    let again = stages_of(&played.again);
    assert!(again.is_empty(), "{again:?}");
    assert_eq!(
        count(&played.rest, "align dpo"),
        1,
        "{}",
        played.rest.stdout
    );
    for once in [
        "rm-train --model",
        "hh-split --hh",
        "align sft",
        "mini-world --voice",
    ] {
        assert_eq!(count(&played.rest, once), 0, "{once} again");
    }
    assert_eq!(played.policies[0], played.policies[1]);
}

#[test]
fn unknown_values_and_another_commit_are_refused_before_any_work() {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "map-refused");
    let map = dir.join("map");
    for (value, expected) in [
        (
            "MAP_VOICES=0 2",
            "MAP_VOICES has 2; expected shares from 0 to 1",
        ),
        (
            "MAP_TEMPERATURES=hot",
            "MAP_TEMPERATURES has hot; expected numbers above 0",
        ),
        ("MAP_PAIRS=60", "MAP_PAIRS has 60; expected percentages"),
        ("MAP_SEEDS=1.5", "MAP_SEEDS has 1.5; expected whole numbers"),
        (
            "MAP_OTHER_BETA_2=-1",
            "MAP_OTHER_BETA_2 has -1; expected numbers",
        ),
        ("QUALITY=", "a map needs true quality"),
    ] {
        let ran = make_map(&map, &[value]);
        assert_eq!(ran.status, Some(2), "{value}");
        assert!(ran.stderr.contains(expected), "{value}: {}", ran.stderr);
        assert!(!map.exists(), "{value}");
    }
    fs::create_dir_all(&map).unwrap();
    fs::write(map.join("begun"), "commit=0123456789ab\n").unwrap();
    let ran = make_map(&map, &[]);
    assert_eq!(ran.status, Some(2), "{}", ran.stdout);
    for expected in ["< commit=0123456789ab", "was begun by another commit"] {
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    assert_eq!(fs::read_dir(&map).unwrap().count(), 1, "nothing is made");
}

#[test]
fn runs_of_two_commits_or_of_no_map_are_refused() {
    let map = &MAP.map;
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "map-mixed");
    for (name, seed) in [("one", 1), ("two", 2)] {
        stages::copy(&cell(map, seed).join("run"), &dir.join(name));
    }
    let file = dir.join("two/run.json");
    let text = fs::read_to_string(&file).unwrap();
    let mut run: Value = serde_json::from_str(&text).unwrap();
    let said = run["settings"]["CELL"].as_str().unwrap().to_owned();
    let commit = said.rsplit_once("commit=").unwrap().1;
    let mut put = |value: Option<String>| {
        let settings = run["settings"].as_object_mut().unwrap();
        match value {
            Some(value) => settings.insert("CELL".to_owned(), value.into()),
            None => settings.remove("CELL"),
        };
        fs::write(&file, run.to_string()).unwrap();
    };
    let line = "judge map one two";
    put(Some(said.replace(commit, "0123456789ab")));
    let by = format!("one was made by commit {commit} and two by commit 0123456789ab");
    refuse(&dir, line, 3, &[&by]);
    put(Some(said.replace("voice=0.5", "voice=1.5")));
    refuse(
        &dir,
        line,
        3,
        &["two/run.json: setting CELL", "`voice` is 1.5"],
    );
    put(Some(said.replace("seed=2", "seed=1")));
    refuse(
        &dir,
        line,
        3,
        &["one and two are of the same cell and seed"],
    );
    put(Some(said.replace("pairs=20", "pairs=40")));
    refuse(
        &dir,
        line,
        3,
        &["(voice 0.5, pairs 20 %", "lacks the seeds 2"],
    );
    put(None);
    refuse(&dir, line, 3, &["two/run.json has no setting CELL"]);
    put(Some(said));
    fs::write(dir.join("map.svg"), "mine").unwrap();
    refuse(
        &dir,
        "judge map one two --out map.svg",
        3,
        &["not a page of this command"],
    );
    succeed(&dir, line);
}

#[test]
fn a_training_that_diverges_marks_its_cell() {
    let map = folder(env!("CARGO_TARGET_TMPDIR"), "map-diverged").join("map");
    let ran = make_map(&map, &["dpo-1=--learning-rate 1e15"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let found = json(&map.join("map.json"));
    let cell = &found["cells"][0];
    assert_eq!(cell["diverged"].as_array().unwrap().len(), 2, "{cell}");
    let problem = cell["diverged"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("1/policy: step 2: the"), "{problem}");
    assert_eq!(cell["differences"][0]["verdict"], "diverged");
    assert_eq!(
        cell["differences"][0]["values"],
        serde_json::json!([null, null])
    );
    // What could be made is there: the reward models.
    assert_eq!(cell["differences"][6]["interval"]["n"], 2, "{cell}");
    assert!(ran.stdout.contains("diverged: voice 0.5"), "{}", ran.stdout);
}

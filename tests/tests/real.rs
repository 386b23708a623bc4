//! `make real`: its plan for HH, and a small run of it from end to end.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;

use apo_tables::{Pair, Query, Reader, Row};
use apo_tests::stages::{self, Ran, folder, workspace};
use serde_json::Value;

fn make(run: &Path, arguments: &[&str]) -> Ran {
    let run = format!("RUN={}", run.display());
    stages::finish(&mut stages::make(&[arguments, &[&run]].concat()))
}

/// The calls of stages in what make prints, without the folder of the binaries.
fn calls(printed: &str) -> Vec<String> {
    let lines = printed.replace("\\\n", " ");
    let calls = lines.lines().filter_map(|line| {
        let (before, call) = line.split_once("release/")?;
        // A setting may name a program, too; a call begins with it.
        (!before.contains(' ')).then(|| call.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    calls.collect()
}

/// What follows an option in a call.
fn after<'a>(call: &'a str, option: &str) -> Option<&'a str> {
    let mut words = call.split(' ').skip_while(|it| *it != option);
    words.nth(1)
}

/// The only call that writes `place`.
fn that_writes<'a>(calls: &'a [String], place: &str) -> &'a str {
    let writes = |call: &&String| {
        let out = after(call, "--out").or_else(|| after(call, ">"));
        out.is_some_and(|it| it.trim_end_matches(".new").ends_with(place))
    };
    let mut found = calls.iter().filter(writes);
    let call = found
        .next()
        .unwrap_or_else(|| panic!("nothing writes {place}"));
    assert_eq!(found.next(), None, "{place} is written twice");
    call
}

#[test]
fn the_plan_for_hh_has_each_stage_once_with_its_part_of_the_data() {
    let run = folder(env!("CARGO_TARGET_TMPDIR"), "real-plan");
    let model = format!("MODEL={}", workspace().join("fixtures/mini").display());
    let arguments = ["-n", "real", "CONFIG=hh", "HH=some/hh", &model];
    let ran = make(&run, &[&arguments[..], &["PRECISION=bf16"]].concat());
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let all = calls(&ran.stdout);
    let of = |seed: u64| -> Vec<String> {
        let place = format!("/real-plan/seeds/{seed}/");
        let own = all.iter().filter(|call| call.contains(&place));
        own.filter(|it| !it.starts_with("judge seeds"))
            .cloned()
            .collect()
    };
    let first = of(1);
    let wrote = |place: &str| that_writes(&first, place).to_owned();
    for (place, expected) in [
        (
            "1/data",
            "hh-split --train helpful-online=some/hh:helpful-online/test.jsonl.gz \
             --train helpful-rejection-sampled=some/hh:helpful-rejection-sampled/test.jsonl.gz \
             --test helpful-base=some/hh:helpful-base/test.jsonl.gz \
             --test harmless-base=some/hh:harmless-base/test.jsonl.gz \
             --rm 1000 --llm 1000 --dev 200 --answer-test 500 --seed 1 ",
        ),
        ("golden.parquet", "--hh-best"),
        ("rm-test", "data/train-pairs.parquet"),
        ("rm-base", "data/rm-pairs.parquet"),
        ("start/rm", "--samples"),
        ("rm-wgan", "--objective wgan"),
        ("rm-gail", "--objective gail"),
        ("start/rm-samples.parquet", "data/rm-queries.parquet"),
        ("start/samples.parquet", "data/llm-queries.parquet"),
        ("start/scored.parquet", "start/rm "),
        ("start/base-scored.parquet", "rm-base "),
        ("/dpo-1/policy", "start/base-scored.parquet"),
        ("apo-dpo-1/policy", "start/scored.parquet"),
        ("random-1/policy", "--pair-selection random"),
        ("/rjs-1/policy", "align rjs"),
        ("apo-rjs-1/policy", "align rjs"),
        ("golden-sft/policy", "--golden"),
        ("random-1/answers.parquet", "data/test-queries.parquet"),
        ("random-1/kl.json", "judge kl"),
        ("start/rm.test.json", "data/test-pairs.parquet"),
        ("rm-gail.dev.json", "data/dev-pairs.parquet"),
    ] {
        let call = wrote(place);
        assert!(call.contains(expected), "{place}: {expected}: {call}");
    }
    let computes = |it: &&String| {
        let stages = [
            "sample ",
            "rm-train ",
            "align ",
            "judge score ",
            "judge kl ",
        ];
        stages.iter().any(|stage| it.starts_with(stage))
    };
    for call in first.iter().filter(computes) {
        assert!(call.contains("--precision bf16"), "{call}");
    }
    let number = |calls: &[String], stage: &str| {
        let of_stage = calls.iter().filter(|it| it.starts_with(stage));
        of_stage.count()
    };
    // RM_Test, RM_Base, RM_APO; in the first also WGAN's and GAIL's, golden SFT and RJS's.
    let trained = |calls: &[String]| [number(calls, "rm-train "), number(calls, "align ")];
    assert_eq!(trained(&first), [5, 6]);
    for seed in [2, 3] {
        let other = of(seed);
        assert_eq!(trained(&other), [3, 3], "seed {seed}");
        assert!(that_writes(&other, "/data").contains(&format!("--seed {seed} ")));
        assert_eq!(number(&other, "hh-split "), 1);
        // The start and three policies answer; the start samples twice.
        assert_eq!(number(&other, "sample "), 6);
    }
    assert_eq!(number(&all, "hh-split "), 3);
    let over_seeds = that_writes(&all, "real-seeds.json");
    for expected in ["APO-DPO=DPO", "APO-DPO=Random", "seeds/3/real.json"] {
        assert!(over_seeds.contains(expected), "{over_seeds}");
    }
}

/// A run of two seeds whose models learn almost nothing.
const TINY: [&str; 17] = [
    "real",
    "CONFIG=hh",
    "HH=fixtures/hh",
    "MODEL=fixtures/mini",
    "TRAIN_SUBSETS=helpful-base",
    "TEST_SUBSETS=harmless-base",
    "SIZES=--take 48 --take-test 16 --rm 16 --llm 16 --dev 4 --answer-test 8",
    "SEEDS=1 2",
    "START=sft",
    "SFT=--seed $(SEED) --from-scratch --batch 8 --learning-rate 2e-3",
    "CHAT=",
    "RATE=1e-3",
    "REWARD_RATE=1e-3",
    "PROMPT_LIMIT=64",
    "NEW_TOKENS=8",
    "ANSWER_TOKENS=8",
    "ANSWER=--seed $(SEED) --samples 1 --max-new-tokens 8",
];

fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

fn rows<R: Row>(path: &Path) -> usize {
    Reader::<R>::open(path).unwrap().count()
}

#[test]
fn a_small_run_gives_one_table_and_differences_over_seeds_and_is_not_repeated() {
    let run = folder(env!("CARGO_TARGET_TMPDIR"), "real");
    let made = || {
        let ran = make(&run, &TINY);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        ran
    };
    let first = made();
    for expected in [
        "Golden-SFT",
        "APO-RJS",
        "Random",
        "RM_Test, test",
        "RM_WGAN, dev",
        "RM_GAIL, test",
        "2 seeds",
        "APO-DPO − Random",
        "RM_APO-v1, test − RM_Base, test",
    ] {
        assert!(
            first.stdout.contains(expected),
            "{expected}: {}",
            first.stdout
        );
    }
    let of_seed = |seed: u64, path: &str| run.join(format!("seeds/{seed}/{path}"));
    // Reward models that judge learn from all pairs, and are tested on all.
    assert!(rows::<Pair>(&of_seed(1, "data/train-pairs.parquet")) >= 48);
    assert_eq!(rows::<Query>(&of_seed(1, "data/llm-queries.parquet")), 16);
    assert_eq!(rows::<Query>(&of_seed(1, "data/test-queries.parquet")), 8);
    assert!(rows::<Pair>(&of_seed(1, "data/test-pairs.parquet")) >= 16);
    // Each seed's difference is that of its own scores.
    let found = json(&run.join("real-seeds.json"));
    let of = |part: &str, name: &str, by: &str| {
        let all = found[part].as_array().unwrap().iter();
        let found = all.clone().find(|it| it["of"] == name && it["by"] == by);
        found.unwrap_or_else(|| panic!("no {by} of {name}"))["values"].clone()
    };
    let score = |seed: u64, policy: &str| {
        let page = json(&of_seed(seed, &format!("{policy}/score.json")));
        page["reward"]["all"]["mean"].as_f64().unwrap()
    };
    let leads = of("differences", "APO-DPO − Random", "RM_Test score");
    assert!(leads[0] != 0.0 || leads[1] != 0.0, "{leads}");
    for (seed, found) in [1, 2].into_iter().zip(leads.as_array().unwrap()) {
        let expected = score(seed, "apo-dpo-1") - score(seed, "random-1");
        assert!((found.as_f64().unwrap() - expected).abs() < 1e-9, "{leads}");
    }
    // What only the first seed has stands there alone.
    let once = of("rows", "RM_GAIL, test", "accuracy");
    assert!(once[0].is_number() && once[1].is_null(), "{once}");
    let learns = |it: &&String| it.starts_with("rm-train ") || it.starts_with("align ");
    let again = made();
    assert_eq!(calls(&again.stdout).iter().find(learns), None);
    // A stop costs the stage that was running.
    fs::remove_dir_all(of_seed(2, "random-1/policy")).unwrap();
    fs::remove_file(of_seed(2, "real.json")).unwrap();
    let rest = made();
    let learnt: Vec<String> = calls(&rest.stdout)
        .into_iter()
        .filter(|it| learns(&it))
        .collect();
    assert_eq!(learnt.len(), 1, "{learnt:?}");
    assert!(learnt[0].contains("--pair-selection random"), "{learnt:?}");
}

#[test]
fn a_folder_of_hh_without_training_files_is_one_pool() {
    let run = folder(env!("CARGO_TARGET_TMPDIR"), "real-pool");
    let hh = run.join("hh");
    for subset in ["helpful-base", "harmless-base"] {
        fs::create_dir_all(hh.join(subset)).unwrap();
        let file = format!("{subset}/test.jsonl.gz");
        fs::copy(workspace().join("fixtures/hh").join(&file), hh.join(&file)).unwrap();
    }
    let table = format!("{}/data/apo.json", run.display());
    let hh = format!("HH={}", hh.display());
    let small = ["CONFIG=smollm2", "MODEL=none", "TEST=10"];
    let sizes = "SIZES=--take 60 --rm 20 --dev 4";
    let ran = make(&run, &[&[table.as_str(), &hh, sizes], &small[..]].concat());
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert_eq!(rows::<Query>(&run.join("data/test-queries.parquet")), 10);
    assert_eq!(rows::<Query>(&run.join("data/rm-queries.parquet")), 20);
}

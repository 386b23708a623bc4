//! Nothing is learnt from the test part by mistake, whatever stages its queries
//! went through.

use std::path::PathBuf;
use std::sync::LazyLock;

use apo_tests::stages::{refuse, small_round, succeed};

/// A small round that all tests read.
static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "splits"));

#[test]
fn tables_of_the_test_part_are_refused_by_name_unless_they_are_allowed() {
    let sft = "align sft --model policy --pairs data/test-pairs.parquet --batch 8";
    refuse(
        &ROUND,
        &format!("{sft} --out tested"),
        3,
        &["--pairs (test-pairs.parquet)", "test part", "--allow-test"],
    );
    assert!(!ROUND.join("tested").exists());
    succeed(&ROUND, &format!("{sft} --allow-test --out tested"));
    // What was made of them is still of the test part.
    for line in [
        "sample --model policy --queries data/test-queries.parquet --samples 2 \
         --max-new-tokens 8 --out answers.parquet",
        "judge score --model rm --responses answers.parquet --out answers-scored.parquet",
    ] {
        succeed(&ROUND, line);
    }
    let game = "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet";
    for (line, named) in [
        (
            "align dpo --model policy --responses answers-scored.parquet",
            "--responses (answers-scored.parquet)",
        ),
        (
            &format!("{game} --samples answers.parquet"),
            "--samples (answers.parquet)",
        ),
    ] {
        refuse(
            &ROUND,
            &format!("{line} --out tested-2"),
            3,
            &[named, "test part"],
        );
    }
}

#[test]
fn tables_of_different_splits_are_refused_together() {
    let fixtures = apo_tests::stages::workspace().join("fixtures/hh");
    let split = format!(
        "hh-split --hh {} --take 48 --take-test 8 --rm 24 --dev 4 --seed 2 --out other",
        fixtures.display()
    );
    succeed(&ROUND, &split);
    refuse(
        &ROUND,
        "rm-train --model policy --pairs other/rm-pairs.parquet --golden golden.parquet \
         --samples rm-samples.parquet --out mixed",
        3,
        &[
            "--golden (golden.parquet)",
            "--pairs (rm-pairs.parquet)",
            "different splits",
        ],
    );
}

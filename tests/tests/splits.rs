//! Nothing is learnt from the test part by mistake, whatever stages its queries
//! went through.

use std::path::PathBuf;
use std::sync::LazyLock;

use apo_tables::{Pair, Provenance, Reader, Row, Writer};
use apo_tests::stages::{copy, folder, refuse, run, small_round, succeed};

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

/// Writes a table's rows anew without its footer, as other programs do.
fn without_origin<R: Row>(from: &str, to: &str, keep: impl Fn(usize) -> bool) {
    let rows = Reader::<R>::open(&ROUND.join(from)).expect("the table is there");
    let to = ROUND.join(to);
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("the round can be written");
    let nobody = Provenance::new("another program", "1");
    let mut writer = Writer::create(&to, &nobody).expect("the round can be written");
    for (i, row) in rows.enumerate() {
        if keep(i) {
            let row = row.expect("a whole row");
            writer.write(&row).expect("the round can be written");
        }
    }
    writer.finish().expect("the round can be written");
}

#[test]
fn a_table_of_unknown_origin_is_compared_with_the_test_part() {
    // One query of the test part among others, in the run's folder and deeper.
    for own in ["own-test.parquet", "deep/own-test.parquet"] {
        without_origin::<Pair>("data/test-pairs.parquet", own, |i| i == 0);
        refuse(
            &ROUND,
            &format!("align sft --model policy --pairs {own} --out unknown"),
            3,
            &[own, "test part", "data/test-", "row 0", "--allow-test"],
        );
        assert!(!ROUND.join("unknown").exists());
    }
    without_origin::<Pair>("data/rm-pairs.parquet", "own-rm.parquet", |i| i < 8);
    let line = "align sft --model policy --pairs own-rm.parquet --batch 8 --out unknown";
    let ran = run(&ROUND, line);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("origin"), "{}", ran.stderr);
    // Away from its run nothing is known.
    let away = folder(env!("CARGO_TARGET_TMPDIR"), "splits-away/a/b/c");
    std::fs::rename(ROUND.join("own-rm.parquet"), away.join("own.parquet")).expect("one disk");
    let policy = ROUND.join("policy");
    copy(&policy, &away.join("policy"));
    let line = "align sft --model policy --pairs own.parquet --batch 8 --out unknown";
    let ran = run(&away, line);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let expected = "warning: own.parquet says nothing of its origin";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
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

//! No stage learns from the test part by mistake, whatever stages its queries went
//! through.

use std::path::PathBuf;
use std::sync::LazyLock;

use apo_provenance::Provenance;
use apo_tables::{Pair, Query, Reader, Row, Writer};
use apo_tests::stages::{copy, folder, refuse, run, small_round, succeed, write};

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
    let rm_train = "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet";
    for (line, named) in [
        (
            "align dpo --model policy --responses answers-scored.parquet",
            "--responses (answers-scored.parquet)",
        ),
        (
            &format!("{rm_train} --samples answers.parquet"),
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

/// Rewrites a table's rows without our footer, as other programs do.
fn without_origin<R: Row>(from: &str, to: &str, keep: impl Fn(usize) -> bool) {
    changed(from, to, keep, |row: R| row);
}

/// The same, with each row changed.
fn changed<R: Row>(from: &str, to: &str, keep: impl Fn(usize) -> bool, change: impl Fn(R) -> R) {
    let rows = Reader::<R>::open(&ROUND.join(from)).expect("the table is there");
    let to = ROUND.join(to);
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("the round can be written");
    let nobody = Provenance::new("another program", "1");
    let mut writer = Writer::create(&to, &nobody).expect("the round can be written");
    for (i, row) in rows.enumerate() {
        if keep(i) {
            let row = row.expect("a whole row");
            writer
                .write(&change(row))
                .expect("the round can be written");
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
    // Another program stripped the texts and gave the query a key of its own.
    let stripped = |pair: Pair| Pair {
        query_id: "1".into(),
        prompt: pair.prompt.trim().into(),
        ..pair
    };
    changed(
        "data/test-pairs.parquet",
        "stripped.parquet",
        |i| i == 0,
        stripped,
    );
    let line = "align sft --model policy --pairs stripped.parquet --out unknown";
    refuse(&ROUND, line, 3, &["stripped.parquet", "test part", "row 0"]);
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
    let expected = "warning: own.parquet does not record which split it came from";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}

#[test]
fn a_damaged_test_part_nearby_is_left_out_with_a_warning() {
    let away = folder(env!("CARGO_TARGET_TMPDIR"), "splits-damaged/a/b");
    copy(&ROUND.join("policy"), &away.join("policy"));
    without_origin::<Pair>("data/rm-pairs.parquet", "own-damaged.parquet", |i| i < 8);
    std::fs::rename(ROUND.join("own-damaged.parquet"), away.join("own.parquet")).expect("one disk");
    let mut bytes = std::fs::read(ROUND.join("data/test-queries.parquet")).expect("it is there");
    bytes[70] ^= 4; // in a page; the footer still says what it is
    std::fs::write(away.join("nearby.parquet"), bytes).expect("a folder");
    let line = "align sft --model policy --pairs own.parquet --batch 8 --out learnt";
    let ran = run(&away, line);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    for part in [
        "nearby.parquet",
        "nothing is compared with this test part",
        "own.parquet does not record",
    ] {
        assert!(ran.stderr.contains(part), "no {part:?} in {}", ran.stderr);
    }
}

#[test]
fn a_table_nearby_is_not_taken_for_the_test_part_of_the_run() {
    const SFT: &str = "align sft --model policy --pairs own.parquet --batch 8 --out unknown";
    const WARNING: &str = "warning: own.parquet does not record which split it came from";
    let queries = |n: usize| -> Vec<Query> {
        let queries = Reader::<Query>::open(&ROUND.join("data/test-queries.parquet"));
        let queries = queries.expect("the table is there").take(n);
        queries.map(|it| it.expect("a whole row")).collect()
    };
    let split = Provenance::new("hh-split", "1").argument("seed", 9);
    let derived = |of: &str| {
        let table = Reader::<Query>::open(&ROUND.join(of)).expect("the table is there");
        let input = table.input().expect("it can be read");
        Provenance::new("another program", "1").input("queries", input)
    };
    // Each a folder of its own: the run's policy, a table of unknown origin, and
    // what lies beside them.
    let cases: [(&str, Provenance, Vec<Query>); 3] = [
        ("unrelated", split.of_part("test"), {
            let mut other = queries(1);
            other[0].prompt = "\n\nHuman: Another?\n\nAssistant:".into();
            other[0].query_id = "0".into();
            other
        }),
        ("empty", split.of_part("test"), Vec::new()),
        ("a-part", derived("data/test-queries.parquet"), queries(1)),
    ];
    for (name, provenance, rows) in cases {
        let away = folder(env!("CARGO_TARGET_TMPDIR"), &format!("splits-{name}/a/b"));
        copy(&ROUND.join("policy"), &away.join("policy"));
        let own = format!("own-{name}.parquet");
        without_origin::<Pair>("data/rm-pairs.parquet", &own, |i| i < 8);
        std::fs::rename(ROUND.join(&own), away.join("own.parquet")).expect("one disk");
        write(&away.join("near.parquet"), &provenance, &rows);
        let ran = run(&away, SFT);
        assert_eq!(ran.status, Some(0), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(WARNING), "{name}: {}", ran.stderr);
    }
    // The table that is named is the one that holds the query.
    let away = folder(env!("CARGO_TARGET_TMPDIR"), "splits-named/a/b");
    copy(&ROUND.join("policy"), &away.join("policy"));
    let of_run = derived("data/test-queries.parquet");
    write(&away.join("a.parquet"), &of_run, &queries(8)[..1]);
    write(&away.join("b.parquet"), &of_run, &queries(8)[1..]);
    let second = queries(2).remove(1);
    let pair = Pair {
        query_id: "own".into(),
        pair_id: "own".into(),
        subset: "own".into(),
        // As other programs strip a dialogue.
        prompt: second.prompt.replace("\n\nHuman: ", "\n\nHuman:  "),
        chosen: "Yes.".into(),
        rejected: "No.".into(),
        margin: None,
    };
    let nobody = Provenance::new("another program", "1");
    write(&away.join("own.parquet"), &nobody, &[pair]);
    refuse(&away, SFT, 3, &["own.parquet", "/b.parquet", "row 0"]);
}

#[test]
fn instructions_are_compared_with_the_test_part() {
    let test = Reader::<Query>::open(&ROUND.join("data/test-queries.parquet"));
    let test = test.expect("the table is there").next().expect("a row");
    let prompt = test.expect("a whole row").prompt;
    let line = |prompt: &str| {
        let row = serde_json::json!({"prompt": prompt, "response": "Yes."});
        format!("{row}\n")
    };
    let others: String = (0..8).map(|i| line(&format!("Question {i}?"))).collect();
    let own = ROUND.join("own.jsonl");
    std::fs::write(&own, others.clone() + &line(&prompt)).expect("the round can be written");
    let sft = "align sft --model policy --instructions own.jsonl --batch 8 --out instructed";
    refuse(
        &ROUND,
        sft,
        3,
        &[
            "own.jsonl",
            "test part",
            "data/test-",
            "line 9",
            "--allow-test",
        ],
    );
    std::fs::write(&own, &others).expect("the round can be written");
    let ran = run(&ROUND, sft);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("origin"), "{}", ran.stderr);
    // A table of ours says itself what it is of.
    let line = "align sft --model policy --instructions own-golden.parquet --batch 8 --out taught";
    let gold = "gold-collect --queries data/test-queries.parquet --pairs data/test-pairs.parquet \
                --hh-best --out own-golden.parquet";
    succeed(&ROUND, gold);
    refuse(
        &ROUND,
        line,
        3,
        &["own-golden.parquet", "test part", "--allow-test"],
    );
    // Away from its run nothing is known.
    let away = folder(env!("CARGO_TARGET_TMPDIR"), "splits-instructed/a/b/c");
    std::fs::rename(own, away.join("own.jsonl")).expect("one disk");
    copy(&ROUND.join("policy"), &away.join("policy"));
    let ran = run(&away, sft);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let expected = "warning: own.jsonl does not record which split it came from";
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

//! What lies in an output's place decides whether it is replaced, whatever is to
//! replace it.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use apo_tests::stages::{content, copy, refuse, succeed};
use apo_tests::works::{HH_SPLIT, SAMPLE, SCORE, SFT, fresh, inputs, refuse_whole};

static INPUTS: LazyLock<PathBuf> = LazyLock::new(|| inputs(env!("CARGO_TARGET_TMPDIR"), "outputs"));

const SHEET: &str = "judge human sheet --a answers.parquet --b others.parquet --take 4";

/// Returns commands that make a table, a folder of tables and a model, each to replace
/// whatever is at `out`.
fn replacing(out: &str) -> [String; 4] {
    [
        SCORE.to_owned(),
        format!("{SAMPLE} --max-new-tokens 6"),
        format!("{HH_SPLIT} --seed 5"),
        format!("{SFT} --seed 5"),
    ]
    .map(|line| format!("{line} --out {out} --overwrite"))
}

#[test]
fn what_people_did_to_an_output_is_kept_from_every_kind_of_command() {
    let dir = &*INPUTS;
    for (line, out, file) in [
        (SHEET, "sheet", "sheet.csv"),
        (HH_SPLIT, "split", "rejects.parquet"),
        (SFT, "tuned", "config.json"),
        (SFT, "measured", "metrics.parquet"),
    ] {
        succeed(dir, &format!("{line} --out {out}"));
        let whole = content(&dir.join(out));
        let (at, notes) = (dir.join(out).join(file), dir.join(out).join("notes.txt"));
        let made = fs::read(&at).unwrap();
        for line in replacing(out) {
            let edited = [&made[..], b"votes"].concat();
            fs::write(&at, &edited).unwrap();
            refuse(dir, &line, 3, &[out, file, "edited or damaged"]);
            assert_eq!(fs::read(&at).unwrap(), edited, "{line}");
            fs::write(&at, &made).unwrap();
            fs::write(&notes, "mine").unwrap();
            refuse(dir, &line, 3, &[out, "notes.txt", "no stage put there"]);
            fs::remove_file(&notes).unwrap();
            assert_eq!(content(&dir.join(out)), whole, "{line}");
            assert!(!dir.join(format!("{out}.partial")).exists(), "{line}");
        }
    }
}

#[test]
fn what_rewards_are_compared_with_is_kept_and_checked_before_any_work() {
    let dir = &*INPUTS;
    let scored = dir.join("scored.parquet");
    let before = fs::read(&scored).unwrap();
    let against = format!("{SCORE} --against scored.parquet");
    let replaced = format!("{against} --limit 100 --out scored.parquet --overwrite");
    refuse(dir, &replaced, 3, &["--out scored.parquet is the input"]);
    assert_eq!(fs::read(&scored).unwrap(), before);
    let found = succeed(dir, &format!("{against} --out {}", fresh()));
    assert!(found.contains("higher than --against"), "{found}");

    let other = dir.join("other-rm");
    copy(&dir.join("rm"), &other);
    fs::remove_file(other.join("apo.json")).unwrap();
    let config = fs::read_to_string(other.join("config.json")).unwrap();
    fs::write(other.join("config.json"), config + "\n").unwrap();
    let line = against.replace("--model rm", "--model other-rm --template hh");
    refuse_whole(dir, &line, &["another reward model scored it"]);

    let queries = SCORE.replace("samples.parquet", "rm-samples.parquet");
    succeed(dir, &format!("{queries} --out rm-scored.parquet"));
    let line = format!("{SCORE} --against rm-scored.parquet");
    refuse_whole(dir, &line, &["answers none of these queries"]);
}

#[test]
fn an_output_is_replaced_by_one_of_another_kind() {
    let dir = &*INPUTS;
    for (line, out) in [
        (SHEET, "turned-sheet"),
        (HH_SPLIT, "turned-split"),
        (SFT, "turned-model"),
        (SCORE, "turned-table"),
    ] {
        for (i, replacing) in replacing(out).iter().enumerate() {
            succeed(dir, &format!("{line} --out {out} --overwrite"));
            succeed(dir, replacing);
            assert_eq!(dir.join(out).is_file(), i < 2, "{replacing}");
            assert!(!dir.join(format!("{out}.partial")).exists(), "{replacing}");
        }
    }
}

/// A stage writes such a table into a model, and into nothing else.
#[test]
fn a_table_of_metrics_that_no_stage_put_into_a_folder_is_kept() {
    let dir = &*INPUTS;
    succeed(dir, &format!("{HH_SPLIT} --out metered"));
    let at = dir.join("metered/metrics.parquet");
    fs::copy(dir.join("golden.parquet"), &at).unwrap();
    for line in replacing("metered") {
        let expected = ["metered", "metrics.parquet", "no stage put there"];
        refuse(dir, &line, 3, &expected);
        assert!(at.exists(), "{line}");
    }
}

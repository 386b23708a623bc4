//! The programs that measure: `bench` and `growth`, on the smallest models.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use apo_tests::stages::{folder, small_round, succeed};

/// Returns the cells of the rows of a Markdown table that begin with one of `names`.
fn cells<'a>(text: &'a str, names: &[&str]) -> Vec<Vec<&'a str>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.map(|row| row.trim_end_matches(" |").split(" | ").collect::<Vec<_>>());
    rows.filter(|row| names.contains(&row[0])).collect()
}

/// Returns a cell's seconds and floor.
fn seconds(cell: &str) -> (f64, f64) {
    let (seconds, rest) = cell.split_once(" s (").unwrap();
    let (floor, _) = rest.split_once(')').unwrap();
    (seconds.parse().unwrap(), floor.parse().unwrap())
}

#[test]
fn growth_measures_stages_and_model_compute() {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "growth");
    let line = "growth --rows 30,60 --prompts 8 --sizes 1M --threads 1";
    let text = succeed(&dir, line);
    let stages = cells(&text, &["30", "60"]);
    assert_eq!(stages.len(), 2, "{text}");
    let compute = cells(
        &text,
        &["1M, prompts of 8 tokens", "1M, prompts of 128 tokens"],
    );
    assert_eq!(compute.len(), 2, "{text}");
    for row in stages.iter().chain(&compute) {
        assert_eq!(row.len(), 5, "{text}");
        for cell in &row[1..] {
            let (seconds, floor) = seconds(cell);
            assert!(
                seconds > 0.0 && floor >= 0.0 && cell.contains(" MiB"),
                "{cell}"
            );
        }
    }
}

#[test]
fn bench_works_on_a_table_of_pairs() {
    let dir = small_round(env!("CARGO_TARGET_TMPDIR"), "bench");
    let line = "bench --model policy --pairs data/rm-pairs.parquet --runs 1 --steps 1 --threads 1";
    let text = succeed(&dir, line);
    for task in ["scoring", "RM step", "DPO step", "sampling"] {
        let line = text.lines().find(|line| line.starts_with(task));
        let ours = line.and_then(|line| line[42..].split_whitespace().next());
        assert!(
            ours.is_some_and(|it| it.parse::<f64>().unwrap() > 0.0),
            "{task}: {text}"
        );
    }
}

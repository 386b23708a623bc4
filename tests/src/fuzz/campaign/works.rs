//! The works of a campaign: every stage, and every stage that goes on with what
//! a stopped run left.

use std::path::Path;

use mini_world::journal::MODEL;

use super::round::Round;

/// What works make.
pub const OUT: &str = "out";

/// Where a stopped run works.
pub const PARTIAL: &str = "out.partial";

/// A command, and what its output's working folder holds before.
#[derive(Clone, Debug)]
pub struct Work {
    /// What it is called in reports.
    pub name: String,
    /// The command.
    pub line: String,
    /// The folder of the round that holds what a stopped run left.
    pub stopped: Option<String>,
}

impl Work {
    /// Whether it writes to [`OUT`], rather than to stdout.
    pub fn makes_a_file(&self) -> bool {
        self.line.contains("--out ")
    }

    /// Whether what it makes depends on what stands in its inputs alone; the
    /// sides of a sheet are drawn by their digests.
    pub fn depends_on_contents_alone(&self) -> bool {
        !self.line.starts_with("judge human sheet")
    }
}

/// Calls that put things in their place.
const RENAMES: &str = "rename,renameat,renameat2";

/// Where a run is killed: at a call, counted from one, that has a file of its
/// working folder as an argument.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// The calls' names.
    pub calls: &'static str,
    /// The file.
    pub file: &'static str,
    /// Which of the calls.
    pub number: usize,
}

const fn at(calls: &'static str, file: &'static str, number: usize) -> Stop {
    Stop {
        calls,
        file,
        number,
    }
}

/// Works that are killed, and where: while they compute, and right before what
/// they made is put in its place.
pub const STOPPED: [(&str, &str, Stop); 7] = [
    ("sample", SAMPLE, at("write", "finished.spool", 6)),
    (
        "rm-train",
        RM_TRAIN,
        at(RENAMES, "checkpoints/step-00000002", 1),
    ),
    ("rm-train at the end", RM_TRAIN, at(RENAMES, "ready", 2)),
    (
        "align dpo",
        DPO,
        at(RENAMES, "checkpoints/step-00000002", 1),
    ),
    ("align dpo at the end", DPO, at(RENAMES, "ready", 2)),
    (
        "align dpo, reference",
        DPO,
        at("write", "reference.spool", 2),
    ),
    ("judge score", SCORE, at("write", "values.spool", 2)),
];

const SAMPLE: &str = "sample --model policy --queries data/test-queries.parquet --samples 2 \
                      --max-new-tokens 6 --out out";
const RM_TRAIN: &str = "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet \
                        --samples rm-samples.parquet --batch 2 --checkpoint-minutes 0 --out out";
const DPO: &str = "align dpo --model policy --responses scored.parquet --batch 4 \
                   --micro-tokens 256 --checkpoint-minutes 0 --out out";
const SCORE: &str =
    "judge score --model rm --responses samples.parquet --micro-tokens 64 --out out";

/// Returns every work on a round.
pub fn all(round: &Round) -> Vec<Work> {
    let work = |name: &str, line: &str| Work {
        name: name.into(),
        line: line.into(),
        stopped: None,
    };
    let split = "hh-split --hold-out 20% --rm 40% --dev 10% --out out --train";
    let golden = format!(
        "gold-collect --queries data/rm-queries.parquet --pairs data/rm-pairs.parquet \
         --from-journal raw/journal.jsonl --model {MODEL} --out out"
    );
    let mut works = vec![
        work("hh-split, lines", &format!("{split} raw/hh.jsonl")),
        work(
            "hh-split, forms",
            &format!("{split} raw/forms.jsonl --train raw/list.json"),
        ),
        work("hh-split, gzip", &format!("{split} raw/hh.jsonl.gz")),
        work("hh-split, Parquet", &format!("{split} raw/pairs.parquet")),
        work(
            "gold-collect, best",
            "gold-collect --queries data/rm-queries.parquet --pairs data/rm-pairs.parquet \
             --hh-best --out out",
        ),
        work(
            "gold-collect, answers",
            "gold-collect --queries data/rm-queries.parquet --pairs data/rm-pairs.parquet \
             --answers raw/answers.jsonl --hh-best --out out",
        ),
        work("gold-collect, journal", &golden),
        work("sample", SAMPLE),
        work(
            "sample, chat",
            "sample --model chat --template chat --queries data/test-queries.parquet --samples 1 \
             --max-new-tokens 6 --out out",
        ),
        work("rm-train", RM_TRAIN),
        work(
            "align sft",
            "align sft --model policy --pairs data/rm-pairs.parquet --batch 12 --out out",
        ),
        work(
            "align rrhf",
            "align rrhf --model policy --responses scored.parquet --batch 12 --out out",
        ),
        work("align dpo", DPO),
        work("judge score", SCORE),
        work(
            "judge log-probs",
            "judge log-probs --model policy --responses samples.parquet --out out",
        ),
        work(
            "judge accuracy",
            "judge accuracy --model rm --pairs data/test-pairs.parquet --json",
        ),
        work(
            "judge kl",
            "judge kl --model policy --reference chat --template hh --responses samples.parquet \
             --json",
        ),
        work(
            "judge human sheet",
            "judge human sheet --a answers.parquet --b others.parquet --take 4 --out out",
        ),
        work(
            "judge tally",
            "judge tally --annotations raw/annotations.json --json",
        ),
        work(
            "judge table",
            "judge table --score a=raw/score.json --accuracy b=raw/accuracy.json --json",
        ),
        work(
            "judge table, of a run",
            "judge table --run run --table all --json",
        ),
    ];
    for (name, line, _) in STOPPED {
        let folder = stopped(name);
        if round.has(&folder) {
            works.push(Work {
                name: format!("{name}, stopped"),
                line: line.into(),
                stopped: Some(folder),
            });
        }
    }
    works
}

/// Returns the folder of the round for what a stopped work left.
pub fn stopped(name: &str) -> String {
    format!("stopped/{}", name.replace([' ', ','], "-"))
}

/// Whether a file of the round is one that we wrote with checksums: a table, a
/// file of a model that has our page, a journal, or of what a stopped run left.
pub fn has_checksums(file: &Path) -> bool {
    let is_table = file.extension().is_some_and(|it| it == "parquet");
    let of_a_model = file.starts_with("policy") || file.starts_with("rm");
    is_table && !file.starts_with("raw")
        || of_a_model
        || file.ends_with("journal.jsonl")
        || file.starts_with(PARTIAL)
}

/// Whether a changed journal lacks lines and has no others: a journal has no
/// end that could tell, and what is not in it was never asked.
pub fn only_drops_lines(file: &Path, whole: &[u8], changed: &[u8]) -> bool {
    let lines = |bytes: &'_ [u8]| -> Vec<Vec<u8>> {
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.map(<[u8]>::to_vec).collect()
    };
    let whole = lines(whole);
    file.ends_with("journal.jsonl") && lines(changed).iter().all(|it| whole.contains(it))
}

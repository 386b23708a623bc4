//! The tasks of a campaign: every work, other inputs and methods of the stages, and
//! works that resume a stopped run.

use std::path::Path;

use mini_world::journal::MODEL;

use crate::works::{COLLECT, Makes, WORKS, Work};

/// The output of a task.
pub const OUT: &str = "out";

/// The working folder of a stopped run.
pub const PARTIAL: &str = "out.partial";

/// A command, and what is in its working folder before.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name in messages.
    pub name: String,
    /// The command.
    pub line: String,
    /// The folder of the round that holds what a stopped run left.
    pub stopped: Option<String>,
}

impl Task {
    /// Tells whether it writes to [`OUT`] rather than to stdout.
    pub fn makes_a_file(&self) -> bool {
        self.line.contains("--out ")
    }

    /// Tells whether its output depends only on the content of its inputs. The sides of a
    /// sheet also depend on their digests.
    pub fn depends_on_contents_alone(&self) -> bool {
        !self.line.starts_with("judge human sheet")
    }
}

/// Calls that move files into place.
const RENAMES: &str = "rename,renameat,renameat2";

/// Where a run is killed: at a call, counted from one, that has a file of its
/// working folder as an argument.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// The calls' names.
    pub calls: &'static str,
    /// The file.
    pub file: &'static str,
    /// Which of the calls, from 1.
    pub number: usize,
}

const fn at(calls: &'static str, file: &'static str, number: usize) -> Stop {
    Stop {
        calls,
        file,
        number,
    }
}

/// Works that are killed, and where: while they compute, and right before their output
/// is moved into place. The part of a name after the comma distinguishes two stops of
/// one work.
pub const STOPPED: [(&str, Stop); 7] = [
    ("sample", at("write", "finished.spool", 6)),
    ("rm-train", at(RENAMES, "checkpoints/step-00000002", 1)),
    ("rm-train, at the end", at(RENAMES, "ready", 2)),
    ("align dpo", at(RENAMES, "checkpoints/step-00000002", 1)),
    ("align dpo, at the end", at(RENAMES, "ready", 2)),
    ("align dpo, reference", at("write", "reference.spool", 2)),
    ("judge score", at("write", "values.spool", 2)),
];

/// Returns arguments with which a work takes little time and keeps its state often.
fn small(work: &str) -> &'static str {
    match work {
        "sample" => "--samples 2 --max-new-tokens 6",
        "rm-train" => "--batch 2 --checkpoint-minutes 0",
        "align sft" => "--batch 12",
        "align dpo" => "--batch 4 --micro-tokens 256 --checkpoint-minutes 0",
        "judge score" => "--micro-tokens 64",
        _ => "",
    }
}

/// Returns a work's command.
fn line(work: &Work) -> String {
    let to = match work.makes {
        Makes::Output => format!("--out {OUT}"),
        Makes::Text => "--json".to_owned(),
    };
    format!("{} {} {to}", work.line, small(work.name))
}

/// Returns the command of a stopped work.
///
/// # Panics
///
/// When [`WORKS`] has no such work.
pub fn line_of(stopped: &str) -> String {
    let name = stopped.split(',').next().unwrap_or_default();
    let work = WORKS.iter().find(|it| it.name == name);
    line(work.expect("a stopped work is one of all works"))
}

/// Returns names and commands of tasks with other inputs or methods than [`WORKS`] have.
fn others() -> Vec<(&'static str, String)> {
    let split = "hh-split --hold-out 20% --rm 40% --dev 10% --out out --train";
    let collect = "gold-collect --queries data/rm-queries.parquet --pairs data/rm-pairs.parquet";
    vec![
        ("hh-split, lines", format!("{split} raw/hh.jsonl")),
        (
            "hh-split, forms",
            format!("{split} raw/forms.jsonl --train raw/list.json"),
        ),
        ("hh-split, gzip", format!("{split} raw/hh.jsonl.gz")),
        ("hh-split, Parquet", format!("{split} raw/pairs.parquet")),
        (
            "gold-collect, answers",
            format!("{COLLECT} --answers raw/answers.jsonl --out out"),
        ),
        (
            "gold-collect, journal",
            format!("{collect} --from-journal raw/journal.jsonl --model {MODEL} --out out"),
        ),
        (
            "sample, chat",
            "sample --model chat --template chat --queries data/test-queries.parquet --samples 1 \
             --max-new-tokens 6 --out out"
                .to_owned(),
        ),
        (
            "align rrhf",
            "align rrhf --model policy --responses scored.parquet --batch 12 --out out".to_owned(),
        ),
        (
            "judge kl, chat",
            "judge kl --model policy --reference chat --template hh --responses samples.parquet \
             --json"
                .to_owned(),
        ),
        (
            "judge tally",
            "judge tally --annotations raw/annotations.json --json".to_owned(),
        ),
        (
            "judge table",
            "judge table --score a=raw/score.json --accuracy b=raw/accuracy.json --json".to_owned(),
        ),
        (
            "judge table, of a run",
            "judge table --run run --table all --json".to_owned(),
        ),
    ]
}

/// Returns every task that resumes no stopped run.
pub fn from_the_beginning() -> Vec<Task> {
    let offline = WORKS.iter().filter(|it| !it.asks);
    let mut found: Vec<_> = offline.map(|it| (it.name, line(it))).collect();
    found.extend(others());
    found
        .into_iter()
        .map(|(name, line)| Task {
            name: name.to_owned(),
            line,
            stopped: None,
        })
        .collect()
}

/// Returns the folder of the round that keeps the working folder of a stopped work.
pub fn stopped(name: &str) -> String {
    format!("stopped/{}", name.replace([' ', ','], "-"))
}

/// Tells whether a stage wrote this file of the round with checksums: a table, a file of
/// a model with our `apo.json`, a journal, or a file of a stopped run.
pub fn has_checksums(file: &Path) -> bool {
    let is_table = file.extension().is_some_and(|it| it == "parquet");
    let of_a_model = file.starts_with("policy") || file.starts_with("rm");
    is_table && !file.starts_with("raw")
        || of_a_model
        || file.ends_with("journal.jsonl")
        || file.starts_with(PARTIAL)
}

/// Tells whether a changed journal only lacks lines. No stage can notice that: a journal
/// has no end mark, and a request that is not in it was never sent.
pub fn only_drops_lines(file: &Path, whole: &[u8], changed: &[u8]) -> bool {
    let lines = |bytes: &'_ [u8]| -> Vec<Vec<u8>> {
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.map(<[u8]>::to_vec).collect()
    };
    let whole = lines(whole);
    file.ends_with("journal.jsonl") && lines(changed).iter().all(|it| whole.contains(it))
}

//! Commands of every stage. Tests run them with bad input, with broken files
//! ([`mod@crate::fuzz`]) and with faults of the disk ([`crate::crash`]).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::stages::{self, succeed, workspace};

/// The exit status for bad input.
pub const BAD_INPUT: i32 = 3;

/// The exit status where an output exists that was made otherwise.
pub const CONFLICT: i32 = 4;

/// A stage's command on [`inputs`].
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Its name in messages.
    pub name: &'static str,
    /// Stage and arguments. A test adds `--out`, and what makes the work small.
    pub line: &'static str,
    /// What it makes of them.
    pub makes: Makes,
    /// Whether it asks an endpoint, whose `--base-url` a test adds.
    pub asks: bool,
}

/// What a work makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Makes {
    /// A file or folder, at `--out`.
    Output,
    /// Lines on stdout.
    Text,
}

/// `hh-split`, of [`inputs`]' folder of HH.
pub const HH_SPLIT: &str = "hh-split --hh hh --take 24 --take-test 8 --rm 12 --dev 2";
/// `gold-collect`, without an endpoint.
pub const COLLECT: &str = "gold-collect --queries data/rm-queries.parquet \
                           --pairs data/rm-pairs.parquet --hh-best";
/// `sample`.
pub const SAMPLE: &str = "sample --model policy --queries data/test-queries.parquet";
/// `rm-train`.
pub const RM_TRAIN: &str = "rm-train --model policy --pairs data/rm-pairs.parquet \
                            --golden golden.parquet --samples rm-samples.parquet";
/// `align sft`.
pub const SFT: &str = "align sft --model policy --pairs data/rm-pairs.parquet";
/// `align dpo`.
pub const DPO: &str = "align dpo --model policy --responses scored.parquet";
/// `judge score`.
pub const SCORE: &str = "judge score --model rm --responses samples.parquet";
/// `judge log-probs`.
pub const LOG_PROBS: &str = "judge log-probs --model policy --responses samples.parquet";
/// `judge kl`.
pub const KL: &str = "judge kl --model policy --reference policy --responses samples.parquet";
/// `judge accuracy`.
pub const ACCURACY: &str = "judge accuracy --model rm --pairs data/test-pairs.parquet";

/// Every stage, with each kind of output that it makes.
pub const WORKS: [Work; 14] = [
    output("hh-split", HH_SPLIT),
    output("gold-collect", COLLECT),
    Work {
        asks: true,
        ..output(
            "gold-collect asks",
            "gold-collect --queries data/test-queries.parquet --pairs data/test-pairs.parquet \
             --model m --requests 1",
        )
    },
    output("sample", SAMPLE),
    Work {
        asks: true,
        ..output(
            "sample asks",
            "sample --model policy --queries data/test-queries.parquet --samples 2 --requests 1",
        )
    },
    output("rm-train", RM_TRAIN),
    output("align sft", SFT),
    output("align dpo", DPO),
    output("judge score", SCORE),
    output("judge log-probs", LOG_PROBS),
    text("judge accuracy", ACCURACY),
    text("judge kl", KL),
    output(
        "judge human sheet",
        "judge human sheet --a answers.parquet --b others.parquet --take 4",
    ),
    Work {
        asks: true,
        ..output(
            "judge compare",
            "judge compare --a answers.parquet --b others.parquet --take 3 --model m --requests 1",
        )
    },
];

const fn output(name: &'static str, line: &'static str) -> Work {
    Work {
        name,
        line,
        makes: Makes::Output,
        asks: false,
    }
}

const fn text(name: &'static str, line: &'static str) -> Work {
    Work {
        makes: Makes::Text,
        ..output(name, line)
    }
}

impl Work {
    /// Returns the tables that it reads, as its line names them.
    pub fn tables(&self) -> impl Iterator<Item = &'static str> {
        let words = self.line.split_whitespace();
        words.filter(|it| it.ends_with(".parquet"))
    }
}

/// Returns a name for an output that no other output of this process has.
pub fn fresh() -> String {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    format!("out-{}", CALLS.fetch_add(1, Ordering::Relaxed))
}

/// Adds `--out` to a line, unless its command prints what it makes.
pub fn with_out(line: &str, out: &str) -> String {
    let command = |line: &str| line.split(" --").next().map(str::to_owned);
    let mut texts = WORKS.iter().filter(|it| it.makes == Makes::Text);
    if texts.any(|it| command(it.line) == command(line)) {
        return line.to_owned();
    }
    format!("{line} --out {out}")
}

/// Refuses a line as bad input, and checks that it leaves nothing.
///
/// # Panics
///
/// As [`stages::refuse`], and when something is left.
#[track_caller]
pub fn refuse_whole(dir: &Path, line: &str, expected: &[&str]) {
    let out = fresh();
    let line = with_out(line, &out);
    stages::refuse(dir, &line, BAD_INPUT, expected);
    for left in [out.clone(), format!("{out}.partial")] {
        assert!(!dir.join(&left).exists(), "{line} left {left}");
    }
}

/// Makes what [`WORKS`] read in a folder for one test in `target`: a
/// [`stages::small_round`], two policies' answers, and a folder of HH.
///
/// # Panics
///
/// When a stage fails.
pub fn inputs(target: &str, test: &str) -> PathBuf {
    let dir = stages::small_round(target, test);
    for (seed, out) in [(8, "answers"), (9, "others")] {
        let line = format!(
            "sample --model policy --queries data/llm-queries.parquet --samples 1 --seed {seed} \
             --max-new-tokens 12 --out {out}.parquet"
        );
        succeed(&dir, &line);
    }
    copy_hh(&dir);
    dir
}

/// Copies the fixtures' HH to the `hh` of a folder.
///
/// # Panics
///
/// When it cannot be copied.
pub fn copy_hh(dir: &Path) {
    stages::copy(&workspace().join("fixtures/hh"), &dir.join("hh"));
}

//! What came out, as tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;

use anyhow::Result;
use apo_kernels::peak::{peak_product, peak_reading};
use apo_llama::{Compute, Precision, device};

use crate::programs::{Ours, PeerRun, Peers};
use crate::work::{Run, Share, Task};
use crate::{Args, Products};

/// A comparison: what of ours with what of theirs.
struct Line {
    name: &'static str,
    ours: Task,
    theirs: Task,
    /// How many times as fast ours is to be.
    bar: Option<f64>,
}

const LINES: [Line; 6] = [
    Line {
        name: "scoring, 64 dialogues",
        ours: Task::Score,
        theirs: Task::Score,
        bar: Some(1.5),
    },
    Line {
        name: "RM step, 4 pairs",
        ours: Task::Rm,
        theirs: Task::Rm,
        bar: Some(1.5),
    },
    Line {
        name: "DPO step, reference kept; theirs in the step",
        ours: Task::Dpo,
        theirs: Task::DpoInStep,
        bar: Some(2.4),
    },
    Line {
        name: "DPO step, reference kept by both",
        ours: Task::Dpo,
        theirs: Task::Dpo,
        bar: None,
    },
    Line {
        name: "DPO step, reference in the step by both",
        ours: Task::DpoInStep,
        theirs: Task::DpoInStep,
        bar: None,
    },
    Line {
        name: "sampling, 8 prompts x 4 x 64 tokens",
        ours: Task::Sample,
        theirs: Task::Sample,
        bar: Some(3.0),
    },
];

/// The share of PyTorch's memory that training steps may take.
const MEMORY_BAR: f64 = 0.5;

const BOTH: [Products; 2] = [Products::F32, Products::Bf16];

/// What was measured: the fastest run, and the most memory, of each.
#[derive(Default)]
struct Results {
    ours: BTreeMap<(Task, Products), Run>,
    theirs: BTreeMap<(Task, Products), PeerRun>,
}

/// Runs everything in turn, `--runs` times, and prints the tables.
pub fn compare(
    args: &Args,
    tasks: &[Task],
    ours: &Ours<'_>,
    peers: Option<&Peers<'_>>,
) -> Result<()> {
    let bf16 = Compute {
        precision: Precision::Bf16,
        ..Compute::default()
    };
    let native = bf16.check(&device::cpu()).is_ok();
    let mut results = Results::default();
    for turn in 1..=args.runs {
        for &task in tasks {
            for products in BOTH {
                writeln!(
                    std::io::stderr(),
                    "turn {turn} of {}: {task:?}, {products:?}",
                    args.runs
                )?;
                if products == Products::F32 || native {
                    results.keep_ours(task, products, ours.run(task, products)?);
                }
                if let Some(peers) = peers {
                    results.keep_theirs(task, products, peers.run(task, products)?);
                }
            }
        }
    }
    let text = format!(
        "{}\n{}\n{}\n{}",
        heading(args, &results),
        speeds(&results),
        memory(&results),
        shares(&results, native)
    );
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

impl Results {
    fn keep_ours(&mut self, task: Task, products: Products, run: Run) {
        let kept = self
            .ours
            .entry((task, products))
            .or_insert_with(|| run.clone());
        if run.seconds < kept.seconds {
            *kept = run;
        }
    }

    fn keep_theirs(&mut self, task: Task, products: Products, run: PeerRun) {
        let kept = self
            .theirs
            .entry((task, products))
            .or_insert_with(|| run.clone());
        if run.seconds() < kept.seconds() {
            *kept = run;
        }
    }

    fn our_seconds(&self, task: Task, products: Products) -> Option<f64> {
        self.ours.get(&(task, products)).map(|run| run.seconds)
    }

    fn their_seconds(&self, task: Task, products: Products) -> Option<f64> {
        self.theirs.get(&(task, products)).map(PeerRun::seconds)
    }

    fn our_memory(&self, task: Task, products: Products) -> Option<f64> {
        self.ours
            .get(&(task, products))
            .and_then(|run| run.peak_mib)
    }

    fn their_memory(&self, task: Task, products: Products) -> Option<f64> {
        self.theirs
            .get(&(task, products))
            .map(|run| run.peak_rss_mib)
    }
}

/// The smaller of their two figures.
fn better(of: impl Fn(Products) -> Option<f64>) -> Option<f64> {
    BOTH.into_iter().filter_map(of).min_by(f64::total_cmp)
}

fn heading(args: &Args, results: &Results) -> String {
    let mut text = format!(
        "{}; {} threads; the fastest of {} runs, in turn; training: the mean of {} steps\n",
        processor(),
        args.threads,
        args.runs,
        args.steps
    );
    if let Some(run) = results.theirs.values().next() {
        let _ = writeln!(
            text,
            "PyTorch {}, transformers {}",
            run.torch, run.transformers
        );
    } else {
        let _ = writeln!(text, "PyTorch is not here: ours alone");
    }
    text
}

/// The processor's name, with what sets its generation.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.split(':').next().map(str::trim) == Some(name));
        line.and_then(|line| line.split_once(':'))
            .map_or("unknown", |(_, value)| value.trim())
    };
    let has = |flag: &str| field("flags").split(' ').any(|it| it == flag);
    let vectors = match (has("avx512_bf16"), has("avx512f"), has("avx2")) {
        (true, ..) => "AVX-512 with bf16",
        (_, true, _) => "AVX-512",
        (_, _, true) => "AVX2",
        _ => "no AVX2",
    };
    format!(
        "{}, family {} model {}, {vectors}",
        field("model name"),
        field("cpu family"),
        field("model")
    )
}

fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

fn speeds(results: &Results) -> String {
    let mut text = format!(
        "{:46}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}{:>12}\n",
        "seconds", "ours", "bf16", "PyTorch", "bf16", "ratio", "bar", "ratio, bf16"
    );
    for line in &LINES {
        let ours = BOTH.map(|products| results.our_seconds(line.ours, products));
        if ours[0].is_none() {
            continue;
        }
        let theirs = BOTH.map(|products| results.their_seconds(line.theirs, products));
        let best = better(|products| results.their_seconds(line.theirs, products));
        let [ratio, ratio_bf16] = ours.map(|ours| Some(best? / ours?));
        let _ = writeln!(
            text,
            "{:46}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}{:>12}",
            line.name,
            figure(ours[0], 2),
            figure(ours[1], 2),
            figure(theirs[0], 2),
            figure(theirs[1], 2),
            figure(ratio, 2),
            figure(line.bar, 1),
            figure(ratio_bf16, 2)
        );
    }
    text
}

fn memory(results: &Results) -> String {
    let mut text = format!(
        "{:46}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}{:>12}\n",
        "peak memory, MiB", "ours", "bf16", "PyTorch", "bf16", "ratio", "bar", "ratio, bf16"
    );
    for line in &LINES {
        let ours = BOTH.map(|products| results.our_memory(line.ours, products));
        if ours[0].is_none() {
            continue;
        }
        let theirs = BOTH.map(|products| results.their_memory(line.theirs, products));
        let best = better(|products| results.their_memory(line.theirs, products));
        let [ratio, ratio_bf16] = ours.map(|ours| Some(ours? / best?));
        let trains = matches!(line.ours, Task::Rm | Task::Dpo | Task::DpoInStep);
        let _ = writeln!(
            text,
            "{:46}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}{:>12}",
            line.name,
            figure(ours[0], 0),
            figure(ours[1], 0),
            figure(theirs[0], 0),
            figure(theirs[1], 0),
            figure(ratio, 2),
            figure(trains.then_some(MEMORY_BAR), 1),
            figure(ratio_bf16, 2)
        );
    }
    text
}

/// Where our time goes, beside the least that it could take on this machine.
fn shares(results: &Results, native: bool) -> String {
    let reading = peak_reading();
    let peak = peak_product(Precision::F32);
    let peak_bf16 = if native {
        peak_product(Precision::Bf16)
    } else {
        peak
    };
    let mut text = format!(
        "where our time goes; floor: FLOP at {:.0} GFLOP/s (bf16 {:.0}), bytes at {:.1} GB/s\n",
        peak / 1e9,
        peak_bf16 / 1e9,
        reading / 1e9
    );
    let _ = writeln!(
        text,
        "{:22}{:12}{:>9}{:>9}{:>9}  {:10}{:>9}",
        "", "", "seconds", "share", "floor", "", "GFLOP"
    );
    for (&(task, products), run) in &results.ours {
        let peak_products = if products == Products::F32 {
            peak
        } else {
            peak_bf16
        };
        let known = [
            ("products", run.products, peak_products),
            ("attention", run.attention, peak),
            ("optimiser", run.optimiser, peak),
        ];
        let mut name = format!("{task:?} {products:?}");
        for (kind, share, peak) in known {
            if share.seconds == 0.0 {
                continue;
            }
            let (floor, bound) = floor(share, peak, reading);
            let _ = writeln!(
                text,
                "{name:22}{kind:12}{:>9.3}{:>7.0} %{floor:>9.3}  {bound:10}{:>9.1}",
                share.seconds,
                100.0 * share.seconds / run.seconds,
                share.flop / 1e9
            );
            name.clear();
        }
        let spent: f64 = known.iter().map(|(_, share, _)| share.seconds).sum();
        let rest = run.seconds - spent;
        let _ = writeln!(
            text,
            "{:22}{:12}{rest:>9.3}{:>7.0} %",
            "",
            "rest",
            100.0 * rest / run.seconds
        );
    }
    text
}

/// The least seconds of some work, and what sets them.
fn floor(share: Share, peak: f64, reading: f64) -> (f64, &'static str) {
    let (arithmetic, memory) = (share.flop / peak, share.bytes / reading);
    if arithmetic >= memory {
        (arithmetic, "arithmetic")
    } else {
        (memory, "memory")
    }
}

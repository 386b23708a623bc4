//! The results as tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use apo_decoder::{Compute, Precision, device};

use bench::machine::{Peaks, processor};
use bench::work::{Run, Task};

use crate::args::Args;
use crate::programs::{Ours, PeerRun, PyTorch, Sampler};

/// The tasks as the tables name them.
const NAMES: [(Task, &str); 5] = [
    (Task::Score, "scoring, 64 dialogues"),
    (Task::Rm, "RM step, 4 pairs"),
    (Task::Dpo, "DPO step, 4 pairs, reference kept"),
    (Task::DpoInStep, "DPO step, 4 pairs, reference in the step"),
    (Task::Sample, "sampling, 8 prompts x 4 x 64 tokens"),
];

const BOTH: [Precision; 2] = [Precision::F32, Precision::Bf16];

/// The fastest run of each task.
#[derive(Default)]
struct Results {
    ours: BTreeMap<(Task, Precision), Run>,
    theirs: BTreeMap<(Task, Precision), PeerRun>,
    /// Other programs that sample.
    samplers: BTreeMap<Sampler, PeerRun>,
}

/// Runs everything in turn, `--runs` times, and prints the tables.
pub fn compare(args: &Args, tasks: &[Task], ours: &Ours<'_>, pairs: &Path) -> Result<()> {
    let bf16 = Compute {
        precision: Precision::Bf16,
        ..Compute::default()
    };
    let native = bf16.check(&device::cpu()).is_ok();
    let pytorch = PyTorch::of(args);
    let mut results = Results::default();
    // Measured again after each task: the machine may be slower at times.
    let mut peaks = Peaks::measure();
    for turn in 1..=args.runs {
        for &task in tasks {
            for precision in BOTH {
                writeln!(
                    std::io::stderr(),
                    "turn {turn} of {}: {task:?}, {precision:?}",
                    args.runs
                )?;
                if precision == Precision::F32 || native {
                    let run = ours.run(task, precision)?;
                    keep(&mut results.ours, (task, precision), run, |it| it.seconds);
                }
                if let Some(pytorch) = &pytorch
                    && let Some(run) = unless_failed(pytorch.run(args, pairs, task, precision))?
                {
                    keep(&mut results.theirs, (task, precision), run, |it| it.seconds);
                }
            }
            if task == Task::Sample {
                for sampler in Sampler::all(args) {
                    if let Some(run) = unless_failed(sampler.run(args, pairs))? {
                        writeln!(std::io::stderr(), "  {}, {}", run.version, sampler.dtype)?;
                        keep(&mut results.samplers, sampler, run, |it| it.seconds);
                    }
                }
            }
            peaks = peaks.or_higher(Peaks::measure());
        }
    }
    let text = format!(
        "{}\n{}\n{}\n{}{}{}",
        heading(args, &results),
        speeds(&results),
        memory(&results),
        losses(&results),
        samplers(&results),
        shares(&results, &peaks)
    );
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Returns a peer's run. One that failed is left out, with its error on stderr: what the
/// others did stays.
fn unless_failed(run: Result<PeerRun>) -> Result<Option<PeerRun>> {
    match run {
        Ok(run) => Ok(Some(run)),
        Err(error) => {
            writeln!(std::io::stderr(), "left out: {error:#}")?;
            Ok(None)
        }
    }
}

/// Keeps a run unless an earlier one was at least as fast.
fn keep<K: Ord, R>(kept: &mut BTreeMap<K, R>, key: K, run: R, seconds: impl Fn(&R) -> f64) {
    if kept.get(&key).is_none_or(|it| seconds(&run) < seconds(it)) {
        kept.insert(key, run);
    }
}

impl Results {
    fn our_seconds(&self, task: Task, precision: Precision) -> Option<f64> {
        self.ours.get(&(task, precision)).map(|run| run.seconds)
    }

    fn their_seconds(&self, task: Task, precision: Precision) -> Option<f64> {
        self.theirs.get(&(task, precision)).map(|run| run.seconds)
    }

    fn our_memory(&self, task: Task, precision: Precision) -> Option<f64> {
        self.ours
            .get(&(task, precision))
            .and_then(|run| run.peak_mib)
    }

    fn their_memory(&self, task: Task, precision: Precision) -> Option<f64> {
        self.theirs
            .get(&(task, precision))
            .map(|run| run.peak_rss_mib)
    }
}

fn heading(args: &Args, results: &Results) -> String {
    let mut text = format!(
        "{}; {} threads; the fastest of {} runs, in turn; training: the mean of {} steps\n",
        processor(),
        args.threads,
        args.runs,
        args.steps
    );
    let version = results.theirs.values().next().map(|it| it.version.as_str());
    let _ = writeln!(text, "{}", version.unwrap_or("without PyTorch"));
    text
}

fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

fn speeds(results: &Results) -> String {
    let measure = Measure {
        name: "seconds",
        digits: 2,
        ours: &|task, precision| results.our_seconds(task, precision),
        theirs: &|task, precision| results.their_seconds(task, precision),
        ratio: |ours, theirs| theirs / ours,
    };
    measure.table()
}

fn memory(results: &Results) -> String {
    let measure = Measure {
        name: "peak memory, MiB",
        digits: 0,
        ours: &|task, precision| results.our_memory(task, precision),
        theirs: &|task, precision| results.their_memory(task, precision),
        ratio: |ours, theirs| ours / theirs,
    };
    measure.table()
}

/// A measure of both sides, by task and precision.
struct Measure<'a> {
    name: &'static str,
    digits: usize,
    ours: &'a dyn Fn(Task, Precision) -> Option<f64>,
    theirs: &'a dyn Fn(Task, Precision) -> Option<f64>,
    /// Of our figure and the better one of PyTorch's.
    ratio: fn(f64, f64) -> f64,
}

impl Measure<'_> {
    fn table(&self) -> String {
        let mut text = format!(
            "{:42}{:>9}{:>9}{:>9}{:>9}{:>9}{:>12}\n",
            self.name, "ours", "bf16", "PyTorch", "bf16", "ratio", "ratio, bf16"
        );
        for (task, name) in NAMES {
            let ours = BOTH.map(|precision| (self.ours)(task, precision));
            if ours[0].is_none() {
                continue;
            }
            let theirs = BOTH.map(|precision| (self.theirs)(task, precision));
            let best = theirs.into_iter().flatten().min_by(f64::total_cmp);
            let [ratio, ratio_bf16] = ours.map(|ours| Some((self.ratio)(ours?, best?)));
            let _ = writeln!(
                text,
                "{name:42}{:>9}{:>9}{:>9}{:>9}{:>9}{:>12}",
                figure(ours[0], self.digits),
                figure(ours[1], self.digits),
                figure(theirs[0], self.digits),
                figure(theirs[1], self.digits),
                figure(ratio, 2),
                figure(ratio_bf16, 2)
            );
        }
        text
    }
}

/// Returns the losses of both sides' DPO steps in f32, which are those of the same work, or
/// nothing without PyTorch's. A reward model's head is drawn, so its losses differ.
fn losses(results: &Results) -> String {
    let key = (Task::Dpo, Precision::F32);
    let (Some(ours), Some(theirs)) = (results.ours.get(&key), results.theirs.get(&key)) else {
        return String::new();
    };
    let list = |losses: &[f64]| -> String {
        let each = losses.iter().map(|it| format!("{it:.4}"));
        each.collect::<Vec<_>>().join(" ")
    };
    format!(
        "losses of the DPO steps, f32: ours {}, PyTorch's {}\n\n",
        list(&ours.losses),
        list(&theirs.losses)
    )
}

/// Returns the table of other programs that sample, or nothing if none did. Ratios are to
/// the faster of our precisions.
fn samplers(results: &Results) -> String {
    let ours = BOTH.map(|precision| results.our_seconds(Task::Sample, precision));
    let Some(best) = ours.into_iter().flatten().min_by(f64::total_cmp) else {
        return String::new();
    };
    if results.samplers.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{:46}{:>9}{:>9}{:>12}{:>9}\n",
        "sampling beside other programs", "weights", "seconds", "memory, MiB", "ratio"
    );
    for (sampler, run) in &results.samplers {
        let _ = writeln!(
            text,
            "{:46}{:>9}{:>9.2}{:>12.0}{:>9.2}",
            run.version,
            sampler.dtype,
            run.seconds,
            run.peak_rss_mib,
            run.seconds / best
        );
    }
    text + "\n"
}

/// Where our time goes, beside the minimum that it could take on this machine.
fn shares(results: &Results, peaks: &Peaks) -> String {
    let mut text = format!(
        "where our time goes; floor: FLOP at {:.0} GFLOP/s (bf16 {:.0}), bytes at {:.1} GB/s\n",
        peaks.f32 / 1e9,
        peaks.bf16 / 1e9,
        peaks.reading / 1e9
    );
    let _ = writeln!(
        text,
        "{:22}{:12}{:>9}{:>9}{:>9}  {:10}{:>9}",
        "", "", "seconds", "share", "floor", "", "GFLOP"
    );
    for (&(task, precision), run) in &results.ours {
        let known = [
            ("products", run.matmul, peaks.product(precision)),
            ("attention", run.attention, peaks.product(precision)),
            ("optimiser", run.optimiser, peaks.f32),
        ];
        let mut name = format!("{task:?} {precision:?}");
        for (kind, share, peak) in known {
            if share.seconds == 0.0 {
                continue;
            }
            let (floor, bound) = peaks.floor(share, peak);
            let _ = writeln!(
                text,
                "{name:22}{kind:12}{:>9.3}{:>7.0} %{floor:>9.3}  {bound:10}{:>9.1}",
                share.seconds,
                100.0 * share.seconds / run.seconds,
                share.flop / 1e9,
                bound = bound.name(),
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

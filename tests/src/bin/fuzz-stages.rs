//! Runs every stage with broken inputs, and prints every run that ends in a wrong way.
//! `make fuzz` calls it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use apo_tests::fuzz::campaign::{Campaign, Case, Outcome};
use apo_tests::fuzz::scratch;
use clap::Parser;

/// Run stages with broken inputs
///
/// Prints every fault that it finds, and keeps the inputs that show it in
/// target/fuzz/stages.
#[derive(Debug, Parser)]
struct Args {
    /// Number of cases to run
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    runs: u64,

    /// Seed of the cases
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// The first case's number
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,

    /// Number of cases to run at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,

    /// Tasks to run, by how their names begin [default: all]
    #[arg(long, value_name = "NAME", default_value = "")]
    task: String,

    /// Print how every case ends
    #[arg(long)]
    tell: bool,
}

/// How all cases ended.
#[derive(Default)]
struct Counts {
    /// Runs by task, then by status.
    ended: BTreeMap<String, BTreeMap<String, u64>>,
    n_wrong: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let dir = scratch::place("fuzz-stages");
    let campaign = Campaign::new(&dir);
    let next = AtomicU64::new(args.from);
    let counts = Mutex::new(Counts::default());
    thread::scope(|scope| {
        for job in 0..args.jobs {
            let (dir, campaign, args, next, counts) = (&dir, &campaign, &args, &next, &counts);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= args.from + args.runs {
                        break;
                    }
                    let case = campaign.case(args.seed, number);
                    if case.task().starts_with(&args.task) {
                        let outcome = case.run(&dir.join(format!("case-{job}")));
                        note(counts, &case, &outcome, args);
                    }
                }
            });
        }
    });
    let _ = fs::remove_dir_all(&dir);
    let counts = counts.into_inner().expect("no case panics");
    let mut out = std::io::stdout().lock();
    let mut n = 0;
    for (task, ended) in counts.ended {
        n += ended.values().sum::<u64>();
        let ended: Vec<String> = ended.iter().map(|(how, n)| format!("{n} {how}")).collect();
        let _ = writeln!(out, "{task:<32} {}", ended.join(", "));
    }
    let _ = writeln!(out, "{n} runs of stages, {} wrong", counts.n_wrong);
    ExitCode::from(u8::from(n == 0 || counts.n_wrong > 0))
}

/// Counts a case; if it is wrong, prints and keeps it.
fn note(counts: &Mutex<Counts>, case: &Case, outcome: &Outcome, args: &Args) {
    let how = match outcome.status {
        Some(0) if outcome.differs => "end well with another result".to_owned(),
        Some(0) => "end well".to_owned(),
        Some(status) => format!("end with {status}"),
        None => "end by a signal".to_owned(),
    };
    let mut counts = counts.lock().expect("no case panics");
    if args.tell {
        let _ = writeln!(
            std::io::stdout(),
            "{}: {}, {} changed: {how}\n{}",
            case.number,
            case.task(),
            case.file.display(),
            outcome.stderr
        );
    }
    let ended = counts.ended.entry(case.task().to_owned()).or_default();
    *ended.entry(how).or_default() += 1;
    if let Some(wrong) = &outcome.wrong {
        counts.n_wrong += 1;
        let kept = Path::new("target/fuzz/stages").join(format!("{}-{}", args.seed, case.number));
        case.lay_out(&kept);
        let _ = writeln!(
            std::io::stdout(),
            "{}, {} changed (--seed {} --from {} --runs 1): {}\n  (cd {} && {})",
            case.task(),
            case.file.display(),
            args.seed,
            case.number,
            format!("{wrong}\n{}", outcome.stderr)
                .trim_end()
                .replace('\n', "\n  "),
            kept.display(),
            case.line(),
        );
    }
}

//! `growth`: how time and memory grow with rows, prompts, models and threads.

mod case;
mod sizes;
mod stages;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use apo_model_stage::memory::MiMalloc;
use apo_stage::threads;
use bench::machine::{Peaks, processor};
use bench::work::{Run, Task};
use clap::Parser;
use clap::builder::PossibleValuesParser;

use case::Case;
use sizes::Size;
use stages::{STAGES, Stages};

/// Measure how time and memory grow with rows, prompts, models and threads
///
/// Stages run over --rows rows with the mini world's policy. Model compute runs on models
/// with drawn parameters: with each of --prompts and --threads on the first of --sizes, and
/// on each of --sizes. The tables are Markdown; about the least time and memory that the
/// work takes on this machine are in parentheses. What the machine does at best is measured
/// before each row, and the highest of all until then counts.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Rows of the stages' tables
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "1000,10000,100000"
    )]
    rows: Vec<usize>,
    /// Tokens of a prompt
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "64,256,1024,2048"
    )]
    prompts: Vec<usize>,
    /// Sizes of models
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', default_value = "135M,0.5B,1.5B",
        value_parser = PossibleValuesParser::new(Size::names()))]
    sizes: Vec<String>,
    /// Threads
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "1,2"
    )]
    threads: Vec<usize>,
    /// Measure one case in this process and print what it took as JSON
    #[arg(long, value_name = "JSON", hide = true)]
    case: Option<String>,
}

// Every training or decoding step allocates and frees the same large buffers.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const TASKS: [(Task, &str); 4] = [
    (Task::Score, "scoring 8 pairs"),
    (Task::Rm, "RM step, 4 pairs"),
    (Task::Dpo, "DPO step, 4 pairs"),
    (Task::Sample, "sampling 8 × 4 × 64"),
];

/// Tokens of a prompt where something else varies.
const PROMPT: usize = 128;

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(case) = &args.case {
        let case: Case = serde_json::from_str(case).context("--case")?;
        return case.run_here();
    }
    let most = *args
        .threads
        .iter()
        .max()
        .context("--threads names a number")?;
    threads::start(Some(most))?;
    let mut peaks = Peaks::measure();
    let folder = tempfile::tempdir().context("cannot make a folder for the models")?;
    stages(&args, folder.path(), &mut peaks, most)?;
    print("\n")?;
    compute(&args, folder.path(), &mut peaks, most)?;
    print(&format!(
        "\n{}; at best {:.0} GFLOP/s (bf16 {:.0}), {:.1} GB/s on {most} threads\n",
        processor(),
        peaks.f32 / 1e9,
        peaks.bf16 / 1e9,
        peaks.reading / 1e9,
    ))
}

/// Prints a part of the tables as soon as it is measured.
fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Prints the table of the stages by number of rows.
fn stages(args: &Args, folder: &Path, peaks: &mut Peaks, threads: usize) -> Result<()> {
    let stages = Stages::new(folder, threads)?;
    print(&heading("rows", STAGES.into_iter()))?;
    for &rows in &args.rows {
        progress(&format!("{rows} rows"))?;
        *peaks = peaks.or_higher(Peaks::measure());
        let took = stages.run(rows, peaks)?;
        let cells = took.map(|it| cell(it.took.seconds, it.floor, it.took.peak_mib, None));
        print(&format!("| {rows} | {} |\n", cells.join(" | ")))?;
    }
    Ok(())
}

/// Prints the table of model compute.
fn compute(args: &Args, folder: &Path, peaks: &mut Peaks, most: usize) -> Result<()> {
    let first = args.sizes.first().context("--sizes names a size")?;
    let prompts = args.prompts.iter().map(|&prompt| (first, prompt, most));
    let sizes = args.sizes.iter().map(|size| (size, PROMPT, most));
    let fewer = args.threads.iter().filter(|&&it| it != most);
    let fewer = fewer.map(|&threads| (first, PROMPT, threads));
    print(&heading("model", TASKS.into_iter().map(|it| it.1)))?;
    for (size, prompt, threads) in prompts.chain(sizes).chain(fewer) {
        let mut name = format!("{size}, prompts of {prompt} tokens");
        *peaks = peaks.or_higher(Peaks::measure());
        let mut peaks = *peaks;
        if threads != most {
            let _ = write!(name, ", threads: {threads}");
            peaks = Peaks::on(threads)?;
        }
        let size = Size::of(size).context("a size that clap let through")?;
        let model = folder.join(size.name);
        let config = size.write(&model)?;
        let mut cells = Vec::new();
        for (task, what) in TASKS {
            progress(&format!("{name}: {what}"))?;
            let case = Case {
                model: model.clone(),
                task,
                prompt,
                threads,
                bf16: apo_kernels::bf16::is_faster(),
            };
            let least = case.memory_floor(&config) as f64 / f64::from(1 << 20);
            cells.push(if case.exceeds_memory(&config) {
                format!("needs more than {least:.0} MiB")
            } else {
                let run: Run = case.run()?;
                let floor = peaks.floor_of(&run, case.precision());
                cell(run.seconds, floor, run.peak_mib, Some(least))
            });
        }
        print(&format!("| {name} | {} |\n", cells.join(" | ")))?;
    }
    Ok(())
}

fn heading<'a>(first: &str, columns: impl Iterator<Item = &'a str>) -> String {
    let columns: Vec<&str> = columns.collect();
    format!(
        "| {first} | {} |\n|---|{}\n",
        columns.join(" | "),
        "---|".repeat(columns.len())
    )
}

/// Returns seconds and peak memory, each with its floor.
fn cell(seconds: f64, floor: f64, mib: Option<f64>, least_mib: Option<f64>) -> String {
    let digits = |it: f64| {
        if it < 0.1 {
            3
        } else if it < 10.0 {
            2
        } else {
            0
        }
    };
    let mut text = format!(
        "{seconds:.*} s ({floor:.*})",
        digits(seconds),
        digits(floor)
    );
    if let Some(mib) = mib {
        let _ = write!(text, ", {mib:.0} MiB");
        if let Some(least) = least_mib {
            let _ = write!(text, " ({least:.0})");
        }
    }
    text
}

fn progress(what: &str) -> Result<()> {
    writeln!(std::io::stderr(), "{what}")?;
    Ok(())
}

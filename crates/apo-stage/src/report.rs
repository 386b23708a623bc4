//! All that stages print on stdout and stderr.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::args::ReportArgs;
use crate::error::bad_input;
use crate::printable::{brief, escape_controls};

static START: OnceLock<Instant> = OnceLock::new();
static OUTPUT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The environment variable that names a file of times: every stage that succeeds
/// adds a line with its time and memory. The outputs cannot hold these, because
/// equal work gives equal bytes.
const TIMES: &str = "APO_TIMES";

/// How each line of that file begins.
const HEAD: &str = "{\"stage\":";

/// A line of that file.
#[derive(Serialize)]
struct TimesLine {
    /// The stage and its subcommand.
    stage: String,
    /// What it made.
    out: Option<String>,
    seconds: f64,
    peak_mib: Option<f64>,
}

/// Remembers when the stage began; called by [`crate::run`].
pub(crate) fn start_clock() {
    START.get_or_init(Instant::now);
}

/// Returns the file that [`TIMES`] names, or `None` if the variable is not set.
///
/// # Errors
///
/// When the file holds something else than such lines.
pub(crate) fn times_file() -> Result<Option<PathBuf>> {
    let Some(path) = env::var_os(TIMES).filter(|it| !it.is_empty()) else {
        return Ok(None);
    };
    let path = PathBuf::from(path);
    // Asked before it is opened: opening a named pipe waits for its reader.
    let is_fit = match fs::metadata(&path) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(found) if !found.is_file() => false,
        Ok(_) => {
            let mut head = Vec::new();
            let head_of = |file: File| file.take(HEAD.len() as u64).read_to_end(&mut head);
            File::open(&path).and_then(head_of).is_ok() && HEAD.as_bytes().starts_with(&head)
        }
    };
    if is_fit {
        return Ok(Some(path));
    }
    Err(bad_input(format!(
        "{TIMES}: {} is not a file of lines that stages wrote; name another one",
        path.display()
    )))
}

/// Remembers what the stage made.
pub(crate) fn set_output(out: &Path) {
    if let Ok(mut output) = OUTPUT.lock() {
        *output = Some(out.to_owned());
    }
}

/// Writes the line of a stage that succeeded to the file that [`TIMES`] names.
pub(crate) fn write_times(stage: &str) {
    let path = match times_file() {
        Ok(Some(path)) => path,
        Ok(None) => return,
        Err(error) => return warn(&error.to_string()),
    };
    // Subcommands are words; options and files follow them.
    let is_word = |it: &String| it.chars().all(|it| it.is_ascii_lowercase() || it == '-');
    let words = env::args()
        .skip(1)
        .take_while(|it| is_word(it) && !it.starts_with('-'));
    let subcommand = words.take(2);
    let line = TimesLine {
        stage: [stage.to_owned()]
            .into_iter()
            .chain(subcommand)
            .collect::<Vec<_>>()
            .join(" "),
        out: OUTPUT.lock().ok().and_then(|it| Some(lossy(it.as_ref()?))),
        seconds: seconds_since_start(),
        peak_mib: peak_mib(),
    };
    let line = serde_json::to_string(&line).expect("plain data") + "\n";
    let file = OpenOptions::new().create(true).append(true).open(&path);
    if let Err(error) = file.and_then(|mut it| it.write_all(line.as_bytes())) {
        warn(&format!("cannot write {}: {error}", path.display()));
    }
}

/// Returns a path as JSON can hold it, with replacement characters for what is not
/// UTF-8.
fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn seconds_since_start() -> f64 {
    START.get().map_or(0.0, |it| it.elapsed().as_secs_f64())
}

/// Returns what the stage has taken so far: the seconds, and its peak memory if the
/// system tells.
fn time_and_memory() -> String {
    let seconds = seconds_since_start();
    let memory = peak_mib().map_or(String::new(), |mib| format!(", peak memory {mib:.0} MiB"));
    format!("took {seconds:.1} s{memory}")
}

fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Prints a note on stderr, unless `--quiet` is given.
pub fn note(report: &ReportArgs, text: &str) {
    if !report.quiet {
        let _ = writeln!(io::stderr(), "{}", escape_controls(text));
    }
}

/// Prints a warning on stderr.
pub fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "warning: {}", brief(text));
}

/// Prints a warning on stderr, but each text only once in a run.
pub fn warn_once(text: &str) {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    if let Ok(mut told) = TOLD.lock()
        && !told.iter().any(|it| it == text)
    {
        told.push(text.to_owned());
        warn(text);
    }
}

/// Warns of the parts of a table that have no rows.
pub fn warn_of_empty_parts(table: &Path) {
    for part in apo_tables::folder::empty_parts(table) {
        warn_once(&format!(
            "{} is empty: no row was read from it",
            part.display()
        ));
    }
}

/// Prints a stage's result on stdout, for people or as one JSON object, and its time
/// and memory on stderr.
///
/// # Errors
///
/// When stdout cannot be written. A closed pipe is not an error.
pub fn print_result(
    report: &ReportArgs,
    value: &impl Serialize,
    for_people: impl FnOnce() -> String,
) -> Result<()> {
    let mut text = if report.json {
        serde_json::to_string(value)?
    } else {
        escape_controls(&for_people()).into_owned()
    };
    note(report, &time_and_memory());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let made = OUTPUT.lock().ok().and_then(|it| it.clone());
            let made = made.map_or(String::new(), |out| format!("{} is made; ", out.display()));
            Err(error).context(format!("{made}the result cannot be printed on stdout"))
        }
        _ => Ok(()),
    }
}

/// Prints as the result that the output is up to date.
///
/// # Errors
///
/// As [`print_result`].
pub fn print_up_to_date(report: &ReportArgs, out: &Path) -> Result<()> {
    let value = serde_json::json!({ "up_to_date": true, "out": lossy(out) });
    print_result(report, &value, || {
        format!("{} is up to date", out.display())
    })
}

/// Lays out rows in columns. The first column is aligned to the left, the others to
/// the right.
pub fn format_table(rows: &[Vec<String>]) -> String {
    let n = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|row| row.get(i));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..n).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            let width = widths[i];
            if i == 0 {
                line += &format!("{cell:<width$}");
            } else {
                line += &format!("  {cell:>width$}");
            }
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Joins the first `most` names, and says how many more there are.
pub fn join_names(mut names: Vec<String>, most: usize) -> String {
    let more = names.len().saturating_sub(most);
    names.truncate(most);
    let names = names.join(", ");
    if more > 0 {
        format!("{names} and {more} more")
    } else {
        names
    }
}

//! The time and memory that a stage takes. The outputs cannot hold these, because equal
//! work gives equal bytes; the file that `APO_TIMES` names does.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::error::bad_input;

static START: OnceLock<Instant> = OnceLock::new();
static OUTPUT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The environment variable that names a file of times: every stage that succeeds
/// adds a line with its time and memory.
pub(crate) const TIMES: &str = "APO_TIMES";

/// How each line of that file begins.
const HEAD: &str = "{\"stage\":";

/// The time and memory of a stage: a line of the file that `APO_TIMES` names, as JSON.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StageTime {
    /// The stage and its subcommand.
    pub stage: String,
    /// What it made; `None` if it only printed something, or its output was up to date.
    pub out: Option<String>,
    /// The time that it took, seconds.
    pub seconds: f64,
    /// Its peak memory, MiB; `None` if the system does not report it.
    pub peak_mib: Option<f64>,
}

/// Remembers when the stage began; called by [`crate::run`].
pub(crate) fn start_clock() {
    START.get_or_init(Instant::now);
}

/// Returns the file that [`TIMES`] names, or `None` if the variable is not set.
///
/// # Errors
///
/// When the file holds anything but such lines.
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

/// Returns what the stage made, once it is in its place.
pub(crate) fn output() -> Option<PathBuf> {
    OUTPUT.lock().ok().and_then(|it| it.clone())
}

/// Adds the line of a stage that succeeded to the file that [`TIMES`] names.
///
/// # Errors
///
/// As [`times_file`], and when the file cannot be written.
pub(crate) fn write_times(stage: &str) -> Result<()> {
    let Some(path) = times_file()? else {
        return Ok(());
    };
    // Subcommands are words; options and files follow them.
    let is_word = |it: &String| it.chars().all(|it| it.is_ascii_lowercase() || it == '-');
    let words = env::args()
        .skip(1)
        .take_while(|it| is_word(it) && !it.starts_with('-'));
    let subcommand = words.take(2);
    let line = StageTime {
        stage: [stage.to_owned()]
            .into_iter()
            .chain(subcommand)
            .collect::<Vec<_>>()
            .join(" "),
        out: output().map(|it| it.to_string_lossy().into_owned()),
        seconds: seconds_since_start(),
        peak_mib: peak_mib(),
    };
    let line = serde_json::to_string(&line).expect("plain data") + "\n";
    let file = OpenOptions::new().create(true).append(true).open(&path);
    if let Err(error) = file.and_then(|mut it| it.write_all(line.as_bytes())) {
        bail!("cannot write {}: {error}", path.display());
    }
    Ok(())
}

fn seconds_since_start() -> f64 {
    START.get().map_or(0.0, |it| it.elapsed().as_secs_f64())
}

/// Says how long the stage has taken so far, and its peak memory if the system reports
/// it.
pub(crate) fn time_and_memory() -> String {
    let seconds = seconds_since_start();
    let memory = peak_mib().map_or(String::new(), |mib| format!(", peak memory {mib:.0} MiB"));
    format!("took {seconds:.1} s{memory}")
}

/// Returns the peak memory of this process, MiB; `None` if the system does not report
/// it.
pub fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

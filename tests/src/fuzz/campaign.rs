//! Whole stages, each with one broken file among its inputs.
//!
//! A stage succeeds or says what is wrong and where; it does not panic, hang, take all
//! memory or leave half an output. If the file has checksums, a stage that succeeds
//! without naming it has made the same output as from the whole file.

mod round;
mod tasks;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use apo_provenance::{Provenance, SealedError};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::mutate::{self, Kind, parquet_footer};
use crate::stages::{self, Ran};
use crate::works::{BAD_INPUT, CONFLICT};
use round::Round;
use tasks::{OUT, Task};

/// Seconds that a stage may take.
const PATIENCE: &str = "60";

/// Bytes of address space that a stage may ask for.
const MOST_MEMORY: u64 = 6 << 30;

/// Maximum bytes of an error.
const MAX_STDERR: usize = 8192;

/// Exit statuses of stages that nothing killed.
const STATUSES: [i32; 5] = [0, 1, 2, BAD_INPUT, CONFLICT];

/// A round whose stages are run with broken inputs.
#[derive(Debug)]
pub struct Campaign {
    tasks: Vec<Known>,
}

/// A task, what it reads and what it makes of it.
#[derive(Debug)]
struct Known {
    task: Task,
    /// The folder with everything that it reads.
    whole: PathBuf,
    /// The files there that cases change.
    inputs: Vec<PathBuf>,
    made: Vec<u8>,
}

impl Known {
    fn read(&self, file: &Path) -> Vec<u8> {
        let bytes = fs::read(self.whole.join(file));
        bytes.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }
}

/// A task with one of its inputs changed.
#[derive(Debug)]
pub struct Case<'a> {
    /// Its number in the campaign of its seed.
    pub number: u64,
    known: &'a Known,
    /// The changed file, in the round.
    pub file: &'a Path,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// How a case went.
#[derive(Debug)]
pub struct Outcome {
    /// The stage's exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// Whether it succeeded with another result than for the whole file.
    pub differs: bool,
    /// What it wrote to stderr.
    pub stderr: String,
    /// What is wrong with that, if anything is.
    pub wrong: Option<String>,
}

impl Campaign {
    /// Makes a small round in `dir`, and runs each task once as it is.
    ///
    /// # Panics
    ///
    /// When a stage fails.
    pub fn new(dir: &Path) -> Self {
        let round = Round::make(dir);
        let tasks = round.tasks().into_iter().enumerate();
        let tasks = tasks.map(|(i, task)| {
            let whole = dir.join("tasks").join(i.to_string());
            let inputs = round.lay_out(&task, &whole);
            let folder = dir.join("whole");
            copy(&whole, &folder);
            let ran = run(&folder, &task);
            let made = made(&folder, &ran);
            assert_eq!(ran.status, Some(0), "{}\n{}", task.line, ran.stderr);
            assert!(!made.is_empty(), "{} makes something", task.line);
            Known {
                task,
                whole,
                inputs,
                made,
            }
        });
        Self {
            tasks: tasks.collect(),
        }
    }

    /// Returns a case of a seed; the same number gives the same case.
    ///
    /// # Panics
    ///
    /// When the round's files cannot be read.
    pub fn case(&self, seed: u64, number: u64) -> Case<'_> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        let known = self.tasks.choose(&mut rng).expect("there are tasks");
        let file = known.inputs.choose(&mut rng).expect("a task reads files");
        let other = known.inputs.choose(&mut rng).expect("a task reads files");
        let kind = Kind::of(file);
        let mut bytes = mutate::mutate(&mut rng, kind, &known.read(file), &known.read(other));
        if rng.random_bool(0.02) {
            bytes.clear();
        }
        Case {
            number,
            known,
            file,
            bytes,
        }
    }
}

impl Case<'_> {
    /// Returns the name of its task.
    pub fn task(&self) -> &str {
        &self.known.task.name
    }

    /// Returns its command, to be run in a folder with its inputs.
    pub fn line(&self) -> &str {
        &self.known.task.line
    }

    /// Tells whether the changed file makes the working folder somebody else's.
    fn is_foreign(&self) -> bool {
        let found = serde_json::from_slice(&self.bytes).map(apo_provenance::open::<Provenance>);
        self.file.ends_with("provenance.json") && matches!(found, Ok(Err(SealedError::Foreign)))
    }

    /// Returns what is wrong with the next run, if a stopped run's folder can neither be
    /// used nor replaced, or is touched though it is somebody else's.
    fn is_stuck(&self, folder: &Path, ran: &Ran) -> Option<String> {
        let Known {
            task, made: whole, ..
        } = self.known;
        if task.stopped.is_none() || ran.status == Some(0) && !self.is_foreign() {
            return None;
        }
        let mut anew = task.clone();
        anew.line += " --overwrite";
        let ran = run(folder, &anew);
        if self.is_foreign() {
            let is_kept = fs::read(folder.join(self.file)).is_ok_and(|it| it == self.bytes);
            let is_refused = ran.status == Some(BAD_INPUT) && ran.stderr.contains("move that away");
            return (!is_kept || !is_refused)
                .then(|| format!("a folder of others is not refused: {}", ran.stderr));
        }
        if ran.status != Some(0) {
            let (status, stderr) = (ran.status, ran.stderr);
            return Some(format!("--overwrite ends with {status:?}: {stderr}"));
        }
        (made(folder, &ran) != *whole).then(|| "--overwrite makes something else".to_owned())
    }

    /// Empties a folder and puts everything there that it reads.
    ///
    /// # Panics
    ///
    /// When the folder cannot be written.
    pub fn lay_out(&self, folder: &Path) {
        copy(&self.known.whole, folder);
        fs::write(folder.join(self.file), &self.bytes).expect("a file can be written");
    }

    /// Runs the case in a folder, which is emptied.
    ///
    /// # Panics
    ///
    /// When a program cannot be started.
    pub fn run(&self, folder: &Path) -> Outcome {
        let Known {
            task, made: whole, ..
        } = self.known;
        self.lay_out(folder);
        let ran = run(folder, task);
        let made = made(folder, &ran);
        let differs = ran.status == Some(0) && made != *whole;
        let is_damage = task.depends_on_contents_alone()
            && tasks::has_checksums(self.file)
            && !tasks::only_drops_lines(self.file, &self.known.read(self.file), &self.bytes);
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let wrong = if differs && is_damage && !ran.stderr.contains(&*name) {
            Some("the damage is accepted, and the result is another".to_owned())
        } else {
            let leaves_output = folder.join(OUT).exists() && task.makes_a_file();
            fault(&ran, self.file, leaves_output).or_else(|| self.is_stuck(folder, &ran))
        };
        Outcome {
            status: ran.status,
            differs,
            stderr: ran.stderr,
            wrong,
        }
    }
}

/// Replaces a folder by a copy of another.
fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to); // absent on the first run
    stages::copy(from, to);
}

/// Runs a task with limits on time and memory.
fn run(folder: &Path, task: &Task) -> Ran {
    let stage = stages::command(folder, &task.line);
    let mut bounded = Command::new("timeout");
    bounded.args(["-s", "KILL", PATIENCE, "prlimit", "--core=0"]);
    bounded.arg(format!("--as={MOST_MEMORY}"));
    bounded.arg(stage.get_program()).args(stage.get_args());
    bounded.current_dir(folder).env("RAYON_NUM_THREADS", "1");
    bounded.env_remove("OPENAI_API_KEY").env_remove("APO_TIMES");
    stages::finish(&mut bounded)
}

/// Returns what is wrong with how a stage ended.
fn fault(ran: &Ran, file: &Path, leaves_output: bool) -> Option<String> {
    let Ran {
        status,
        stderr,
        stdout,
    } = ran;
    if stderr.contains("a bug in this program") || stderr.contains("panicked") {
        return Some("a panic".into());
    }
    let Some(status) = status.filter(|it| STATUSES.contains(it)) else {
        return Some(match status {
            Some(137) => "a kill: it takes too long".into(),
            other => format!("ends with {other:?}"),
        });
    };
    let acts = |c: char| c.is_control() && !"\n\t".contains(c);
    if stderr.contains(acts) || stdout.contains(acts) {
        return Some("a control character".into());
    }
    if status == 0 {
        return None;
    }
    if status != BAD_INPUT && status != CONFLICT {
        return Some(format!("ends with {status}, which is not of bad input"));
    }
    if leaves_output {
        return Some(format!("ends with {status} and leaves an output"));
    }
    if !stdout.is_empty() {
        return Some(format!("ends with {status} and prints a result"));
    }
    if stderr.len() > MAX_STDERR {
        return Some(format!("says {} bytes", stderr.len()));
    }
    if !names(stderr, file) {
        return Some(format!(
            "ends with {status} and does not name {}",
            file.display()
        ));
    }
    None
}

/// Tells whether a text names a file, or the folder of the round that it is in.
fn names(text: &str, file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let folder = file.iter().next().unwrap_or_default().to_string_lossy();
    let is_part = |c: char| c.is_alphanumeric() || "._-/".contains(c);
    let mut words = text.split(|c| !is_part(c));
    // It may be the end of a sentence.
    text.contains(&*name) || words.any(|it| it.trim_end_matches('.') == folder)
}

/// Returns what a task made: the pages of a table, the files of a model except those
/// that say how it was made, or what was printed.
fn made(folder: &Path, ran: &Ran) -> Vec<u8> {
    let out = folder.join(OUT);
    let mut files = Vec::new();
    if out.is_dir() {
        files.extend(round::files(&out));
    } else if out.exists() {
        files.push(out);
    } else {
        return ran.stdout.clone().into_bytes();
    }
    let is_record = |it: &PathBuf| it.ends_with("apo.json") || it.ends_with("metrics.parquet");
    files.retain(|it| !is_record(it));
    let mut made = Vec::new();
    for path in files {
        let bytes = fs::read(&path).expect("an output can be read");
        let is_table = bytes.starts_with(b"PAR1");
        let end = if is_table {
            parquet_footer(&bytes).start
        } else {
            bytes.len()
        };
        made.extend_from_slice(&bytes[..end]);
    }
    made
}

//! Whole stages, each with one broken file among its inputs.
//!
//! A stage that meets one ends well or says what is wrong and where; it does not
//! panic, hang, take all memory or leave half an output. Where the file carries
//! checksums, a stage that ends well without a word about it has made what it
//! makes of the whole file.

mod round;
mod works;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use apo_provenance::{PageError, Provenance};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::mutate::{self, Kind, parquet_footer};
use crate::stages::{self, Ran};
use round::Round;
use works::{OUT, Work};

/// Seconds that a stage may take.
const PATIENCE: &str = "60";

/// Bytes of addresses that a stage may ask for.
const MOST_MEMORY: u64 = 6 << 30;

/// Bytes that an error may say.
const MOST_SAID: usize = 8192;

/// Statuses that stages end with by themselves.
const STATUSES: [i32; 5] = [0, 1, 2, BAD_INPUT, CONFLICT];

const BAD_INPUT: i32 = 3;
const CONFLICT: i32 = 4;

/// A round whose stages are run with broken inputs.
#[derive(Debug)]
pub struct Campaign {
    works: Vec<Known>,
}

/// A work, what it reads and what it makes of it.
#[derive(Debug)]
struct Known {
    work: Work,
    /// The folder of all that it reads.
    whole: PathBuf,
    /// The files there that are broken.
    inputs: Vec<PathBuf>,
    made: Vec<u8>,
}

impl Known {
    fn read(&self, file: &Path) -> Vec<u8> {
        let bytes = fs::read(self.whole.join(file));
        bytes.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }
}

/// A work with one of its inputs changed.
#[derive(Debug)]
pub struct Case<'a> {
    /// Its number in the campaign of its seed.
    pub number: u64,
    known: &'a Known,
    /// The changed file, in the round.
    pub file: &'a Path,
    /// What stands in it.
    pub bytes: Vec<u8>,
}

/// How a case went.
#[derive(Debug)]
pub struct Outcome {
    /// The stage's exit status; none where a signal ended it.
    pub status: Option<i32>,
    /// Whether it ended well with another result, of a file without checksums.
    pub differs: bool,
    /// What it said on the way.
    pub stderr: String,
    /// What is wrong with that, if anything is.
    pub wrong: Option<String>,
}

impl Campaign {
    /// Makes a small round in `dir`, and runs each work once as it is.
    ///
    /// # Panics
    ///
    /// When a stage fails.
    pub fn new(dir: &Path) -> Self {
        let round = Round::make(dir);
        let works = works::all(&round).into_iter().enumerate();
        let works = works.map(|(i, work)| {
            let whole = dir.join("works").join(i.to_string());
            let inputs = round.lay_out(&work, &whole);
            let folder = dir.join("whole");
            copy(&whole, &folder);
            let ran = run(&folder, &work);
            let made = made(&folder, &ran);
            assert_eq!(ran.status, Some(0), "{}\n{}", work.line, ran.stderr);
            assert!(!made.is_empty(), "{} makes something", work.line);
            Known {
                work,
                whole,
                inputs,
                made,
            }
        });
        Self {
            works: works.collect(),
        }
    }

    /// Returns the names of the works.
    pub fn works(&self) -> impl Iterator<Item = &str> {
        self.works.iter().map(|it| it.work.name.as_str())
    }

    /// Returns a case of a seed, the same each time.
    ///
    /// # Panics
    ///
    /// When the round's files cannot be read.
    pub fn case(&self, seed: u64, number: u64) -> Case<'_> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        let known = self.works.choose(&mut rng).expect("there are works");
        let file = known.inputs.choose(&mut rng).expect("a work reads files");
        let other = known.inputs.choose(&mut rng).expect("a work reads files");
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
    /// Returns the name of its work.
    pub fn work(&self) -> &str {
        &self.known.work.name
    }

    /// Returns its command, to be run in a folder with its inputs.
    pub fn line(&self) -> &str {
        &self.known.work.line
    }

    /// Whether the file, changed as it is, makes a working folder somebody else's.
    fn is_foreign(&self) -> bool {
        let page = serde_json::from_slice(&self.bytes).map(apo_provenance::open::<Provenance>);
        self.file.ends_with("provenance.json") && matches!(page, Ok(Err(PageError::Foreign)))
    }

    /// Whether what a stopped run left cannot even be begun anew, or is not left
    /// alone though it is somebody else's.
    fn is_stuck(&self, folder: &Path, ran: &Ran) -> Option<String> {
        let Known {
            work, made: whole, ..
        } = self.known;
        if work.stopped.is_none() || ran.status == Some(0) && !self.is_foreign() {
            return None;
        }
        let mut anew = work.clone();
        anew.line += " --overwrite";
        let ran = run(folder, &anew);
        if self.is_foreign() {
            let is_kept = fs::read(folder.join(self.file)).is_ok_and(|it| it == self.bytes);
            let is_refused = ran.status == Some(3) && ran.stderr.contains("move that away");
            return (!is_kept || !is_refused)
                .then(|| format!("a folder of others is not refused: {}", ran.stderr));
        }
        if ran.status != Some(0) {
            let (status, stderr) = (ran.status, ran.stderr);
            return Some(format!("--overwrite ends with {status:?}: {stderr}"));
        }
        (made(folder, &ran) != *whole).then(|| "--overwrite makes something else".to_owned())
    }

    /// Lays out what it reads in a folder, which is emptied.
    ///
    /// # Panics
    ///
    /// When the folder cannot be written.
    pub fn lay_out(&self, folder: &Path) {
        copy(&self.known.whole, folder);
        fs::write(folder.join(self.file), &self.bytes).expect("a file can be written");
    }

    /// Runs a case in a folder of its own.
    ///
    /// # Panics
    ///
    /// When a program cannot be started.
    pub fn run(&self, folder: &Path) -> Outcome {
        let Known {
            work, made: whole, ..
        } = self.known;
        self.lay_out(folder);
        let ran = run(folder, work);
        let made = made(folder, &ran);
        let differs = ran.status == Some(0) && made != *whole;
        let is_damage = work.depends_on_contents_alone()
            && works::has_checksums(self.file)
            && !works::only_drops_lines(self.file, &self.known.read(self.file), &self.bytes);
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let wrong = if differs && is_damage && !ran.stderr.contains(&*name) {
            Some("the damage is accepted, and the result is another".to_owned())
        } else {
            let leaves_output = folder.join(OUT).exists() && work.makes_a_file();
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

/// Copies a folder over another.
fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to); // absent on the first run
    stages::copy(from, to);
}

/// Runs a work within bounds of time and memory.
fn run(folder: &Path, work: &Work) -> Ran {
    let stage = stages::command(folder, &work.line);
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
    if stderr.len() > MOST_SAID {
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

/// Whether a text names a file, or the folder of the round that it lies in.
fn names(text: &str, file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let folder = file.iter().next().unwrap_or_default().to_string_lossy();
    let is_part = |c: char| c.is_alphanumeric() || "._-/".contains(c);
    let mut words = text.split(|c| !is_part(c));
    // A sentence may end with it.
    text.contains(&*name) || words.any(|it| it.trim_end_matches('.') == folder)
}

/// Returns what a work made: of a table the pages, of a model all but what says
/// how it was made, else what it printed.
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
    let said = |it: &PathBuf| it.ends_with("apo.json") || it.ends_with("metrics.parquet");
    files.retain(|it| !said(it));
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

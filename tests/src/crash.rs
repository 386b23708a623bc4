//! Faults of a stage at each system call that changes the disk: a kill, an error
//! of the disk, a full disk. The same command again must make the same bytes and
//! leave nothing beside them.
//!
//! `strace` injects the faults; it is a Debian package of that name.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use apo_provenance::digest_path;
use serde_json::{Value, json};

use crate::stages::{self, Ran};
use mini_world::loopback::serve;

/// System calls that change the disk, but for what is written into files.
const CALLS: &str = "rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,fsync,\
                     fdatasync,truncate,ftruncate";

/// What happens at a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed before the call.
    Kill,
    /// The call fails: the disk is broken.
    Broken,
    /// The call fails: the disk is full.
    Full,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kill, Self::Broken, Self::Full];

    fn injected(self) -> &'static str {
        match self {
            Self::Kill => "signal=SIGKILL",
            Self::Broken => "error=EIO",
            Self::Full => "error=ENOSPC",
        }
    }
}

/// A system call, and which of its thread's calls of this name it is, from 1.
///
/// `strace` counts like this: by name and by thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: usize,
}

impl Call {
    /// Reads the calls in the log of `strace -f`, in order, with their lines.
    pub fn all(log: &str) -> Vec<(&str, Self)> {
        let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
        let mut found = Vec::new();
        for line in log.lines() {
            let words = line.split_once(char::is_whitespace);
            let words =
                words.and_then(|(thread, it)| Some((thread, it.trim_start().split_once('(')?)));
            let Some((thread, (name, _))) = words else {
                continue; // the end of a call that another thread interrupted
            };
            let number = counts.entry((thread, name)).or_default();
            *number += 1;
            let (name, number) = (name.to_owned(), *number);
            found.push((line, Self { name, number }));
        }
        found
    }
}

/// A command that makes one output.
#[derive(Clone, Debug)]
pub struct Work {
    /// What it is called in reports.
    pub name: &'static str,
    /// Stage and arguments, without `--out`.
    pub line: String,
    /// Arguments with which the output is made first, to be replaced.
    pub replaces: Option<String>,
}

/// Whether `strace` is here and may trace.
pub fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    let traced = strace.args(["-f", "-qq", "-e", "trace=none", "true"]);
    let status = traced.stderr(Stdio::null()).status();
    status.is_ok_and(|it| it.success())
}

/// A work, and what it makes where nothing goes wrong.
pub struct Trial<'a> {
    dir: &'a Path,
    work: &'a Work,
    /// The calls that the work makes, in order.
    pub calls: Vec<Call>,
    /// What is made, and what stood there before.
    whole: Option<String>,
    before: Option<String>,
}

impl<'a> Trial<'a> {
    /// Runs the work once in `dir`, and counts its calls.
    ///
    /// # Panics
    ///
    /// When it fails without a fault, or does not make the same bytes twice.
    pub fn new(dir: &'a Path, work: &'a Work) -> Self {
        let mut trial = Self {
            dir,
            work,
            calls: Vec::new(),
            whole: None,
            before: None,
        };
        let out = trial.prepare("whole");
        trial.before = trial.made(&out);
        trial.succeed(&out);
        trial.whole = trial.made(&out);
        trial.clean(&out);
        let out = trial.prepare("counted");
        let log = dir.join(format!("{out}.strace"));
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", "signal=none", "-o"]);
        strace.arg(&log).arg(format!("--trace={CALLS}"));
        let ran = trial.run(strace, &out);
        assert_eq!(ran.status, Some(0), "{}\n{}", work.name, ran.stderr);
        assert_eq!(trial.made(&out), trial.whole, "{}: twice", work.name);
        let text = fs::read_to_string(&log).expect("strace writes its log");
        fs::remove_file(&log).expect("the log can be removed");
        let mut known = HashSet::new();
        let calls = Call::all(&text).into_iter().map(|(_, call)| call);
        trial.calls = calls.filter(|call| known.insert(call.clone())).collect();
        trial.clean(&out);
        trial
    }

    /// Runs the work with a fault at one of its calls, then once more without;
    /// returns what is wrong with that, if anything is.
    ///
    /// # Panics
    ///
    /// When a program cannot be started.
    pub fn fault(&self, fault: Fault, call: &Call) -> Option<String> {
        let Call { name, number } = call;
        let out = self.prepare(&format!("{fault:?}-{name}-{number}").to_lowercase());
        let log = self.dir.join(format!("{out}.strace"));
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(&log);
        strace.arg(format!("--trace={name}"));
        let injected = fault.injected();
        strace.arg(format!("--inject={name}:{injected}:when={number}"));
        let faulty = self.run(strace, &out);
        let text = fs::read_to_string(&log).expect("strace writes its log");
        fs::remove_file(&log).expect("the log can be removed");
        let happened = faulty.status.is_none() || text.contains("INJECTED");
        let found = self.made(&out);
        let wrong = if !happened {
            Some("the fault does not happen".to_owned())
        } else if faulty.stderr.contains("a bug in this program") {
            Some("a panic".to_owned())
        } else if faulty.status == Some(0) && found != self.whole {
            Some("ends well, and its output is another".to_owned())
        } else if found != self.whole && found != self.before {
            Some("half an output is in its place".to_owned())
        } else if !matches!((fault, faulty.status), (_, Some(0 | 1)) | (Fault::Kill, _)) {
            Some(format!("ends with {:?}", faulty.status))
        } else {
            let again = stages::run(self.dir, &self.line(&out));
            let mut beside = self.beside(&out);
            // Answers are paid for; their journal stays.
            beside.retain(|it| !it.ends_with(".journal.jsonl"));
            if again.status != Some(0) {
                Some(format!(
                    "the same command again ends with {:?}: {}",
                    again.status, again.stderr
                ))
            } else if self.made(&out) != self.whole {
                Some("the same command again makes other bytes".to_owned())
            } else if !beside.is_empty() {
                Some(format!("the same command again leaves {beside:?}"))
            } else {
                None
            }
        };
        self.clean(&out);
        wrong.map(|wrong| {
            format!(
                "{}, {fault:?} at {name} {number}: {wrong}\n{}",
                self.work.name, faulty.stderr
            )
        })
    }

    fn line(&self, out: &str) -> String {
        let overwrite = self.work.replaces.as_ref().map_or("", |_| "--overwrite");
        format!("{} --out {out} {overwrite}", self.work.line)
    }

    /// Runs the work under `strace`.
    fn run(&self, mut strace: Command, out: &str) -> Ran {
        let work = stages::command(self.dir, &self.line(out));
        strace.current_dir(self.dir);
        strace.arg(work.get_program()).args(work.get_args());
        stages::finish(&mut strace)
    }

    fn succeed(&self, out: &str) {
        stages::succeed(self.dir, &self.line(out));
    }

    /// Names an output of its own, and makes what is to be replaced.
    fn prepare(&self, name: &str) -> String {
        let out = format!("{}-{name}", self.work.name.replace(' ', "-"));
        self.clean(&out);
        if let Some(line) = &self.work.replaces {
            stages::succeed(self.dir, &format!("{line} --out {out}"));
        }
        out
    }

    /// Returns a digest of the output; none where there is none. The metrics of
    /// a training say how long its steps took.
    fn made(&self, out: &str) -> Option<String> {
        let path = self.dir.join(out);
        if !path.exists() {
            return None;
        }
        if !path.is_dir() {
            return Some(digest_path(&path).expect("an output can be read"));
        }
        let mut names: Vec<PathBuf> = fs::read_dir(&path)
            .expect("an output can be read")
            .map(|entry| entry.expect("an output can be read").path())
            .filter(|it| !it.ends_with("metrics.parquet"))
            .collect();
        names.sort();
        let digests = names.iter().map(|it| {
            let digest = digest_path(it).expect("an output can be read");
            format!("{}: {digest}", it.display()).replace(&*path.to_string_lossy(), "")
        });
        Some(digests.collect::<Vec<_>>().join("\n"))
    }

    /// Returns what lies beside the output and bears its name.
    fn beside(&self, out: &str) -> Vec<String> {
        let entries = fs::read_dir(self.dir).expect("the folder can be read");
        let names = entries.flatten().map(|it| it.file_name());
        let names = names.map(|it| it.to_string_lossy().into_owned());
        names
            .filter(|it| {
                it.strip_prefix(out)
                    .is_some_and(|rest| rest.starts_with('.'))
            })
            .collect()
    }

    fn clean(&self, out: &str) {
        for name in self.beside(out).into_iter().chain([out.to_owned()]) {
            let path = self.dir.join(name);
            let _ = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
    }
}

/// Makes what [`works`] read, in a folder of a test's own in `target`.
///
/// # Panics
///
/// When a stage fails.
pub fn inputs(target: &str, test: &str) -> PathBuf {
    let dir = stages::small_round(target, test);
    for (seed, out) in [(8, "ones"), (9, "others")] {
        let line = format!(
            "sample --model policy --queries data/llm-queries.parquet --samples 1 --seed {seed} \
             --max-new-tokens 12 --out {out}.parquet"
        );
        stages::succeed(&dir, &line);
    }
    dir
}

/// Starts an endpoint that answers for as long as this process runs, and returns
/// its address.
fn endpoint() -> String {
    let answer = |_: &Value| {
        let message = json!({ "role": "assistant", "content": "With soap.\nequally good" });
        let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
        (200, json!({ "choices": [choice] }))
    };
    let address = serve(answer).expect("a port is free");
    format!("http://{address}/v1")
}

/// Returns every kind of output that a stage makes, and one of each kind that is
/// replaced; they read [`inputs`].
pub fn works() -> Vec<Work> {
    let fixtures = stages::workspace().join("fixtures");
    let work = |name, line: &str| Work {
        name,
        line: line.to_owned(),
        replaces: None,
    };
    let replaced = |name, line: &str, more: &str| Work {
        name,
        line: format!("{line} {more}"),
        replaces: Some(line.to_owned()),
    };
    let split = format!(
        "hh-split --hh {}/hh --take 24 --take-test 8 --rm 12 --dev 2",
        fixtures.display()
    );
    let endpoint = endpoint();
    let asked = format!(
        "gold-collect --queries data/test-queries.parquet --pairs data/test-pairs.parquet \
         --base-url {endpoint} --model m --requests 1"
    );
    let compared = format!(
        "judge compare --a ones.parquet --b others.parquet --take 3 --base-url {endpoint} \
         --model m --requests 1"
    );
    let golden = "gold-collect --queries data/rm-queries.parquet --pairs data/rm-pairs.parquet \
                  --hh-best";
    let sample = "sample --model policy --queries data/test-queries.parquet --max-new-tokens 6";
    let reward = "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet \
                  --samples rm-samples.parquet --batch 12 --checkpoint-minutes 0";
    let tuned = "align sft --model policy --pairs data/rm-pairs.parquet --batch 12 \
                 --checkpoint-minutes 0";
    let aligned = "align dpo --model policy --responses scored.parquet --batch 12 \
                   --checkpoint-minutes 0";
    let scored = "judge score --model rm --responses samples.parquet --micro-tokens 400";
    vec![
        work("hh-split", &split),
        replaced("hh-split again", &split, "--seed 7"),
        work("gold-collect", golden),
        Work {
            replaces: Some(golden.replace("/rm-", "/llm-")),
            ..work("gold-collect again", golden)
        },
        work("gold-collect asks", &asked),
        work("sample", sample),
        replaced("sample again", sample, "--seed 7"),
        work("rm-train", reward),
        replaced("rm-train again", reward, "--learning-rate 1e-4"),
        work("align sft", tuned),
        work("align dpo", aligned),
        replaced("align dpo again", aligned, "--beta 0.3"),
        work("judge score", scored),
        replaced("judge score again", scored, "--limit 100"),
        work(
            "judge log-probs",
            "judge log-probs --model policy --responses samples.parquet --micro-tokens 400",
        ),
        work(
            "judge human sheet",
            "judge human sheet --a ones.parquet --b others.parquet --take 4",
        ),
        work("judge compare", &compared),
    ]
}

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
use mini_world::loopback::serve;
use serde_json::{Value, json};

use crate::served::drawn;
use crate::stages::{self, Ran};
use crate::works::{Makes, WORKS};

/// System calls that change the disk, except writes to files.
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

/// A system call: the nth call of this name in its thread, as `strace` counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Its number, from 1.
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

/// A command that is run with faults in its calls.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in messages.
    pub name: String,
    /// Stage and arguments, without `--out`.
    pub line: String,
    /// The command that makes the output first, to be replaced.
    pub replaces: Option<String>,
}

/// Tells whether `strace` is installed and may trace.
pub fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    let traced = strace.args(["-f", "-qq", "-e", "trace=none", "true"]);
    let status = traced.stderr(Stdio::null()).status();
    status.is_ok_and(|it| it.success())
}

/// A case, and what it makes if nothing goes wrong.
pub struct Trial<'a> {
    dir: &'a Path,
    case: &'a Case,
    /// The calls that it makes, in order.
    pub calls: Vec<Call>,
    /// Digests of what it makes, and of what was there before.
    whole: Option<String>,
    before: Option<String>,
}

impl<'a> Trial<'a> {
    /// Runs a case once in `dir`, and counts its calls.
    ///
    /// # Panics
    ///
    /// When it fails without a fault, or does not make the same bytes twice.
    pub fn new(dir: &'a Path, case: &'a Case) -> Self {
        let mut trial = Self {
            dir,
            case,
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
        assert_eq!(ran.status, Some(0), "{}\n{}", case.name, ran.stderr);
        assert_eq!(trial.made(&out), trial.whole, "{}: twice", case.name);
        let text = fs::read_to_string(&log).expect("strace writes its log");
        fs::remove_file(&log).expect("the log can be removed");
        let mut known = HashSet::new();
        let calls = Call::all(&text).into_iter().map(|(_, call)| call);
        trial.calls = calls.filter(|call| known.insert(call.clone())).collect();
        trial.clean(&out);
        trial
    }

    /// Runs the case with a fault at one of its calls, then once more without;
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
            let mut leftovers = self.neighbours(&out);
            // The journal stays, because its answers were paid for.
            leftovers.retain(|it| !it.ends_with(".journal.jsonl"));
            if again.status != Some(0) {
                Some(format!(
                    "the same command again ends with {:?}: {}",
                    again.status, again.stderr
                ))
            } else if self.made(&out) != self.whole {
                Some("the same command again makes other bytes".to_owned())
            } else if !leftovers.is_empty() {
                Some(format!("the same command again leaves {leftovers:?}"))
            } else {
                None
            }
        };
        self.clean(&out);
        wrong.map(|wrong| {
            format!(
                "{}, {fault:?} at {name} {number}: {wrong}\n{}",
                self.case.name, faulty.stderr
            )
        })
    }

    fn line(&self, out: &str) -> String {
        let overwrite = self.case.replaces.as_ref().map_or("", |_| "--overwrite");
        format!("{} --out {out} {overwrite}", self.case.line)
    }

    /// Runs the case under `strace`.
    fn run(&self, mut strace: Command, out: &str) -> Ran {
        let stage = stages::command(self.dir, &self.line(out));
        strace.current_dir(self.dir);
        strace.arg(stage.get_program()).args(stage.get_args());
        stages::finish(&mut strace)
    }

    fn succeed(&self, out: &str) {
        stages::succeed(self.dir, &self.line(out));
    }

    /// Returns the name of a new output, and makes what it is to replace.
    fn prepare(&self, name: &str) -> String {
        let out = format!("{}-{name}", self.case.name.replace(' ', "-"));
        self.clean(&out);
        if let Some(line) = &self.case.replaces {
            stages::succeed(self.dir, &format!("{line} --out {out}"));
        }
        out
    }

    /// Returns a digest of the output, or `None` if there is none. It leaves out the
    /// metrics of a training, which hold times.
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

    /// Returns the files next to the output whose names begin with its name.
    fn neighbours(&self, out: &str) -> Vec<String> {
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
        for name in self.neighbours(out).into_iter().chain([out.to_owned()]) {
            let path = self.dir.join(name);
            let _ = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
    }
}

/// Starts an endpoint, for chats and texts, that answers until this process ends, and returns its address.
fn endpoint() -> String {
    let answer = |request: &Value| {
        if request.get("messages").is_none() {
            return (200, drawn(request));
        }
        let message = json!({ "role": "assistant", "content": "With soap.\nequally good" });
        let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
        (200, json!({ "choices": [choice] }))
    };
    let address = serve(answer).expect("a port is free");
    format!("http://{address}/v1")
}

/// Returns arguments with which a work takes little time and keeps its state often.
fn small(work: &str) -> &'static str {
    match work {
        "sample" | "sample asks" => "--max-new-tokens 6",
        "rm-train" | "align sft" | "align dpo" => "--batch 12 --checkpoint-minutes 0",
        "judge score" | "judge log-probs" => "--micro-tokens 400",
        _ => "",
    }
}

/// Returns the command that replaces the output of `line`, a work's command; `None` if
/// another work covers that kind of output.
fn again(work: &str, line: &str) -> Option<String> {
    let argument = match work {
        "hh-split" | "sample" => "--seed 7",
        "rm-train" => "--learning-rate 1e-4",
        "align dpo" => "--beta 0.3",
        "judge score" => "--limit 100",
        "gold-collect" => return Some(line.replace("/rm-", "/llm-")),
        _ => return None,
    };
    Some(format!("{line} {argument}"))
}

/// Returns a case for every work that makes an output, and one that replaces each kind
/// of output. They read [`works::inputs`](crate::works::inputs).
pub fn cases() -> Vec<Case> {
    let endpoint = endpoint();
    let mut cases = Vec::new();
    for work in WORKS.iter().filter(|it| it.makes == Makes::Output) {
        let mut line = format!("{} {}", work.line, small(work.name));
        if work.asks {
            line += &format!(" --base-url {endpoint}");
        }
        let replacing = again(work.name, &line);
        cases.push(Case {
            name: work.name.to_owned(),
            line: line.clone(),
            replaces: None,
        });
        cases.extend(replacing.map(|again| Case {
            name: format!("{} again", work.name),
            line: again,
            replaces: Some(line),
        }));
    }
    cases
}

//! The files that tasks read: those of a small round.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use apo_endpoint::{Entry, Journal, Outcome};
use apo_golden::Collector;
use apo_tables::{Query, Reader};
use flate2::Compression;
use flate2::write::GzEncoder;
use mini_world::fixtures;
use mini_world::journal::MODEL;
use serde_json::json;

use super::tasks::{self, OUT, PARTIAL, STOPPED, Stop, Task};
use crate::crash::{Call, can_trace};
use crate::stages::{self, succeed, workspace};
use crate::works;

/// Sizes of a model that takes little time.
const SIZES: [(&str, u64); 6] = [
    ("hidden_size", 32),
    ("intermediate_size", 48),
    ("num_hidden_layers", 2),
    ("num_attention_heads", 2),
    ("num_key_value_heads", 1),
    ("head_dim", 16),
];

/// Lines of HH that are read as raw data.
const RAW: usize = 24;

/// A chat template.
const CHAT: &str = "{% for message in messages %}{{ '<|' + message.role + '|>' }}\n\
                    {{ message.content | trim }}\n{% endfor %}<|assistant|>\n";

/// The files, in a folder.
#[derive(Debug)]
pub struct Round {
    dir: PathBuf,
}

/// Returns the files of a folder and its subfolders, sorted.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn write(path: PathBuf, bytes: impl AsRef<[u8]>) {
    let folder = path.parent().expect("a file lies in a folder");
    fs::create_dir_all(folder).expect("a folder can be made");
    fs::write(path, bytes).expect("a file can be written");
}

impl Round {
    /// Makes all of them in an empty folder.
    pub fn make(dir: &Path) -> Self {
        let _ = fs::remove_dir_all(dir); // absent on the first run
        let round = Self {
            dir: dir.join("round"),
        };
        fs::create_dir_all(&round.dir).expect("a folder can be made");
        round.small_model();
        works::copy_hh(&round.dir);
        for line in [
            "hh-split --hh hh --take 24 --take-test 6 --rm 12 --dev 2 --out data",
            "align sft --model small --from-scratch --pairs data/train-pairs.parquet --batch 8 \
             --learning-rate 2e-3 --out policy",
            "gold-collect --queries data/rm-queries.parquet --pairs data/rm-pairs.parquet \
             --hh-best --out golden.parquet",
            "sample --model policy --queries data/rm-queries.parquet --samples 2 \
             --max-new-tokens 6 --out rm-samples.parquet",
            "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet \
             --samples rm-samples.parquet --batch 8 --out rm",
            "sample --model policy --queries data/llm-queries.parquet --samples 2 \
             --max-new-tokens 6 --out samples.parquet",
            "sample --model policy --queries data/test-queries.parquet --samples 1 --max-new-tokens 6 \
             --out answers.parquet",
            "sample --model policy --queries data/test-queries.parquet --samples 1 --max-new-tokens 6 --seed 7 \
             --out others.parquet",
            "judge score --model rm --responses samples.parquet --out scored.parquet",
        ] {
            succeed(&round.dir, line);
        }
        stages::copy(&round.dir.join("policy"), &round.dir.join("chat"));
        write(round.dir.join("chat/chat_template.jinja"), CHAT);
        fs::remove_file(round.dir.join("chat/apo.json")).expect("a model of ours has one");
        round.raw_data();
        if can_trace() {
            for (name, stop) in STOPPED {
                round.stop(name, stop);
            }
        }
        round
    }

    /// Makes the directory of a model without weights.
    fn small_model(&self) {
        let from = workspace().join("fixtures/mini");
        stages::copy(&from, &self.dir.join("small"));
        let path = self.dir.join("small/config.json");
        let text = fs::read_to_string(&path).expect("a model has a config");
        let mut config: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        for (name, size) in SIZES {
            config[name] = size.into();
        }
        write(path, config.to_string());
    }

    /// Writes files as other programs could have written them.
    fn raw_data(&self) {
        let fixtures = workspace().join("fixtures");
        let raw = self.dir.join("raw");
        let hh = Path::new("hh/helpful-base/train.jsonl.gz");
        let stored = fs::read(fixtures.join(hh)).expect("the fixtures are there");
        let text = fixtures::content(hh, &stored).expect("it is gzip");
        let lines: Vec<&[u8]> = text
            .split_inclusive(|byte| *byte == b'\n')
            .take(RAW)
            .collect();
        let lines = lines.concat();
        write(raw.join("hh.jsonl"), &lines);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&lines).expect("memory takes it");
        write(
            raw.join("hh.jsonl.gz"),
            encoder.finish().expect("memory takes it"),
        );
        let corpus = fixtures.join("fuzz");
        for (from, to) in [
            ("lines/forms.jsonl", "forms.jsonl"),
            ("list/comparisons.json", "list.json"),
            ("list/annotations.json", "annotations.json"),
            ("parquet/pairs.parquet", "pairs.parquet"),
        ] {
            let bytes = fs::read(corpus.join(from));
            write(
                raw.join(to),
                bytes.unwrap_or_else(|error| panic!("{from}: {error}")),
            );
        }
        for (line, to) in [
            (
                "judge score --model rm --responses samples.parquet --json --out s",
                "score.json",
            ),
            (
                "judge accuracy --model rm --pairs data/test-pairs.parquet --json",
                "accuracy.json",
            ),
        ] {
            write(raw.join(to), succeed(&self.dir, line));
        }
        self.answers(&raw);
        self.described();
    }

    /// Makes a run with a `run.json` from what was measured.
    fn described(&self) {
        let run = self.dir.join("run");
        fs::create_dir_all(&run).expect("the round's folder can be written");
        for (from, to) in [
            ("score.json", "score.json"),
            ("accuracy.json", "rm.test.json"),
            ("accuracy.json", "rm.dev.json"),
        ] {
            let from = self.dir.join("raw").join(from);
            fs::copy(from, run.join(to)).expect("the round's folder can be written");
        }
        let describe = "judge describe --run run --arm RJS=SFT --table all=SFT;RM \
                        score:SFT=score.json test:RM=rm.test.json dev:RM=rm.dev.json";
        succeed(&self.dir, describe);
    }

    /// Writes golden answers to the round's queries, as a journal and as a file that
    /// people would write.
    fn answers(&self, raw: &Path) {
        let collector = Collector::new(MODEL);
        let queries = Reader::<Query>::open(&self.dir.join("data/rm-queries.parquet"));
        let prompts: Vec<String> = queries
            .expect("hh-split writes queries")
            .map(|query| query.expect("they are whole").prompt)
            .collect();
        let answer = |prompt| json!({"prompt": prompt, "response": "I see."}).to_string() + "\n";
        let answers: String = prompts.iter().map(answer).collect();
        write(raw.join("answers.jsonl"), answers);
        let text = fs::read_to_string(workspace().join("fixtures/golden-journal.jsonl"));
        let text = text.expect("the fixtures are there");
        let entries = text.lines().map(|line| {
            let entry: Entry = serde_json::from_str(line).expect("a line of a journal");
            (entry.request, entry)
        });
        let entries: HashMap<_, _> = entries.collect();
        let journal = Journal::open(&raw.join("journal.jsonl"));
        let journal = journal.expect("a journal can be written");
        for prompt in &prompts {
            let first = collector.first_request(prompt);
            let entry = &entries[&first.digest()];
            journal.append(entry).expect("a journal can be written");
            if let Outcome::Reply(reply) = &entry.outcome {
                // The question after a bare refusal.
                let why = collector.why_request(&first, reply.answer()).digest();
                if let Some(entry) = entries.get(&why) {
                    journal.append(entry).expect("a journal can be written");
                }
            }
        }
        let n = journal.n_requests();
        assert!(n >= prompts.len(), "{n} answers");
    }

    /// Kills a work at its stop, and keeps its working folder.
    fn stop(&self, name: &str, stop: Stop) {
        let work = stages::command(&self.dir, &tasks::line_of(name));
        let log = self.dir.join("strace");
        let run = |more: &[&str]| {
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-y", "-e", "signal=none", "-o"]);
            strace.arg(&log).arg(format!("--trace={}", stop.calls));
            strace.args(more);
            strace.arg(work.get_program()).args(work.get_args());
            strace.current_dir(&self.dir).env("RAYON_NUM_THREADS", "1");
            stages::finish(&mut strace)
        };
        // Run once to count the calls: `strace` injects by number, not by file.
        let ran = run(&[]);
        assert_eq!(ran.status, Some(0), "{name}\n{}", ran.stderr);
        let out = self.dir.join(OUT);
        let removed = if out.is_dir() {
            fs::remove_dir_all(out)
        } else {
            fs::remove_file(out)
        };
        removed.expect("an output can be removed");
        let text = fs::read_to_string(&log).expect("strace writes its log");
        let file = Path::new(PARTIAL).join(stop.file);
        let file = file.to_string_lossy();
        let calls = Call::all(&text).into_iter();
        let mut calls = calls.filter(|(line, _)| line.contains(&*file));
        let (_, call) = calls
            .nth(stop.number - 1)
            .unwrap_or_else(|| panic!("{name}: no call {} with {file}", stop.number));
        let when = format!("--inject={}:signal=SIGKILL:when={}", call.name, call.number);
        let ran = run(&[&when]);
        assert!(self.has(PARTIAL), "{name} was to be killed\n{}", ran.stderr);
        let to = self.dir.join(tasks::stopped(name));
        let folder = to.parent().expect("it lies in a folder");
        fs::create_dir_all(folder).expect("a folder can be made");
        fs::rename(self.dir.join(PARTIAL), to).expect("a folder can be moved");
    }

    /// Returns every task on the round: works that were stopped are resumed, too.
    pub fn tasks(&self) -> Vec<Task> {
        let mut found = tasks::from_the_beginning();
        for (name, _) in STOPPED {
            let folder = tasks::stopped(name);
            if self.has(&folder) {
                found.push(Task {
                    name: format!("{name}, stopped"),
                    line: tasks::line_of(name),
                    stopped: Some(folder),
                });
            }
        }
        found
    }

    /// Tells whether the round has a file or folder.
    fn has(&self, name: &str) -> bool {
        self.dir.join(name).exists()
    }

    /// Copies what a task reads into an empty folder, and returns the files that cases
    /// change, relative to the folder.
    pub fn lay_out(&self, task: &Task, folder: &Path) -> Vec<PathBuf> {
        fs::create_dir_all(folder).expect("a folder can be made");
        for word in task.line.split_whitespace().skip(1) {
            let word = word.split_once('=').map_or(word, |(_, path)| path);
            let from = self.dir.join(word);
            if from.is_dir() {
                stages::copy(&from, &folder.join(word));
            } else if from.is_file() {
                write(
                    folder.join(word),
                    fs::read(&from).expect("the file is there"),
                );
            }
        }
        let broken = match &task.stopped {
            None => folder.to_owned(),
            Some(stopped) => {
                stages::copy(&self.dir.join(stopped), &folder.join(PARTIAL));
                // A stopped task's inputs are those of the task that was not.
                folder.join(PARTIAL)
            }
        };
        let found = files(&broken).into_iter();
        // A lock is empty, and nobody reads what a training measured.
        let found = found.filter(|it| !it.ends_with("lock") && !it.ends_with("metrics.parquet"));
        let inside = |it: PathBuf| it.strip_prefix(folder).expect("it lies there").to_owned();
        found.map(inside).collect()
    }
}

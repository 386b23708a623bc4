//! `sample --base-url` with llama.cpp's server: a small policy, greedily the same texts,
//! counts and log-probs as `sample` itself has, and seeds, filters, a kill.
//!
//! `APO_LLAMA_CPP` names a Python with llama.cpp (see `peers.rs`); without it, the test says
//! that it is skipped.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use apo_tables::{Finish, Reader, Response};
use apo_tests::peers::peer;
use apo_tests::stages::{command, copy, finish, folder, kill, start_command, succeed, workspace};
use serde_json::Value;

/// The model's name at the server.
const NAME: &str = "policy";

/// Difference of log-probs of f32, summed over some tokens.
const TOLERANCE: f32 = 2e-4;

/// A server on this machine, which ends with this value.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Serves a GGUF file.
    fn start(python: &Path, gguf: &Path) -> Self {
        let mut command = Command::new(python);
        command
            .arg(workspace().join("tests/peers/llama_cpp_server.py"))
            .args([gguf.as_os_str(), NAME.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        Self { child, url }
    }

    /// Returns the command of a line of `sample` that asks it.
    fn asking(&self, dir: &Path, line: &str) -> Command {
        let line = format!("{line} --base-url {} --model-name {NAME} --json", self.url);
        let mut command = command(dir, &line);
        command.env("no_proxy", "127.0.0.1");
        command
    }

    /// Asks it by a line of `sample`, which must succeed, and returns the result.
    #[track_caller]
    fn ask(&self, dir: &Path, line: &str) -> Value {
        let ran = finish(&mut self.asking(dir, line));
        assert_eq!(ran.status, Some(0), "{line}\n{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take()); // ends it
        let _ = self.child.wait();
    }
}

/// Makes a folder with a policy, the same as GGUF, and queries.
fn world(python: &Path) -> PathBuf {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "llama-cpp-server");
    let fixtures = workspace().join("fixtures");
    copy(&fixtures.join("mini"), &dir.join("base"));
    let hh = fixtures.join("hh").display().to_string();
    succeed(
        &dir,
        &format!("hh-split --hh {hh} --take 240 --take-test 24 --rm 160 --dev 4 --out data"),
    );
    succeed(
        &dir,
        "align sft --model base --from-scratch --pairs data/rm-pairs.parquet --batch 8 --epochs 4 \
         --learning-rate 2e-3 --out sft",
    );
    let mut convert = Command::new(python);
    convert
        .current_dir(&dir)
        .arg(workspace().join("pipelines/peers/to_gguf.py"))
        .args(["sft", "sft.gguf", "f32"]);
    let ran = finish(&mut convert);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    dir
}

fn rows(table: &Path) -> Vec<Response> {
    let rows = Reader::<Response>::open(table).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Returns how many texts of two tables are the same.
fn same(a: &[Response], b: &[Response]) -> usize {
    assert_eq!(a.len(), b.len());
    let both = a.iter().zip(b);
    both.filter(|(a, b)| a.response == b.response).count()
}

#[test]
fn llama_cpp_draws_what_sample_draws() {
    let Some(python) = peer("APO_LLAMA_CPP", "Python with llama.cpp") else {
        return;
    };
    let dir = world(&python);
    let server = Server::start(&python, &dir.join("sft.gguf"));
    greedy_texts_are_the_same(&dir, &server);
    seeds_and_filters_count(&dir, &server);
    a_kill_loses_nothing(&dir, &server);
    what_it_does_not_do_is_refused(&dir, &server);
}

fn greedy_texts_are_the_same(dir: &Path, server: &Server) {
    for (name, options) in [
        // Some of them end by themselves, some are cut.
        ("plain", "--max-new-tokens 9"),
        ("penalty", "--max-new-tokens 24 --repetition-penalty 1.3"),
        ("short", "--max-new-tokens 24 --prompt-limit 6"),
    ] {
        let line = format!(
            "sample --model sft --queries data/test-queries.parquet --samples 1 --temperature 0 \
             {options}"
        );
        succeed(dir, &format!("{line} --out {name}-ours.parquet"));
        let found = server.ask(dir, &format!("{line} --out {name}.parquet"));
        let ours = rows(&dir.join(format!("{name}-ours.parquet")));
        let theirs = rows(&dir.join(format!("{name}.parquet")));
        assert_eq!(found["server"]["asked"]["requests"], ours.len());
        assert_eq!(found["server"]["without_log_prob"], 0);
        assert_eq!(ours.len(), theirs.len());
        let mut finishes = Vec::new();
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(theirs.response, ours.response, "{name}");
            assert_eq!(theirs.finish, ours.finish, "{name}: {ours:?}");
            assert_eq!(theirs.tokens, ours.tokens, "{name}: {ours:?}");
            let (a, b) = (ours.log_prob.unwrap(), theirs.log_prob.unwrap());
            assert!((a - b).abs() < TOLERANCE, "{name}: {a} and {b} of {ours:?}");
            finishes.push(ours.finish);
        }
        if name == "plain" {
            assert!(finishes.contains(&Finish::Stop) && finishes.contains(&Finish::Length));
        }
    }
}

fn seeds_and_filters_count(dir: &Path, server: &Server) {
    let line = "sample --model sft --queries data/test-queries.parquet --samples 4 \
                --max-new-tokens 12 --temperature 1.2";
    let sampled = |name: &str, more: &str| {
        server.ask(dir, &format!("{line} {more} --out {name}.parquet"));
        rows(&dir.join(format!("{name}.parquet")))
    };
    let once = sampled("once", "--requests 1");
    let n = once.len();
    // Rounding may differ with what is computed at the same time.
    assert!(same(&once, &sampled("again", "")) > n * 9 / 10);
    assert!(same(&once, &sampled("other", "--seed 2")) < n / 2);
    for of_query in once.chunks(4) {
        assert!(same(&of_query[..3], &of_query[1..]) < 3, "{of_query:?}");
    }
    // The likeliest token alone is left, by either filter.
    let top_k = sampled("top-k", "--top-k 1");
    let top_p = sampled("top-p", "--top-p 1e-6");
    assert!(same(&top_k, &top_p) > n * 9 / 10);
    for of_query in top_k.chunks(4) {
        assert!(same(&of_query[..3], &of_query[1..]) > 1, "{of_query:?}");
    }
    let several = sampled("several", "--samples-per-request 4");
    for of_query in several.chunks(4) {
        assert!(same(&of_query[..3], &of_query[1..]) < 3, "{of_query:?}");
    }
    // Log-probs are those of the unchanged model, as `judge log-probs` computes them; a text
    // may have been drawn as other tokens than those by which it is read.
    succeed(
        dir,
        "judge log-probs --model sft --responses once.parquet --out judged.parquet",
    );
    let judged = rows(&dir.join("judged.parquet"));
    let alike = once.iter().zip(&judged).filter(|(it, judged)| {
        let both = it.log_prob.zip(judged.log_prob);
        both.is_some_and(|(a, b)| (a - b).abs() < TOLERANCE)
    });
    assert!(alike.count() > n / 2);
}

fn a_kill_loses_nothing(dir: &Path, server: &Server) {
    let line = "sample --model sft --queries data/rm-queries.parquet --samples 4 \
                --max-new-tokens 24 --requests 4";
    let whole = server.ask(dir, &format!("{line} --out whole.parquet"));
    let line = format!("{line} --out killed.parquet");
    let journal = dir.join("killed.parquet.journal.jsonl");
    // Its first line names the format.
    let answers = || {
        let lines = fs::read_to_string(&journal).map(|it| it.lines().count());
        lines.unwrap_or(0).saturating_sub(1)
    };
    let mut command = server.asking(dir, &line);
    let begun = || answers() >= 20;
    kill(start_command(&mut command, Duration::from_mins(2), begun));
    let known = answers();
    let found = server.ask(dir, &line);
    let n = whole["responses"].as_u64().unwrap() as usize;
    assert!(known < n, "it was to be killed before its end");
    assert_eq!(found["server"]["asked"]["requests"], n - known);
    let tables = ["whole.parquet", "killed.parquet"].map(|it| rows(&dir.join(it)));
    assert!(same(&tables[0], &tables[1]) > n * 9 / 10);
    for row in &tables[1] {
        assert!(row.tokens.is_some_and(|it| it > 0), "{row:?}");
    }
}

fn what_it_does_not_do_is_refused(dir: &Path, server: &Server) {
    let line = "sample --model sft --queries data/test-queries.parquet --out refused.parquet";
    // As many as it computes at once.
    let many = format!("{line} --samples 8 --samples-per-request 8");
    let ran = finish(&mut server.asking(dir, &many));
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("HTTP 400"), "{}", ran.stderr);
    let mut command = command(dir, &format!("{line} --base-url {}", server.url));
    let ran = finish(command.env("no_proxy", "127.0.0.1"));
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    let expected = format!("as the model `{NAME}`, not as `sft`");
    assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    assert!(!dir.join("refused.parquet").exists());
}

//! `gold-collect` on tables of a test's own.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use apo_provenance::Provenance;
use apo_tables::{Pair, Query, Reader, Response, Writer};
use serde_json::Value;

use crate::loopback::Server;

/// Returns an empty folder of this test's own.
pub fn fresh_dir(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "{}-{test}",
        module_path!().split("::").next().unwrap_or_default()
    ));
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    dir
}

pub fn prompt(question: &str) -> String {
    apo_hh::prompt_of([(apo_hh::Role::Human, question)])
}

/// Writes `queries.parquet` and `pairs.parquet`.
pub fn write_tables(dir: &Path, questions: &[&str]) {
    let provenance = Provenance::new("test", "0");
    let mut queries = Writer::create(&dir.join("queries.parquet"), &provenance).unwrap();
    let mut pairs = Writer::create(&dir.join("pairs.parquet"), &provenance).unwrap();
    for question in questions {
        let prompt = prompt(question);
        let (chosen, rejected) = (format!("better: {question}"), "worse".to_owned());
        queries
            .write(&Query {
                query_id: apo_hh::query_id(&prompt),
                subset: "helpful-base".into(),
                prompt: prompt.clone(),
            })
            .unwrap();
        pairs
            .write(&Pair {
                query_id: apo_hh::query_id(&prompt),
                pair_id: apo_hh::pair_id(&prompt, &chosen, &rejected),
                subset: "helpful-base".into(),
                prompt,
                chosen,
                rejected,
                margin: None,
            })
            .unwrap();
    }
    queries.finish().unwrap();
    pairs.finish().unwrap();
}

/// The stage in a folder, its environment without keys and proxies.
pub fn command(dir: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gold-collect"));
    command.current_dir(dir).args(args.split_whitespace());
    for name in [
        "OPENAI_API_KEY",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
    ] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
}

pub fn collect(dir: &Path, args: &str) -> Output {
    command(dir, args)
        .output()
        .expect("cargo has built the binary")
}

pub const TABLES: &str = "--queries queries.parquet --pairs pairs.parquet";

/// The usual arguments against a server, with pauses that no test waits for.
pub fn online(server: &Server, rest: &str) -> String {
    let url = &server.url;
    let quick = "--first-pause 0.01 --attempts 3 --out golden.parquet";
    format!("{TABLES} --base-url {url} --model m {quick} {rest}")
}

pub fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[track_caller]
pub fn succeeds(out: &Output) -> Value {
    assert_eq!(out.status.code(), Some(0), "{}", stderr(out));
    serde_json::from_slice(&out.stdout).unwrap_or(Value::Null)
}

#[track_caller]
pub fn fails(out: &Output, status: i32, expected: &str) {
    let stderr = stderr(out);
    assert_eq!(out.status.code(), Some(status), "{stderr}");
    assert!(
        stderr.contains(expected),
        "expected `{expected}` in: {stderr}"
    );
    assert!(out.stdout.is_empty(), "wrote to stdout");
}

pub fn golden(dir: &Path, name: &str) -> Vec<Response> {
    let rows = Reader::<Response>::open(&dir.join(name)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Returns response and origin by question.
pub fn by_question(rows: &[Response]) -> BTreeMap<String, (String, String)> {
    let entry = |row: &Response| {
        let question = apo_hh::turns(&row.prompt)[0].text.clone();
        (question, (row.response.clone(), row.origin.clone()))
    };
    rows.iter().map(entry).collect()
}

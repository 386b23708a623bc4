//! Drives the real binaries, as a user meets them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use apo_provenance::{Provenance, digest_path};
use apo_tables::{POLICY, Query, Response, Row, Writer};
use serde_json::Value;

/// Maximum time that a stage of a test may take to begin.
const PATIENCE: Duration = Duration::from_mins(2);

/// Returns an empty folder for one test in `target`.
///
/// # Panics
///
/// When it cannot be made.
pub fn folder(target: &str, test: &str) -> PathBuf {
    let dir = Path::new(target).join(test);
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).expect("the target folder can be written");
    dir
}

/// Returns the workspace's folder.
///
/// # Panics
///
/// When it is not there.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    here.canonicalize().expect("the workspace is there")
}

/// Returns the path of a binary of the workspace, of the same build as this test.
///
/// # Panics
///
/// When it is not built.
pub fn binary(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("a test is a file");
    // A test is in `deps/`, a program beside the others.
    let folders = here.ancestors().skip(1).take(2);
    let mut paths = folders.map(|it| it.join(name));
    let found = paths.find(|it| it.exists());
    found.unwrap_or_else(|| panic!("{name} is not there: cargo build --release --workspace"))
}

/// How a run of a stage ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// The result that it printed.
    pub stdout: String,
    /// Progress and errors.
    pub stderr: String,
}

/// Returns the command of `line`, a stage and its arguments separated by spaces, to be
/// run in `dir`. No model is looked for on the real hub.
///
/// # Panics
///
/// When the line is empty, or the stage is not built.
pub fn command(dir: &Path, line: &str) -> Command {
    let mut words = line.split_whitespace();
    let stage = words.next().expect("a line names a stage");
    let mut command = Command::new(binary(stage));
    command
        .current_dir(dir)
        .args(words)
        .env("HF_HUB_OFFLINE", "1")
        .env_remove("OPENAI_API_KEY");
    command
}

/// Runs `line` to its end.
///
/// # Panics
///
/// When it cannot be started.
pub fn run(dir: &Path, line: &str) -> Ran {
    finish(&mut command(dir, line))
}

/// Returns a `make` of the workspace. It builds nothing: the binaries are those of the build
/// that this test belongs to.
///
/// # Panics
///
/// When the binaries are not built.
pub fn make(arguments: &[&str]) -> Command {
    let mut make = Command::new("make");
    make.current_dir(workspace())
        .args(["--no-print-directory", "CARGO=true"])
        .args(arguments);
    // What cargo and make set for a test is not for the make that it starts.
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if shown.starts_with("CARGO_") && shown != "CARGO_HOME" {
            make.env_remove(&name);
        }
    }
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "RUN"] {
        make.env_remove(name);
    }
    let judge = binary("judge");
    let target = judge.ancestors().nth(2);
    make.env("CARGO_TARGET_DIR", target.expect("target/release/judge"));
    make
}

/// Runs a command to its end.
///
/// # Panics
///
/// When it cannot be started.
pub fn finish(command: &mut Command) -> Ran {
    let out = command.stdin(Stdio::null()).output();
    let out = out.expect("the command can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        status: out.status.code(),
        stdout: text(&out.stdout),
        stderr: text(&out.stderr),
    }
}

/// Runs `line`, which must succeed, and returns its result.
///
/// # Panics
///
/// When it fails.
#[track_caller]
pub fn succeed(dir: &Path, line: &str) -> String {
    let ran = run(dir, line);
    assert_eq!(ran.status, Some(0), "{line}\n{}", ran.stderr);
    ran.stdout
}

/// Runs `line`, which must end with `status` and one error that holds all of `expected`,
/// without a result, a panic or an escape code.
///
/// # Panics
///
/// When it does something else.
#[track_caller]
pub fn refuse(dir: &Path, line: &str, status: i32, expected: &[&str]) {
    let ran = run(dir, line);
    let stderr = &ran.stderr;
    assert_eq!(ran.status, Some(status), "{line}\n{stderr}");
    for expected in expected {
        assert!(
            stderr.contains(expected),
            "{line}\nexpected `{expected}` in\n{stderr}"
        );
    }
    let stage = line.split(' ').next().unwrap_or_default();
    let errors = stderr.matches(&format!("{stage}: ")).count();
    assert_eq!(errors, 1, "{line}: one error\n{stderr}");
    assert!(!stderr.contains("panicked"), "{line}\n{stderr}");
    assert!(!stderr.contains('\x1b'), "{line}: an escape code\n{stderr}");
    assert!(ran.stdout.is_empty(), "{line} printed\n{}", ran.stdout);
}

/// Starts `line` and returns its process once `begun` holds.
///
/// # Panics
///
/// When it ends before that.
#[track_caller]
pub fn start(dir: &Path, line: &str, begun: impl Fn() -> bool) -> Child {
    start_command(&mut command(dir, line), PATIENCE, begun)
}

/// Starts a command and returns its process once `begun` holds, within some time.
///
/// # Panics
///
/// When it ends before that, or takes longer.
#[track_caller]
pub fn start_command(command: &mut Command, patience: Duration, begun: impl Fn() -> bool) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("the stage can be started");
    let since = Instant::now();
    while !begun() {
        let ended = child.try_wait().expect("a child can be waited for");
        assert!(
            ended.is_none(),
            "{command:?} ended before it was to be stopped"
        );
        assert!(since.elapsed() < patience, "{command:?} does not begin");
        thread::sleep(Duration::from_millis(2));
    }
    child
}

/// Sends SIGTERM to a child and returns its exit status.
///
/// # Panics
///
/// When it cannot be sent.
pub fn terminate(mut child: Child) -> Option<i32> {
    let sent = Command::new("kill").arg(child.id().to_string()).status();
    assert!(sent.expect("kill is there").success());
    child.wait().expect("a child can be waited for").code()
}

/// Kills a child, as kill -9 does.
///
/// # Panics
///
/// When it cannot be ended.
pub fn kill(mut child: Child) {
    child.kill().expect("a child can be killed");
    child.wait().expect("a child can be waited for");
}

/// Returns what is at a path: `nothing`, the target of a link, or a digest.
///
/// # Panics
///
/// When it cannot be read.
pub fn state(at: &Path) -> String {
    match fs::symlink_metadata(at) {
        Err(_) => "nothing".into(),
        Ok(found) if found.is_symlink() => {
            format!(
                "a link to {}",
                fs::read_link(at).expect("a link can be read").display()
            )
        }
        Ok(_) => digest_path(at).expect("an output can be read"),
    }
}

/// Returns a digest of each file of an output, except the metrics of a training,
/// which hold times.
///
/// # Panics
///
/// When it cannot be read.
pub fn content(at: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(at) else {
        return vec![state(at)];
    };
    let paths = entries.map(|it| it.expect("a folder can be read").path());
    let mut found: Vec<_> = paths
        .filter(|it| !it.ends_with("metrics.parquet"))
        .map(|it| format!("{:?} {}", it.file_name(), state(&it)))
        .collect();
    found.sort();
    found
}

/// Copies a folder and follows links.
///
/// # Panics
///
/// When it cannot be copied.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("the folder can be read");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a file can be copied");
        }
    }
}

/// Copies a model that a stage wrote so that it can be changed: removes the digests of
/// its files and the checksum from its `apo.json`.
///
/// # Panics
///
/// When it cannot be copied.
pub fn copy_to_change(from: &Path, to: &Path) {
    copy(from, to);
    let path = to.join("apo.json");
    let text = fs::read(&path).expect("a stage wrote the model");
    let mut value: Value = serde_json::from_slice(&text).expect("apo.json is JSON");
    for field in ["files", "crc32"] {
        let found = value.as_object_mut().and_then(|it| it.remove(field));
        assert!(found.is_some(), "{} has `{field}`", path.display());
    }
    fs::write(&path, value.to_string()).expect("a file can be written");
}

/// Makes the tables and models of a small round in a folder for one test in `target`,
/// and returns the folder: `data/`, `policy/`, `golden.parquet`, `rm-samples.parquet`,
/// `rm/`, `samples.parquet`, `scored.parquet`. It takes seconds, and the models have
/// learned almost nothing.
///
/// # Panics
///
/// When a stage fails.
pub fn small_round(target: &str, test: &str) -> PathBuf {
    let dir = folder(target, test);
    let fixtures = workspace().join("fixtures");
    let fixtures = fixtures.display();
    for line in [
        &format!("hh-split --hh {fixtures}/hh --take 48 --take-test 8 --rm 24 --dev 4 --out data"),
        &format!(
            "align sft --model {fixtures}/mini --from-scratch --pairs data/train-pairs.parquet \
             --batch 8 --learning-rate 2e-3 --out policy"
        ),
        "gold-collect --queries data/rm-queries.parquet --pairs data/rm-pairs.parquet --hh-best \
         --out golden.parquet",
        "sample --model policy --queries data/rm-queries.parquet --samples 2 --max-new-tokens 12 \
         --out rm-samples.parquet",
        "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet \
         --samples rm-samples.parquet --batch 8 --learning-rate 1e-3 --out rm",
        "sample --model policy --queries data/llm-queries.parquet --samples 3 \
         --max-new-tokens 12 --out samples.parquet",
        "judge score --model rm --responses samples.parquet --out scored.parquet",
    ] {
        succeed(&dir, line);
    }
    dir
}

/// Writes a table, and makes its folder.
///
/// # Panics
///
/// When it cannot be written.
pub fn write<R: Row>(path: &Path, provenance: &Provenance, rows: &[R]) {
    let folder = path.parent().expect("a table lies in a folder");
    fs::create_dir_all(folder).expect("a folder can be made");
    let mut writer = Writer::create(path, provenance).expect("a table can be begun");
    for row in rows {
        writer.write(row).expect("a row can be written");
    }
    writer.finish().expect("a table can be ended");
}

/// Returns a policy's only answer to the query with this number.
pub fn answer(query: usize, prompt: String, response: String) -> Response {
    let query = Query {
        query_id: format!("{query:016x}"),
        subset: "helpful-base".into(),
        prompt,
    };
    Response::new(query, response, POLICY)
}

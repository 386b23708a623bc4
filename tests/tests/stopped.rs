//! Stages that are killed, stopped, run twice or run beside each other: an output is the
//! same as without that, or it does not exist.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use apo_tests::stages::{
    command, copy, finish, kill, refuse, run, small_round, start, succeed, terminate, workspace,
};

/// A small round that all tests read.
static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "stopped"));

/// A stage that takes a while, its output, and how to tell that it has begun to keep
/// state.
struct Work {
    line: &'static str,
    /// The file that must be the same: one of a model directory, or the table itself.
    made: &'static str,
    begun: fn(&Path) -> bool,
}

fn has_bytes(path: &Path, n: u64) -> bool {
    fs::metadata(path).is_ok_and(|it| it.len() >= n)
}

fn has_checkpoint(partial: &Path) -> bool {
    let Ok(entries) = fs::read_dir(partial.join("checkpoints")) else {
        return false;
    };
    entries.flatten().any(|it| it.path().extension().is_none())
}

const WORKS: [Work; 4] = [
    Work {
        line: "sample --model policy --queries data/llm-queries.parquet --samples 4 \
               --max-new-tokens 64 --batch 5",
        made: "",
        begun: |partial| has_bytes(&partial.join("finished.spool"), 500),
    },
    Work {
        line: "rm-train --model policy --pairs data/rm-pairs.parquet --golden golden.parquet \
               --samples rm-samples.parquet --batch 2 --epochs 3 --learning-rate 1e-3 \
               --checkpoint-minutes 0 --micro-tokens 64",
        made: "model.safetensors",
        begun: has_checkpoint,
    },
    Work {
        line: "align dpo --model policy --responses scored.parquet --batch 2 --epochs 3 \
               --learning-rate 1e-3 --checkpoint-minutes 0 --micro-tokens 64",
        made: "model.safetensors",
        begun: has_checkpoint,
    },
    Work {
        line: "judge score --model rm --responses samples.parquet --batch-tokens 1 --threads 1",
        made: "",
        begun: |partial| has_bytes(&partial.join("values.spool"), 100),
    },
];

fn made(dir: &Path, out: &str, work: &Work) -> Vec<u8> {
    let path = dir.join(out).join(work.made);
    // Joining nothing leaves a slash behind.
    let path = if work.made.is_empty() {
        dir.join(out)
    } else {
        path
    };
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn killed_again_and_again_is_never_killed() {
    let dir = &*ROUND;
    for (i, work) in WORKS.iter().enumerate() {
        succeed(dir, &format!("{} --out whole-{i}", work.line));
        let out = format!("killed-{i}");
        let line = format!("{} --out {out}", work.line);
        let partial = dir.join(format!("{out}.partial"));
        kill(start(dir, &line, || (work.begun)(&partial)));
        assert!(!dir.join(&out).exists(), "{line}: half of it is there");
        // Once more, as soon as it holds its lock again; then with SIGTERM.
        kill(start(dir, &line, || true));
        let stopped = terminate(start(dir, &line, || (work.begun)(&partial)));
        if stopped != Some(0) {
            // Not yet listening, it dies by the signal; listening, it says so.
            assert!(matches!(stopped, Some(143) | None), "{line}: {stopped:?}");
            assert!(!dir.join(&out).exists(), "{line}: half of it is there");
        }
        let ran = run(dir, &line);
        assert_eq!(ran.status, Some(0), "{line}\n{}", ran.stderr);
        let whole = made(dir, &format!("whole-{i}"), work);
        assert_eq!(made(dir, &out, work), whole, "{line}");
        assert!(!partial.exists(), "{line}: its working folder is left");
    }
}

/// Returns all files of a folder and its subfolders, except the lock.
fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_in(&path));
        } else if !path.ends_with("lock") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Ways in which a disk or a copy may damage a file.
const DAMAGES: [fn(&mut Vec<u8>); 5] = [
    |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
    },
    |bytes| bytes[0] ^= 1,
    |bytes| *bytes.last_mut().unwrap() ^= 0x80,
    |bytes| bytes.truncate(bytes.len() * 2 / 3),
    |bytes| {
        let (third, n) = (bytes.len() / 3, bytes.len());
        bytes[third..(third + 512).min(n)].fill(0);
    },
];

#[test]
fn damage_to_what_a_stopped_run_kept_is_repaired_or_reported() {
    let dir = &*ROUND;
    for (i, work) in WORKS.iter().enumerate() {
        let out = format!("damaged-{i}");
        let line = format!("{} --out {out}", work.line);
        let partial = dir.join(format!("{out}.partial"));
        succeed(dir, &format!("{} --out undamaged-{i}", work.line));
        let whole = made(dir, &format!("undamaged-{i}"), work);
        kill(start(dir, &line, || (work.begun)(&partial)));
        let kept = dir.join(format!("kept-{i}"));
        let _ = fs::remove_dir_all(&kept); // absent on the first run
        fs::rename(&partial, &kept).unwrap();
        for (k, file) in files_in(&kept).into_iter().enumerate() {
            let name = file.strip_prefix(&kept).unwrap();
            let mut bytes = fs::read(&file).unwrap();
            if bytes.is_empty() {
                continue;
            }
            DAMAGES[(i + k) % DAMAGES.len()](&mut bytes);
            copy(&kept, &partial);
            fs::write(partial.join(name), &bytes).unwrap();
            let case = format!("{line}: {} is damaged", name.display());
            let mut ran = run(dir, &line);
            if ran.status != Some(0) {
                // What it is the work of cannot be told any more.
                assert!(matches!(ran.status, Some(3 | 4)), "{case}\n{}", ran.stderr);
                let expected = [&*out, "--overwrite"];
                let is_reported = expected.iter().all(|it| ran.stderr.contains(it));
                assert!(is_reported, "{case}\n{}", ran.stderr);
                ran = run(dir, &format!("{line} --overwrite"));
            }
            assert_eq!(ran.status, Some(0), "{case}\n{}", ran.stderr);
            assert_eq!(made(dir, &out, work), whole, "{case}");
            assert!(!partial.exists(), "{case}");
            let made = dir.join(&out);
            let _ = fs::remove_dir_all(&made).or_else(|_| fs::remove_file(&made));
        }
    }
}

#[test]
fn a_split_that_was_killed_is_made_anew_and_the_same() {
    let dir = &*ROUND;
    let hh = workspace().join("fixtures/hh");
    let line = |out: &str| {
        format!(
            "hh-split --hh {} --rm 40% --dev 5% --out {out}",
            hh.display()
        )
    };
    succeed(dir, &line("split"));
    let partial = dir.join("split-killed.partial");
    let begun = || partial.join("tables/raw-train.parquet").exists();
    kill(start(dir, &line("split-killed"), begun));
    assert!(!dir.join("split-killed").exists());
    // The killed run's table lies there still: the next one's is younger.
    let written = || fs::metadata(partial.join("tables/raw-train.parquet"))?.modified();
    let killed_at = written().unwrap();
    let begun_anew = || written().is_ok_and(|at| at > killed_at);
    let stopped = terminate(start(dir, &line("split-killed"), begun_anew));
    assert_eq!(stopped, Some(143));
    assert!(!partial.exists(), "there is nothing worth keeping");
    succeed(dir, &line("split-killed"));
    for table in ["rm-pairs", "llm-queries", "test-pairs", "rejects"] {
        let made = |out: &str| fs::read(dir.join(out).join(format!("{table}.parquet"))).unwrap();
        assert_eq!(made("split-killed"), made("split"), "{table}");
    }
}

#[test]
fn sigterm_saves_and_says_so() {
    let dir = &*ROUND;
    for (i, work) in WORKS.iter().enumerate() {
        let out = format!("stopped-{i}");
        let partial = dir.join(format!("{out}.partial"));
        let line = format!("{} --out {out}", work.line);
        let child = start(dir, &line, || (work.begun)(&partial));
        assert_eq!(terminate(child), Some(143), "{line}");
        assert!((work.begun)(&partial), "{line}: what was done is kept");
        assert!(!dir.join(&out).exists(), "{line}: half of it is there");
    }
}

#[test]
fn the_same_again_is_up_to_date_and_other_arguments_are_refused() {
    let dir = &*ROUND;
    let before = fs::read(dir.join("scored.parquet")).unwrap();
    let line = "judge score --model rm --responses samples.parquet --out scored.parquet";
    let again = run(dir, line);
    assert_eq!(again.status, Some(0), "{}", again.stderr);
    assert!(again.stderr.contains("up to date"), "{}", again.stderr);
    let line = "sample --model policy --queries data/llm-queries.parquet --samples 3 \
                --max-new-tokens 12 --out samples.parquet --json";
    assert_eq!(
        succeed(dir, line),
        "{\"up_to_date\":true,\"out\":\"samples.parquet\"}\n"
    );
    for (line, difference) in [
        (
            "judge score --model rm --responses samples.parquet --limit 100 --out scored.parquet",
            "limit",
        ),
        (
            "judge score --model rm --responses rm-samples.parquet --out scored.parquet",
            "responses",
        ),
        (
            "sample --model policy --queries data/llm-queries.parquet --samples 3 \
             --max-new-tokens 13 --out samples.parquet",
            "max_new_tokens",
        ),
        (
            "rm-train --model policy --pairs data/rm-pairs.parquet --batch 8 \
             --learning-rate 1e-3 --out rm",
            "golden",
        ),
        (
            "align sft --model policy --pairs data/rm-pairs.parquet --out rm",
            "stage was rm-train, is now align",
        ),
        (
            "gold-collect --queries data/llm-queries.parquet --pairs data/llm-pairs.parquet \
             --hh-best --out golden.parquet",
            "queries",
        ),
    ] {
        refuse(dir, line, 4, &[difference, "--overwrite"]);
    }
    assert_eq!(fs::read(dir.join("scored.parquet")).unwrap(), before);

    let line = "judge score --model rm --responses samples.parquet --out replaced.parquet";
    succeed(dir, line);
    succeed(dir, &format!("{line} --limit 100 --overwrite"));
    assert_ne!(fs::read(dir.join("replaced.parquet")).unwrap(), before);
}

#[test]
fn two_processes_do_not_write_one_output() {
    let dir = &*ROUND;
    let line = format!("{} --out two.parquet", WORKS[0].line);
    let partial = dir.join("two.parquet.partial");
    let first = start(dir, &line, || (WORKS[0].begun)(&partial));
    refuse(dir, &line, 1, &["another process", "two.parquet.partial"]);
    kill(first);
    succeed(dir, &line);
}

#[test]
fn a_full_disk_is_reported_and_leaves_nothing_in_place() {
    let dir = &*ROUND;
    for (line, blocks) in [
        (
            "sample --model policy --queries data/llm-queries.parquet --max-new-tokens 8",
            1,
        ),
        ("align sft --model policy --pairs data/rm-pairs.parquet", 64),
        ("judge score --model rm --responses samples.parquet", 1),
        (
            "gold-collect --queries data/rm-queries.parquet --pairs data/rm-pairs.parquet --hh-best",
            1,
        ),
    ] {
        let stage = line.split(' ').next().unwrap();
        // No file may grow beyond so many blocks of 512 bytes or 1 KiB.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut shell = std::process::Command::new("bash");
        shell.current_dir(dir).args(["-c", &script]);
        let program = command(dir, line);
        shell.arg(program.get_program()).args(program.get_args());
        shell.args(["--out", &format!("full-{stage}")]);
        let ran = finish(&mut shell);
        assert_eq!(ran.status, Some(1), "{line}\n{}", ran.stderr);
        assert!(
            ran.stderr.contains(&format!("full-{stage}")),
            "{line}: where\n{}",
            ran.stderr
        );
        assert!(!dir.join(format!("full-{stage}")).exists(), "{line}");
        // With room again, the same command ends well.
        succeed(dir, &format!("{line} --out full-{stage}"));
    }
}

#[test]
fn neither_threads_nor_the_order_of_queries_change_an_output() {
    let dir = &*ROUND;
    let line = "judge score --model rm --responses samples.parquet";
    succeed(dir, &format!("{line} --threads 1 --out one-thread.parquet"));
    let made = |name: &str| fs::read(dir.join(name)).unwrap();
    assert_eq!(made("one-thread.parquet"), made("scored.parquet"));
}

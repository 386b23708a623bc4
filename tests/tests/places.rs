//! Where an output can be put, and where a result goes if it cannot be put there.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use apo_tests::crash::can_trace;
use apo_tests::stages::{command, finish, refuse, run, small_round, succeed};
use apo_tests::works::COLLECT;

static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "places"));

#[test]
fn what_is_no_file_or_folder_is_refused_before_the_work() {
    let dir = &*ROUND;
    let made = Command::new("mkfifo").arg(dir.join("pipe")).status();
    assert!(made.unwrap().success());
    let _socket = UnixListener::bind(dir.join("socket")).unwrap();
    symlink("nowhere/at-all", dir.join("broken")).unwrap();
    symlink("pipe", dir.join("to-pipe")).unwrap();
    for stage in [
        COLLECT,
        "align sft --model policy --pairs data/rm-pairs.parquet",
        "judge score --model rm --responses samples.parquet --overwrite",
    ] {
        for (out, expected) in [
            ("/dev/null", "a device"),
            ("pipe", "a pipe"),
            ("to-pipe", "a pipe"),
            ("socket", "a socket"),
            ("broken", "nowhere/at-all"),
        ] {
            refuse(
                dir,
                &format!("{stage} --out {out}"),
                3,
                &["--out", out, expected],
            );
            assert!(
                !dir.join(format!("{out}.partial")).exists(),
                "{stage} {out}"
            );
        }
    }
    assert!(
        fs::metadata(dir.join("pipe")).is_ok(),
        "it stays what it was"
    );
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_replaced() {
    let dir = &*ROUND;
    fs::create_dir_all(dir.join("disk")).unwrap();
    let line = format!("{COLLECT} --out disk/golden.parquet");
    succeed(dir, &line);
    symlink("disk/golden.parquet", dir.join("linked.parquet")).unwrap();
    let other = COLLECT.replace("/rm-", "/llm-");
    refuse(
        dir,
        &format!("{other} --out linked.parquet"),
        4,
        &["queries"],
    );
    succeed(dir, &format!("{other} --out linked.parquet --overwrite"));
    let link = fs::symlink_metadata(dir.join("linked.parquet")).unwrap();
    assert!(link.is_symlink());
    succeed(dir, &format!("{other} --out plain.parquet"));
    let bytes = |name: &str| fs::read(dir.join(name)).unwrap();
    assert_eq!(bytes("disk/golden.parquet"), bytes("plain.parquet"));
    assert_eq!(fs::read_dir(dir.join("disk")).unwrap().count(), 1);
}

#[test]
fn a_mount_point_is_refused_before_the_work() {
    let dir = &*ROUND;
    fs::create_dir_all(dir.join("mounted")).unwrap();
    fs::create_dir_all(dir.join("made.partial")).unwrap();
    let align = "align sft --model policy --pairs data/rm-pairs.parquet";
    for (mount, out) in [
        ("mount -t tmpfs none mounted", "mounted"),
        ("mount --bind data mounted", "mounted"),
        ("mount -t tmpfs none made.partial", "made"),
    ] {
        let stage = command(dir, &format!("{align} --out {out} --overwrite"));
        let mut shell = Command::new("unshare");
        shell.current_dir(dir).args(["-m", "bash", "-c"]);
        shell.arg(format!("{mount} || exit 75; exec \"$0\" \"$@\""));
        shell.arg(stage.get_program()).args(stage.get_args());
        let Ok(ran) = shell.output() else {
            eprintln!("skipped: there is no unshare here");
            return;
        };
        let stderr = String::from_utf8_lossy(&ran.stderr);
        if ran.status.code() != Some(3) && !stderr.contains("align:") {
            eprintln!("skipped: nothing can be mounted here: {stderr}");
            return;
        }
        assert_eq!(ran.status.code(), Some(3), "{mount}: {stderr}");
        assert!(stderr.contains("mount point"), "{mount}: {stderr}");
        assert!(!dir.join("mounted.partial").exists(), "{mount}");
        assert!(!dir.join("made").exists(), "{mount}");
    }
    fs::remove_dir(dir.join("made.partial")).unwrap();
}

#[test]
fn a_result_that_cannot_be_put_in_its_place_is_kept_and_put_there_later() {
    if !can_trace() {
        eprintln!("skipped: strace is not here, or may not trace");
        return;
    }
    let dir = &*ROUND;
    let line = "align sft --model policy --pairs data/rm-pairs.parquet --out unplaced";
    let stage = command(dir, line);
    let mut strace = Command::new("strace");
    strace
        .current_dir(dir)
        .args(["-f", "-qq", "-o", "/dev/null"]);
    // What puts it in its place, and nothing else, minds what is there.
    strace.args(["--trace=renameat2", "--inject=renameat2:error=EBUSY"]);
    strace.arg(stage.get_program()).args(stage.get_args());
    let failed = finish(&mut strace);
    assert_eq!(failed.status, Some(1), "{}", failed.stderr);
    for expected in ["unplaced.partial/ready", "busy"] {
        assert!(failed.stderr.contains(expected), "{}", failed.stderr);
    }
    assert!(
        dir.join("unplaced.partial/ready/model.safetensors")
            .exists()
    );
    assert!(!dir.join("unplaced").exists());
    let again = run(dir, line);
    assert_eq!(again.status, Some(0), "{}", again.stderr);
    assert!(!again.stderr.contains("as the model sees it"), "no work");
    assert!(dir.join("unplaced/model.safetensors").exists());
    assert!(!dir.join("unplaced.partial").exists());
}

#[test]
fn an_output_may_be_called_what_the_system_allows() {
    let dir = &*ROUND;
    let out = OsStr::from_bytes(b"caf\xe9.parquet");
    let mut stage = command(dir, COLLECT);
    let ran = finish(stage.arg("--out").arg(out));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(dir.join(out).exists());
    let mut stage = command(dir, COLLECT);
    let again = finish(stage.arg("--out").arg(out));
    assert_eq!(again.status, Some(0), "{}", again.stderr);
    assert!(again.stdout.contains("is up to date"), "{}", again.stdout);
}

#[test]
fn what_a_kill_left_of_a_folder_that_was_being_removed_is_removed_by_the_next_run() {
    let dir = &*ROUND;
    let line = format!("{COLLECT} --out swept.parquet");
    succeed(dir, &line);
    // Its `provenance.json` goes last, and then the lock.
    let [discarded, partial] =
        ["partial.discarded", "partial"].map(|ending| dir.join(format!("swept.parquet.{ending}")));
    fs::create_dir_all(discarded.join("checkpoints/step-00000009")).unwrap();
    fs::write(discarded.join("provenance.json"), "{}").unwrap();
    // And a working folder, as before anything is written to it.
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("lock"), "").unwrap();
    succeed(dir, &line);
    assert!(!discarded.exists() && !partial.exists());
    fs::create_dir(&discarded).unwrap();
    succeed(dir, &line);
    assert!(!discarded.exists());
}

#[test]
fn a_result_that_cannot_be_printed_is_reported_as_that() {
    let dir = &*ROUND;
    let stage = command(dir, &format!("{COLLECT} --out printed.parquet"));
    let mut shell = Command::new("bash");
    shell
        .current_dir(dir)
        .args(["-c", "exec \"$0\" \"$@\" > /dev/full"]);
    shell.arg(stage.get_program()).args(stage.get_args());
    let ran = finish(&mut shell);
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    for expected in ["printed.parquet is made", "stdout", "No space left"] {
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

#[test]
fn control_characters_of_inputs_do_not_reach_the_terminal() {
    let dir = &*ROUND;
    let name = "esc\u{1b}[2J\u{7}.parquet";
    let mut stage = command(dir, "judge score --model rm --out x.parquet");
    let ran = finish(stage.arg("--responses").arg(name));
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("esc\\u{1b}[2J\\u{7}.parquet"),
        "{}",
        ran.stderr
    );
}

#[test]
fn two_models_of_one_command_share_their_threads() {
    let dir = &*ROUND;
    let line = "judge kl --model policy --reference policy --responses samples.parquet --json";
    assert_eq!(
        succeed(dir, &format!("{line} --threads 2")),
        succeed(dir, line)
    );
}

#[test]
fn what_no_stage_made_is_called_what_it_is() {
    let dir = &*ROUND;
    fs::create_dir_all(dir.join("hollow")).unwrap();
    fs::create_dir_all(dir.join("owned")).unwrap();
    fs::write(dir.join("owned/notes.txt"), "by hand").unwrap();
    fs::write(dir.join("owned.txt"), "by hand").unwrap();
    for (out, expected) in [
        (
            "hollow",
            &["is an empty folder.", "replace it with --overwrite"][..],
        ),
        (
            "owned",
            &[
                "is a folder, and no stage of this project made it.",
                "move it away",
            ],
        ),
        (
            "owned.txt",
            &[
                "is a file, and no stage of this project made it.",
                "move it away",
            ],
        ),
    ] {
        let line = format!("{COLLECT} --out {out}");
        refuse(dir, &line, 4, expected);
        let ran = run(dir, &line);
        assert!(
            !ran.stderr.contains("different arguments"),
            "{}",
            ran.stderr
        );
    }
}

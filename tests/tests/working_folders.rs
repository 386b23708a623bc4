//! Working folders: files that others put there stay, and a finished result is not lost.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use apo_tests::others::{Put, folder, text};
use apo_tests::stages::{
    command, content, copy, finish, kill, refuse, run, small_round, start, state, succeed,
};
use apo_tests::works::{COLLECT, SAMPLE, SFT};

static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "working-folders"));

/// Puts a folder with a file that has the name of one of ours.
fn file(at: &Path) {
    folder(at);
    fs::write(at.join("provenance.json"), r#"{"project": "mine"}"#).unwrap();
}

/// Puts a folder with names of ours only, with a `provenance.json` of `text`.
fn names(at: &Path, text: &str) {
    fs::create_dir_all(at.join("model")).unwrap();
    fs::write(at.join("model/notes"), "mine").unwrap();
    fs::write(at.join("mine.parquet"), "mine").unwrap();
    fs::write(at.join("lock"), "").unwrap();
    fs::write(at.join("provenance.json"), text).unwrap();
}

fn others_file(at: &Path) {
    names(at, r#"{"project": "mine"}"#);
}

/// Puts a file with some of the fields of ours.
fn similar_file(at: &Path) {
    names(
        at,
        r#"{"version": 2, "inputs": [], "outputs": ["model"], "crc32": "0"}"#,
    );
}

fn list_file(at: &Path) {
    names(at, r#"[{"stage": "train", "version": "1"}]"#);
}

fn long_file(at: &Path) {
    names(at, "");
    let file = fs::File::create(at.join("provenance.json")).unwrap();
    file.set_len(5 << 20).unwrap();
}

fn folder_file(at: &Path) {
    names(at, "");
    fs::remove_file(at.join("provenance.json")).unwrap();
    fs::create_dir(at.join("provenance.json")).unwrap();
}

fn noise(at: &Path) {
    fs::create_dir(at).unwrap();
    fs::write(at.join("provenance.json"), [7; 100]).unwrap();
    fs::write(at.join("thesis.csv"), "precious").unwrap();
}

fn link(at: &Path) {
    symlink("golden.parquet", at).unwrap();
}

fn model(at: &Path) {
    copy(&at.with_file_name("policy"), at);
}

#[test]
fn what_has_the_working_folders_name_stays() {
    let dir = &*ROUND;
    for ending in ["partial", "partial.discarded"] {
        let made: [(&str, Put); 11] = [
            ("others-file", others_file),
            ("similar-file", similar_file),
            ("list-file", list_file),
            ("long-file", long_file),
            ("folder-file", folder_file),
            ("text", text),
            ("folder", folder),
            ("link", link),
            ("model", model),
            ("file", file),
            ("noise", noise),
        ];
        for (name, make) in made {
            let at = dir.join(format!("taken-{name}.parquet.{ending}"));
            make(&at);
            let before = state(&at);
            for options in ["", " --overwrite"] {
                let line = format!("{COLLECT} --out taken-{name}.parquet{options}");
                let named = at.file_name().unwrap().to_str().unwrap();
                refuse(dir, &line, 3, &[named, "move that away"]);
                assert_eq!(state(&at), before, "{line}");
            }
            let _ = fs::remove_file(&at).or_else(|_| fs::remove_dir_all(&at));
        }
        let line = format!("{COLLECT} --out own.{ending}");
        refuse_usage(dir, &line, "are reserved; choose another");
    }
    let name = "n".repeat(246);
    refuse(dir, &format!("{COLLECT} --out {name}"), 3, &["too long"]);
    let left = fs::read_dir(dir).unwrap().flatten();
    let mut left = left.filter(|it| it.file_name().to_string_lossy().starts_with("nnn"));
    assert!(left.next().is_none());
}

fn refuse_usage(dir: &Path, line: &str, expected: &str) {
    let ran = run(dir, line);
    assert_eq!(ran.status, Some(2), "{line}: {}", ran.stderr);
    assert!(ran.stderr.contains(expected), "{line}: {}", ran.stderr);
}

#[test]
fn what_is_put_into_a_working_folder_stays() {
    let dir = &*ROUND;
    let line = "judge score --model rm --responses samples.parquet --out noted.parquet";
    let partial = dir.join("noted.parquet.partial");
    kill(start(dir, line, || partial.join("values.spool").exists()));
    for name in ["NOTES", "notes.txt", "exp/x", "dir.d/x"] {
        let at = partial.join(name);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, "mine").unwrap();
        for options in ["", " --overwrite", " --limit 100 --overwrite"] {
            let named = name.split('/').next().unwrap();
            refuse(
                dir,
                &format!("{line}{options}"),
                3,
                &[named, "move that away"],
            );
            assert_eq!(fs::read(&at).unwrap(), b"mine");
        }
        let _ = fs::remove_file(&at);
        let _ = fs::remove_dir(at.parent().unwrap());
    }
    succeed(dir, line);
    assert!(!partial.exists());
    // While it works.
    let line = format!("{SFT} --out noted");
    let partial = dir.join("noted.partial");
    let mut child = start(dir, &line, || partial.join("provenance.json").exists());
    fs::write(partial.join("NOTES"), "mine").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(dir.join("noted/model.safetensors").exists());
    let left = fs::read_dir(&partial)
        .unwrap()
        .map(|it| it.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["NOTES"]);
}

#[test]
fn files_of_the_wrong_kind_in_a_working_folder_are_replaced() {
    let dir = &*ROUND;
    let scored = "judge score --model rm --responses samples.parquet --out stuck.parquet";
    let tuned = &*format!("{SFT} --out stuck");
    for (line, out, begun) in [
        (scored, "stuck.parquet", "values.spool"),
        (tuned, "stuck", "examples.scratch"),
    ] {
        let partial = dir.join(format!("{out}.partial"));
        kill(start(dir, line, || partial.join(begun).exists()));
        for file in ["scored.parquet", begun, "metrics.jsonl"] {
            let at = partial.join(file);
            let _ = fs::remove_file(&at);
            fs::create_dir(&at).unwrap();
        }
        let _ = fs::remove_dir_all(partial.join("checkpoints"));
        fs::write(partial.join("checkpoints"), "").unwrap();
        let ran = finish(&mut command(dir, line));
        assert_eq!(ran.status, Some(0), "{line}: {}", ran.stderr);
        assert!(dir.join(out).exists() && !partial.exists());
    }
}

/// Runs a line until its result is finished but cannot be moved into place.
fn leave_ready(dir: &Path, line: &str, out: &str) {
    let partial = dir.join(format!("{out}.partial"));
    let begun = partial.join("provenance.json");
    let mut child = start(dir, line, || begun.exists());
    text(&dir.join(out));
    assert_eq!(child.wait().unwrap().code(), Some(1), "{line}");
    assert!(partial.join("ready").exists(), "{line}: the result is kept");
    fs::remove_file(dir.join(out)).unwrap();
}

/// A damaged `provenance.json`: one can tell that it is ours, but not what it said.
fn damages(text: &str) -> [String; 5] {
    [
        "{}".into(),
        String::new(),
        text[..text.len() / 2].into(),
        "\0".repeat(text.len()),
        text.replace("align", "alien"),
    ]
}

#[test]
fn a_damaged_provenance_costs_no_finished_result() {
    let dir = &*ROUND;
    let line = &*format!("{SFT} --out unnamed");
    leave_ready(dir, line, "unnamed");
    let (out, partial) = (dir.join("unnamed"), dir.join("unnamed.partial"));
    let kept = dir.join("unnamed-kept");
    copy(&partial, &kept);
    let whole_text = fs::read_to_string(kept.join("provenance.json")).unwrap();
    for damaged in damages(&whole_text) {
        let _ = fs::remove_dir_all(&out);
        copy(&kept, &partial);
        fs::write(partial.join("provenance.json"), &damaged).unwrap();
        let ran = run(dir, line);
        assert_eq!(ran.status, Some(0), "{damaged}: {}", ran.stderr);
        assert!(!ran.stderr.contains("as the model sees it"), "no work");
        assert!(out.join("model.safetensors").exists() && !partial.exists());
    }
    // Where the result is damaged as well, it is made anew, when that is asked for.
    let whole = content(&out);
    for damaged in damages(&whole_text) {
        let _ = fs::remove_dir_all(&out);
        copy(&kept, &partial);
        fs::write(partial.join("provenance.json"), &damaged).unwrap();
        fs::write(partial.join("ready/model.safetensors"), "").unwrap();
        refuse(
            dir,
            line,
            3,
            &["unnamed.partial/provenance.json", "damaged", "--overwrite"],
        );
        succeed(dir, &format!("{line} --overwrite"));
        assert_eq!(content(&out), whole, "{damaged}");
        assert!(!partial.exists());
    }
}

#[test]
fn a_finished_result_of_another_command_is_replaced_by_a_finished_one_alone() {
    let dir = &*ROUND;
    let made = |seed: usize, out: &str| format!("{SFT} --seed {seed} --out {out}");
    for seed in [1, 2, 3] {
        succeed(dir, &made(seed, &format!("third-{seed}")));
    }
    let is = |out: &str, seed: usize| {
        content(&dir.join(out)) == content(&dir.join(format!("third-{seed}")))
    };
    assert!(!is("third-1", 2), "a seed makes a difference");
    let (out, partial) = (dir.join("waits"), dir.join("waits.partial"));
    // A first one in place, and a second one that could not be put there.
    leave_ready(dir, &made(2, "waits"), "waits");
    copy(&dir.join("third-1"), &out);
    let third = made(3, "waits");
    refuse(dir, &third, 4, &["`seed`", "--overwrite"]);
    assert!(is("waits", 1) && partial.join("ready").exists());
    let third = format!("{third} --overwrite");
    let works = |name: &str| partial.join(name).exists();
    let begun = || works("examples.scratch") && !works("ready");
    kill(start(dir, &third, begun));
    assert!(is("waits", 2), "the second one is in its place");
    let ran = run(dir, &third);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("another command"), "{}", ran.stderr);
    assert!(is("waits", 3) && !partial.exists());
    // A note says so.
    fs::remove_dir_all(&out).unwrap();
    leave_ready(dir, &made(2, "waits"), "waits");
    let ran = run(dir, &third);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    for expected in ["waits.partial/ready", "another command"] {
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    assert!(is("waits", 3) && !partial.exists());
    // A damaged `provenance.json` does not say whose it is, and the result itself does.
    fs::remove_dir_all(&out).unwrap();
    leave_ready(dir, &made(2, "waits"), "waits");
    fs::write(partial.join("provenance.json"), "{}").unwrap();
    let expected = [
        "waits.partial/ready",
        "another command",
        "`provenance.json` beside it is damaged",
        "--overwrite",
    ];
    refuse(dir, &made(3, "waits"), 3, &expected);
    assert!(partial.join("ready").exists());
    kill(start(dir, &third, begun));
    assert!(is("waits", 2), "the second one is in its place");
    succeed(dir, &third);
    assert!(is("waits", 3) && !partial.exists());
    // A kill right after the second one was put in its place leaves the first.
    fs::remove_dir_all(&out).unwrap();
    leave_ready(dir, &made(2, "waits"), "waits");
    fs::rename(partial.join("ready"), &out).unwrap();
    copy(&dir.join("third-1"), &partial.join("ready"));
    kill(start(dir, &third, begun));
    assert!(is("waits", 2), "the first one does not come back");
    succeed(dir, &third);
    assert!(is("waits", 3) && !partial.exists());
}

#[test]
fn a_finished_result_of_another_kind_does_not_stay_in_the_way() {
    let dir = &*ROUND;
    let (out, partial) = (dir.join("turns"), dir.join("turns.partial"));
    leave_ready(dir, &format!("{SFT} --out turns"), "turns");
    let line = format!("{SAMPLE} --samples 16 --max-new-tokens 24 --out turns --overwrite");
    kill(start(dir, &line, || out.join("apo.json").exists()));
    succeed(dir, &line);
    assert!(out.is_file() && !partial.exists());
}

#[test]
fn what_people_did_to_a_finished_result_is_not_lost() {
    let dir = &*ROUND;
    let (out, partial) = (dir.join("owned"), dir.join("owned.partial"));
    let (ready, kept) = (partial.join("ready"), dir.join("owned-kept"));
    leave_ready(dir, &format!("{SFT} --seed 2 --out owned"), "owned");
    copy(&partial, &kept);
    let without = &*format!("{SFT} --seed 3 --out owned");
    let line = &*format!("{without} --overwrite");
    // With a file of theirs the result goes to its place, and stays there.
    fs::write(ready.join("notes.txt"), "mine").unwrap();
    let expected = [
        "owned.partial/ready was the finished result of another command, and is in its place now",
        "owned is not replaced",
        "notes.txt",
    ];
    refuse(dir, line, 3, &expected);
    assert_eq!(fs::read(out.join("notes.txt")).unwrap(), b"mine");
    assert!(out.join("model.safetensors").exists() && !partial.exists());
    refuse(dir, line, 3, &expected[1..]);
    fs::remove_file(out.join("notes.txt")).unwrap();
    succeed(dir, line);
    let third = content(&out);
    // An edited one stays where it is.
    let table = &*format!("{SAMPLE} --max-new-tokens 6 --out owned --overwrite");
    for file in ["config.json", "metrics.parquet", "apo.json"] {
        let _ = fs::remove_dir_all(&out);
        let _ = fs::remove_dir_all(&partial);
        copy(&kept, &partial);
        let bytes = fs::read(ready.join(file)).unwrap();
        fs::write(ready.join(file), [&bytes[..], b"mine"].concat()).unwrap();
        let before = state(&ready);
        refuse(dir, without, 4, &["`seed`", "--overwrite"]);
        for line in [line, table] {
            let expected = [
                "owned.partial/ready",
                file,
                "is not replaced",
                "move it away",
            ];
            refuse(dir, line, 3, &expected);
            assert_eq!(state(&ready), before, "{line}: {file}");
            assert!(!out.exists(), "{line}: {file}");
        }
    }
    fs::rename(&ready, dir.join("owned-moved")).unwrap();
    succeed(dir, line);
    assert_eq!(content(&out), third);
    // What a kill left of one is nobody's work.
    for lost in ["config.json", "apo.json"] {
        fs::remove_dir_all(&out).unwrap();
        copy(&kept, &partial);
        fs::remove_file(ready.join(lost)).unwrap();
        succeed(dir, line);
        assert_eq!(content(&out), third, "{lost}");
        assert!(!partial.exists(), "{lost}");
    }
}

#[test]
fn what_people_did_to_a_result_of_the_same_command_is_not_lost() {
    let dir = &*ROUND;
    let (out, partial) = (dir.join("mended"), dir.join("mended.partial"));
    let (ready, kept) = (partial.join("ready"), dir.join("mended-kept"));
    let line = &*format!("{SFT} --seed 4 --out mended");
    let overwrite = &*format!("{line} --overwrite");
    leave_ready(dir, line, "mended");
    copy(&partial, &kept);
    succeed(dir, line);
    let whole = content(&out);
    let again = || {
        let _ = fs::remove_dir_all(&out);
        let _ = fs::remove_dir_all(&partial);
        copy(&kept, &partial);
    };
    // An edited one is replaced when that is asked for, as it would be in its place.
    for file in ["config.json", "metrics.parquet", "apo.json"] {
        again();
        let bytes = fs::read(ready.join(file)).unwrap();
        fs::write(ready.join(file), [&bytes[..], b"mine"].concat()).unwrap();
        let before = state(&ready);
        refuse(dir, line, 4, &["mended.partial/ready", file, "--overwrite"]);
        assert_eq!(state(&ready), before, "{file}");
        let ran = run(dir, overwrite);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.contains("will be made again"), "{}", ran.stderr);
        assert_eq!(content(&out), whole, "{file}");
        assert!(!partial.exists(), "{file}");
    }
    // One with a file of theirs never is.
    for file in ["config.json", "apo.json"] {
        again();
        fs::write(ready.join(file), "{}").unwrap();
        fs::write(ready.join("notes.txt"), "mine").unwrap();
        let before = state(&ready);
        refuse(dir, line, 4, &["mended.partial/ready", file]);
        refuse(dir, overwrite, 3, &["mended.partial/ready", "notes.txt"]);
        assert_eq!(state(&ready), before, "{file}");
    }
    again();
    fs::remove_file(ready.join("apo.json")).unwrap();
    fs::write(ready.join("notes.txt"), "mine").unwrap();
    for line in [line, overwrite] {
        refuse(dir, line, 3, &["mended.partial/ready", "notes.txt"]);
    }
    again();
    fs::write(ready.join("apo.json"), "{}").unwrap();
    fs::write(ready.join("mine.parquet"), "mine").unwrap();
    refuse(dir, overwrite, 3, &["mended.partial/ready", "mine.parquet"]);
    // What a kill left of one is nobody's work.
    for lost in ["config.json", "apo.json"] {
        again();
        fs::remove_file(ready.join(lost)).unwrap();
        succeed(dir, line);
        assert_eq!(content(&out), whole, "{lost}");
        assert!(!partial.exists(), "{lost}");
    }
}

#[test]
fn a_damaged_table_of_the_same_command_is_made_anew_when_that_is_asked_for() {
    let dir = &*ROUND;
    let line = &*format!("{SAMPLE} --samples 16 --max-new-tokens 24 --out rest.parquet");
    leave_ready(dir, line, "rest.parquet");
    let (out, partial) = (dir.join("rest.parquet"), dir.join("rest.parquet.partial"));
    let (ready, kept) = (partial.join("ready"), dir.join("rest-kept"));
    copy(&partial, &kept);
    succeed(dir, line);
    let whole = fs::read(&out).unwrap();
    for damaged in [
        &whole[..1000],
        &whole[1000..],
        &[],
        &[&whole[..], b"mine"].concat(),
    ] {
        fs::remove_file(&out).unwrap();
        copy(&kept, &partial);
        fs::write(&ready, damaged).unwrap();
        refuse(dir, line, 4, &["rest.parquet.partial/ready", "--overwrite"]);
        assert_eq!(fs::read(&ready).unwrap(), damaged, "nothing is lost");
        succeed(dir, &format!("{line} --overwrite"));
        assert!(fs::read(&out).unwrap() == whole && !partial.exists());
    }
}

//! An output never replaces what others made, or a finished result.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use apo_tests::others::{Put, folder, text};
use apo_tests::stages::{
    command, content, copy, finish, refuse, run, small_round, start, state, succeed,
};
use apo_tests::works::{COLLECT, SFT};

static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "kept"));

fn link(at: &Path) {
    symlink("golden.parquet", at).unwrap();
}

fn model(at: &Path) {
    copy(&at.with_file_name("policy"), at);
}

fn append(at: &Path) {
    let text = fs::read_to_string(at).unwrap();
    fs::write(at, text + " ").unwrap();
}

#[test]
fn what_appears_in_an_outputs_place_while_it_is_made_stays() {
    let dir = &*ROUND;
    let made: [(&str, Put); 4] = [
        ("text", text),
        ("folder", folder),
        ("link", link),
        ("model", model),
    ];
    for (name, make) in made {
        let line = format!("{SFT} --out appeared-{name}");
        let out = dir.join(format!("appeared-{name}"));
        let page = dir.join(format!("appeared-{name}.partial/provenance.json"));
        let child = start(dir, &line, || page.exists());
        make(&out);
        let before = state(&out);
        let mut child = child;
        assert_eq!(child.wait().unwrap().code(), Some(1), "{name}");
        assert_eq!(state(&out), before, "{name}");
        let ready = page.with_file_name("ready/model.safetensors");
        assert!(ready.exists(), "{name}: the result is kept");
        assert_ne!(run(dir, &line).status, Some(0), "{name}: it is in the way");
        assert_eq!(state(&out), before, "{name}");
        fs::rename(&out, dir.join(format!("moved-{name}"))).unwrap();
        let again = run(dir, &line);
        assert_eq!(again.status, Some(0), "{name}: {}", again.stderr);
        assert!(!again.stderr.contains("as the model sees it"), "no work");
        assert!(out.join("model.safetensors").exists() && !page.exists());
    }
}

#[test]
fn what_is_changed_while_its_replacement_is_made_stays() {
    let dir = &*ROUND;
    let line = format!("{SFT} --out changed");
    succeed(dir, &line);
    let line = format!("{SFT} --seed 2 --out changed --overwrite");
    let page = dir.join("changed.partial/provenance.json");
    let mut child = start(dir, &line, || page.exists());
    fs::write(dir.join("changed/README.md"), "what it is good for").unwrap();
    let before = state(&dir.join("changed"));
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(state(&dir.join("changed")), before);
    refuse(dir, &line, 3, &["changed", "README.md"]);
    fs::rename(dir.join("changed/README.md"), dir.join("README.md")).unwrap();
    succeed(dir, &line);
    assert_ne!(state(&dir.join("changed")), before);
}

/// Files in an output: a change in place does not change the folder.
#[test]
fn what_is_changed_within_an_output_while_its_replacement_is_made_stays() {
    let dir = &*ROUND;
    let out = dir.join("edited");
    let edits: [(&str, Put); 3] = [
        ("tokenizer_config.json", append),
        ("config.json", |path| {
            let copy = path.with_extension("new");
            fs::copy(path, &copy).unwrap();
            fs::rename(&copy, path).unwrap();
        }),
        ("apo.json", append),
    ];
    for (seed, (name, edit)) in edits.into_iter().enumerate() {
        succeed(dir, &format!("{SFT} --out edited"));
        let line = format!("{SFT} --seed {} --out edited --overwrite", seed + 2);
        let page = dir.join("edited.partial/provenance.json");
        let mut child = start(dir, &line, || page.exists());
        edit(&out.join(name));
        let before = content(&out);
        assert_eq!(child.wait().unwrap().code(), Some(1), "{name}");
        assert_eq!(content(&out), before, "{name}");
        // Unless it says the same as before, it stays.
        if name == "tokenizer_config.json" {
            refuse(dir, &line, 3, &["edited", name, "move it away"]);
            assert_eq!(content(&out), before, "{name}");
            fs::rename(&out, dir.join("edited-before")).unwrap();
        }
        succeed(dir, &line);
        fs::remove_dir_all(&out).unwrap();
    }
}

/// `--overwrite` replaces what stages made, and nothing that people have edited.
#[test]
fn what_was_edited_since_it_was_made_is_not_replaced_by_something_else() {
    let dir = &*ROUND;
    copy(
        &apo_tests::stages::workspace().join("fixtures/hh"),
        &dir.join("raw-3"),
    );
    let split = "hh-split --hh raw-3 --rm 40% --dev 5% --out owned";
    succeed(dir, split);
    succeed(dir, &format!("{SFT} --out owned-model"));
    let others = [
        ("owned", format!("{split} --seed 5 --overwrite")),
        (
            "owned-model",
            format!("{SFT} --seed 5 --out owned-model --overwrite"),
        ),
    ];
    let files = [("owned", "rejects.parquet"), ("owned-model", "config.json")];
    for ((out, line), (_, file)) in others.iter().zip(files) {
        let at = dir.join(out).join(file);
        let made = fs::read(&at).unwrap();
        fs::write(&at, [&made[..], b" "].concat()).unwrap();
        refuse(dir, line, 3, &[out, file, "edited or damaged"]);
        assert_eq!(fs::read(&at).unwrap().len(), made.len() + 1);
        fs::write(&at, made).unwrap();
        // A table of metrics is a model's alone.
        if *out == "owned" {
            let at = dir.join(out).join("metrics.parquet");
            fs::write(&at, "mine").unwrap();
            refuse(dir, line, 3, &[out, "metrics.parquet"]);
            fs::remove_file(at).unwrap();
        }
        succeed(dir, line);
        // As it was before `apo.json` listed the files.
        let manifest = dir.join(out).join("apo.json");
        let mut older: serde_json::Value =
            serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        for field in ["files", "crc32"] {
            older.as_object_mut().unwrap().remove(field);
        }
        fs::write(&manifest, older.to_string()).unwrap();
        let notes = dir.join(out).join("thesis.tex");
        fs::write(&notes, "mine").unwrap();
        let line = line.replace("--seed 5", "--seed 6");
        refuse(dir, &line, 3, &[out, "thesis.tex"]);
        fs::remove_file(notes).unwrap();
        succeed(dir, &line);
    }
    fs::write(dir.join("about.md"), "on apo.crc32").unwrap();
    let line = format!("{COLLECT} --out about.md --overwrite");
    refuse(dir, &line, 3, &["about.md", "no stage"]);
    fs::create_dir(dir.join("run")).unwrap();
    fs::write(dir.join("run/run.json"), r#"{"who": "somebody"}"#).unwrap();
    refuse(dir, "judge describe --run run", 3, &["run.json", "move it"]);
    fs::write(
        dir.join("run/run.json"),
        r#"{"version": 3, "artifacts": []}"#,
    )
    .unwrap();
    let expected = ["run.json", "version 3", "newer judge"];
    refuse(dir, "judge describe --run run", 3, &expected);
}

#[test]
fn inputs_journals_and_logs_are_never_where_an_output_is_made() {
    let dir = &*ROUND;
    fs::create_dir_all(dir.join("apart.partial")).unwrap();
    fs::copy(
        dir.join("data/rm-pairs.parquet"),
        dir.join("apart.partial/pairs.parquet"),
    )
    .unwrap();
    let line = "align sft --model policy --pairs apart.partial/pairs.parquet --out apart";
    refuse(dir, line, 3, &["apart.partial", "holds the input"]);
    assert!(dir.join("apart.partial/pairs.parquet").exists());
    let asks = "gold-collect --queries data/rm-queries.parquet --pairs data/rm-pairs.parquet \
                --base-url http://127.0.0.1:9/v1 --model m";
    for (line, flag) in [(SFT, "--tensorboard"), (asks, "--journal")] {
        for at in ["blocked", "blocked.partial", "blocked.partial.discarded"] {
            for below in ["", "/deeper/x"] {
                let line = format!("{line} {flag} {at}{below} --out blocked");
                refuse(dir, &line, 3, &[flag]);
                assert!(!dir.join("blocked").exists() && !dir.join(at).exists());
            }
        }
    }
    // The folder in which the output lies is a place as good as any.
    succeed(
        dir,
        &format!("{SFT} --tensorboard curves --out curves/model"),
    );
    assert!(dir.join("curves/model/model.safetensors").exists());
}

#[test]
fn overwriting_takes_nothing_that_no_stage_made() {
    let dir = &*ROUND;
    for (name, make) in [("text", text as Put), ("folder", folder), ("model", model)] {
        let at = dir.join(format!("over-{name}"));
        make(&at);
        if name == "model" {
            fs::remove_file(at.join("apo.json")).unwrap();
        }
        let before = state(&at);
        for stage in [COLLECT, SFT] {
            let line = format!("{stage} --out over-{name} --overwrite");
            refuse(dir, &line, 3, &["no stage of this project made it"]);
            assert_eq!(state(&at), before, "{line}");
        }
    }
    // Files of others in a folder of ours.
    let split = "hh-split --hh raw --rm 40% --dev 5%";
    copy(
        &apo_tests::stages::workspace().join("fixtures/hh"),
        &dir.join("raw"),
    );
    succeed(dir, &format!("{split} --out held"));
    succeed(dir, &format!("{SFT} --out held-model"));
    for (out, line) in [
        ("held", split.replace("40%", "45%")),
        ("held-model", format!("{SFT} --seed 7")),
    ] {
        for foreign in ["notes.txt", ".git/HEAD", "deeper/golden.parquet"] {
            let at = dir.join(out).join(foreign);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(&at, "mine").unwrap();
            refuse(
                dir,
                &format!("{line} --out {out} --overwrite"),
                3,
                &[foreign],
            );
            fs::remove_file(&at).unwrap();
            if at.parent() != Some(&dir.join(out)) {
                fs::remove_dir(at.parent().unwrap()).unwrap();
            }
        }
        succeed(dir, &format!("{line} --out {out} --overwrite"));
    }
}

#[test]
fn an_output_that_is_not_whole_any_more_is_not_up_to_date() {
    let dir = &*ROUND;
    copy(
        &apo_tests::stages::workspace().join("fixtures/hh"),
        &dir.join("raw-2"),
    );
    let split = "hh-split --hh raw-2 --rm 40% --dev 5% --out whole";
    let tuned = &*format!("{SFT} --out whole-model");
    let scored = "judge score --model rm --responses samples.parquet --out whole.parquet";
    for (line, out, files) in [
        (split, "whole", vec!["rm-pairs.parquet", "rejects.parquet"]),
        (
            tuned,
            "whole-model",
            vec!["model.safetensors", "config.json", "metrics.parquet"],
        ),
        (scored, "whole.parquet", vec![""]),
    ] {
        succeed(dir, line);
        let whole = content(&dir.join(out));
        for file in files {
            let at = if file.is_empty() {
                dir.join(out)
            } else {
                dir.join(out).join(file)
            };
            let mut bytes = fs::read(&at).unwrap();
            let middle = bytes.len() / 3;
            bytes[middle] ^= 4;
            fs::write(&at, &bytes).unwrap();
            let named = if file.is_empty() { out } else { file };
            refuse(dir, line, 4, &[named, "not as it was made", "--overwrite"]);
            succeed(dir, &format!("{line} --overwrite"));
            assert_eq!(content(&dir.join(out)), whole, "{line}: {file}");
            fs::remove_file(&at).unwrap();
            succeed(dir, line);
            assert_eq!(content(&dir.join(out)), whole, "{line}: {file}");
            let again = run(dir, line);
            let printed = again.stdout + &again.stderr;
            assert!(printed.contains("up to date"), "{printed}");
        }
    }
    let table = dir.join("whole.parquet");
    let whole = fs::read(&table).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    for damaged in [&b""[..], &changed] {
        fs::write(&table, damaged).unwrap();
        refuse(dir, scored, 4, &["whole.parquet", "not as it was made"]);
        succeed(dir, &format!("{scored} --overwrite"));
        assert_eq!(fs::read(&table).unwrap(), whole);
    }
    // Whose it was cannot be told any more.
    fs::write(&table, &whole[..whole.len() / 2]).unwrap();
    let line = format!("{scored} --overwrite");
    refuse(
        dir,
        &line,
        3,
        &["whole.parquet", "cannot be told", "move it away"],
    );
    assert_eq!(fs::read(&table).unwrap(), whole[..whole.len() / 2]);
}

#[test]
fn a_picture_or_a_page_replaces_only_its_like() {
    let dir = &*ROUND;
    fs::write(
        dir.join("mean.json"),
        r#"{"mean": 1.0, "standard_error": 0.1}"#,
    )
    .unwrap();
    let line = "judge figure --line Policy=mean.json";
    refuse(
        dir,
        &format!("{line} --out mean.json"),
        3,
        &["is the input"],
    );
    refuse(
        dir,
        &format!("{line} --out ./data/../mean.json"),
        3,
        &["is the input"],
    );
    let drawn = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10\"><g>mine</g></svg>";
    fs::write(dir.join("drawn.svg"), drawn).unwrap();
    fs::write(dir.join("empty.svg"), "").unwrap();
    fs::write(dir.join("mean.svg.new"), "mine").unwrap();
    for out in [
        "golden.parquet",
        "policy/config.json",
        "policy",
        "drawn.svg",
        "empty.svg",
    ] {
        let before = state(&dir.join(out));
        refuse(dir, &format!("{line} --out {out}"), 3, &[out]);
        assert_eq!(state(&dir.join(out)), before);
    }
    for _ in 0..2 {
        succeed(dir, &format!("{line} --out mean.svg"));
    }
    assert_eq!(fs::read(dir.join("mean.svg.new")).unwrap(), b"mine");
    fs::write(
        dir.join("page.html"),
        "<!DOCTYPE html><html><p>mine</p></html>",
    )
    .unwrap();
    let before = state(&dir.join("page.html"));
    refuse(
        dir,
        "judge report --run . --out page.html",
        3,
        &["page.html"],
    );
    assert_eq!(state(&dir.join("page.html")), before);
}

#[test]
fn times_are_added_to_times_alone() {
    let dir = &*ROUND;
    let timed = |times: &str, out: &str| {
        let mut stage = command(dir, &format!("{COLLECT} --out {out}"));
        finish(stage.env("APO_TIMES", times))
    };
    let pipe = std::process::Command::new("mkfifo")
        .arg(dir.join("times-pipe"))
        .status();
    assert!(pipe.unwrap().success());
    for times in [
        "data/rm-pairs.parquet",
        "golden.parquet",
        "policy/config.json",
        "policy",
        "times-pipe",
    ] {
        let before = (times != "times-pipe").then(|| state(&dir.join(times)));
        let ran = timed(times, "timed.parquet");
        assert_eq!(ran.status, Some(3), "{times}: {}", ran.stderr);
        assert!(ran.stderr.contains("APO_TIMES"), "{}", ran.stderr);
        assert_eq!(
            (times != "times-pipe").then(|| state(&dir.join(times))),
            before
        );
        assert!(!dir.join("timed.parquet").exists());
    }
    for own in ["timed.parquet", "timed.parquet.partial/times"] {
        assert_eq!(timed(own, "timed.parquet").status, Some(3), "{own}");
    }
    for out in ["timed.parquet", "timed-2.parquet"] {
        assert_eq!(timed("times.jsonl", out).status, Some(0));
    }
    let lines = fs::read_to_string(dir.join("times.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
}

//! Each stage says what is wrong with the files of a model, and what to do.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use apo_tests::stages::{command, copy, copy_to_change, run, small_round, succeed, workspace};
use apo_tests::works::{
    ACCURACY, DPO, KL, LOG_PROBS, RM_TRAIN, SAMPLE, SCORE, SFT, fresh, refuse_whole, with_out,
};
use serde_json::{Value, json};

/// A small round that all tests read.
static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "model-files"));

/// Works that read a policy, and works that read a reward model. `rm-train` reads either.
const OF_POLICIES: [&str; 5] = [SAMPLE, SFT, DPO, LOG_PROBS, KL];
const OF_REWARD_MODELS: [&str; 2] = [SCORE, ACCURACY];

#[track_caller]
fn refuses(line: &str, expected: &[&str]) {
    refuse_whole(&ROUND, line, expected);
}

/// Returns the lines of all works that read a model, with `model` instead.
fn lines_with(model: &str) -> Vec<String> {
    let lines = OF_POLICIES
        .iter()
        .chain(&[RM_TRAIN])
        .chain(&OF_REWARD_MODELS);
    let replaced = |line: &str| {
        let line = line.replace("--model policy", &format!("--model {model}"));
        line.replace("--model rm ", &format!("--model {model} "))
    };
    lines.map(|line| replaced(line)).collect()
}

/// Copies a model's directory.
fn copied(name: &str, from: &str) -> PathBuf {
    let dir = ROUND.join(name);
    copy_to_change(&ROUND.join(from), &dir);
    dir
}

fn change(page: PathBuf, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(&page).unwrap()).unwrap();
    change(&mut value);
    fs::write(page, value.to_string()).unwrap();
}

/// `fixtures/old-model`: directories from before `apo.json` had digests of the
/// files and a checksum.
#[test]
fn models_of_the_first_versions_are_read() {
    let fixture = workspace().join("fixtures/old-model");
    for (from, name) in [("policy", "old-policy"), ("rm", "old-rm")] {
        copy(&fixture.join(from), &ROUND.join(name));
    }
    let page = |path: PathBuf| -> Value {
        serde_json::from_slice(&fs::read(path.join("apo.json")).unwrap()).unwrap()
    };
    let old = |line: &str| {
        let line = line.replace(" policy ", " old-policy ");
        line.replace("--model rm ", "--model old-rm ")
    };
    for line in OF_POLICIES.iter().chain(&OF_REWARD_MODELS) {
        succeed(&ROUND, &with_out(&old(line), &fresh()));
    }
    let out = fresh();
    succeed(&ROUND, &with_out(&old(RM_TRAIN), &out));
    let made = page(ROUND.join(out));
    assert_eq!(
        made["arguments"]["template"], "hh",
        "as the old apo.json has it"
    );
    let digest = &page(ROUND.join("old-rm"))["inputs"]["model"]["digest"];
    assert_eq!(&made["inputs"]["model"]["digest"], digest, "as it was then");
    // What the old apo.json says still counts.
    refuses(
        &old(&SAMPLE.replace(" --queries", " --template chat --queries")),
        &["old-policy", "trained with the template `hh`"],
    );
    refuses(
        &SAMPLE.replace("policy", "old-rm"),
        &["old-rm", "reward model"],
    );
}

#[test]
fn a_pointer_in_place_of_a_file_is_called_one() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123456789\n";
    for file in ["config.json", "model.safetensors", "apo.json"] {
        let name = format!("pointer-{}", file.replace('.', "-"));
        fs::write(copied(&name, "policy").join(file), pointer).unwrap();
        for line in lines_with(&name) {
            refuses(&line, &[&name, file, "Git LFS pointer", "git lfs pull"]);
        }
    }
}

#[test]
fn text_that_is_not_utf_8_is_named_and_a_byte_order_mark_is_left_out() {
    let config = fs::read_to_string(ROUND.join("policy/config.json")).unwrap();
    let dir = copied("utf-16", "policy");
    let utf_16 = format!("\u{feff}{config}");
    let bytes: Vec<u8> = utf_16.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(dir.join("config.json"), bytes).unwrap();
    for line in lines_with("utf-16") {
        refuses(
            &line,
            &["utf-16", "config.json", "UTF-16", "save it as UTF-8"],
        );
    }
    let dir = copied("marked", "policy");
    for page in ["config.json", "apo.json"] {
        let text = fs::read_to_string(dir.join(page)).unwrap();
        fs::write(dir.join(page), format!("\u{feff}{text}")).unwrap();
    }
    let out = fresh();
    let ran = run(
        &ROUND,
        &format!("align sft --model marked --pairs data/rm-pairs.parquet --out {out}"),
    );
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let written = fs::read(ROUND.join(out).join("config.json")).unwrap();
    assert!(written.starts_with(b"{"));
}

#[test]
fn an_apo_json_that_belongs_to_something_else_is_called_that() {
    let data = fs::read_to_string(ROUND.join("data/apo.json")).unwrap();
    let others = ["no stage of this project wrote it", "move it away"];
    for (name, page, expected) in [
        ("others", r#"{"project": "mine"}"#, others),
        ("likely", r#"{"version": "1", "inputs": {}}"#, others),
        ("listed", r#"["policy", "hh"]"#, others),
        ("tables", &data, ["not the `apo.json` of a model", "`head`"]),
    ] {
        let name = format!("page-{name}");
        fs::write(copied(&name, "policy").join("apo.json"), page).unwrap();
        for line in lines_with(&name) {
            refuses(&line, &[&[&name, "apo.json"], &expected[..]].concat());
        }
    }
}

#[test]
fn a_file_that_is_far_longer_than_its_kind_is_not_read() {
    for (file, mib) in [
        ("apo.json", 400),
        ("apo.json", 5),
        ("config.json", 17),
        ("generation_config.json", 17),
    ] {
        let too_large = format!(
            "it has {} bytes; no file of this kind is so large",
            mib << 20
        );
        for (from, lines) in [
            ("policy", [&OF_POLICIES[..], &[RM_TRAIN]].concat()),
            ("rm", OF_REWARD_MODELS.to_vec()),
        ] {
            let name = format!("long-{from}-{mib}-{}", file.replace('.', "-"));
            let page = fs::File::create(copied(&name, from).join(file)).unwrap();
            page.set_len(mib << 20).unwrap();
            for line in lines {
                let line = line.replace(&format!("--model {from}"), &format!("--model {name}"));
                refuses(&line, &[&name, file, &too_large]);
            }
        }
    }
}

#[test]
fn numbers_that_json_does_not_have_are_named_with_their_keys() {
    for (file, number) in [
        ("config.json", "NaN"),
        ("generation_config.json", "Infinity"),
        ("tokenizer_config.json", "-Infinity"),
    ] {
        let name = format!("number-{}", number.trim_start_matches('-'));
        let path = copied(&name, "policy").join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
        let rest = text.trim_start().strip_prefix('{').unwrap();
        let comma = if rest.trim_start() == "}" { "" } else { "," };
        fs::write(&path, format!("{{\"some_rate\": {number}{comma}{rest}")).unwrap();
        refuses(
            &SAMPLE.replace("policy", &name),
            &[file, "`some_rate`", &format!("is {number}")],
        );
    }
}

#[test]
fn an_adapter_is_called_one() {
    let dir = copied("adapter", "policy");
    let page = json!({"peft_type": "LORA", "base_model_name_or_path": "owner/base", "r": 8});
    fs::write(dir.join("adapter_config.json"), page.to_string()).unwrap();
    for line in lines_with("adapter") {
        refuses(
            &line,
            &["adapter", "LORA", "owner/base", "merge_and_unload"],
        );
    }
    for file in ["model.safetensors", "config.json"] {
        fs::remove_file(dir.join(file)).unwrap();
        for line in lines_with("adapter") {
            refuses(
                &line,
                &["adapter", "LORA", "owner/base", "merge_and_unload"],
            );
        }
    }
}

#[test]
fn weights_in_another_format_are_called_what_they_are() {
    for (file, named) in [
        ("pytorch_model.bin", "save_pretrained"),
        ("model.gguf", "GGUF"),
    ] {
        let name = format!("format-{}", file.replace('.', "-"));
        let dir = copied(&name, "policy");
        fs::rename(dir.join("model.safetensors"), dir.join(file)).unwrap();
        for line in lines_with(&name) {
            refuses(&line, &[&name, file, "model.safetensors", named]);
        }
    }
}

#[test]
fn a_policy_and_a_reward_model_are_not_taken_for_each_other() {
    for line in OF_REWARD_MODELS {
        let line = line.replace("--model rm", "--model policy");
        refuses(
            &line,
            &["policy: it is a policy, not a reward model", "rm-train"],
        );
    }
    for line in OF_POLICIES {
        let line = line.replace("--model policy", "--model rm");
        refuses(&line, &["rm: it is a reward model, not a policy"]);
    }
    let reference = KL.replace("--reference policy", "--reference rm");
    refuses(&reference, &["rm: it is a reward model, not a policy"]);
    let reference = format!("{DPO} --reference rm");
    refuses(&reference, &["rm: it is a reward model, not a policy"]);
}

#[test]
fn an_unknown_key_is_reported_once() {
    let dir = copied("unknown", "policy");
    change(dir.join("config.json"), |config| {
        config["warp_factor"] = json!(9);
        config["flux"] = json!({"capacity": 1.21});
    });
    for line in [SAMPLE, DPO, KL] {
        let line = line.replace(" policy", " unknown");
        let ran = run(&ROUND, &with_out(&line, &fresh()));
        assert_eq!(ran.status, Some(0), "{line}\n{}", ran.stderr);
        let n_warnings = ran.stderr.matches("warp_factor, flux").count();
        assert_eq!(n_warnings, 1, "{line}\n{}", ran.stderr);
    }
    let ran = run(&ROUND, &with_out(SAMPLE, &fresh()));
    assert!(!ran.stderr.contains("not known"), "{}", ran.stderr);
}

#[test]
fn texts_beyond_what_a_model_was_trained_for_are_reported_by_every_stage() {
    let short = |config: &mut Value| config["max_position_embeddings"] = json!(16);
    for model in ["policy", "rm"] {
        let dir = copied(&format!("short-{model}"), model);
        change(dir.join("config.json"), short);
    }
    for line in [SAMPLE, SFT, DPO, RM_TRAIN, LOG_PROBS, SCORE, ACCURACY] {
        let whole = run(&ROUND, &with_out(line, &fresh()));
        assert_eq!(whole.status, Some(0), "{line}\n{}", whole.stderr);
        let beyond = "`max_position_embeddings`";
        assert!(!whole.stderr.contains(beyond), "{line}\n{}", whole.stderr);
        let line = line.replace("--model ", "--model short-");
        let ran = run(&ROUND, &with_out(&line, &fresh()));
        assert_eq!(ran.status, Some(0), "{line}\n{}", ran.stderr);
        let n_warnings = ran.stderr.matches(beyond).count();
        assert_eq!(n_warnings, 1, "{line}\n{}", ran.stderr);
        let by = if line.starts_with("sample") {
            "--prompt-limit"
        } else {
            "--limit"
        };
        assert!(ran.stderr.contains(by), "{line}\n{}", ran.stderr);
    }
}

#[test]
fn settings_that_are_not_done_are_refused_by_every_stage() {
    let dir = copied("settings", "policy");
    change(dir.join("config.json"), |config| {
        config["rope_scaling"] = json!({"type": "dynamic", "factor": 4.0});
        config["partial_rotary_factor"] = json!(0.5);
        config["attention_dropout"] = json!(0.1);
        config["quantization_config"] = json!({"quant_method": "gptq", "bits": 4});
        config["final_logit_softcapping"] = json!(30.0);
        config["layer_types"] = json!(["sliding_attention"]);
    });
    for line in lines_with("settings") {
        let named = [
            "\"dynamic\"",
            "`partial_rotary_factor` is 0.5",
            "`attention_dropout` is 0.1",
            "gptq",
            "`final_logit_softcapping` is 30.0",
            "`layer_types`",
        ];
        refuses(&line, &named);
    }
}

#[test]
fn a_model_from_scratch_that_no_memory_holds_is_refused() {
    let fixtures = workspace().join("fixtures/mini");
    let pairs = "--from-scratch --pairs data/train-pairs.parquet";
    for (name, settings) in [
        ("hidden", json!({"hidden_size": 1 << 24})),
        (
            "layers",
            json!({"num_hidden_layers": 4096, "intermediate_size": 1 << 22}),
        ),
        (
            "all",
            json!({"hidden_size": 1 << 24, "intermediate_size": 1 << 24, "vocab_size": 1 << 24}),
        ),
    ] {
        let name = format!("scratch-{name}");
        copy(&fixtures, &ROUND.join(&name));
        change(ROUND.join(&name).join("config.json"), |config| {
            for (key, value) in settings.as_object().unwrap() {
                config[key] = value.clone();
            }
        });
        refuses(
            &format!("align sft --model {name} {pairs}"),
            &[&name, "config.json", "parameters"],
        );
    }
}

/// Batch systems and shells limit the memory of processes like this.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_of_the_address_space_counts_as_memory() {
    let fixtures = workspace().join("fixtures/mini");
    copy(&fixtures, &ROUND.join("limited"));
    change(ROUND.join("limited/config.json"), |config| {
        config["hidden_size"] = json!(2048);
        config["intermediate_size"] = json!(8192);
        config["num_hidden_layers"] = json!(16);
    });
    let line = "align sft --model limited --from-scratch --pairs data/train-pairs.parquet \
                --out limited-out";
    let stage = command(&ROUND, line);
    let mut words = vec![stage.get_program()];
    words.extend(stage.get_args());
    let mut shell = std::process::Command::new("sh");
    shell
        .current_dir(&*ROUND)
        .arg("-c")
        .arg("ulimit -v 6000000; exec \"$0\" \"$@\"")
        .args(words);
    let ran = apo_tests::stages::finish(&mut shell);
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("are free"), "{}", ran.stderr);
    assert!(!ROUND.join("limited-out.partial").exists());
}

#[test]
fn a_model_that_is_not_as_it_was_written_is_refused_by_every_stage() {
    for (model, lines) in [("policy", &OF_POLICIES[..]), ("rm", &OF_REWARD_MODELS)] {
        let mut names: Vec<PathBuf> = fs::read_dir(ROUND.join(model))
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect();
        names.sort();
        // Our own files are read as what they are.
        names.retain(|it| !it.ends_with("apo.json") && !it.ends_with("metrics.parquet"));
        assert!(names.len() >= 5, "{names:?}");
        for (i, path) in names.iter().enumerate() {
            let name = path.file_name().unwrap().to_str().unwrap();
            let damaged = format!("damaged-{model}-{i}");
            copy(&ROUND.join(model), &ROUND.join(&damaged));
            let mut bytes = fs::read(path).unwrap();
            // In JSON a blank more changes nothing but the digest.
            if path.extension().is_some_and(|it| it == "json") {
                bytes.push(b' ');
            } else {
                *bytes.last_mut().unwrap() ^= 1;
            }
            fs::write(ROUND.join(&damaged).join(name), bytes).unwrap();
            let line = lines[i % lines.len()];
            let line = line.replace(&format!("--model {model}"), &format!("--model {damaged}"));
            refuses(&line, &[&damaged, name, "has changed", "apo.json", "crc32"]);
        }
        for (i, change) in [
            |page: &mut Value| page["version"] = json!("0.0.1"),
            |page: &mut Value| page["files"] = json!({}),
            |page: &mut Value| page["inputs"]["model"]["digest"] = json!("0"),
            |page: &mut Value| {
                let fields = page.as_object_mut().unwrap();
                let sum = fields.remove("crc32").unwrap();
                fields.insert("crc33".into(), sum);
            },
        ]
        .into_iter()
        .enumerate()
        {
            let edited = format!("edited-{model}-{i}");
            copy(&ROUND.join(model), &ROUND.join(&edited));
            self::change(ROUND.join(&edited).join("apo.json"), change);
            let line = lines[i % lines.len()];
            let line = line.replace(&format!("--model {model}"), &format!("--model {edited}"));
            refuses(&line, &[&edited, "apo.json", "damaged", "crc32"]);
        }
        let lost = format!("lost-{model}");
        copy(&ROUND.join(model), &ROUND.join(&lost));
        fs::remove_file(ROUND.join(&lost).join("generation_config.json")).unwrap();
        let line = lines[0].replace(&format!("--model {model}"), &format!("--model {lost}"));
        refuses(&line, &["generation_config.json is missing"]);
    }
}

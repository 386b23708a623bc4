//! Bad input gets one error that says what, where and what to do, before any
//! work is done, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use apo_provenance::Provenance;
use apo_tables::{Finish, Query, Reader, Response, Writer};
use apo_tests::stages::{copy, copy_to_change, refuse, run, write};
use apo_tests::works::{
    ACCURACY, COLLECT, DPO, RM_TRAIN, SAMPLE, SCORE, SFT, WORKS, Work, inputs, refuse_whole,
};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

/// What all tests read.
static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| inputs(env!("CARGO_TARGET_TMPDIR"), "bad-input"));

#[track_caller]
fn refuses(line: &str, expected: &[&str]) {
    refuse_whole(&ROUND, line, expected);
}

/// Replaces a word of a line, which must contain it.
#[track_caller]
fn with(line: &str, word: &str, other: &str) -> String {
    assert!(line.contains(word), "{line}: {word}");
    line.replace(word, other)
}

fn table(name: &str, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = File::create(ROUND.join(name)).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Returns every work with its line.
fn works() -> impl Iterator<Item = (&'static Work, String)> {
    WORKS.iter().map(|work| {
        let mut line = work.line.to_owned();
        if work.asks {
            line += " --base-url http://127.0.0.1:9/v1"; // where nobody listens
        }
        (work, line)
    })
}

/// Returns the line of every work with each table that it reads.
fn read() -> impl Iterator<Item = (String, &'static str)> {
    works().flat_map(|(work, line)| work.tables().map(move |table| (line.clone(), table)))
}

#[test]
fn a_table_that_is_missing_cut_short_or_none_is_named() {
    let dir = &*ROUND;
    fs::write(dir.join("text.parquet"), "query_id,prompt\n").unwrap();
    for (line, table) in read() {
        refuses(
            &with(&line, table, "absent.parquet"),
            &["absent.parquet", "no such file"],
        );
        refuses(
            &with(&line, table, "text.parquet"),
            &["text.parquet", "Parquet"],
        );
        let whole = fs::read(dir.join(table)).unwrap();
        for (name, bytes) in [
            ("half.parquet", &whole[..whole.len() / 2]),
            ("last-byte.parquet", &whole[..whole.len() - 1]),
        ] {
            fs::write(dir.join(name), bytes).unwrap();
            refuses(
                &with(&line, table, name),
                &[name, "not a whole Parquet file"],
            );
        }
    }
}

#[test]
fn a_table_of_which_a_byte_was_changed_is_named_by_each_stage() {
    let dir = &*ROUND;
    for (line, table) in read() {
        let whole = fs::read(dir.join(table)).unwrap();
        let end = whole.len();
        for (region, at) in [
            ("magic", 1),
            ("header", 5),
            ("page", 70),
            ("footer", end - 300),
            ("footer-end", end - 20),
            ("length", end - 7),
            ("last-magic", end - 2),
        ] {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            let name = format!("changed-{region}.parquet");
            fs::write(dir.join(&name), bytes).unwrap();
            let line = with(&line, table, &name);
            refuses(&line, &[&name, "not a whole Parquet file"]);
        }
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_named_at_once() {
    let dir = &*ROUND;
    let made = std::process::Command::new("mkfifo")
        .arg(dir.join("pipe.parquet"))
        .status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", dir.join("device.parquet")).unwrap();
    for (line, table) in read() {
        for (name, word) in [
            ("pipe.parquet", "is a pipe"),
            ("device.parquet", "is a device"),
        ] {
            refuses(&with(&line, table, name), &[name, word]);
        }
    }
}

#[test]
fn all_wrong_columns_of_a_table_are_reported_at_once() {
    table(
        "columns.parquet",
        vec![
            (
                "query_id",
                Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef,
            ),
            ("text", texts(&["a", "b"])),
        ],
    );
    for (line, table) in read() {
        let line = with(&line, table, "columns.parquet");
        refuses(
            &line,
            &["columns.parquet", "`query_id`", "`subset`", "`prompt`"],
        );
    }
    let unscored = with(DPO, "scored.parquet", "samples.parquet");
    refuses(&unscored, &["samples.parquet", "`reward`", "judge score"]);
}

#[test]
fn an_empty_table_is_refused() {
    let dir = &*ROUND;
    let empty = |name: &str| dir.join(name);
    let provenance = Provenance::new("test", "0");
    Writer::<Query>::create(&empty("no-queries.parquet"), &provenance)
        .unwrap()
        .finish()
        .unwrap();
    Writer::<Response>::create(&empty("no-responses.parquet"), &provenance)
        .unwrap()
        .finish()
        .unwrap();
    for (line, table, other) in [
        (SAMPLE, "data/test-queries.parquet", "no-queries.parquet"),
        (RM_TRAIN, "golden.parquet", "no-responses.parquet"),
        (RM_TRAIN, "rm-samples.parquet", "no-responses.parquet"),
        (DPO, "scored.parquet", "no-responses.parquet"),
        (SCORE, "samples.parquet", "no-responses.parquet"),
    ] {
        refuses(&with(line, table, other), &[other, "no rows"]);
    }
}

/// Copies a table of responses and changes each row.
fn changed(from: &str, to: &str, mut change: impl FnMut(usize, &mut Response)) {
    let path = ROUND.join(to);
    let mut writer = Writer::create(&path, &Provenance::new("test", "0")).unwrap();
    for (row, response) in Reader::<Response>::open(&ROUND.join(from))
        .unwrap()
        .enumerate()
    {
        let mut response = response.unwrap();
        change(row, &mut response);
        writer.write(&response).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn a_row_at_fault_is_named() {
    changed("scored.parquet", "no-reward.parquet", |row, it| {
        if row == 4 {
            it.reward = None;
        }
    });
    changed("scored.parquet", "nan.parquet", |row, it| {
        if row == 5 {
            it.reward = Some(f32::NAN);
        }
    });
    changed("golden.parquet", "twice.parquet", |_, it| {
        it.query_id = "0123456789abcdef".into();
    });
    for name in ["no-reward.parquet", "nan.parquet"] {
        let row = if name == "nan.parquet" {
            "row 5"
        } else {
            "row 4"
        };
        refuses(&with(DPO, "scored.parquet", name), &[row, "reward"]);
    }
    let line = with(RM_TRAIN, "golden.parquet", "twice.parquet");
    refuses(&line, &["twice.parquet", "0123456789abcdef"]);
}

#[test]
fn responses_that_say_nothing_are_nothing_to_learn_from() {
    changed("golden.parquet", "silent.parquet", |row, it| {
        if row == 7 {
            it.response.clear();
            it.finish = Finish::Empty;
        }
    });
    changed("golden.parquet", "unfinished.parquet", |row, it| {
        if row == 6 {
            it.response.clear();
        }
    });
    for line in ["align sft --model policy --golden golden.parquet", RM_TRAIN] {
        for (name, row) in [("silent.parquet", "row 7"), ("unfinished.parquet", "row 6")] {
            let line = with(line, "golden.parquet", name);
            refuses(&line, &[name, row, "`response`", "empty"]);
        }
    }
    changed("scored.parquet", "equal.parquet", |_, it| {
        it.reward = Some(1.0);
    });
    refuses(
        &with(DPO, "scored.parquet", "equal.parquet"),
        &["nothing to train on"],
    );
}

/// Copies a model directory and changes one of its pages.
fn model(name: &str, from: &str, page: &str, change: impl FnOnce(&mut Value)) {
    copy_to_change(&ROUND.join(from), &ROUND.join(name));
    change_page(name, page, change);
}

fn change_page(name: &str, page: &str, change: impl FnOnce(&mut Value)) {
    let path = ROUND.join(name).join(page);
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(&path, serde_json::to_vec(&value).unwrap()).unwrap();
}

/// Checks that every stage that reads a policy refuses another model in its place.
#[track_caller]
fn refuses_model(name: &str, expected: &[&str]) {
    let lines = works().map(|(_, line)| line);
    for line in lines.filter(|it| it.contains("--model policy")) {
        let line = with(&line, "--model policy", &format!("--model {name}"));
        refuses(&line, expected);
    }
}

#[test]
fn a_model_that_is_missing_or_cut_short_is_named() {
    let dir = &*ROUND;
    refuses_model("absent", &["absent"]);
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let name = format!("without-{}", file.split('.').next().unwrap());
        copy(&dir.join("policy"), &dir.join(&name));
        fs::remove_file(dir.join(&name).join(file)).unwrap();
        refuses_model(&name, &[&name, file]);
    }
    let weights = fs::read(dir.join("policy/model.safetensors")).unwrap();
    for (name, bytes) in [
        ("half", &weights[..weights.len() / 2]),
        ("header", &weights[..40]),
        ("nothing", &weights[..0]),
    ] {
        let name = format!("cut-{name}");
        copy(&dir.join("policy"), &dir.join(&name));
        fs::write(dir.join(&name).join("model.safetensors"), bytes).unwrap();
        refuses_model(&name, &[&name, "model.safetensors"]);
    }
}

#[test]
fn all_differences_of_config_and_weights_are_reported_at_once() {
    model("wide", "policy", "config.json", |config| {
        config["intermediate_size"] = json!(config["intermediate_size"].as_u64().unwrap() + 8);
        config["num_hidden_layers"] = json!(config["num_hidden_layers"].as_u64().unwrap() + 1);
    });
    let layer = ROUND.join("policy/config.json");
    let config: Value = serde_json::from_slice(&fs::read(layer).unwrap()).unwrap();
    let new = format!("model.layers.{}.", config["num_hidden_layers"]);
    refuses_model(
        "wide",
        &[
            "model.layers.0.mlp.gate_proj.weight",
            "model.layers.0.mlp.down_proj.weight",
            &new,
        ],
    );
}

#[test]
fn an_architecture_that_is_not_done_is_refused_by_name() {
    model("other", "policy", "config.json", |config| {
        config["hidden_act"] = json!("gelu");
        config["attention_bias"] = json!(true);
        config["sliding_window"] = json!(128);
        config["rope_scaling"] = json!({ "rope_type": "longrope", "factor": 4.0 });
    });
    refuses_model(
        "other",
        &["hidden_act", "attention_bias", "sliding_window", "longrope"],
    );
    model("foreign", "policy", "config.json", |config| {
        config["model_type"] = json!("gpt2");
        config["architectures"] = json!(["GPT2LMHeadModel"]);
    });
    refuses_model("foreign", &["gpt2"]);
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    model("small", "policy", "config.json", |config| {
        config["vocab_size"] = json!(100);
    });
    refuses_model("small", &["small", "`vocab_size` is 100"]);
    model("endless", "policy", "tokenizer_config.json", |config| {
        config["eos_token"] = Value::Null;
    });
    // Nor any of the other files that may say it.
    for page in ["generation_config.json", "config.json"] {
        change_page("endless", page, |page| {
            page["eos_token_id"] = Value::Null;
        });
    }
    refuses_model("endless", &["endless", "eos_token"]);
}

#[test]
fn a_template_other_than_the_models_is_refused() {
    for line in [SAMPLE, RM_TRAIN, SFT, DPO, SCORE, ACCURACY] {
        refuses(
            &format!("{line} --template chat"),
            &["`hh`", "`chat`", "--template"],
        );
    }
    model("chatty", "policy", "apo.json", |page| {
        page["template"] = json!("chat");
    });
    refuses(
        &with(SAMPLE, "--model policy", "--model chatty"),
        &["chatty", "chat_template"],
    );
}

#[test]
fn a_model_with_a_chat_template_requires_a_choice_of_template() {
    let config = |page: &mut Value| page["chat_template"] = json!("{{ messages[0].content }}");
    model("foreign-chat", "policy", "tokenizer_config.json", config);
    fs::remove_file(ROUND.join("foreign-chat/apo.json")).unwrap();
    for line in [SAMPLE, RM_TRAIN, SFT, DPO] {
        let line = with(line, "--model policy", "--model foreign-chat");
        refuses(&line, &["foreign-chat", "--template chat", "--template hh"]);
    }
}

#[test]
fn a_prompt_that_says_nothing_is_refused() {
    table(
        "no-prompt.parquet",
        vec![
            ("query_id", texts(&["a", "b"])),
            ("subset", texts(&["s", "s"])),
            ("prompt", texts(&["\n\nHuman: hi\n\nAssistant:", ""])),
        ],
    );
    let line = with(SAMPLE, "data/test-queries.parquet", "no-prompt.parquet");
    refuses(&line, &["no-prompt.parquet", "row 1", "`prompt`", "empty"]);
}

#[test]
fn an_output_never_takes_the_place_of_an_input_or_of_what_others_made() {
    let dir = &*ROUND;
    copy(&dir.join("policy"), &dir.join("mine"));
    fs::copy(
        dir.join("data/llm-queries.parquet"),
        dir.join("mine.parquet"),
    )
    .unwrap();
    fs::create_dir_all(dir.join("notes")).unwrap();
    fs::write(dir.join("notes/a.txt"), "by hand").unwrap();
    fs::create_dir_all(dir.join("raw")).unwrap();
    fs::copy(
        dir.join("data/rm-pairs.parquet"),
        dir.join("raw/pairs.parquet"),
    )
    .unwrap();
    let sample = "sample --model mine --queries mine.parquet --samples 1 --overwrite";
    for (line, expected) in [
        (format!("{sample} --out mine"), "is the input mine;"),
        (
            format!("{sample} --out mine.parquet"),
            "is the input mine.parquet;",
        ),
        (
            format!("{sample} --out mine/answers.parquet"),
            "lies in the input mine;",
        ),
        (
            format!("{sample} --out notes"),
            "no stage of this project made",
        ),
        (
            "hh-split --train raw --rm 1 --dev 0 --out raw --overwrite".into(),
            "is the input",
        ),
        (
            "gold-collect --queries mine.parquet --pairs data/llm-pairs.parquet --base-url \
             http://127.0.0.1:9/v1 --model m --journal j --out j --overwrite"
                .into(),
            "--journal and --out",
        ),
    ] {
        refuse(dir, &line, 3, &[expected]);
    }
    assert_eq!(fs::read(dir.join("notes/a.txt")).unwrap(), b"by hand");
    assert!(dir.join("mine/model.safetensors").exists());
    assert!(dir.join("raw/pairs.parquet").exists());
}

#[test]
fn one_query_with_two_prompts_or_one_sample_twice_is_refused() {
    changed("scored.parquet", "other-prompt.parquet", |row, it| {
        if row == 1 {
            it.prompt = it.prompt.replacen("Human: ", "Human: Well, ", 1);
        }
    });
    changed("scored.parquet", "same-sample.parquet", |_, it| {
        it.sample = 0;
    });
    let line = |name| with(DPO, "scored.parquet", name);
    refuses(&line("other-prompt.parquet"), &["different prompts"]);
    refuses(&line("same-sample.parquet"), &["`sample` 0"]);
    table(
        "two-prompts.parquet",
        vec![
            ("query_id", texts(&["a", "a"])),
            ("subset", texts(&["s", "s"])),
            (
                "prompt",
                texts(&["\n\nHuman: hi\n\nAssistant:", "\n\nHuman: ho\n\nAssistant:"]),
            ),
        ],
    );
    let line = with(SAMPLE, "data/test-queries.parquet", "two-prompts.parquet");
    refuses(&line, &["two-prompts.parquet", "query a"]);
}

#[test]
fn a_value_that_makes_no_sense_is_wrong_usage() {
    for (line, value) in [
        (SAMPLE, "--samples=99999999999999"),
        (SAMPLE, "--batch=0"),
        (SAMPLE, "--batch=all"),
        (SAMPLE, "--temperature=1e-45"),
        (SAMPLE, "--top-p=0"),
        (SFT, "--learning-rate=nan"),
        (SFT, "--learning-rate=-1"),
        (SFT, "--warmup=1.5"),
        (SFT, "--decay=step"),
        (SFT, "--save-as=f16"),
        (RM_TRAIN, "--adam-beta-2=1"),
        (RM_TRAIN, "--checkpoint-minutes=inf"),
        (RM_TRAIN, "--beta-2=-1"),
        (DPO, "--beta=nan"),
        (DPO, "--pair-selection=some"),
        (SCORE, "--device=gpu"),
        (SCORE, "--device=cuda:first"),
        (SAMPLE, "--threads=0"),
        (SAMPLE, "--precision=f16"),
    ] {
        let ran = run(&ROUND, &format!("{line} {value} --out usage"));
        assert_eq!(ran.status, Some(2), "{line} {value}\n{}", ran.stderr);
        let name = value.split('=').next().unwrap();
        assert!(ran.stderr.contains(name), "{value}\n{}", ran.stderr);
        assert!(!ROUND.join("usage.partial").exists(), "{line} {value}");
    }
}

#[test]
fn golden_answers_and_samples_are_not_taken_for_each_other() {
    changed("golden.parquet", "one-each.parquet", |_, row| {
        row.origin = "policy".into();
    });
    for line in ["align sft --model policy --golden golden.parquet", RM_TRAIN] {
        let line = with(line, "--golden golden.parquet", "--golden one-each.parquet");
        let expected = [
            "one-each.parquet, row 0",
            "`origin` is `policy`",
            "--golden",
        ];
        refuses(&line, &expected);
    }
    changed("golden.parquet", "golden-too.parquet", |_, row| {
        row.response.push_str(" Indeed.");
    });
    refuses(
        &with(RM_TRAIN, "rm-samples.parquet", "golden-too.parquet"),
        &[
            "golden-too.parquet, row 0",
            "`origin` is `hh_chosen`",
            "swapped",
        ],
    );
}

#[test]
fn no_part_of_a_table_is_left_out_in_silence() {
    let dir = ROUND.join("parts");
    fs::create_dir_all(&dir).unwrap();
    fs::copy(ROUND.join("rm-samples.parquet"), dir.join("1.PARQUET")).unwrap();
    let nobody = Provenance::new("another program", "1");
    let line = with(RM_TRAIN, "rm-samples.parquet", "parts");
    for (name, expected) in [
        ("2.parquet.tmp", "which is not read"),
        ("1.parquet", "one file in two forms"),
    ] {
        write::<Response>(&dir.join(name), &nobody, &[]);
        refuses(&line, &["parts", name, expected]);
        fs::remove_file(dir.join(name)).unwrap();
    }
}

#[test]
fn golden_answers_are_not_compared_with_themselves() {
    // A policy's one sample for each query, and a copy of them.
    changed("golden.parquet", "one-sample.parquet", |_, row| {
        row.origin = "policy".into();
    });
    let copied = ROUND.join("one-sample-copy.parquet");
    fs::copy(ROUND.join("one-sample.parquet"), copied).unwrap();
    for (golden, samples) in [
        ("golden.parquet", "golden.parquet"),
        ("rm-samples.parquet", "rm-samples.parquet"),
        ("one-sample.parquet", "one-sample-copy.parquet"),
    ] {
        let line = with(
            RM_TRAIN,
            "--golden golden.parquet",
            &format!("--golden {golden}"),
        );
        let line = with(
            &line,
            "--samples rm-samples.parquet",
            &format!("--samples {samples}"),
        );
        let expected = format!("--golden {golden} and --samples {samples} have the same content");
        refuses(
            &line,
            &[&expected, "each answer would be compared with itself"],
        );
    }
    // The same answers as another program saves them, and from the last to the first.
    let golden = Reader::<Response>::open(&ROUND.join("golden.parquet")).unwrap();
    let mut rows: Vec<Response> = golden.map(Result::unwrap).collect();
    rows.reverse();
    for row in &mut rows {
        row.origin = "policy".into();
    }
    let nobody = Provenance::new("another program", "1");
    write(&ROUND.join("reversed.parquet"), &nobody, &rows);
    let of = |name: fn(&Response) -> &str| {
        let values: Vec<&str> = rows.iter().map(name).collect();
        texts(&values)
    };
    table(
        "resaved.parquet",
        vec![
            ("response", of(|it| &it.response)),
            ("prompt", of(|it| &it.prompt)),
            ("query_id", of(|it| &it.query_id)),
            ("subset", of(|it| &it.subset)),
            ("origin", of(|it| &it.origin)),
            ("finish", of(|it| it.finish.as_str())),
            ("sample", Arc::new(Int64Array::from(vec![0; rows.len()]))),
        ],
    );
    for samples in ["reversed.parquet", "resaved.parquet"] {
        let line = with(RM_TRAIN, "rm-samples.parquet", samples);
        let expected =
            format!("--golden golden.parquet and --samples {samples} hold the same responses");
        refuses(
            &line,
            &[&expected, "each answer would be compared with itself"],
        );
    }
}

#[test]
fn a_policy_is_no_reward_model() {
    refuses(
        &with(SCORE, "--model rm", "--model policy"),
        &["policy", "score.weight"],
    );
}

#[test]
fn an_output_that_cannot_be_written_is_reported() {
    let dir = &*ROUND;
    fs::write(dir.join("file"), "").unwrap();
    for line in [SAMPLE, RM_TRAIN, SFT, DPO, SCORE, COLLECT] {
        let line = format!("{line} --out file/out");
        refuse(dir, &line, 1, &["file/out"]);
    }
    assert_eq!(fs::read(dir.join("file")).unwrap(), b"");
}

#[test]
fn raw_dialogues_at_fault_are_counted_or_refused() {
    let dir = &*ROUND;
    let split = |source: &str| format!("hh-split {source} --rm 1 --dev 0");
    refuses(&split("--train absent.jsonl"), &["absent.jsonl"]);
    fs::write(
        dir.join("cut.jsonl.gz"),
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2],
    )
    .unwrap();
    refuses(&split("--train cut.jsonl.gz"), &["cut.jsonl.gz"]);
    fs::write(dir.join("others.jsonl"), "{\"text\": \"a\"}\nnothing\n").unwrap();
    refuses(&split("--train others.jsonl"), &["malformed"]);
    fs::write(dir.join("some.jsonl"), "").unwrap();
    refuses(&split("--train some.jsonl"), &["no"]);
    refuses(
        &split(&format!("--hh {}", Path::new("data").display())),
        &["data", "helpful-base"],
    );
    table(
        "columns-of-others.parquet",
        vec![("question", texts(&["a"]))],
    );
    refuses(
        &split("--train columns-of-others.parquet"),
        &[
            "columns-of-others.parquet",
            "`chosen`, `rejected`",
            "question",
        ],
    );
    let pairs = dir.join("data/rm-pairs.parquet");
    refuses(
        &split(&format!("--train {} --test others.jsonl", pairs.display())),
        &["test files", "malformed"],
    );
}

#[test]
fn an_objective_without_its_tables_is_refused_before_anything_is_loaded() {
    let all = "--pairs none.parquet --golden none.parquet --samples none.parquet";
    for (line, expected) in [
        (
            "apo",
            "--objective apo needs --pairs and --golden and --samples",
        ),
        (
            "seq --pairs none.parquet",
            "--objective seq needs --golden and --samples",
        ),
        (
            "wgan --golden none.parquet",
            "--objective wgan needs --pairs and --samples",
        ),
        (
            &format!("gail {all}"),
            "--objective gail does not use --pairs",
        ),
        (
            &format!("ab {all}"),
            "--objective ab does not use --golden and --samples",
        ),
        (
            "rank --golden none.parquet",
            "--objective rank needs --pairs; it does not use --golden",
        ),
    ] {
        let ran = run(
            &ROUND,
            &format!("rm-train --model none --out none --objective {line}"),
        );
        assert_eq!(ran.status, Some(2), "{line}\n{}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{line}\n{}", ran.stderr);
    }
    for objective in [
        "ab",
        "seq --golden golden.parquet --samples rm-samples.parquet",
    ] {
        refuses(
            &format!(
                "rm-train --model policy --pairs data/rm-pairs.parquet --objective {objective}"
            ),
            &[
                "policy: has no reward head",
                "continues from a reward model",
            ],
        );
    }
}

//! What is around a text is no part of it: thoughts, special tokens, other programs'
//! formats. What the stages leave aside, they say with counts.

use std::path::PathBuf;
use std::sync::LazyLock;

use apo_provenance::Provenance;
use apo_tables::{Pair, Query, Reader, Response, Row};
use apo_tests::stages::{copy, refuse, run, small_round, write};
use serde_json::{Value, json};

/// A small round that all tests read.
static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "texts"));

/// Answers, and what is left of them.
const ANSWERS: [&str; 8] = [
    "Yes.",
    "<think>Hm.</think>\n\nYes.",
    "Thinking...\nHm.\n...done thinking.\n\nYes.",
    "Hm.\n[BEGIN FINAL RESPONSE]\nYes.\n[END FINAL RESPONSE]",
    "Yes.</s>",
    "Yes.<|im_end|>",
    "<think>Hm.",
    "Sure. <think>Hm.</think> Yes.",
];

/// Runs `align sft`, checks its counts and warnings, and returns them.
fn sft(source: &str, out: &str) -> (Value, String) {
    let line = format!("align sft --model policy {source} --batch 8 --json --out {out}");
    let ran = run(&ROUND, &line);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let found = serde_json::from_str(&ran.stdout).expect("the result is JSON");
    (found, ran.stderr)
}

/// Writes a table's first rows with these answers as another program's table.
fn with_answers<R: Row>(from: &str, to: &str, change: impl Fn(R, &str) -> R) {
    let rows = Reader::<R>::open(&ROUND.join(from)).expect("the table is there");
    let rows = rows
        .zip(ANSWERS)
        .map(|(row, answer)| change(row.expect("a whole row"), answer));
    let rows: Vec<R> = rows.collect();
    assert_eq!(rows.len(), ANSWERS.len(), "{from} has too few rows");
    write(&ROUND.join(to), &Provenance::new("test", "0"), &rows);
}

fn golden_with(row: Response, answer: &str) -> Response {
    Response {
        response: answer.into(),
        ..row
    }
}

fn check(source: &str, out: &str) {
    let (found, stderr) = sft(source, out);
    check_counts(source, &found, &stderr);
}

fn check_counts(source: &str, found: &Value, stderr: &str) {
    for (name, expected) in [
        ("thoughts_removed", 3),
        ("only_thoughts", 1),
        ("tokens_removed", 2),
        ("thoughts_kept", 1),
    ] {
        assert_eq!(found[name], json!(expected), "{source}: {name} in {found}");
    }
    for expected in [
        "3 answers begin with a thought",
        "1 answer is only a thought or special tokens",
        "2 answers had special tokens",
        "1 answer contains what may be a thought",
    ] {
        assert!(stderr.contains(expected), "{source}: {stderr}");
    }
}

#[test]
fn sft_learns_no_thoughts_and_no_special_tokens() {
    let rows = ANSWERS.iter().zip(0..);
    let rows = rows.map(|(answer, i)| {
        json!({"instruction": format!("Question {i}?"), "input": "<noinput>", "output": answer})
    });
    let lines: Vec<String> = rows.map(|it| it.to_string()).collect();
    std::fs::write(ROUND.join("around.jsonl"), lines.join("\n")).expect("the round can be written");
    check("--instructions around.jsonl", "of-instructions");

    with_answers(
        "data/rm-pairs.parquet",
        "around.parquet",
        |pair: Pair, answer| Pair {
            chosen: answer.into(),
            ..pair
        },
    );
    check("--pairs around.parquet", "of-pairs");
    with_answers("golden.parquet", "around-sft.parquet", golden_with);
    check("--golden around-sft.parquet", "of-golden");
}

#[test]
fn a_reward_model_learns_no_thoughts_and_no_special_tokens_as_golden_answers() {
    with_answers("golden.parquet", "around-rm.parquet", golden_with);
    let line = "rm-train --model policy --objective gail --golden around-rm.parquet \
                --samples rm-samples.parquet --batch 8 --json --out rm-of-golden";
    let ran = run(&ROUND, line);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).expect("the result is JSON");
    check_counts(line, &found, &ran.stderr);
}

fn responses(name: &str) -> Vec<Response> {
    let table = Reader::open(&ROUND.join(name)).expect("the table is there");
    table.map(|it| it.expect("a whole row")).collect()
}

#[test]
fn golden_answers_that_cannot_be_compared_with_samples_are_refused() {
    let nobody = Provenance::new("another program", "1");
    let line = "rm-train --model policy --pairs data/rm-pairs.parquet --samples rm-samples.parquet \
                --batch 8 --out incomparable --golden";
    // Samples that differ by what is removed of golden answers.
    for (i, (before, after)) in [("", "<|im_end|>"), ("<think>Hm.</think>", ""), ("", "\n")]
        .into_iter()
        .enumerate()
    {
        let mut rows = responses("rm-samples.parquet");
        rows.retain(|it| it.sample == 0);
        for row in &mut rows {
            row.origin = "human".into();
            row.response = format!("{before}{}{after}", row.response);
        }
        let name = format!("of-samples-{i}.parquet");
        write(&ROUND.join(&name), &nobody, &rows);
        let expected = ["hold the same responses", "are among the samples"];
        refuse(&ROUND, &format!("{line} {name}"), 3, &expected);
    }
    // Samples with thoughts, which are kept in samples, saved anew.
    let mut samples = responses("rm-samples.parquet");
    for row in &mut samples {
        row.response = format!("<think>Hm.</think>Yes {}.", row.sample);
    }
    write(&ROUND.join("thinking.parquet"), &nobody, &samples);
    samples.retain(|it| it.sample == 0);
    for row in &mut samples {
        row.origin = "human".into();
    }
    write(&ROUND.join("of-thinking.parquet"), &nobody, &samples);
    let thinking = line.replace("rm-samples.parquet", "thinking.parquet");
    let expected = ["hold the same responses", "are among the samples"];
    refuse(
        &ROUND,
        &format!("{thinking} of-thinking.parquet"),
        3,
        &expected,
    );
    let mut strangers = responses("golden.parquet");
    let mut thoughts = strangers.clone();
    for (i, row) in strangers.iter_mut().enumerate() {
        row.query_id = format!("stranger-{i}");
        row.prompt = format!("\n\nHuman: Question {i}?\n\nAssistant:");
    }
    for row in &mut thoughts {
        row.response = "<think>Hm.".into();
    }
    for (name, rows) in [("strangers", strangers), ("thoughts", thoughts)] {
        let name = format!("{name}.parquet");
        write(&ROUND.join(&name), &nobody, &rows);
        let expected = ["no golden answer can be compared with a sample"];
        refuse(&ROUND, &format!("{line} {name}"), 3, &expected);
    }
}

#[test]
fn samples_of_a_policy_are_no_instructions() {
    let samples = responses("samples.parquet");
    let nobody = Provenance::new("another program", "1");
    write(&ROUND.join("resaved.parquet"), &nobody, &samples);
    let lines: Vec<String> = samples
        .iter()
        .map(|it| json!({"prompt": it.prompt, "response": "Yes.", "origin": " Policy"}).to_string())
        .collect();
    std::fs::write(ROUND.join("resaved.jsonl"), lines.join("\n"))
        .expect("the round can be written");
    for (name, evidence) in [
        ("samples.parquet", "`sample` made it"),
        ("scored.parquet", "`origin` is `policy` in line 1"),
        ("resaved.parquet", "`origin` is `policy` in line 1"),
        ("resaved.jsonl", "`origin` is `policy` in line 1"),
    ] {
        let line = format!("align sft --model policy --instructions {name} --out of-samples");
        let expected = format!("--instructions {name}: {evidence}");
        refuse(&ROUND, &line, 3, &[&expected, "own samples", "align rjs"]);
    }
}

#[test]
fn prompts_that_another_program_rendered_are_reported_by_every_stage_that_reads_them() {
    let chat = "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n";
    let turn = format!("\n\nHuman: {chat}\n\nAssistant:");
    let nobody = Provenance::new("another program", "1");
    let prompts = ["\n\nHuman: Why?\n\nAssistant:", &turn, chat];
    let query = |prompt: &str| Query {
        query_id: apo_hh::query_id(prompt),
        subset: String::new(),
        prompt: prompt.into(),
    };
    let pairs = prompts.map(|prompt| Pair {
        query_id: apo_hh::query_id(prompt),
        pair_id: apo_hh::query_id(&format!("pair of {prompt}")),
        subset: String::new(),
        prompt: prompt.into(),
        chosen: "Yes.".into(),
        rejected: "No.".into(),
        margin: None,
    });
    let golden = prompts.map(|prompt| Response::new(query(prompt), "Yes.".into(), "human"));
    write(
        &ROUND.join("rendered-queries.parquet"),
        &nobody,
        &prompts.map(query),
    );
    write(&ROUND.join("rendered-pairs.parquet"), &nobody, &pairs);
    write(&ROUND.join("rendered-golden.parquet"), &nobody, &golden);
    for (name, line) in [
        (
            "queries",
            "sample --model policy --samples 1 --max-new-tokens 2 --queries",
        ),
        ("pairs", "align sft --model policy --pairs"),
        ("golden", "align sft --model policy --golden"),
        ("pairs", "rm-train --model policy --pairs"),
    ] {
        let stage = line.split(' ').next().unwrap_or_default();
        let out = format!("rendered-{name}-of-{stage}");
        let ran = run(
            &ROUND,
            &format!("{line} rendered-{name}.parquet --out {out}"),
        );
        assert_eq!(ran.status, Some(0), "{line}: {}", ran.stderr);
        let expected = "2 prompts are already rendered, the first in row 1 (from 0), in ChatML";
        assert!(ran.stderr.contains(expected), "{line}: {}", ran.stderr);
    }
}

#[test]
fn instructions_that_another_program_rendered_are_left_out_by_the_name_of_its_format() {
    let plain = json!({"instruction": "Why?", "output": "Yes."});
    let rendered = [
        (
            "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
            "ChatML",
        ),
        ("[INST] Why? [/INST]", "LLaMA 2"),
        ("### Instruction:\nWhy?\n\n### Response:", "Alpaca"),
        ("USER: Why? ASSISTANT:", "Vicuna"),
        ("Human: Why?\nAssistant:", "blank lines"),
    ];
    for (i, (prompt, name)) in rendered.into_iter().enumerate() {
        let row = json!({"prompt": prompt, "response": "Yes."});
        let path = ROUND.join(format!("rendered-{i}.jsonl"));
        std::fs::write(path, format!("{row}\n{plain}\n")).expect("the round can be written");
        let source = format!("--instructions rendered-{i}.jsonl");
        let (found, stderr) = sft(&source, &format!("of-rendered-{i}"));
        assert_eq!(found["malformed"], json!(1), "{found}");
        for expected in ["1 row was left out", "line 1", "already rendered", name] {
            assert!(stderr.contains(expected), "{stderr}");
        }
    }
}

#[test]
fn sample_names_the_settings_of_a_model_that_it_does_not_apply() {
    let line = "sample --queries data/llm-queries.parquet --samples 1 --max-new-tokens 2";
    for (i, (name, value)) in [
        ("suppress_tokens", json!([3, 4])),
        ("begin_suppress_tokens", json!([5])),
        ("stop_strings", json!(["Human:"])),
        ("no_repeat_ngram_size", json!(3)),
        ("forced_eos_token_id", json!(0)),
        ("min_new_tokens", json!(4)),
    ]
    .into_iter()
    .enumerate()
    {
        let model = format!("policy-{i}");
        copy(&ROUND.join("policy"), &ROUND.join(&model));
        let path = ROUND.join(&model).join("generation_config.json");
        let page = std::fs::read_to_string(&path).expect("the policy has one");
        let mut page: Value = serde_json::from_str(&page).expect("it is JSON");
        page["temperature"] = json!(0.6);
        let stderr_of = |page: &Value, out: &str| {
            std::fs::write(&path, page.to_string()).expect("the round can be written");
            // The page with digests belongs to the files as they were.
            let _ = std::fs::remove_file(ROUND.join(&model).join("apo.json"));
            let ran = run(&ROUND, &format!("{line} --model {model} --out {out}"));
            assert_eq!(ran.status, Some(0), "{}", ran.stderr);
            ran.stderr
        };
        let stderr = stderr_of(&page, &format!("plain-{i}.parquet"));
        assert!(!stderr.contains("not applied"), "{stderr}");
        page[name] = value.clone();
        let stderr = stderr_of(&page, &format!("set-{i}.parquet"));
        let expected = format!("`{name}`: {value}");
        assert!(stderr.contains(&expected), "{expected} is not in {stderr}");
        assert!(stderr.contains("not applied"), "{stderr}");
        assert!(stderr.contains("`transformers` would follow"), "{stderr}");
        assert!(!stderr.contains("not known settings"), "{stderr}");
        page[name] = Value::Null;
        for (unknown, value) in [
            ("presence_penalty", json!(1)),
            ("stop_token_ids", json!([3])),
            ("_comment", json!("by hand")),
        ] {
            page[unknown] = value;
        }
        let stderr = stderr_of(&page, &format!("unknown-{i}.parquet"));
        for expected in [
            "`presence_penalty`: 1",
            "`stop_token_ids`: [3]",
            "`_comment`",
        ] {
            assert!(stderr.contains(expected), "{stderr}");
        }
        assert!(stderr.contains("not known settings"), "{stderr}");
        assert!(!stderr.contains("`transformers` would follow"), "{stderr}");
    }
}

#[test]
fn a_beginning_of_text_with_another_id_is_refused_by_name() {
    copy(&ROUND.join("policy"), &ROUND.join("policy-bos"));
    let path = ROUND.join("policy-bos/tokenizer.json");
    let page = std::fs::read_to_string(&path).expect("the policy has one");
    let mut page: Value = serde_json::from_str(&page).expect("it is JSON");
    let token = page["added_tokens"][0]["content"].clone();
    let token = token.as_str().expect("it has a special token").to_owned();
    page["post_processor"] = json!({"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {&token: {"id": token, "ids": [9], "tokens": [token]}}});
    std::fs::write(path, page.to_string()).expect("the round can be written");
    let _ = std::fs::remove_file(ROUND.join("policy-bos/apo.json"));
    let line = "sample --model policy-bos --queries data/llm-queries.parquet --out bos.parquet";
    refuse(
        &ROUND,
        line,
        3,
        &["tokenizer.json", "`post_processor`", &token, "the id 9"],
    );
}

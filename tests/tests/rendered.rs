//! Stages render dialogues as the model's files say, and name those that they cannot
//! render.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use apo_provenance::Provenance;
use apo_tables::Query;
use apo_tests::stages::{command, copy, finish, refuse, run, small_round, succeed, write};
use serde_json::{Value, json};

static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "rendered"));

fn edit(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

/// Makes a copy of the policy with a chat template and without our `apo.json`.
fn model(name: &str, template: &Value) -> PathBuf {
    let dir = ROUND.join(name);
    copy(&ROUND.join("policy"), &dir);
    fs::remove_file(dir.join("apo.json")).unwrap();
    edit(&dir.join("tokenizer_config.json"), |config| {
        config["chat_template"] = template.clone();
    });
    dir
}

#[test]
fn a_dialogue_that_a_template_refuses_is_named() {
    model(
        "strict",
        &json!("{% if messages | length > 1 %}{{ raise_exception('one turn only') }}{% endif %}x"),
    );
    for (i, (line, table)) in [
        (
            "sample --queries data/llm-queries.parquet --samples 1",
            "data/llm-queries.parquet",
        ),
        (
            "align sft --pairs data/rm-pairs.parquet",
            "data/rm-pairs.parquet",
        ),
        ("align sft --golden golden.parquet", "golden.parquet"),
        (
            "align dpo --responses scored.parquet --reference strict",
            "scored.parquet",
        ),
        (
            "rm-train --pairs data/rm-pairs.parquet --golden golden.parquet \
             --samples rm-samples.parquet",
            "data/rm-pairs.parquet",
        ),
        (
            "judge log-probs --responses samples.parquet",
            "samples.parquet",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let line = format!("{line} --model strict --template chat --out strict-{i}");
        let names = format!("{table}, query ");
        let expected = [
            &names,
            "refuses the dialogue: one turn only",
            "strict/tokenizer_config.json",
        ];
        refuse(&ROUND, &line, 3, &expected);
    }
}

#[test]
fn a_model_with_a_template_is_never_taken_for_one_without() {
    let line = |name: &str| {
        format!(
            "sample --model {name} --queries data/llm-queries.parquet --samples 1 --out {name}-out"
        )
    };
    for (name, template) in [
        (
            "generation",
            json!("{% generation %}{{ messages[0].content }}{% endgeneration %}"),
        ),
        ("syntax", json!("{% if %}")),
        ("empty", json!("")),
        ("several", json!([{"name": "default", "template": "x"}])),
    ] {
        model(name, &template);
        refuse(
            &ROUND,
            &line(name),
            3,
            &["pass `--template chat`", "tokenizer_config.json"],
        );
    }
    for (name, template, expected) in [
        (
            "no-default",
            json!([{"name": "rag", "template": "x"}]),
            "several chat templates, and none is named `default`",
        ),
        ("number", json!(1), "`chat_template` is neither a text"),
    ] {
        model(name, &template);
        refuse(&ROUND, &line(name), 3, &[expected, "tokenizer_config.json"]);
    }
}

#[test]
fn the_date_is_reported_and_recorded() {
    model(
        "dated",
        &json!("{{ strftime_now('%Y') }}{{ messages[0].content }}"),
    );
    let line = "sample --model dated --template chat --queries data/llm-queries.parquet --samples 1 \
                --max-new-tokens 4 --out dated.parquet";
    let ran = run(&ROUND, line);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert_eq!(
        ran.stderr
            .matches("asks for the date; it always gets 2024-07-26")
            .count(),
        1,
        "{}",
        ran.stderr
    );
    let made = apo_tables::provenance(&ROUND.join("dated.parquet"))
        .unwrap()
        .unwrap();
    assert_eq!(made.arguments["template_date"], "2024-07-26");
}

#[test]
fn a_padded_tokenizer_works_with_threads() {
    let dir = model("padded", &Value::Null);
    edit(&dir.join("tokenizer.json"), |made| {
        made["padding"] = json!({"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 1, "pad_type_id": 0, "pad_token": "<|pad|>"});
    });
    for threads in [1, 2] {
        let line = |model: &str| {
            format!(
                "judge log-probs --model {model} --template hh --threads {threads} --json \
                     --responses samples.parquet --out {model}-{threads}.parquet"
            )
        };
        model("unpadded", &Value::Null);
        assert_eq!(
            succeed(&ROUND, &line("padded")),
            succeed(&ROUND, &line("unpadded"))
        );
    }
}

#[test]
fn a_prompt_of_forty_megabytes_costs_little_beyond_itself() {
    let query = |n: usize| Query {
        query_id: format!("{n:016x}"),
        subset: "long".into(),
        prompt: format!("\n\nHuman:{}\n\nAssistant:", " many words".repeat(n)),
    };
    let table = ROUND.join("long.parquet");
    write(&table, &Provenance::new("test", "0"), &[query(4_000_000)]);
    model("long", &json!("{{ messages[0].content }}\n"));
    for template in ["hh", "chat"] {
        let line = format!(
            "sample --model long --template {template} --queries long.parquet --samples 1 \
             --max-new-tokens 4 --prompt-limit 512 --json --out long-{template}.parquet"
        );
        let times = ROUND.join(format!("times-{template}"));
        let ran = finish(command(&ROUND, &line).env("APO_TIMES", &times));
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.contains("\"prompts_cut\":1"), "{}", ran.stdout);
        let took: Value = serde_json::from_str(&fs::read_to_string(times).unwrap()).unwrap();
        let peak = took["peak_mib"].as_f64().unwrap();
        println!("{template}: {peak:.0} MiB");
        // The prompt itself takes 42 MiB; it is copied some ten times.
        assert!(peak < 900.0, "{template}: {peak:.0} MiB");
    }
}

//! Answers from files and tables are cleaned as a server's replies are.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

#[path = "../../apo-endpoint/tests/loopback/mod.rs"]
mod loopback;
mod stage;

use std::fs;

use apo_provenance::Provenance;
use apo_tables::{Pair, Query, Writer};
use serde_json::json;
use stage::{collect, fresh_dir, golden, prompt, stderr, succeeds, write_tables};

#[test]
fn thoughts_and_special_tokens_of_files_and_tables_are_removed_and_counted() {
    let dir = fresh_dir("thoughts");
    let texts = [
        ("a", "<think>Hm.</think>\n\nWarm water."),
        (
            "b",
            "They ask.\n[BEGIN FINAL RESPONSE]\nWarm water.\n[END FINAL RESPONSE]",
        ),
        ("c", "Thinking...\nHm.\n...done thinking.\n\nWarm water."),
        ("d", "<think>Hm.</think>Final Answer: Warm water.</s>"),
        ("e", "Warm water.<|eot_id|>"),
        ("f", "Warm water."),
    ];
    write_tables(&dir, &texts.map(|it| it.0));
    let lines = texts
        .map(|(question, text)| json!({"prompt": prompt(question), "response": text}).to_string());
    fs::write(dir.join("answers.jsonl"), lines.join("\n")).unwrap();
    let mut pairs =
        Writer::<Pair>::create(&dir.join("own.parquet"), &Provenance::new("test", "0")).unwrap();
    for (question, text) in texts {
        let prompt = prompt(question);
        pairs
            .write(&Pair {
                query_id: apo_hh::query_id(&prompt),
                pair_id: apo_hh::pair_id(&prompt, text, "no"),
                subset: String::new(),
                prompt,
                chosen: text.into(),
                rejected: "no".into(),
                margin: None,
            })
            .unwrap();
    }
    pairs.finish().unwrap();
    for (source, out) in [
        ("--answers answers.jsonl", "of-file.parquet"),
        ("--pairs own.parquet --hh-best", "of-pairs.parquet"),
    ] {
        let args = format!("--queries queries.parquet {source} --json --out {out}");
        let ran = collect(&dir, &args);
        let summary = succeeds(&ran);
        for row in golden(&dir, out) {
            assert_eq!(row.response, "Warm water.", "{source}: {}", row.prompt);
        }
        let counts = (&summary["thoughts_removed"], &summary["tokens_removed"]);
        assert_eq!(counts, (&json!(4), &json!(2)), "{source}");
        let expected = "2 golden answers from files or tables had special tokens";
        assert!(stderr(&ran).contains(expected), "{}", stderr(&ran));
    }
    let rendered = json!({"prompt": "[INST] a [/INST]", "response": "Warm water."});
    let lines = [
        rendered,
        json!({"prompt": prompt("a"), "response": "Warm water."}),
    ];
    fs::write(
        dir.join("rendered.jsonl"),
        lines.map(|it| it.to_string()).join("\n"),
    )
    .unwrap();
    let args = "--queries queries.parquet --answers rendered.jsonl --out rendered.parquet";
    let ran = collect(&dir, args);
    succeeds(&ran);
    for expected in ["1 answer is left out", "line 1", "rendered in LLaMA 2's"] {
        assert!(stderr(&ran).contains(expected), "{}", stderr(&ran));
    }
}

#[test]
fn a_golden_table_is_read_without_a_warning_and_a_file_without_answers_is_reported() {
    let dir = fresh_dir("own");
    write_tables(&dir, &["a", "b"]);
    let line = |question: &str, more: &str| {
        let prompt = serde_json::to_string(&prompt(question)).unwrap();
        format!(r#"{{"prompt": {prompt}, "response": "Warm water."{more}}}"#)
    };
    fs::write(dir.join("a.jsonl"), line("a", "")).unwrap();
    succeeds(&collect(
        &dir,
        "--queries queries.parquet --answers a.jsonl --out golden.parquet",
    ));
    fs::write(dir.join("b.jsonl"), line("b", r#", "finish": "stop""#)).unwrap();
    for name in ["none.jsonl", "none.json"] {
        fs::write(dir.join(name), if name == "none.json" { "[]" } else { "" }).unwrap();
    }
    let warnings_of = |answers: &str, out: &str| {
        let answers = answers.replace(' ', " --answers ");
        let args = format!("--queries queries.parquet --answers {answers} --out {out}");
        let ran = collect(&dir, &args);
        succeeds(&ran);
        stderr(&ran)
    };
    let warnings = warnings_of("golden.parquet", "of-golden.parquet");
    assert!(!warnings.contains("unknown"), "{warnings}");
    let warnings = warnings_of("golden.parquet b.jsonl", "of-both.parquet");
    assert!(
        warnings.contains("the column `finish` is unknown"),
        "{warnings}"
    );
    let warnings = warnings_of("a.jsonl none.jsonl none.json", "of-none.parquet");
    let expected = "none.jsonl, none.json: no answers in it";
    assert!(warnings.contains(expected), "{warnings}");
    assert_eq!(golden(&dir, "of-none.parquet").len(), 1);
}

#[test]
fn queries_that_another_program_rendered_are_counted() {
    let dir = fresh_dir("queries");
    write_tables(&dir, &["a"]);
    let chat = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n";
    let mut queries =
        Writer::<Query>::create(&dir.join("queries.parquet"), &Provenance::new("test", "0"))
            .unwrap();
    for prompt in [&prompt("a"), &prompt(chat), chat] {
        queries
            .write(&Query {
                query_id: apo_hh::query_id(prompt),
                subset: String::new(),
                prompt: prompt.to_owned(),
            })
            .unwrap();
    }
    queries.finish().unwrap();
    let answer = json!({"prompt": prompt("a"), "response": "Warm water."});
    fs::write(dir.join("answers.jsonl"), answer.to_string()).unwrap();
    let args = "--queries queries.parquet --answers answers.jsonl --out golden.parquet";
    let ran = collect(&dir, args);
    succeeds(&ran);
    let expected = "queries.parquet: 2 prompts are already rendered, the first in row 1 (from 0), in \
                ChatML";
    assert!(stderr(&ran).contains(expected), "{}", stderr(&ran));
}

//! Dialogues with the results of tools are kept where a model's chat template renders them,
//! and counted with a reason elsewhere.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use apo_tables::{Pair, Query, Reject};
use serde_json::{Value, json};

use common::{fresh_dir, hh_split, rows};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");

fn json_of(path: &str) -> Value {
    let text = fs::read_to_string(Path::new(FIXTURES).join(path)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Writes the small files of a model with a chat template.
fn model(dir: &Path, template: &str) {
    fs::create_dir_all(dir).unwrap();
    for name in ["config.json", "tokenizer.json"] {
        fs::copy(Path::new(FIXTURES).join("mini").join(name), dir.join(name)).unwrap();
    }
    let mut config = json_of("mini/tokenizer_config.json");
    config["bos_token"] = config["eos_token"].clone(); // some templates write one
    fs::write(dir.join("tokenizer_config.json"), config.to_string()).unwrap();
    fs::write(dir.join("chat_template.jinja"), template).unwrap();
}

/// Runs the stage: its exit status and what it said.
fn split(dir: &Path, args: &str) -> (Option<i32>, String) {
    let (status, result, told) = hh_split(dir, &format!("{args} --rm 100% --dev 0"));
    (status, result + &told)
}

fn write_rows(path: PathBuf, rows: &[Value]) {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    fs::write(path, lines.join("\n")).unwrap();
}

fn said(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

/// A pair of answers to messages, and one without tools.
fn pairs(messages: &Value) -> [Value; 2] {
    let of = |messages: &Value| {
        json!({"prompt": messages, "chosen": [said("assistant", "Yes.")],
                                       "rejected": [said("assistant", "No.")]})
    };
    [of(messages), of(&json!([said("user", "Why?")]))]
}

/// What became of the dialogue with tools, where the other one was kept.
fn outcome(dir: &Path) -> Result<String, String> {
    let pairs = rows::<Pair>(&dir.join("data/train-pairs.parquet"));
    let rejects = rows::<Reject>(&dir.join("data/rejects.parquet"));
    assert_eq!((pairs.len() + rejects.len(), rejects.len() <= 1), (2, true));
    match rejects.into_iter().next() {
        Some(reject) => {
            assert_eq!(reject.reason, "tool_turn");
            Err(reject.detail)
        }
        None => Ok(pairs
            .into_iter()
            .map(|it| it.prompt)
            .max_by_key(String::len)
            .unwrap()),
    }
}

#[test]
fn a_tools_results_are_kept_where_the_models_template_renders_them() {
    let dir = fresh_dir("tools-families");
    let all = json_of("templates/templates.json");
    write_rows(dir.join("t.jsonl"), &pairs(&all["called"]));
    let (mut kept, mut refused, mut left_out) = (0, 0, 0);
    for family in all["families"].as_array().unwrap() {
        let name = family["name"].as_str().unwrap();
        model(&dir.join("model"), family["template"].as_str().unwrap());
        let (status, told) = split(
            &dir,
            "--train t.jsonl --tools-for model --out data --overwrite",
        );
        assert_eq!(status, Some(0), "{name}: {told}");
        // What transformers made of the same messages.
        let rendered = family["called"]["text"].as_str();
        match (rendered, outcome(&dir)) {
            (Some(text), Ok(prompt)) => {
                assert!(
                    text.contains("42") && text.contains("Über <4>"),
                    "{name}: {text}"
                );
                assert_eq!(
                    prompt,
                    "\n\nHuman: What is 6 * 7?\n\nAssistant: <tool_call>\n{\"name\": \"times\", \
                     \"arguments\": [6, 7]}\n</tool_call>\n\nTool: 42\n\nTool: {\"it's\": \
                     42}\nÜber <4>\n\nAssistant:"
                );
                kept += 1;
            }
            (Some(text), Err(detail)) => {
                assert!(!text.contains("Über <4>"), "{name}: {text}");
                assert!(detail.contains("does not render"), "{name}: {detail}");
                left_out += 1;
            }
            (None, Err(detail)) => {
                let why = family["called"]["refused"].as_str().unwrap();
                assert!(detail.contains(why), "{name}: {detail}");
                refused += 1;
            }
            (None, Ok(prompt)) => panic!("{name}: transformers refuses {prompt}"),
        }
    }
    assert!(
        kept >= 6 && refused >= 6 && left_out >= 6,
        "{kept} {refused} {left_out}"
    );
}

#[test]
fn without_a_model_they_are_rejected_and_the_reason_says_what_to_do() {
    let dir = fresh_dir("tools-none");
    let called = &json_of("templates/templates.json")["called"];
    write_rows(dir.join("t.jsonl"), &pairs(called));
    let (status, told) = split(&dir, "--train t.jsonl --out data");
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("tool_turn"), "{told}");
    let detail = outcome(&dir).unwrap_err();
    assert!(detail.contains("--tools-for DIR"), "{detail}");

    write_rows(dir.join("q.jsonl"), &[json!({"prompt": called})]);
    model(
        &dir.join("model"),
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
    );
    let (status, told) = split(&dir, "--prompts q.jsonl --tools-for model --out queries");
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(
        rows::<Query>(&dir.join("queries/rm-queries.parquet")).len(),
        1
    );
    let (status, told) = split(&dir, "--prompts q.jsonl --out none");
    assert_eq!(status, Some(3), "{told}");
}

#[test]
fn calls_in_fields_and_results_without_a_call_are_rejected_by_name() {
    let dir = fresh_dir("tools-calls");
    model(
        &dir.join("model"),
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
    );
    let call = json!({"role": "assistant", "content": "", "tool_calls": [{"type": "function",
        "function": {"name": "times", "arguments": {"a": 6}}}]});
    let answered = |middle: &[Value]| {
        let mut all = vec![said("user", "What is 6 * 7?")];
        all.extend_from_slice(middle);
        Value::from(all)
    };
    for (messages, expected) in [
        (answered(&[call, said("tool", "42")]), "calls a tool"),
        (
            answered(&[said("function_call", "{}"), said("observation", "42")]),
            "calls a tool",
        ),
        (answered(&[said("tool", "42")]), "between two"),
        (
            answered(&[
                said("assistant", "f()"),
                said("tool", "42"),
                said("user", "So?"),
            ]),
            "between two",
        ),
    ] {
        write_rows(dir.join("t.jsonl"), &pairs(&messages));
        let (status, told) = split(
            &dir,
            "--train t.jsonl --tools-for model --out data --overwrite",
        );
        assert_eq!(status, Some(0), "{told}");
        let detail = outcome(&dir).unwrap_err();
        assert!(detail.contains(expected), "{detail}");
    }
}

#[test]
fn a_split_depends_on_the_template_and_a_model_without_one_is_refused() {
    let dir = fresh_dir("tools-model");
    let called = &json_of("templates/templates.json")["called"];
    write_rows(dir.join("t.jsonl"), &pairs(called));
    let line = "--train t.jsonl --tools-for model --out data";
    let template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
    model(&dir.join("model"), template);
    assert_eq!(split(&dir, line).0, Some(0));
    let (status, told) = split(&dir, line);
    assert!(status == Some(0) && told.contains("up to date"), "{told}");
    model(&dir.join("model"), &format!("{template}."));
    let (status, told) = split(&dir, line);
    assert!(
        status == Some(4) && told.contains("chat-template"),
        "{status:?} {told}"
    );
    for (template, expected) in [("{% if %}", "chat_template.jinja"), ("", "chat template")] {
        model(&dir.join("model"), template);
        if template.is_empty() {
            fs::remove_file(dir.join("model/chat_template.jinja")).unwrap();
        }
        let (status, told) = split(&dir, "--train t.jsonl --tools-for model --out other");
        assert_eq!(status, Some(3), "{told}");
        assert!(
            told.contains(expected) && !dir.join("other").exists(),
            "{told}"
        );
    }
    let (status, told) = split(&dir, "--train t.jsonl --tools-for nowhere --out other");
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("nowhere"), "{told}");
}

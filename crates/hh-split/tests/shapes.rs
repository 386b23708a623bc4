//! The shapes in which preferences are published: each is read as it is meant, or
//! refused by name; nothing of a row is dropped silently.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use apo_tables::{Pair, Reader, Reject, Row};
use serde_json::{Value, json};

/// Returns an empty folder of this test's own.
fn fresh_dir(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shapes-{test}"));
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn rows<R: Row>(path: &Path) -> Vec<R> {
    let rows = Reader::<R>::open(path).unwrap();
    rows.map(Result::unwrap).collect()
}

/// What became of a file of one row.
#[derive(Debug)]
struct Split {
    pairs: Vec<(String, String, String)>,
    rejects: Vec<(String, String)>,
    stderr: String,
}

fn split(dir: &Path, row: &Value) -> Split {
    fs::write(dir.join("t.jsonl"), format!("{row}\n")).unwrap();
    for left in ["data", "data-rejects.parquet"] {
        let _ = fs::remove_dir_all(dir.join(left)); // absent where nothing was split
        let _ = fs::remove_file(dir.join(left));
    }
    let out = Command::new(env!("CARGO_BIN_EXE_hh-split"))
        .current_dir(dir)
        .args("--train t.jsonl --rm 100% --dev 0 --out data".split(' '))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    let (pairs, rejects) = match out.status.code() {
        Some(0) => ("data/train-pairs.parquet", "data/rejects.parquet"),
        Some(3) => ("", "data-rejects.parquet"),
        other => panic!("{other:?}: {stderr}"),
    };
    let pairs = if pairs.is_empty() {
        Vec::new()
    } else {
        rows::<Pair>(&dir.join(pairs))
    };
    let pairs = pairs.into_iter();
    let rejects = rows::<Reject>(&dir.join(rejects)).into_iter();
    Split {
        pairs: pairs
            .map(|it| (it.prompt, it.chosen, it.rejected))
            .collect(),
        rejects: rejects.map(|it| (it.reason, it.detail)).collect(),
        stderr,
    }
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn assistant(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

#[test]
fn known_shapes_are_read_and_unused_fields_are_reported() {
    let dir = fresh_dir("known");
    let dialogue = |answer: &str| format!("\n\nHuman: Why?\n\nAssistant: {answer}");
    let messages = |answer: &str| json!([user("Why?"), assistant(answer)]);
    for (name, row, warning) in [
        (
            "HH",
            json!({"chosen": dialogue("Yes."), "rejected": dialogue("No.")}),
            "",
        ),
        (
            "HH with its prompt apart",
            json!({"prompt": "\n\nHuman: Why?\n\nAssistant:",
                   "chosen": dialogue("Yes."), "rejected": dialogue("No.")}),
            "",
        ),
        (
            "UltraFeedback, binarized",
            json!({"prompt": "Why?", "prompt_id": "a1", "chosen": messages("Yes."),
                   "rejected": messages("No."), "messages": messages("Yes."),
                   "score_chosen": 8.0, "score_rejected": 4.5}),
            "`messages`",
        ),
        (
            "argilla's cleaned UltraFeedback",
            json!({"source": "evol", "prompt": "Why?", "chosen": messages("Yes."),
                   "chosen-rating": 5.0, "chosen-model": "a", "rejected": messages("No."),
                   "rejected-rating": 2.0, "rejected-model": "b"}),
            "",
        ),
        (
            "a mix with ratings",
            json!({"dataset": "d", "chosen": messages("Yes."), "rejected": messages("No."),
                   "chosen_rating": 5.0, "rejected_rating": 4.0}),
            "",
        ),
        (
            "Skywork",
            json!({"chosen": messages("Yes."), "rejected": messages("No."), "source": "s"}),
            "",
        ),
        (
            "a question beside the same prompt",
            json!({"source": "s", "prompt": "Why?", "question": "Why?",
                   "chosen": messages("Yes."), "rejected": messages("No.")}),
            "",
        ),
        (
            "Orca's pairs with a prompt",
            json!({"system": "Be brief.", "prompt": "Why?", "chosen": "Yes.", "rejected": "No."}),
            "1 of 1 pairs have a system message",
        ),
        (
            "Alpaca's preferences",
            json!({"instruction": "Why?", "input": "", "chosen": "Yes.", "rejected": "No."}),
            "",
        ),
        (
            "ShareGPT's preferences",
            json!({"conversations": [{"from": "human", "value": "Why?"}],
                   "chosen": {"from": "gpt", "value": "Yes."},
                   "rejected": {"from": "gpt", "value": "No."}}),
            "",
        ),
        (
            "messages as JSON in a text",
            json!({"prompt": "Why?", "chosen": messages("Yes.").to_string(),
                   "rejected": messages("No.").to_string()}),
            "",
        ),
        (
            "thoughts beside an answer",
            json!({"prompt": [user("Why?")], "rejected": [assistant("No.")],
                   "chosen": [{"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}]}),
            "`reasoning_content (of messages)`",
        ),
    ] {
        let found = split(&dir, &row);
        let pair = ("\n\nHuman: Why?\n\nAssistant:", "Yes.", "No.");
        let pair = (pair.0.to_owned(), pair.1.to_owned(), pair.2.to_owned());
        assert_eq!(found.pairs, [pair], "{name}: {found:?}");
        if warning.is_empty() {
            assert!(
                !found.stderr.contains("warning"),
                "{name}: {}",
                found.stderr
            );
        }
        assert!(found.stderr.contains(warning), "{name}: {}", found.stderr);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn other_shapes_are_refused_by_name() {
    let dir = fresh_dir("others");
    let answers = json!({"chosen": "Yes.", "rejected": "No."});
    let with = |more: Value| {
        let mut row = answers.clone();
        row.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        row
    };
    let whole = |before: Value, answer: &str| {
        let mut all = before.as_array().unwrap().clone();
        all.push(assistant(answer));
        all
    };
    let both = |before: Value| json!({"chosen": whole(before.clone(), "Yes."), "rejected": whole(before, "No.")});
    for (row, reason, detail) in [
        (
            with(json!({"system": "s", "question": "Why?"})),
            "other_query",
            "rename `question` to that",
        ),
        (
            with(json!({"prompt": "Why?", "question": "How?"})),
            "other_query",
            "write it into `prompt`",
        ),
        (
            with(json!({"prompt": "Why?", "chosen_reward": -1, "rejected_reward": 3})),
            "other_score",
            "scored -1, the rejected one 3",
        ),
        (
            with(json!({"prompt": "Why?", "margin": -3})),
            "other_score",
            "`margin` is -3",
        ),
        (
            with(json!({"system": "s", "input": "Why?", "generations": ["a"]})),
            "other_query",
            "`input`",
        ),
        (
            with(json!({"conversation": [{"input": "Why?", "output": "a"}]})),
            "no_query",
            "`conversation` is not read as a prompt",
        ),
        (
            with(json!({"prompt": "Why?", "context": "In 1900."})),
            "other_query",
            "`context`",
        ),
        (
            with(json!({"prompt": "Why?", "images": ["a.png"]})),
            "not_text",
            "`images`",
        ),
        (
            json!({"domain": "code", "context": [user("Why?")], "response1": "a",
                   "response2": "b", "overall_preference": -2}),
            "malformed",
            "`response1`",
        ),
        (
            json!({"prompt": "Why?", "response": "a", "helpfulness": 3}),
            "malformed",
            "`helpfulness`",
        ),
        (
            json!({"prompt": "Why?", "response_0": "a", "response_1": "b", "better_response_id": 0}),
            "malformed",
            "`better_response_id`",
        ),
        (
            json!({"post_id": "p", "history": "Why?", "human_ref_A": "a", "human_ref_B": "b",
                   "labels": 1}),
            "malformed",
            "`human_ref_A`",
        ),
        (
            json!({"prompt": "Why?", "answers": [{"answer": "a", "rank": 1}], "turns": 1}),
            "malformed",
            "`answers`",
        ),
        (
            json!({"message_id": "m", "text": "Why?", "role": "prompter", "rank": null}),
            "malformed",
            "`message_id`",
        ),
        (
            json!({"info": {"post": "Why?"}, "summaries": [{"text": "a"}], "choice": 1}),
            "malformed",
            "`summaries`",
        ),
        (
            json!({"qid": 1, "question": "Why?", "response_j": "a", "response_k": "b"}),
            "malformed",
            "`response_j`",
        ),
        (
            json!({"conversation_a": [user("Why?")], "conversation_b": [], "winner": "model_a"}),
            "malformed",
            "`winner`",
        ),
        (
            json!({"messages": [user("Why?"), assistant("a")], "rejected_response": "b"}),
            "malformed",
            "`rejected_response`",
        ),
        (
            json!({"prompt": "Why?", "completion": "a", "label": true}),
            "malformed",
            "`label`",
        ),
        (
            json!([{"chosen": "a", "rejected": "b"}]),
            "malformed",
            "ends in .json",
        ),
        (json!(null), "malformed", "is null"),
        (json!("a"), "malformed", "is a text"),
        (
            both(json!([user("Why?"), {"role": "tool", "content": "4"}])),
            "tool_turn",
            "message 2",
        ),
        (
            both(json!([user("Why?"), {"role": "function", "content": "4"}])),
            "tool_turn",
            "message 2",
        ),
        (
            both(json!([{"role": "narrator", "content": "Why?"}])),
            "unknown_role",
            "narrator",
        ),
        (
            both(json!([user("Why?"), assistant("Since.")])),
            "assistant_last",
            "would continue",
        ),
        (
            both(json!([user("Why?"), assistant(" "), user("And?")])),
            "empty_message",
            "message 2",
        ),
        (
            both(json!([{"role": "user", "content": "a", "value": "b"}])),
            "malformed",
            "both `content` and `value`",
        ),
        (
            both(json!([{"role": "user", "content": "a", "images": ["b.png"]}])),
            "not_text",
            "`images`",
        ),
        (
            json!({"chosen": [user("Why?")], "rejected": [user("Why?")]}),
            "malformed",
            "does not end with the assistant's",
        ),
        (
            json!({"prompt": [user("Other?")], "chosen": whole(json!([user("Why?")]), "a"),
                   "rejected": whole(json!([user("Why?")]), "b")}),
            "diverges_early",
            "`prompt`",
        ),
        (
            json!({"prompt": "Other?", "chosen": whole(json!([user("Why?")]), "a"),
                   "rejected": whole(json!([user("Why?")]), "b")}),
            "diverges_early",
            "`prompt`",
        ),
        (
            json!({"prompt": "Why?", "chosen": " \n", "rejected": "b"}),
            "empty_response",
            "empty",
        ),
        (
            json!({"prompt": "Why?", "chosen": "a ", "rejected": " a"}),
            "same_response",
            "the same",
        ),
        (with(json!({"prompt": " "})), "no_query", "no `prompt`"),
    ] {
        let found = split(&dir, &row);
        assert!(found.pairs.is_empty(), "{row}: {found:?}");
        let [(found_reason, found_detail)] = &found.rejects[..] else {
            panic!("{row}: {found:?}");
        };
        assert_eq!(found_reason, reason, "{row}: {found:?}");
        assert!(found_detail.contains(detail), "{row}: {found:?}");
        assert!(
            found.stderr.contains("t/t.jsonl, line 1: "),
            "{row}: {found:?}"
        );
    }
}

#[test]
fn columns_that_are_not_known_are_one_line_over_all_rows() {
    let dir = fresh_dir("columns");
    let row = |i: usize| {
        json!({"prompt": format!("Question {i}?"), "chosen": "Yes.", "rejected": "No.",
               "notes": "n", "rationale": "r", "source": "s", "n": i})
    };
    let lines: Vec<String> = (0..50).map(|i| row(i).to_string()).collect();
    fs::write(dir.join("t.jsonl"), lines.join("\n")).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_hh-split"))
        .current_dir(&dir)
        .args("--train t.jsonl --rm 100% --dev 0 --quiet --out data".split(' '))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{stderr}");
    assert_eq!(stderr.matches("warning").count(), 1, "{stderr}");
    assert!(
        stderr.contains("columns `n`, `notes`, `rationale`"),
        "{stderr}"
    );
}

#[test]
fn prompts_that_another_program_rendered_are_rejected_by_the_name_of_its_format() {
    let dir = fresh_dir("rendered");
    for (prompt, name) in [
        (
            "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
            "ChatML",
        ),
        ("<s>[INST] Why? [/INST]", "LLaMA 2"),
        (
            "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>\
             <|start_header_id|>assistant<|end_header_id|>\n\n",
            "LLaMA 3",
        ),
        ("<|user|>\nWhy?<|end|>\n<|assistant|>\n", "Phi"),
        ("### Human: Why?\n### Assistant:", "### Human:"),
        ("### Instruction:\nWhy?\n\n### Response:\n", "Alpaca"),
        ("USER: Why? ASSISTANT:", "Vicuna"),
        ("User:Why?\nAssistant:", "Vicuna"),
        ("Human: Why?\nAssistant:", "blank lines"),
    ] {
        for row in [
            json!({"prompt": prompt, "chosen": "Yes.", "rejected": "No."}),
            json!({"prompt": [user(prompt)], "chosen": "Yes.", "rejected": "No."}),
            json!({"prompt": prompt, "chosen": [assistant("Yes.")], "rejected": [assistant("No.")]}),
        ] {
            let found = split(&dir, &row);
            assert_eq!(found.pairs, [], "{row}");
            let [(reason, detail)] = &found.rejects[..] else {
                panic!("{row}: {found:?}");
            };
            assert_eq!(reason, "rendered", "{row}: {found:?}");
            assert!(detail.contains(name), "{row}: {found:?}");
            assert!(found.stderr.contains("`rendered`"), "{row}: {found:?}");
        }
    }
    let whole = |answer: &str| {
        format!("<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n")
    };
    let found = split(
        &dir,
        &json!({"chosen": whole("Yes."), "rejected": whole("No.")}),
    );
    assert_eq!(found.rejects[0].0, "rendered", "{found:?}");
    for prompt in [
        "What are [INST] and [/INST]?",
        "Sum this up:\nUser: hi\nAssistant: hello\nUser: bye",
        "```\n<|im_start|>user\nhi<|im_end|>\n```\nWhich format is this?",
    ] {
        let row = json!({"prompt": prompt, "chosen": "Yes.", "rejected": "No."});
        let found = split(&dir, &row);
        assert_eq!(found.rejects, [], "{row}");
        assert_eq!(
            found.pairs[0].0,
            format!("\n\nHuman: {prompt}\n\nAssistant:")
        );
    }
}

#[test]
fn special_tokens_around_responses_are_removed_and_counted() {
    let dir = fresh_dir("tokens");
    let dialogue = |answer: &str| format!("\n\nHuman: Why?\n\nAssistant: {answer}");
    for (row, chosen, expected) in [
        (
            json!({"prompt": "Why?", "chosen": "yes</s>", "rejected": "no</s>"}),
            "yes",
            true,
        ),
        (
            json!({"prompt": "Why?", "chosen": "yes<|im_end|>\n", "rejected": "no"}),
            "yes",
            true,
        ),
        (
            json!({"prompt": "Why?", "chosen": "yes", "rejected": "no<|eot_id|>"}),
            "yes",
            true,
        ),
        (
            json!({"prompt": "Why?", "chosen": "<|im_start|>assistant\nyes<|im_end|>",
                   "rejected": "<|im_start|>assistant\nno<|im_end|>"}),
            "yes",
            true,
        ),
        (
            json!({"chosen": dialogue("yes<|endoftext|>"), "rejected": dialogue("no<|endoftext|>")}),
            "yes",
            true,
        ),
        (
            json!({"prompt": [user("Why?")], "chosen": [assistant("yes<end_of_turn>")],
                   "rejected": [assistant("no<end_of_turn>")]}),
            "yes",
            true,
        ),
        (
            json!({"prompt": "Why?", "chosen": "It ends with </s>", "rejected": "no"}),
            "It ends with </s>",
            false,
        ),
    ] {
        let found = split(&dir, &row);
        let [(_, found_chosen, rejected)] = &found.pairs[..] else {
            panic!("{row}: {found:?}");
        };
        assert_eq!(
            (found_chosen.as_str(), rejected.as_str()),
            (chosen, "no"),
            "{row}"
        );
        let is_warned = found.stderr.contains("1 of 1 pairs have special tokens");
        assert_eq!(is_warned, expected, "{row}: {found:?}");
    }
}

#[test]
fn an_input_that_says_there_is_none_is_no_input() {
    let dir = fresh_dir("noinput");
    for input in ["", "<noinput>", "<noInput>", "nan", "No input"] {
        let row =
            json!({"instruction": "Why?", "input": input, "chosen": "Yes.", "rejected": "No."});
        let found = split(&dir, &row);
        assert_eq!(found.pairs[0].0, "\n\nHuman: Why?\n\nAssistant:", "{row}");
    }
}

//! The shapes in which preferences are published: each is read as it is meant, or
//! refused by name; nothing of a row is dropped silently.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use apo_tables::{Pair, Query, Reject};
use arrow_json::ReaderBuilder;
use arrow_json::reader::infer_json_schema;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use common::{fresh_dir, hh_split, rows};

/// What became of a file of one row.
#[derive(Debug)]
struct Split {
    pairs: Vec<(String, String, String)>,
    rejects: Vec<(String, String)>,
    stderr: String,
}

fn split(dir: &Path, row: &Value) -> Split {
    fs::write(dir.join("t.jsonl"), format!("{row}\n")).unwrap();
    split_file(dir, "t.jsonl")
}

/// As [`split`], of the same row in Parquet.
fn split_parquet(dir: &Path, row: &Value) -> Split {
    let text = row.to_string();
    let (schema, _) = infer_json_schema(text.as_bytes(), None).unwrap();
    let schema = Arc::new(schema);
    let mut rows = ReaderBuilder::new(Arc::clone(&schema))
        .build(text.as_bytes())
        .unwrap();
    let file = File::create(dir.join("t.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, None).unwrap();
    writer.write(&rows.next().unwrap().unwrap()).unwrap();
    writer.close().unwrap();
    split_file(dir, "t.parquet")
}

fn split_file(dir: &Path, name: &str) -> Split {
    for left in ["data", "data-rejects.parquet"] {
        let _ = fs::remove_dir_all(dir.join(left)); // absent where nothing was split
        let _ = fs::remove_file(dir.join(left));
    }
    let line = format!("--train {name} --rm 100% --dev 0 --out data");
    let (status, _, stderr) = hh_split(dir, &line);
    let (pairs, rejects) = match status {
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
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn known_shapes_are_read_and_unused_fields_are_reported() {
    let dir = fresh_dir("shapes-known");
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
            "argilla's orca pairs, in the order of their generations",
            json!({"input": "Why?", "chosen": "Yes.", "rejected": "No.",
                   "generations": ["No.", "Yes."], "order": ["rejected", "chosen"],
                   "rating": [3.0, 9.0]}),
            "`generations`",
        ),
        (
            "Orca's pairs without a system message",
            json!({"system": "", "question": "Why?", "chosen": "Yes.", "rejected": "No."}),
            "",
        ),
        (
            "argilla's Orca pairs",
            json!({"system": "", "input": "Why?", "chosen": "Yes.", "rejected": "No.",
                   "generations": ["Yes.", "No."], "order": ["chosen", "rejected"],
                   "rating": [9.0, 3.0]}),
            "`generations`",
        ),
        (
            "argilla's UltraFeedback",
            json!({"source": "s", "instruction": "Why?", "chosen_response": "Yes.",
                   "rejected_response": "No.", "chosen_avg_rating": 5.0,
                   "rejected_avg_rating": 2.5, "chosen_model": "m"}),
            "",
        ),
        (
            "Tulu 3",
            json!({"id": "i", "source": "s", "prompt": "Why?", "chosen": messages("Yes."),
                   "rejected": messages("No."), "chosen_rating": 5.0, "rejected_rating": 1.0,
                   "chosen_model": "a", "rejected_model": "b"}),
            "",
        ),
        (
            "HelpSteer3, the first response better",
            json!({"domain": "code", "language": "python", "context": [user("Why?")],
                   "response1": "Yes.", "response2": "No.", "overall_preference": -3,
                   "individual_preference": [{"score": -3, "reasoning": "r"}]}),
            "",
        ),
        (
            "HelpSteer3, the second response better",
            json!({"domain": "general", "language": "english", "context": [user("Why?")],
                   "response1": "No.", "response2": "Yes.", "overall_preference": 1}),
            "",
        ),
        (
            "ms-swift with a rejected text",
            json!({"messages": messages("Yes."), "rejected_response": "No.", "margin": 0.5}),
            "",
        ),
        (
            "ms-swift with rejected messages",
            json!({"messages": messages("Yes."), "rejected_messages": messages("No.")}),
            "",
        ),
        (
            "the arena's votes as JSON in texts",
            json!({"id": 1, "model_a": "a", "model_b": "b", "prompt": "[\"Why?\"]",
                   "response_a": "[\"No.\"]", "response_b": "[\"Yes.\"]",
                   "winner_model_a": 0, "winner_model_b": 1, "winner_tie": 0}),
            "",
        ),
        (
            "the arena's votes as truth values",
            json!({"prompt": ["Why?"], "response_a": ["Yes."], "response_b": ["No."],
                   "winner_model_a": true, "winner_model_b": false, "winner_tie": false}),
            "",
        ),
        (
            "the arena's conversations",
            json!({"question_id": "q", "model_a": "a", "model_b": "b", "winner": "model_a",
                   "judge": "j", "conversation_a": messages("Yes."),
                   "conversation_b": messages("No."), "turn": 1, "anony": true,
                   "language": "English", "tstamp": 1.0}),
            "",
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
        let parquet = split_parquet(&dir, &row);
        assert_eq!(
            parquet.pairs,
            std::slice::from_ref(&pair),
            "{name}, Parquet: {parquet:?}"
        );
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
    let dir = fresh_dir("shapes-others");
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
            with(json!({"system": "s", "context": "Why?"})),
            "other_query",
            "rename `context` to that",
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
            with(json!({"system": "s", "input": ["Why?"]})),
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
                   "response2": "b", "overall_preference": 0}),
            "same_score",
            "both responses are scored 0",
        ),
        (
            json!({"domain": "code", "context": [user("Why?")], "response1": "a",
                   "response2": "b"}),
            "malformed",
            "`overall_preference` is missing",
        ),
        (
            json!({"context": [user("Why?")], "response1": "a", "response2": "b",
                   "overall_preference": "first"}),
            "malformed",
            "`overall_preference` is a text",
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
            "`chosen` does not end with the assistant's",
        ),
        (
            json!({"conversation_a": whole(json!([user("Why?")]), "a"), "winner": "nobody",
                   "conversation_b": whole(json!([user("Why?")]), "b")}),
            "malformed",
            "`winner` is `nobody`",
        ),
        (
            json!({"conversation_a": whole(json!([user("Why?")]), "a"), "winner": "tie (bothbad)",
                   "conversation_b": whole(json!([user("Why?")]), "b")}),
            "same_score",
            "both responses",
        ),
        (
            json!({"conversation_a": whole(json!([user("Why?")]), "a"), "winner": "both_bad",
                   "conversation_b": whole(json!([user("Why?")]), "b")}),
            "same_score",
            "both responses",
        ),
        (
            json!({"prompt": "Why?", "completion": "Yes.", "label": true}),
            "malformed",
            "a response with a label (KTO's form)",
        ),
        (
            json!({"prompt": "Why?", "response_b": "a", "winner_model_a": 1, "winner_model_b": 0}),
            "malformed",
            "`response_a` is missing",
        ),
        (
            json!({"prompt": "Why?", "good": "a", "bad": "b"}),
            "malformed",
            "its fields are `prompt`, `good`, `bad`; expected `chosen`, `rejected`, or",
        ),
        (
            json!({"prompt": "[\"Why?\", \"And?\"]", "response_a": "[\"a\", \"b\"]",
                   "response_b": "[\"c\", \"d\"]", "winner_model_a": 1, "winner_model_b": 0}),
            "diverges_early",
            "differ before their last message",
        ),
        (
            json!({"prompt": "[\"Why?\"]", "response_a": "[\"a\", \"b\"]",
                   "response_b": "[\"c\"]", "winner_model_a": 1, "winner_model_b": 0}),
            "malformed",
            "`response_a` has 2 turns",
        ),
        (
            json!({"messages": [user("Why?")], "rejected_response": "b"}),
            "malformed",
            "does not end with the assistant's",
        ),
        (
            json!({"messages": whole(json!([user("Why?")]), "a"), "rejected_messages": "b"}),
            "malformed",
            "`rejected_messages`",
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
    let dir = fresh_dir("shapes-columns");
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
    let dir = fresh_dir("shapes-rendered");
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
    let dir = fresh_dir("shapes-tokens");
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
    let dir = fresh_dir("shapes-noinput");
    for input in ["", "<noinput>", "<noInput>", "nan", "No input"] {
        let row =
            json!({"instruction": "Why?", "input": input, "chosen": "Yes.", "rejected": "No."});
        let found = split(&dir, &row);
        assert_eq!(found.pairs[0].0, "\n\nHuman: Why?\n\nAssistant:", "{row}");
    }
}

#[test]
fn columns_and_subsets_have_the_names_that_the_user_says() {
    let dir = fresh_dir("shapes-named");
    let row = |i: usize, kind: &str| {
        json!({"ask": format!("Question {i}?"), "better": "Yes.", "worse": "No.", "kind": kind,
               "prompt": "an id"})
    };
    let lines = [row(1, "law"), row(2, "code"), row(3, "law")].map(|it| it.to_string());
    fs::write(dir.join("t.jsonl"), lines.join("\n")).unwrap();
    let run = |more: &str| {
        let line = format!("--train t.jsonl --rm 100% --dev 0 --overwrite --out data {more}");
        let out = Command::new(env!("CARGO_BIN_EXE_hh-split"))
            .current_dir(&dir)
            .args(line.split(' '))
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        (out.status.code(), stderr)
    };
    let names = "--columns prompt=ask,chosen=better,rejected=worse";
    let (status, stderr) = run(&format!("{names} --subset-column kind"));
    assert_eq!(status, Some(0), "{stderr}");
    assert!(!stderr.contains("warning"), "{stderr}");
    let pairs: Vec<Pair> = rows(&dir.join("data/train-pairs.parquet"));
    let mut found: Vec<_> = pairs
        .iter()
        .map(|it| (it.prompt.as_str(), it.subset.as_str()))
        .collect();
    found.sort_unstable();
    let expected = ["1 law", "2 code", "3 law"].map(|it| it.split_once(' ').unwrap());
    let expected =
        expected.map(|(i, kind)| (format!("\n\nHuman: Question {i}?\n\nAssistant:"), kind));
    assert_eq!(found, expected.each_ref().map(|it| (it.0.as_str(), it.1)));
    assert!(
        pairs
            .iter()
            .all(|it| it.chosen == "Yes." && it.rejected == "No.")
    );

    let (status, stderr) = run(&format!("{names} --subset-column topic"));
    assert_eq!(status, Some(3), "{stderr}");
    assert!(stderr.contains("`topic` is missing"), "{stderr}");
    let (status, stderr) = run("--columns prompt=ask,chosen=best,rejected=worse");
    assert_eq!(status, Some(3), "{stderr}");
    assert!(stderr.contains("`chosen` is missing"), "{stderr}");
    let (status, stderr) = run("--columns prompt");
    assert_eq!(status, Some(2), "{stderr}");
    assert!(stderr.contains("FIELD=COLUMN"), "{stderr}");
}

#[test]
fn queries_without_responses_are_dealt_like_those_of_pairs() {
    let dir = fresh_dir("shapes-prompts");
    let lines = |rows: &mut dyn Iterator<Item = Value>| {
        let lines: Vec<String> = rows.map(|it| it.to_string()).collect();
        lines.join("\n")
    };
    let prompts = |range: std::ops::Range<usize>| {
        let mut rows = range.map(|i| json!({"prompt": format!("Question {i}?")}));
        lines(&mut rows)
    };
    fs::write(dir.join("p.jsonl"), prompts(0..100)).unwrap();
    let run = |line: &str| {
        let out = Command::new(env!("CARGO_BIN_EXE_hh-split"))
            .current_dir(&dir)
            .args(line.split(' '))
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(0), "{stderr}");
        let counts: Value = serde_json::from_slice(&out.stdout).unwrap();
        counts
    };
    let queries = |out: &str, part: &str| {
        let found: Vec<Query> = rows(&dir.join(out).join(format!("{part}-queries.parquet")));
        found.into_iter().map(|it| it.prompt).collect::<Vec<_>>()
    };
    let counts = run("--prompts p.jsonl --hold-out 10% --rm 40% --dev 0 --json --out alone");
    let n = |name: &str| counts["tables"][name].as_u64().unwrap();
    let found = [
        "test-queries",
        "rm-queries",
        "llm-queries",
        "rm-pairs",
        "test-pairs",
    ]
    .map(n);
    assert_eq!(found, [10, 36, 54, 0, 0]);
    assert_eq!(counts["prompts"], 100);

    // Beside pairs: a query of both belongs to one part.
    let mut rows = (90..110)
        .map(|i| json!({"prompt": format!("Question {i}?"), "chosen": "Yes.", "rejected": "No."}));
    fs::write(dir.join("t.jsonl"), lines(&mut rows)).unwrap();
    let counts = run("--train t.jsonl --prompts p.jsonl --rm 50% --dev 0 --json --out both");
    assert_eq!(counts["rejected"], json!({"duplicate": 10}));
    let (rm, llm) = (queries("both", "rm"), queries("both", "llm"));
    assert_eq!((rm.len(), llm.len()), (55, 55));
    assert!(rm.iter().all(|it| !llm.contains(it)));
    assert_eq!(counts["tables"]["train-pairs"], 20);
}

#[test]
fn by_how_much_a_response_is_better_is_kept() {
    let dir = fresh_dir("shapes-margins");
    let messages = |answer: &str| json!([user("Why?"), assistant(answer)]);
    let ends = json!({"chosen": messages("Yes."), "rejected": messages("No.")});
    let with = |more: Value| {
        let mut row = ends.clone();
        let more = more.as_object().unwrap().clone();
        row.as_object_mut().unwrap().extend(more);
        row
    };
    for (row, margin) in [
        (ends.clone(), None),
        (
            with(json!({"score_chosen": 8, "score_rejected": 4.5})),
            Some(3.5),
        ),
        (with(json!({"score_chosen": 8})), None),
        (with(json!({"margin": 0.5})), Some(0.5)),
        (
            json!({"messages": messages("Yes."), "rejected_response": "No.", "margin": 2}),
            Some(2.0),
        ),
        (
            json!({"context": [user("Why?")], "response1": "No.", "response2": "Yes.",
                   "overall_preference": 3}),
            Some(3.0),
        ),
        (
            json!({"question": {"full_text": "Why?"}, "answer_0": "No.", "answer_1": "Yes.",
                   "score_0": -0.25, "score_1": 0.25}),
            Some(0.5),
        ),
        // A vote says which one is better, not by how much.
        (
            json!({"prompt": r#"["Why?"]"#, "response_a": r#"["No."]"#,
                   "response_b": r#"["Yes."]"#, "winner_model_a": 0, "winner_model_b": 1,
                   "winner_tie": 0}),
            None,
        ),
        (
            json!({"winner": "model_a", "conversation_a": messages("Yes."),
                   "conversation_b": messages("No.")}),
            None,
        ),
        (
            json!({"user_input": "Why?", "completion_a": "Yes.", "completion_b": "No."}),
            None,
        ),
    ] {
        split(&dir, &row);
        let pairs = rows::<Pair>(&dir.join("data/train-pairs.parquet"));
        assert_eq!(pairs.len(), 1, "{row}");
        assert_eq!(pairs[0].margin, margin, "{row}");
    }
}

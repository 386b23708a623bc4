//! Each form of a record, and each reason to reject one.

use super::*;

const MALFORMED: &str = reason::MALFORMED;
const SAME_SCORE: &str = reason::SAME_SCORE;

fn read_all(json: &str) -> Result<ReadPair, Fault> {
    let json = json.as_bytes().to_vec();
    let mut pairs = pairs(&Record { line: 1, json }, "s", &Columns::default());
    assert_eq!(pairs.len(), 1);
    pairs.remove(0)
}

fn read(json: &str) -> Result<Pair, &'static str> {
    read_all(json)
        .map(|it| it.pair)
        .map_err(|fault| fault.reason)
}

#[test]
fn all_forms_give_the_same_pair() {
    let hh = r#"{"chosen": "\n\nHuman: a?\n\nAssistant: yes", "rejected": "\n\nHuman: a?\n\nAssistant: no"}"#;
    let expected = read(hh).unwrap();
    assert_eq!(expected.prompt, "\n\nHuman: a?\n\nAssistant:");
    for json in [
        r#"{"prompt": "a?", "chosen": "yes", "rejected": "no", "score": 3}"#,
        r#"{"prompt": "\n\nHuman: a?\n\nAssistant:", "chosen": " yes", "rejected": "no"}"#,
        r#"{"prompt": "\n\nHuman: a?\n\nAssistant: ", "chosen": "yes", "rejected": "no"}"#,
        r#"{"prompt": "Human: a?", "chosen": "yes", "rejected": "no"}"#,
        r#"{"prompt": [{"role": "system", "content": null}, {"role": "user", "content": "a?"}],
            "chosen": [{"role": "assistant", "content": "yes"}],
            "rejected": [{"role": "assistant", "content": "no"}]}"#,
        r#"{"prompt": [{"role": "user", "content": "a?"}],
            "chosen": [{"role": "assistant", "content": "yes"}],
            "rejected": [{"role": "assistant", "content": "no"}]}"#,
        r#"{"chosen": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "yes"}],
            "rejected": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "no"}]}"#,
        r#"{"prompt": "a?",
            "chosen": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "yes"}],
            "rejected": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "no"}]}"#,
    ] {
        assert_eq!(read(json), Ok(expected.clone()), "{json}");
    }
}

#[test]
fn all_forms_of_a_comparison_give_the_same_pair() {
    let expected = read(r#"{"prompt": "a?", "chosen": "yes", "rejected": "no"}"#).unwrap();
    for json in [
        r#"{"question": {"dataset": "eli5", "id": "1", "full_text": "a?\n\n"},
            "quotes_0": {"title": [], "extract": []},
            "answer_0": "no", "answer_1": "yes", "score_0": -0.5, "score_1": 0.5}"#,
        r#"[{"question": {"full_text": "a?"}, "answer": "yes", "score": 1},
            {"question": {"full_text": "a?"}, "answer": "no", "score": -1}]"#,
        r###"{"text": ["## Human:\na?\n\n\n\n## Assistant:\n no",
                    "## Human:\na?\n\n\n\n## Assistant:\nyes"], "score": [0.5, 1.5]}"###,
        r#"{"text": ["\n\nHuman: a?\n\nAssistant: yes",
                    "\n\nHuman: a?\n\nAssistant: no"], "score": [1.0, 0.0]}"#,
        r#"{"user_input": "a?\n\n### Response:", "completion_a": "yes", "completion_b": "no"}"#,
        r#"{"user_input": "a?", "completion_a": "yes", "completion_b": "no"}"#,
        r#"{"user_input": "a?", "responses_and_scores": [
            {"response": "no", "source": "icm-1.3b", "score": 0},
            {"response": "yes", "source": "gpt4", "score": 8.5}]}"#,
    ] {
        // Scores of the two responses are a margin.
        let pair = read(json).map(|pair| Pair {
            margin: None,
            ..pair
        });
        assert_eq!(pair, Ok(expected.clone()), "{json}");
    }
}

#[test]
fn headed_turns_are_turns() {
    let pair = read(
        r###"{"text": ["## Human:\na\n\n## Assistant:\nb\n\n## Human:\nc\n\n## Assistant:\nyes",
                    "## Human:\na\n\n## Assistant:\nb\n\n## Human:\nc\n\n## Assistant:\nno"],
            "score": [2.0, 0.0]}"###,
    );
    let pair = pair.unwrap();
    let prompt = "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:";
    assert_eq!(pair.prompt, prompt);
    assert_eq!((&*pair.chosen, &*pair.rejected), ("yes", "no"));
}

#[test]
fn each_two_of_several_answers_are_a_pair() {
    let json = r#"{"user_input": "a?", "responses_and_scores": [
        {"response": "good", "score": 7}, {"response": "best", "score": 9},
        {"response": "", "score": 1}, {"response": "fine", "score": 7.0}]}"#;
    let json = json.as_bytes().to_vec();
    let mut reasons = Vec::new();
    let mut taken = Vec::new();
    for pair in pairs(&Record { line: 1, json }, "s", &Columns::default()) {
        match pair {
            Ok(ReadPair { pair, .. }) => taken.push(format!("{} > {}", pair.chosen, pair.rejected)),
            Err(fault) => reasons.push(fault.reason),
        }
    }
    assert_eq!(taken, ["best > good", "best > fine"]);
    let empty = "empty_response";
    assert_eq!(reasons, [empty, SAME_SCORE, empty, empty]);
}

#[test]
fn a_score_is_a_number_and_agrees_with_the_preference() {
    let web_gpt = |score: &str| {
        format!(
            r#"{{"question": {{"full_text": "a?"}}, "answer_0": "yes", "answer_1": "no",
                "score_0": {score}, "score_1": 0}}"#
        )
    };
    for (score, expected) in [
        ("Infinity", "`score_0` is infinite or too large"),
        ("-Infinity", "`score_0` is infinite or too large"),
        ("1e999", "`score_0` is infinite or too large"),
        ("NaN", "`score_0` is null"),
        ("null", "`score_0` is null"),
        ("true", "`score_0` is a truth value"),
        (r#""1""#, "`score_0` is a text"),
    ] {
        let fault = read_all(&web_gpt(score)).unwrap_err();
        assert_eq!(fault.reason, MALFORMED, "{score}");
        assert!(fault.detail.contains(expected), "{score}: {fault}");
    }
    for (chosen, rejected) in [
        ("score_chosen", "score_rejected"),
        ("chosen_score", "rejected_score"),
        ("chosen_rating", "rejected_rating"),
        ("rating_chosen", "rating_rejected"),
        ("chosen-rating", "rejected-rating"),
    ] {
        for (scores, expected) in [
            ((1, 9), Err(reason::OTHER_SCORE)),
            ((9, 9), Err(SAME_SCORE)),
            ((9, 1), Ok(())),
        ] {
            let found = read(&format!(
                r#"{{"prompt": "a?", "chosen": "yes", "rejected": "no",
                    "{chosen}": {}, "{rejected}": {}}}"#,
                scores.0, scores.1
            ));
            assert_eq!(found.map(drop), expected, "{chosen} {scores:?}");
        }
    }
}

#[test]
fn equal_scores_are_rejected() {
    let scored = |chosen: f64, rejected: f64| {
        read(&format!(
            r#"{{"prompt": "a?", "chosen": "yes", "rejected": "no",
                "score_chosen": {chosen:?}, "score_rejected": {rejected:?}}}"#
        ))
    };
    assert_eq!(scored(7.5, 7.5), Err(SAME_SCORE));
    assert!(scored(7.5, 7.0).is_ok());
    for json in [
        r#"{"question": {"full_text": "a?"}, "answer_0": "x", "answer_1": "y",
            "score_0": 0.0, "score_1": -0.0}"#,
        r#"{"text": ["\n\nHuman: a?\n\nAssistant: x",
                    "\n\nHuman: a?\n\nAssistant: y"], "score": [1, 1.0]}"#,
    ] {
        assert_eq!(read(json), Err(SAME_SCORE), "{json}");
    }
}

#[test]
fn a_record_that_is_not_a_pair_is_malformed() {
    for json in [
        "",
        "{",
        "[]",
        r#"{"chosen": "x"}"#,
        r#"{"chosen": "x", "rejected": 3}"#,
        r#"{"question": {"full_text": "a?"}, "answer_0": "x", "answer_1": "y", "score_0": 1.0}"#,
        r#"[{"question": {"full_text": "a?"}, "answer": "x", "score": 1.0}]"#,
        r#"[{"question": {"full_text": "a?"}, "answer": "x", "score": 1.0},
            {"question": {"full_text": "b?"}, "answer": "y", "score": -1.0}]"#,
        r#"{"text": ["x"], "score": [1.0]}"#,
        r#"{"text": ["x", "y"], "score": [1.0]}"#,
        r#"{"text": ["x", "y"], "score": [1.0, null]}"#,
        r#"{"user_input": "a?", "completion_a": "x"}"#,
        r#"{"user_input": "a?", "responses_and_scores": []}"#,
    ] {
        assert_eq!(read(json), Err(MALFORMED), "{json}");
    }
    let record = Record {
        line: 1,
        json: vec![b'"', 0xff, b'"'],
    };
    let found = pairs(&record, "s", &Columns::default())
        .remove(0)
        .map_err(|it| it.reason);
    assert_eq!(found, Err(reason::NOT_UTF8));
}

/// A pair of conversations of one query, whose responses differ.
fn conversations(before: &str, chosen: &str, rejected: &str) -> String {
    let conversation =
        |text: &str| format!(r#"[{before}{{"role": "assistant", "content": {text}}}]"#);
    format!(
        r#"{{"chosen": {}, "rejected": {}}}"#,
        conversation(chosen),
        conversation(rejected)
    )
}

const ASKED: &str = r#"{"role": "user", "content": "a?"},"#;

#[test]
fn a_message_is_a_text_whatever_its_form() {
    let expected = read(&conversations(ASKED, r#""yes""#, r#""no""#)).unwrap();
    for before in [
        r#"{"role": "system", "content": null}, {"role": "user", "content": "a?"},"#,
        r#"{"role": "system", "content": " "}, {"from": "human", "value": "a?"},"#,
        r#"{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "?"}]},"#,
        r#"{"role": "user", "content": "a?", "tool_calls": null, "name": NaN},"#,
        r#"{"role": "user", "content": "a?", "tool_calls": []},"#,
    ] {
        let json = conversations(before, r#""yes""#, r#"[{"type": "text", "text": "no"}]"#);
        let found = read_all(&json);
        assert_eq!(found.as_ref().map(|it| &it.pair), Ok(&expected), "{json}");
        assert_eq!(found.map(|it| it.context), Ok(None), "{json}");
    }
}

#[test]
fn a_system_message_is_part_of_the_query_whatever_its_place() {
    let before = format!(r#"{{"role": "system", "content": "Be kind."}}, {ASKED}"#);
    let kind = read(&conversations(&before, r#""yes""#, r#""no""#)).unwrap();
    assert_eq!(
        kind.prompt,
        "\n\nSystem: Be kind.\n\nHuman: a?\n\nAssistant:"
    );
    assert_eq!(kind.query_id, apo_hh::query_id(&kind.prompt));
    let plain = read(&conversations(ASKED, r#""yes""#, r#""no""#)).unwrap();
    assert_ne!(
        (&kind.query_id, &kind.pair_id),
        (&plain.query_id, &plain.pair_id)
    );
    for json in [
        r#"{"prompt": [{"role": "developer", "content": "Be kind. "}, {"role": "user", "content": "a?"}],
            "chosen": [{"role": "assistant", "content": "yes"}],
            "rejected": [{"role": "assistant", "content": "no"}]}"#,
        r#"{"prompt": "a?", "chosen": "yes", "rejected": "no", "system": "Be kind."}"#,
        r#"{"prompt": "a?", "chosen": "yes", "rejected": "no", "system_prompt": "\nBe kind."}"#,
        r#"{"prompt": "\n\nSystem: Be kind.\n\nHuman: a?\n\nAssistant:", "chosen": "yes",
            "rejected": "no"}"#,
        r#"{"chosen": "\n\nSystem: Be kind.\n\nHuman: a?\n\nAssistant: yes",
            "rejected": "\n\nSystem: Be kind.\n\nHuman: a?\n\nAssistant: no"}"#,
    ] {
        assert_eq!(read(json).as_ref(), Ok(&kind), "{json}");
    }
    let empty = r#"{"prompt": "a?", "chosen": "yes", "rejected": "no", "system": " "}"#;
    assert_eq!(read(empty), Ok(plain));
    let two = r#"{"prompt": "\n\nSystem: Be brief.\n\nHuman: a?\n\nAssistant:",
        "chosen": "yes", "rejected": "no", "system": "Be kind."}"#;
    assert_eq!(read(two), Err(reason::OTHER_QUERY));
}

#[test]
fn what_no_table_carries_is_known() {
    let context = |more: &str| {
        let json = format!(r#"{{"prompt": "a?", "chosen": "yes", "rejected": "no"{more}}}"#);
        read_all(&json).unwrap().context
    };
    let one = context(r#", "tools": [{"name": "f"}]"#);
    let other = context(r#", "tools": [{"name": "g"}]"#);
    assert!(one.is_some() && other.is_some() && one != other);
    assert_eq!(context(r#", "tools": null, "documents": []"#), None);
    assert_eq!(context(""), None);
}

#[test]
fn each_fault_of_a_row_is_named() {
    let turns = |message: &str| conversations(&format!("{ASKED}{message},"), r#""x""#, r#""y""#);
    for (json, expected, detail) in [
        (
            r#"{"chosen": "x", "rejected": null}"#.into(),
            MALFORMED,
            "`rejected` is null",
        ),
        (
            r#"{"chosen": "x"}"#.into(),
            MALFORMED,
            "`rejected` is missing",
        ),
        (
            r#"{"instruction": "a", "output": "b"}"#.into(),
            MALFORMED,
            "`instruction`, `output`",
        ),
        (
            r#"{"chosen": 3, "rejected": "y"}"#.into(),
            MALFORMED,
            "`chosen` is a number",
        ),
        (
            r#"{"chosen": ["x"], "rejected": ["y"]}"#.into(),
            MALFORMED,
            "`chosen` is a list",
        ),
        ("[1]".into(), MALFORMED, "is a list"),
        ("7".into(), MALFORMED, "is a number"),
        (
            r#"{"chosen": "x", "rejected": "y"#.into(),
            MALFORMED,
            "is not JSON: EOF",
        ),
        (
            r#"{"prompt": "a?", "chosen": "x\ud83d", "rejected": "y"}"#.into(),
            reason::LONE_SURROGATE,
            "`chosen`",
        ),
        (
            conversations(ASKED, r#""\udc00x""#, r#""y""#),
            reason::LONE_SURROGATE,
            "message 2",
        ),
        (
            turns(r#"{"role": "tool", "content": "4"}"#),
            reason::TOOL_TURN,
            "message 2 is a tool's result",
        ),
        (
            turns(r#"{"from": "observation", "value": "4"}"#),
            reason::TOOL_TURN,
            "message 2 is a tool's result",
        ),
        (
            turns(r#"{"role": "assistant", "content": null, "tool_calls": [{"id": 1}]}"#),
            reason::TOOL_TURN,
            "calls a tool",
        ),
        (
            turns(r#"{"role": "narrator", "content": "4"}"#),
            reason::UNKNOWN_ROLE,
            "narrator",
        ),
        (
            turns(r#"{"role": "user", "content": null}"#),
            MALFORMED,
            "message 2 of `chosen`",
        ),
        (turns(r#"{"content": "b"}"#), MALFORMED, "no `role`"),
        (
            turns(r#"{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}"#),
            reason::NOT_TEXT,
            "image_url",
        ),
        (
            r#"{"prompt": "a?", "chosen": "x", "rejected": "y", "images": ["a.png"]}"#.into(),
            reason::NOT_TEXT,
            "images",
        ),
        (
            r#"{"prompt": "a?", "chosen": "x\n\nHuman: b", "rejected": "y"}"#.into(),
            "diverges_early",
            "last turn",
        ),
        (
            r#"{"prompt": "Go on:\n\nAssistant: b", "chosen": "x", "rejected": "y"}"#.into(),
            reason::QUOTES_A_TURN,
            "the prompt",
        ),
        (
            r#"{"chosen": "x", "rejected": "y"}"#.into(),
            "no_query",
            "`prompt`",
        ),
    ] {
        let fault = read_all(&json).unwrap_err();
        assert_eq!(fault.reason, expected, "{json}: {fault}");
        assert!(fault.detail.contains(detail), "{json}: {fault}");
    }
}

#[test]
fn the_borders_of_messages_are_kept_whatever_they_quote() {
    let pair = read(&conversations(
        ASKED,
        r#""It says:\n\nUser: b\n\nAssistant: c""#,
        r#""It says:\n\nUser: b\n\nAssistant: d""#,
    ))
    .unwrap();
    assert_eq!(pair.prompt, "\n\nHuman: a?\n\nAssistant:");
    assert_eq!(pair.chosen, "It says:\n\nUser: b\n\n\\Assistant: c");
    let quotes = r#"{"role": "user", "content": "Go on:\n\nHuman: b\n\nAssistant: c"},"#;
    let pair = read(&conversations(quotes, r#""x\n\nHuman: d""#, r#""y""#)).unwrap();
    let turns = apo_hh::turns(&pair.prompt);
    let said: Vec<&str> = turns.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(said, ["Go on:\n\nHuman: b\n\nAssistant: c"]);
    assert_eq!(apo_hh::unquoted(&pair.chosen), "x\n\nHuman: d");
}

#[test]
fn a_prompt_given_with_whole_conversations_is_cut_from_them() {
    let turns = r#"{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                   {"role": "user", "content": "c"},"#;
    let whole = conversations(turns, r#""yes""#, r#""no""#);
    let expected = read(&whole).unwrap();
    assert_eq!(
        expected.prompt,
        "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:"
    );
    for prompt in [
        r#""a""#,
        r#""c""#,
        r#"[{"role": "user", "content": "a"}]"#,
        r#"[{"role": "system", "content": ""}, {"role": "user", "content": "a"}]"#,
    ] {
        let json = format!(r#"{{"prompt": {prompt}, {}"#, &whole[1..]);
        assert_eq!(read(&json).as_ref(), Ok(&expected), "{json}");
    }
    // A conversation that continues its prompt is not whole.
    let after = r#"{"role": "assistant", "content": "b"}, {"role": "user", "content": "c"},"#;
    let after = conversations(after, r#""yes""#, r#""no""#);
    for prompt in [r#""a""#, r#"[{"role": "user", "content": "a"}]"#] {
        let json = format!(r#"{{"prompt": {prompt}, {}"#, &after[1..]);
        assert_eq!(read(&json).as_ref(), Ok(&expected), "{json}");
    }
    let other = format!(
        r#"{{"prompt": [{{"role": "user", "content": "z"}}], {}"#,
        &whole[1..]
    );
    assert_eq!(read(&other), Err("diverges_early"));
}

#[test]
fn messages_in_a_text_are_messages() {
    let expected = read(r#"{"prompt": "a?", "chosen": "yes", "rejected": "no"}"#).unwrap();
    let reply = |text: &str| format!(r#"[{{"role": "assistant", "content": "{text}"}}]"#);
    let whole = |text: &str| {
        format!(
            r#" [ {{ "role": "user", "content": "a?"}}, {{"content": "{text}", "role": "assistant"}}]"#
        )
    };
    let single = |text: &str| format!(r#"{{"from": "gpt", "value": "{text}"}}"#);
    let row = |prompt: Option<&str>, form: &dyn Fn(&str) -> String| {
        let mut row = serde_json::json!({"chosen": form("yes"), "rejected": form("no")});
        if let Some(prompt) = prompt {
            row["prompt"] = prompt.into();
        }
        row.to_string()
    };
    let asked = r#"[{"role": "user", "content": "a?"}]"#;
    for json in [
        row(Some("a?"), &reply),
        row(Some("a?"), &whole),
        row(None, &whole),
        row(Some("a?"), &single),
        row(Some(asked), &reply),
        row(Some(asked), &|text| text.to_owned()),
        r#"{"prompt": "a?", "chosen": {"role": "assistant", "content": "yes"},
            "rejected": {"role": "assistant", "content": "no"}}"#
            .to_owned(),
        r#"{"conversations": [{"from": "human", "value": "a?"}],
            "chosen": {"from": "gpt", "value": "yes"}, "rejected": {"from": "gpt", "value": "no"}}"#
            .to_owned(),
    ] {
        assert_eq!(read(&json).as_ref(), Ok(&expected), "{json}");
    }
    // A response may be JSON.
    let json = serde_json::json!({"prompt": "a?", "chosen": reply("yes"), "rejected": "no"});
    assert_eq!(read(&json.to_string()).unwrap().chosen, reply("yes"));
    let data = r#"[{"name": "x"}]"#;
    let json = serde_json::json!({"prompt": "a?", "chosen": data, "rejected": "no"});
    assert_eq!(read(&json.to_string()).unwrap().chosen, data);
    for (chosen, rejected) in [
        (
            "[{'role': 'assistant', 'content': 'yes'}]",
            "[{'role': 'assistant', 'content': 'no'}]",
        ),
        (
            r#"[{"role": "assistant", "cont"#,
            r#"[{"role": "assistant", "content": "no"}]"#,
        ),
    ] {
        let json = serde_json::json!({"prompt": "a?", "chosen": chosen, "rejected": rejected});
        assert_eq!(read(&json.to_string()), Err(MALFORMED), "{json}");
    }
}

#[test]
fn both_responses_lose_the_tokens_around_them_or_neither_does() {
    let row = |chosen: &str, rejected: &str| {
        serde_json::json!({"prompt": "a?", "chosen": chosen, "rejected": rejected}).to_string()
    };
    for (chosen, rejected, expected) in [
        (
            "It is 42. </s>",
            "no idea </s>",
            ("It is 42.", "no idea", true),
        ),
        (
            "no idea </s>",
            "It is 42.</s>",
            ("no idea", "It is 42.", true),
        ),
        ("yes</s></s>", "no </s>", ("yes", "no", true)),
        (
            "<s> Yes.</s>",
            "<s> Warm water and",
            ("Yes.", "Warm water and", true),
        ),
        (
            "<s>AI is a field of study.</s>",
            "<s>Yes.</s>",
            ("AI is a field of study.", "Yes.", true),
        ),
        (
            "<s> is HTML's mark",
            "<s> is a tag",
            ("<s> is HTML's mark", "<s> is a tag", false),
        ),
        ("done </s></s>", "no", ("done", "no", true)),
        ("yes</s>", "no", ("yes", "no", true)),
        ("It is </s>", "no", ("It is </s>", "no", false)),
        (
            "It is </s>",
            "It is <s>",
            ("It is </s>", "It is <s>", false),
        ),
    ] {
        let read = read_all(&row(chosen, rejected)).unwrap();
        let found = (
            &*read.pair.chosen,
            &*read.pair.rejected,
            read.tokens_removed,
        );
        assert_eq!(found, expected, "{chosen:?} {rejected:?}");
        let is_kept = expected.0.ends_with("</s>") || expected.0.starts_with("<s>");
        assert_eq!(read.token_kept, is_kept, "{chosen:?} {rejected:?}");
    }
}

/// A question that no two answers begin with by chance.
const LONG: &str = "What is the capital of the country?";

#[test]
fn a_repeated_prompt_is_cut_off_or_rejected() {
    let expected = read(r#"{"prompt": "a b?", "chosen": "yes", "rejected": "no"}"#).unwrap();
    let row = |prompt: &str, chosen: &str, rejected: &str| {
        serde_json::json!({"prompt": prompt, "chosen": chosen, "rejected": rejected}).to_string()
    };
    let (yes, no) = (
        "Human: a b?\n\nAssistant: yes",
        "Human: a b?\n\nAssistant: no",
    );
    let blank = |text: &str| format!("\n\n{text}");
    for json in [
        row("a b?", yes, no),
        row("a b?", &blank(yes), &blank(no)),
        row("Human: a b?", yes, no),
        row("\n\nHuman: a b?\n\nAssistant:", &blank(yes), &blank(no)),
        row("\n\nHuman: a b?\n\nAssistant:", yes, no),
        row("", yes, no),
        row(" \n", &blank(yes), &blank(no)),
        serde_json::json!({"chosen": yes, "rejected": no}).to_string(),
        serde_json::json!({"chosen": blank(yes), "rejected": no}).to_string(),
        row("a b?", "Assistant: yes", "Assistant: no"),
        row("a b?", "\n\nAssistant: yes", "\n\nAssistant: no"),
    ] {
        assert_eq!(read(&json).as_ref(), Ok(&expected), "{json}");
    }
    for (json, reason) in [
        (
            row(LONG, &format!("{LONG} yes"), &format!("{LONG} no")),
            reason::REPEATS_PROMPT,
        ),
        (row("a b?", "a b?\nyes", "a b?\nno"), reason::REPEATS_PROMPT),
        (
            row(
                LONG,
                &format!("<user>{LONG}</user> yes"),
                &format!("<user>{LONG}</user> no"),
            ),
            reason::REPEATS_PROMPT,
        ),
        (row("z?", yes, no), "diverges_early"),
        (row("a b?", yes, "no"), "diverges_early"),
        (row("", "yes", "no"), "no_query"),
    ] {
        assert_eq!(read(&json), Err(reason), "{json}");
    }
    // By chance: in one response alone, or as part of a word.
    for json in [
        row("a b?", "a b? yes", "no"),
        row("Hi", "His hat is red.", "His hat is blue."),
        row("Hello", "Hello! How can I help?", "Hello, what."),
        row("Hi", "Hi there.", "Hi!"),
        row("Thanks", "Thanks to you!", "Thanks, bye"),
        row("Paris", "Paris is in France.", "Paris is in Spain."),
        row(
            "Photosynthesis",
            "Photosynthesis\n\nis.",
            "Photosynthesis\n\nwas.",
        ),
        row("a b?", "a b? yes", "a b? no"),
    ] {
        assert!(read(&json).is_ok(), "{json}");
    }
}

#[test]
fn each_further_column_is_used_or_reported() {
    let row =
        |more: &str| format!(r#"{{"prompt": "a b?", "chosen": "yes", "rejected": "no", {more}}}"#);
    let plain = read(&row(r#""n": 1"#)).unwrap();
    for name in ["system", "system_prompt", "system_message"] {
        let found = read(&row(&format!(r#""{name}": "Be kind.""#))).unwrap();
        assert_eq!(
            found.prompt,
            format!("\n\nSystem: Be kind.{}", plain.prompt)
        );
    }
    for name in ["tools", "functions", "documents"] {
        let found = read_all(&row(&format!(r#""{name}": "Be kind.""#))).unwrap();
        assert!(found.context.is_some(), "{name}");
        assert_eq!(found.pair, plain, "{name}");
    }
    for name in [
        "instruction",
        "input",
        "question",
        "query",
        "context",
        "history",
    ] {
        let fault = read_all(&row(&format!(r#""{name}": "Other.""#))).unwrap_err();
        assert_eq!(fault.reason, reason::OTHER_QUERY, "{name}");
        assert!(fault.detail.contains(&format!("`{name}`")), "{fault}");
        if name != "history" {
            // The prompt contains its text.
            assert_eq!(
                read(&row(&format!(r#""{name}": "a b?""#))),
                Ok(plain.clone())
            );
        }
        assert_eq!(read(&row(&format!(r#""{name}": """#))), Ok(plain.clone()));
    }
    for name in ["images", "image", "videos", "video", "audios", "audio"] {
        for value in [r#""a.png""#, r#"["a.png"]"#, "{}"] {
            let fault = read_all(&row(&format!(r#""{name}": {value}"#))).unwrap_err();
            assert_eq!(fault.reason, reason::NOT_TEXT, "{name}");
        }
    }
    let found = read_all(&row(
        r#""rationale": "r", "n": 1, "notes": ["x"], "ids": [1, 2], "source": "web", "rating": {"by": "me"}"#,
    ));
    assert_eq!(
        found.unwrap().unused,
        ["rationale", "n", "notes", "ids", "rating"]
    );
    let thought = r#"{"role": "assistant", "content": "yes", "reasoning_content": "Hm."}"#;
    let json = format!(r#"{{"prompt": "a b?", "chosen": [{thought}], "rejected": "no"}}"#);
    assert_eq!(
        read_all(&json).unwrap().unused,
        ["reasoning_content (of messages)"]
    );
}

#[test]
fn earlier_turns_stand_before_the_prompt() {
    let expected = "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:";
    for asked in [
        r#""history": [["a", "b"]], "prompt": "c""#,
        r#""history": [["a", "b"]], "instruction": "c", "input": """#,
        r#""history": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
           "prompt": [{"role": "user", "content": "c"}]"#,
        r#""history": [["a", "b"]], "prompt": [{"from": "human", "value": "a"},
           {"from": "gpt", "value": "b"}, {"from": "human", "value": "c"}]"#,
    ] {
        let pair = read(&format!(
            r#"{{{asked}, "chosen": "yes", "rejected": "no"}}"#
        ));
        assert_eq!(pair.map(|it| it.prompt).as_deref(), Ok(expected), "{asked}");
    }
    for (asked, reason) in [
        (r#""history": [["a"]], "prompt": "c""#, MALFORMED),
        (r#""history": [["a", null]], "prompt": "c""#, MALFORMED),
        (r#""history": ["a", "b"], "prompt": "c""#, MALFORMED),
        (
            r#""history": [["a", "b"]], "prompt": "Human: c\n\nAssistant:""#,
            reason::OTHER_QUERY,
        ),
    ] {
        let found = read(&format!(
            r#"{{{asked}, "chosen": "yes", "rejected": "no"}}"#
        ));
        assert_eq!(found, Err(reason), "{asked}");
    }
}

#[test]
fn line_ends_of_windows_are_line_ends() {
    let expected = read(r#"{"prompt": "a?", "chosen": "yes", "rejected": "no"}"#);
    for json in [
        r#"{"prompt": "\r\n\r\nHuman: a?\r\n\r\nAssistant:", "chosen": "yes\r\n", "rejected": "no"}"#,
        r#"{"chosen": "\r\n\r\nHuman: a?\r\n\r\nAssistant: yes",
            "rejected": "\r\n\r\nHuman: a?\r\n\r\nAssistant: no"}"#,
    ] {
        assert_eq!(read(json), expected, "{json}");
    }
}

//! What no text may cause: a panic, words that it lacks, or a long wait.

use std::time::{Duration, Instant};

use super::{answer_of, cleaned};
use crate::is_doubtful;

#[test]
fn no_sequence_of_marks_is_too_much() {
    const PIECES: &[&str] = &[
        "[BEGIN FINAL RESPONSE]",
        "[END FINAL RESPONSE]",
        "Thinking...\n",
        "...done thinking.",
        "\\<think\\>",
        "\\</think\\>",
        "＜think＞",
        "<think_end>",
        "<|startofthink|>",
        "Assistant:",
        "<think>",
        "</think>",
        "<think x=\"",
        "</think",
        "[begin thought]",
        "[END THOUGHT]",
        "<|begin_of_thought|>",
        "<|end_of_thought|>",
        "<plan>",
        "</plan>",
        "&lt;think&gt;",
        "◁/think▷",
        "<思考>",
        "[/think]",
        "<|channel|>",
        "analysis",
        "final",
        "<|message|>",
        "assistantfinal",
        "<|start|>",
        "<|im_end|>",
        "</s>",
        "<s>",
        "<s class=\"a\">",
        "<bos>",
        "<pad>",
        "<unk>",
        "<|START_RESPONSE|>",
        "<|END_RESPONSE|>",
        "<|START_OF_TURN_TOKEN|>",
        "<Think {...a}>",
        "{",
        "}",
        "<answer>",
        "</answer>",
        "Thought:",
        "Final Answer:",
        "<details><summary>Thought</summary>",
        "```",
        "~~~",
        "`",
        "\n",
        " ",
        "é",
        "🙂",
        "1. ",
        "Warm water.",
        "is",
        ">",
        "=",
        "/",
    ];
    // Xorshift.
    let mut state = 1u64;
    let mut draw = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    for _ in 0..100_000 {
        let length = 1 + draw(12);
        let content: String = (0..length).map(|_| PIECES[draw(PIECES.len())]).collect();
        let answer = answer_of(&content);
        assert!(content.contains(answer), "{content:?}: {answer:?}");
        is_doubtful(answer);
        assert!(content.contains(cleaned(&content)), "{content:?}");
    }
}

#[test]
fn no_number_of_marks_takes_long() {
    let started = Instant::now();
    for piece in [
        "<think>",
        "<think ",
        "</think> ",
        "<think>a</think>",
        "<think>a</thinking>",
        "a</think>b",
        "<cot>a</cot>",
        "<cot>",
        "```thinking\n",
        "```thinking\n```\n",
        "<s>",
        "<|a|>",
        "<details><summary>thought ",
        "a:<",
        "[begin thought]",
        "<think>a </think> is ",
        "<think> and ",
        "<think> comes, </think> ",
        "[think] comes, [/think] ",
        "[think]a[/think], ",
        "`</think> ",
        "``` `` ` ",
        "1. </think>\n",
        "thought:\nfinal answer: ",
        "analysis: assistantfinal. ",
        "<|channel|>final <|end|>",
        "a<|im_end|>",
        "<|im_end|>",
        "[begin final response]",
        ".[begin final response]a",
        ".assistantfinala",
        "\\<think\\>",
        "\\",
        "＜think＞",
    ] {
        for before in ["", "a "] {
            let content = before.to_owned() + &piece.repeat((1 << 20) / piece.len());
            is_doubtful(answer_of(&content));
        }
    }
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn no_number_of_tokens_takes_long() {
    let started = Instant::now();
    for piece in [
        "<s> ",
        "<s>a</s>",
        "<s a>b</s>",
        "<s ",
        "<pad> ",
        "<unk>",
        "<|a|>",
        "<|START_RESPONSE|>a<|END_RESPONSE|>",
        "<Think {...a}>",
    ] {
        for before in ["", "a "] {
            let content = before.to_owned() + &piece.repeat((1 << 17) / piece.len());
            is_doubtful(answer_of(&content));
            cleaned(&content);
        }
    }
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

//! Honest texts that contain marks of thoughts, and stay as they are.

use super::answer_of;
use crate::{Parted, is_doubtful, parted};

#[test]
fn marks_within_an_answer_are_text() {
    for content in [
        "Warm water.",
        "Models write `<think>` first and `</think>` last.",
        "Models write <think> first and </think> last.",
        "Close it with </think> and go on.",
        "The end is marked. </think> is the tag for it.",
        "To end it:\n</think> is what you write.",
        "The tag \"</think>\" ends a thought.",
        "`<think>` begins a thought.",
        "Tags:\n- <think>\n- </think>\n",
        "Write this:\n```\n</think>\n```\nand go on.",
        "Write this:\n```\n<think>\na\n</think>\nb\n```\n",
        "Sure.\n<think>\nsecret\n</think>\nDone.",
        "<thinker> is no such tag. </thinker>",
        "<b>Warm</b> water.",
        "<answer>Warm water.</answer>",
        "analysis of the question: warm water.",
        "Analysis: assistantfinal is a word of one model.",
        "I think [think] is a tag, and so is [/think] in French.",
        "Assistant: warm water.",
        "<s> Warm water.",
        "<details><summary>Steps</summary>a</details>Warm water.",
        "It is <think>so</think> there.",
        "Here: <think>so</think>\nDone.",
        // Nothing follows, or more of the same kind.
        "<analysis>Warm water.</analysis>",
        "<analysis>Warm water.",
        "<reflection>Warm water.</reflection>\n",
        "<analysis>Warm</analysis>\n<summary>water</summary>",
        "<analysis>Warm</analysis><reflection>water</reflection>",
        "[Thinking] Well, warm water.",
        "[thinking] Well, [/thinking]",
        "```analysis\nWarm water.\n```",
        "```python\nthink()\n```\nWarm water.",
        "```\nthinking\n```\nWarm water.",
        "`thinking` is a word.",
        "<analysis-of:water>a</analysis-of:water>Warm.",
        "<thinkers>a</thinkers>Warm.",
        "<cottage>a</cottage>Warm.",
        "<|end_of_text|>Warm water.",
        "<plan>Monday: run.</plan>",
        "<thought_experiment>a</thought_experiment>Warm.",
        "<text_analysis>a</text_analysis>\nWarm.",
        "<content-analysis>a</content-analysis>\nWarm.",
        "[thinking] Well, warm water.",
        "Thought: warm water. It is the final answer: warm.",
    ] {
        assert_eq!(answer_of(content), content, "{content:?}");
    }
    // After the thought, the text stays as it is.
    for answer in [
        "The tag that ends a thought is\n</think>\nUse it.",
        "Use `<think>` and `</think>`.",
        "<answer>a</answer> or <answer>b</answer>, as you like",
    ] {
        let content = format!("<think>a</think>\n\n{answer}");
        assert_eq!(answer_of(&content), format!("\n\n{answer}"));
    }
}

#[test]
fn an_answer_about_tags_keeps_its_words() {
    for content in [
        // Sentences.
        "<think> and </think> are the tags around a thought.",
        "<think> and </think> are the tags. An example:\n<think>\nHm.\n</think>\nDone.",
        "<think> … </think> is what the model writes first.",
        "<think>Hm.</think> is how it looks.",
        "<think> is the tag that opens a thought.",
        "<think> is the opening tag.\n</think> is the closing one.",
        "<think>: opens a thought\n</think>: closes it\n",
        "<think>, </think> and <answer> are tags.",
        "<thinking> tags let a model reason before it answers.",
        "<plan> is a tag. </plan> closes it. So it goes.",
        "<thinking of you, I see that 3 > 2",
        "To end it, write </think>",
        "To end it, write </think>.",
        "To end it, write </think>\nand go on.",
        "Write this line:\n</think>\nand go on.",
        "The tags are <think>\nand\n</think>\nDone.",
        "The first tag is <think>\nThe last one is\n</think>\nDone.",
        "The answer follows </think>, and so on.",
        "The answer follows </think>: warm water.",
        "<|channel|> is a token of gpt-oss.",
        "<|channel|>analysis is one channel, <|channel|>final the other.",
        "<|start|> begins a message.",
        "assistantfinal is a word of gpt-oss.",
        "analysis: the word assistantfinal follows, or assistantfinal.",
        "The turn ends with <|im_end|>",
        "The turn ends with `<|im_end|>`",
        "The turn ends with '<|im_end|>'.",
        // Lists.
        "Tags:\n1. <thinking>\n2. </thinking>\nDone.",
        "Tags:\n1) <thinking>\n2) </thinking>\n",
        "Tags:\n1. The opening one: <thinking>\n2. The closing one: </thinking>\n",
        "Tags:\n1. The tag <thinking> opens it.\n2. </thinking>\nDone.",
        "Tags:\na. <thinking>\nb. </thinking>\n",
        "1. <thinking>: opens it.\n2. </thinking>: closes it.",
        "- </think>\n- </thinking>\n",
        "| tag |\n|---|\n| </think> |\n",
        // Code.
        "Write this:\n~~~\n</think>\n~~~\nand go on.",
        "Write this:\n~~~~xml\nHm.\n</think>\n~~~\n</think>\n~~~~\nand go on.",
        "Write this:\n````\n```\n</think>\n```\n</think>\n````\nand go on.",
        "Write this:\n\n    <thinking>\n    Hm.\n    </thinking>\n\nand go on.",
        "Write `Hm.</think>Warm` there.",
        "Write ``a `b` Hm.</think>Warm`` there.",
        "Write `<thinking>Hm.</thinking>` first.",
        "text.split(\"</think>\")[1]\nprint(text)",
        "Wrap it in <think></think>\n\nThen answer.",
        "<think></think> tags hold the thought.",
        "<think></think>: the tags.",
        "| <think> | opens |\n|---|---|\n| </think> | closes |\n",
        "The answer follows:\n> </think>\n> Warm.",
        "{\n  \"text\": \"<think>\nHm.\n</think>\nWarm.\"\n}",
        "stop: </think>\nlimit: 3\n",
        "It begins so:\n<thinking\n  effort=\"high\">\nHm.\n</thinking>\nDone.",
    ] {
        let whole = Parted {
            answer: content,
            has_thought: false,
            has_tokens: false,
        };
        assert_eq!(parted(content), whole, "{content:?}");
        let behind = format!("<think>a</think>\n\n{content}");
        assert_eq!(answer_of(&behind).trim_start(), content, "{behind:?}");
    }
}

#[test]
fn prose_and_code_that_begin_like_a_thought_are_kept_whole() {
    for content in [
        "Here is my thought process: I compare prices first. In short, buy the cheaper one.",
        "<details><summary>Thoughtful gift ideas</summary>Socks.</details>\n\nTell me the budget.",
        "<details><summary>Thoughts on pricing</summary>a</details>\nWarm water.",
        "<details><summary>Reasoning behind compound interest</summary>a</details>\nWarm water.",
        "<details><summary>Thinking caps for kids (craft)</summary>Cut paper.</details>",
        "analysisResult = compute(x)\nprint(analysisResult)",
        "analysisDf.head() shows the first rows.",
        "analysisBase is a function.",
    ] {
        assert_eq!(answer_of(content), content, "{content:?}");
    }
    for content in [
        "analysisThe user asks. We answer.",
        "<details><summary>Thought for 12 seconds</summary>a</details>",
        "<details><summary>💭 Thinking…</summary>a</details>",
    ] {
        assert_eq!(answer_of(content).trim(), "", "{content:?}");
    }
}

#[test]
fn an_honest_text_is_kept_and_doubtful() {
    for content in [
        "What ends a turn of ChatML?\n<|im_end|>",
        "The token is:\n\n<|im_end|>",
        "1. <|im_start|>\n2. <|im_end|>",
        "<s>\nold\n</s>",
        "Sale:\n<s>$10\n$5</s>",
        "Warm water.\n<|im_end|>\n<|endoftext|>",
        "[think] and [/think] are Magistral's tags.",
        "[Think] Before you speak, ask whether it is kind.",
        "<think>…</think> wraps the reasoning.",
        "<think>...</think> blocks are removed before training.",
        "Set the stop sequence to\n\n</think>\n\nThe model then stops.",
        "Here you go:\n</think>\nThen the answer starts.",
        "<plan>\nMonday: run\n</plan>\n\nEnjoy!",
        "<analysis>Positive</analysis>\nLabel: 1",
        "<reasoning>Because it rains.</reasoning>",
        "<thoughts>\n  <thought>one</thought>\n</thoughts>",
        "```scratch\nwhen flag clicked\nmove 10 steps\n```",
        "Here is my thought process:\n1. I check the fuel.",
        "<details><summary>Reasoning</summary>Because.</details>",
        "<chainofthought>hm</chainofthought>done",
        "<deepthink>hm</deepthink>done",
        "<o1_think>hm</o1_think>done",
        "<reflect>hm</reflect>done",
        "{think}hm{/think}done",
        "((think))hm((/think))done",
        "Thought for 5 seconds\n\nhm",
        "done.<|im_end|>\n<|im_start|>user\nnext?",
    ] {
        assert_eq!(answer_of(content), content, "{content:?}");
        assert!(is_doubtful(content), "{content:?}");
    }
    let content = "analysis<|message|> is how a channel begins.";
    assert_eq!(answer_of(content), content);
}

#[test]
fn a_component_with_attributes_in_braces_opens() {
    for tag in [
        "<Think {...props}>",
        "<Think {...{a: 1}}>",
        "<Think\n  {...props}\n>",
        "<Thinking {...props} mode={fast}>",
        "<Think onClick={() => go()} {...props}>",
        "<Think{...props}>",
    ] {
        let name = if tag.starts_with("<Thinking") {
            "Thinking"
        } else {
            "Think"
        };
        let content = format!(
            "Here is the page:\n{tag}\n  hello\n</{name}>\nThat is all there is to it, I think."
        );
        assert_eq!(answer_of(&content), content);
        assert!(is_doubtful(&content), "{content:?}");
        let alone = format!("{tag}\n  hello\n</{name}>");
        assert!(answer_of(&alone) == alone || tag.contains('='), "{alone:?}");
    }
    // No name: text.
    let content = "<think of {a, b}> has two elements.";
    assert_eq!(answer_of(content), content);
    // Without an opening tag the thought ends there.
    assert_eq!(answer_of("They use {props}.\n</think>\nYes."), "\nYes.");
}

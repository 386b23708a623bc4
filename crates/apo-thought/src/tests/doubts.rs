//! Which answers are doubtful.

use super::answer_of;
use crate::is_doubtful;

#[test]
fn what_may_still_be_a_thought_is_doubtful() {
    for (content, expected) in [
        ("Sure.\n<think>\nsecret\n</think>\nDone.", true),
        ("```\n<think>secret</think>\n```\nWarm water.", true),
        ("<think>a</think>\n\nThe tag is\n</think>\nUse it.", true),
        ("The end is marked. </think> is the tag for it.", true),
        ("<analysis>secret</analysis>", true),
        ("<reflection>secret", true),
        ("<cot>secret</cot><b>Warm</b> water.", true),
        ("[Thinking] Well, warm water.", true),
        ("```reflection\nsecret\n```", true),
        ("Sure.\n```thinking\nsecret\n```\nDone.", true),
        (
            "<analysis>secret</analysis>Warm water, with a little soap in it, is best.",
            false,
        ),
        ("<analysis>secret</analysis>Warm water.", true),
        (
            "<reflection>secret</reflection>Warm water, with a little soap in it, is best.",
            false,
        ),
        ("<reflection>secret</reflection>Warm water.", true),
        ("**Thinking**\nsecret\n\n**Answer**\nWarm water.", true),
        ("Thought: secret\nAnswer: Warm water.", true),
        ("Thought: secret\nFinal Answer: Warm water.", false),
        ("<plan>secret</plan>", true),
        ("<think> and </think> are the tags.", true),
        ("## Inner monologue\nsecret\n\nWarm water.", true),
        ("Thoughts on it: warm water.", false),
        ("[Thought: secret]\n\nWarm water.", true),
        ("(Thinking: secret) Warm water.", true),
        ("> Reasoning\n> secret\n\nWarm water.", true),
        ("**Thinking Process:**\n1. secret\n\nWarm water.", true),
        ("Reasoning process:\nsecret\n\nWarm water.", true),
        ("Thinking...\nsecret\n\nWarm water.", true),
        ("Use <|/think|> there.", true),
        ("Warm water.", false),
        ("<think>a</think>Warm water.", false),
        ("Thinking of it, warm water.", false),
        ("Reasoning with them helps.", false),
        ("Between `<think>` and `</think>`.", false),
        ("If a < b & c > d, then use <b>.", false),
        ("", false),
    ] {
        assert_eq!(is_doubtful(answer_of(content)), expected, "{content:?}");
    }
}

#[test]
fn what_a_template_or_server_may_have_left_is_doubtful() {
    for content in [
        "<|message|>Yes.",
        "<unk>Yes.",
        "[/INST] Yes.",
        "[INST] hi [/INST] Yes.",
        "assistant\n\nYes.",
        "model\nYes.",
        "Assistant: Yes.",
        "ASSISTANT: Yes.",
        "Yes.<|im_end|>Human: more?",
        "Yes.<|endoftext|>The Enclosure of 1845",
        "Yes.</s>USER: more? ASSISTANT: No.",
        "Yes.<eos>And no.",
        "Yes.<|im_end",
        "Yes.<|END_OF_TURN|",
        "The answer is <|begin_of_box|>5<|end_of_box|>",
    ] {
        assert_eq!(answer_of(content), content, "{content:?}");
        assert!(is_doubtful(content), "{content:?}");
    }
    for content in [
        "Between `<|im_start|>` and `<|im_end|>`.",
        "tokenizer.eos_token = \"</s>\"",
        "stop=['<|im_end|>']",
        "<ul>\n<li><s>milk</s></li>\n</ul>",
        "Was <s class=\"old\">$10</s>, now $5",
        "Press <s> to save.",
        "P(<s>) = 1",
        "If a < b, b < c and c > d, then a < c.",
        "f <| x |> g",
        "@article{a,\n  title={On {LLaMA}},\n}",
        "Assistants: two.",
        "User: hi\nAssistant: hello",
    ] {
        assert_eq!(answer_of(content), content, "{content:?}");
        assert!(!is_doubtful(content), "{content:?}");
    }
}

use std::time::{Duration, Instant};

use super::*;

/// An answer that is long enough to be one after what may be part of an answer.
const WARM: &str = "Warm water, with a little soap in it, is best.";

fn said(content: &str) -> &str {
    parted(content).answer
}

#[test]
fn a_thought_at_the_beginning_is_removed() {
    for content in [
        "<think>\nThe user asks. Let me see.\n</think>\n\nWarm water.",
        "\u{feff} \n<think>a</think>Warm water.",
        "<think></think>Warm water.",
        "<think>\n\n</think>\n\nWarm water.",
        "<THINK>a</THINK>Warm water.",
        "<Think effort=\"high\">a</think>Warm water.",
        "<thinking>a</thinking> Warm water.",
        "<thought>a</thought>\nWarm water.",
        "<thoughts>a</thoughts>\nWarm water.",
        "<reasoning>a</reasoning>\nWarm water.",
        "<scratchpad>a</scratchpad>\nWarm water.",
        "<seed:think>a</seed:think>Warm water.",
        "<|begin_of_thought|>\n\na\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nWarm water.\n\n<|end_of_solution|>",
        "<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>Warm water.",
        "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>Warm water.<|END_RESPONSE|>",
        "[THINK]a[/THINK]Warm water.",
        "◁think▷a◁/think▷Warm water.",
        "<|channel>thought\na<channel|>Warm water.",
        "<unused94>thought\na<unused95>Warm water.",
        "<details type=\"reasoning\" done=\"true\">\na\n</details>\nWarm water.",
        "Here is my thought process:\na\n\nHere is my response:\nWarm water.",
        "<think>a</think>\n<answer>\nWarm water.\n</answer>",
        // Several.
        "<think>a</think>\n<think>b</think>\n\nWarm water.",
        "<think>a</think><thinking>b</thinking>Warm water.",
        // The thought quotes its own end.
        "<think>They want `</think>` explained. \"</think>\", too.</think>Warm water.",
        // The beginning is in the prompt.
        "The user asks. Let me see.\n</think>\n\nWarm water.",
        "Let me see.</think>Warm water.",
        "Let me see. </think> Warm water.",
        "so warm water it is</think>\nWarm water.",
        "</think>\n\nWarm water.",
        "Let me see\n</think>Warm water.",
        "They mean the `</think>` tag.\n</think>\n\nWarm water.",
        "Hm.\n</thinking>\n\nWarm water.",
        "Hm.\n[/THINK]\n\nWarm water.",
        "Hm.\n</think>\n\n<answer>Warm water.</answer>",
        "They ask how. </think> Warm water.",
        "The user typed <think> in it.\nSo.\n</think>\n\nWarm water.",
        "They wrote `<think>`.\nSo.\n</think>\n\nWarm water.",
        "so it is</think>Warm water.",
        // The thought holds its own end.
        "<think>a\n</think>\nb</think>Warm water.",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(said(content).trim(), WARM, "{content:?}");
    }
}

#[test]
fn a_thought_may_follow_special_tokens_names_and_invisible_characters() {
    for content in [
        "<s><think>a</think>Warm water.",
        "<bos>\n<think>a</think>Warm water.",
        "<|im_start|>assistant\n<think>a</think>Warm water.",
        "<|start_header_id|>assistant<|end_header_id|>\n\n<think>a</think>Warm water.",
        "<start_of_turn>model\n<think>a</think>Warm water.",
        "<|assistant|><think>a</think>Warm water.",
        "<｜Assistant｜><think>a</think>Warm water.",
        "Assistant: <think>a</think>Warm water.",
        "**Assistant:** <think>a</think>Warm water.",
        "\u{200d}<think>a</think>Warm water.",
        "\u{2060}<think>a</think>Warm water.",
        "\u{200e}<|think|>a<|/think|>Warm water.",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(said(content).trim(), WARM, "{content:?}");
    }
}

#[test]
fn a_thought_has_marks_of_many_forms() {
    for content in [
        "<|inner_prefix|>a<|inner_suffix|>Warm water.",
        "<|think|>a<|/think|>Warm water.",
        "a<|/think|>\nWarm water.",
        "<reasoning_content>a</reasoning_content>Warm water.",
        "<thought_process>a</thought_process>Warm water.",
        "<Thinking Process>a</Thinking Process>Warm water.",
        "<chain_of_thought>a</chain_of_thought>Warm water.",
        "<details><summary>Thought for 3 seconds</summary>a</details>Warm water.",
        "<details open>\n<summary>💭 Reasoning</summary>\na\n</details>\nWarm water.",
        "&lt;think&gt;a&lt;/think&gt;Warm water.",
        "<think/>Warm water.",
        "<think />\nWarm water.",
        "<thinking>a</think>Warm water.",
        "<think>a</Think >Warm water.",
        "< think >a</ think >Warm water.",
        "<chain-of-thought>a</chain-of-thought>Warm water.",
        "<Inner Monologue>a</Inner Monologue>Warm water.",
        "<vendor:thinking>a</vendor:thinking>Warm water.",
        "<|reasoning|>a<|/reasoning|>Warm water.",
        "<|begin_of_reasoning|>a<|end_of_reasoning|>Warm water.",
        "<｜think｜>a<｜/think｜>Warm water.",
        "a<|end_of_thinking|>Warm water.",
        "<思考>a</思考>\nWarm water.",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(said(content).trim(), WARM, "{content:?}");
    }
}

#[test]
fn a_thought_may_be_marked_as_programs_other_than_servers_do() {
    for content in [
        // Apriel; its prompt begins the thought.
        "Here are my reasoning steps:\na\n[BEGIN FINAL RESPONSE]\nWarm water.\n[END FINAL RESPONSE]\n<|end|>",
        "They ask. I know it.\n[BEGIN FINAL RESPONSE]\nWarm water.",
        "They ask.[BEGIN FINAL RESPONSE]Warm water.[END FINAL RESPONSE]",
        "[BEGIN FINAL RESPONSE]Warm water.[END FINAL RESPONSE]",
        // ollama's command line.
        "Thinking...\nThe user asks. I know it.\n...done thinking.\n\nWarm water.",
        "<ctrl94>thought\na\n<ctrl95>Warm water.",
        "<|thinking_start|>a<|thinking_end|>Warm water.",
        "<think_start>a<think_end>Warm water.",
        "<reasoning_start>a<reasoning_end>\nWarm water.",
        "<|startofthink|>a<|endofthink|>Warm water.",
        "<|begin_think|>a<|end_think|>Warm water.",
        "<reasoning_step>a<think_end>Warm water.",
        "a<|endofthink|>\nWarm water.",
        "\\<think\\>a\\</think\\>Warm water.",
        "\\<think>a\\</think>\n\nWarm water.",
        "＜think＞a＜/think＞Warm water.",
        "＜think＞a＜／think＞\nWarm water.",
        "<ANALYZE>a</ANALYZE>\nWarm water.",
        // gpt-oss, half of it in the prompt or removed.
        "analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Warm water.",
        "final<|message|>Warm water.<|return|>",
        "assistant<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Warm water.",
        "analysis The user asks.assistantfinalWarm water.",
        "The user asks. We answer.assistantfinalWarm water.",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(said(content).trim(), WARM, "{content:?}");
    }
    for content in ["<think", "<thinki", "<reasoning\n", "<|thi"] {
        assert_eq!(
            (said(content), parted(content).has_thought),
            ("", true),
            "{content:?}"
        );
    }
    for content in [
        "Apriel writes [BEGIN FINAL RESPONSE] before its answer.",
        "Here are my reasoning steps:\n1. Compare prices.\n2. Buy.",
        "Thinking... well, warm water.",
        "<th",
        "<thorough",
        "<thi is cut, they say.",
        "<ctrl> is a key.",
        "\\<b\\>Warm\\</b\\> water.",
        "Write \\<think\\> and \\</think\\> in it.",
        "<start>Warm</start> water.",
        "The words analysis and assistantfinal are gpt-oss'.",
    ] {
        assert_eq!(said(content), content, "{content:?}");
    }
}

#[test]
fn a_label_of_the_answer_goes_with_the_thought_before_it() {
    for content in [
        "<think>a</think>Assistant: Warm water.",
        "<think>a</think>\n\n**Final Answer:** Warm water.",
        "<think>a</think>\n\n**Final Answer**: Warm water.",
        "<think>a</think>\n### Final Response:\nWarm water.",
        "<think>a</think>\nFinal answer: <answer>Warm water.</answer>",
        "a\n</think>\nassistant: Warm water.",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(said(content).trim(), WARM, "{content:?}");
    }
    for content in [
        "Final Answer: Warm water.",
        "**Final Answer:** Warm water.",
        "<think>a</think>Assistants: warm water.",
        "<think>a</think>The final answer: warm water.",
        "<think>a</think>Answer: warm water.",
    ] {
        let answer = content.trim_start_matches("<think>a</think>");
        assert_eq!(said(content), answer, "{content:?}");
    }
    assert_eq!(
        said("<think>a</think>Assistant: **Warm** water."),
        " **Warm** water."
    );
}

#[test]
fn a_tag_is_known_by_the_words_of_its_name() {
    for content in [
        "<reasoning_trace>a</reasoning_trace>\nWarm water.",
        "<reasoning-trace>a</reasoning-trace>Warm water.",
        "<internal_thinking>a</internal_thinking>Warm water.",
        "<my_thoughts>a</my_thoughts>Warm water.",
        "<step_by_step_reasoning>a</step_by_step_reasoning>Warm water.",
        "<thought_1>a</thought_1>\n<thought_2>b</thought_2>\nWarm water.",
        "<inner_analysis>a</inner_analysis>Warm water.",
        "<begin_thinking>a<end_thinking>Warm water.",
        "[BEGIN THOUGHT]\na\n[END THOUGHT]\nWarm water.",
        "[BEGIN_THINKING]a[END_THINKING]Warm water.",
        "[Start of reasoning]a[End of reasoning]\nWarm water.",
        "a\n[END THOUGHT]\nWarm water.",
        "<think\n  effort=\"high\">a</think>Warm water.",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(said(content).trim(), WARM, "{content:?}");
    }
}

#[test]
fn a_thought_may_be_in_the_format_of_react_or_gpt_oss() {
    for content in [
        "Thought: I know it.\nFinal Answer: Warm water.",
        "Thought: I look.\nAction: search\nObservation: a\nThought: I know the final answer\n\
         Final Answer: Warm water.",
        "Thought: I know it. Final Answer: Warm water.",
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Warm water.<|return|>",
        "<|start|>assistant<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Warm water.",
        "<|channel|>final<|message|>Warm water.",
        "analysisThe user asks. We answer.assistantfinalWarm water.",
        "analysisThe user asks. We say assistantfinal here.assistantfinalWarm water.",
        "assistantanalysisThe user asks.assistantfinalWarm water.",
        "analysis: The user asks. We answer.assistantfinalWarm water.",
        "analysis: The user asks.\nassistantfinal: Warm water.",
        "analysis\nThe user asks.\nassistantfinal\nWarm water.",
        "<|channel|>analysis<|message|>Say <|channel|>final<|message|>.<|end|><|start|>assistant\
         <|channel|>final<|message|>Warm water.<|return|>",
        "<|channel|>commentary to=a <|constrain|>json<|message|>{}<|call|><|start|>assistant\
         <|channel|>final<|message|>Warm water.",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(said(content).trim(), WARM, "{content:?}");
    }
}

#[test]
fn a_thought_may_mention_tags() {
    for content in [
        "<think>What does </think> do? I tell.\n</think>\n\nWarm water.",
        "<think>They name <think> and </think> in it.\n</think>\n\nWarm water.",
        "<think>\n```\n</think>\n```\nSo.\n</think>\nWarm water.",
        "<think>\n~~~xml\n</think>\n~~~\nSo.\n</think>\nWarm water.",
        "<think>\n```python\nprint()\n</think>\nWarm water.",
        "<think>It is `a</think>b`, so.</think>Warm water.",
        "<think><think>a</think>Warm water.",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(said(content).trim(), WARM, "{content:?}");
    }
}

#[test]
fn tokens_that_servers_leave_at_the_end_are_removed() {
    for content in [
        "Warm water.<|im_end|>",
        "Warm water.<|eot_id|>\n",
        "Warm water. <|im_end|>",
        "Warm water.<|im_end|>\n",
        "Warm water.<|im_end|><|im_end|>",
        "Warm water.</s>",
        "Warm water.[end of text]",
        "Warm water. [end of text]\n",
        "Warm water.<turn|>",
        "Warm water.<end_of_turn>\n",
        "Warm water.<｜end▁of▁sentence｜>",
        "<think>a</think>Warm water.<|im_end|>",
        "<think>a</think><answer>Warm water.</answer><|im_end|>",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(said(content).trim(), WARM, "{content:?}");
    }
}

#[test]
fn a_removed_token_is_reported_and_a_kept_one_is_doubtful() {
    for (content, answer, has_tokens) in [
        ("yes</s>", "yes", true),
        ("Yes.</s>", "Yes.", true),
        ("42.</s>", "42.", true),
        ("B)</s>", "B)", true),
        ("I.<|im_end|>", "I.", true),
        ("\"yes\"</s>", "\"yes\"", true),
        ("`yes`<|im_end|>", "`yes`", true),
        ("yes<|eot_id|>\n", "yes", true),
        ("yes<|endoftext|>", "yes", true),
        ("yes<end_of_turn>", "yes", true),
        ("<think>a</think>yes</s>", "yes", true),
        ("yes", "yes", false),
        ("yes \n", "yes \n", false),
        ("<s>yes</s>", "yes", true),
        ("It is <s>no</s>", "It is <s>no</s>", false),
        ("yes </s>", "yes </s>", false),
    ] {
        let parted = parted(content);
        assert_eq!(
            (parted.answer, parted.has_tokens),
            (answer, has_tokens),
            "{content:?}"
        );
        assert_eq!(
            is_doubtful(parted.answer),
            answer.ends_with("</s>"),
            "{content:?}"
        );
    }
}

#[test]
fn a_word_for_part_of_an_answer_opens_a_thought_that_an_answer_follows() {
    for content in [
        "<reflection>a</reflection>\n\nWarm water.",
        "<analysis>a</analysis>Warm water.",
        "<Analysis depth=\"2\">a</Analysis>\nWarm water.",
        "<cot>a</cot>Warm water.",
        "<self-reflection>a</self-reflection>Warm water.",
        "<|analysis|>a<|/analysis|>Warm water.",
        "&lt;reflection&gt;a&lt;/reflection&gt;Warm water.",
        "<analysis>a</analysis><answer>Warm water.</answer>",
        "<analysis>a</analysis>\n<reflection>b</reflection>\nWarm water.",
        "<analysis>a</analysis><think>b</think>Warm water.",
        "<think>a</think><reflection>b</reflection>Warm water.",
        "<analysis>It has `</analysis>` in it.</analysis>Warm water.",
        "<think>a</think><final_answer>Warm water.</final_answer>",
        "[thinking]a[/thinking]\nWarm water.",
        "[Reasoning]\na\n[/Reasoning]\n\nWarm water.",
        "<plan>a</plan>\n\nWarm water.",
        "<Planning>a</Planning>\n\nWarm water.",
        "<rationale>a</rationale>Warm water.",
        "<thought_plan>a</thought_plan>Warm water.",
        "<analysis_steps>a</analysis_steps>Warm water.",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(said(content).trim(), WARM, "{content:?}");
    }
}

#[test]
fn a_code_block_whose_language_is_a_thought_is_removed() {
    for content in [
        "```thinking\na\n```\nWarm water.",
        "```thinking\na\n```\n\n<answer>Warm water.</answer>",
        "````thought\n```\na\n```\n````\nWarm water.",
        "~~~ reasoning\na\n~~~\nWarm water.",
        "```scratchpad\nSo:\n```python\nprint()\n```\nHm.\n```\nWarm water.",
        "```analysis\na\n```\nWarm water.",
        "<s>```thinking\na\n```\nWarm water.",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(said(content).trim(), WARM, "{content:?}");
    }
}

#[test]
fn a_thought_without_an_end_is_all_there_is() {
    for content in [
        "<think>",
        "<think>\nThe user asks",
        "\n<thinking>The user asks",
        "<think>They want \"</think>\" expl",
        "<think>a</think>\n<think>b",
        "<think>a</think>",
        "a\n</think>\n",
        "<|begin_of_thought|>The user",
        "[THINK]The user",
        "<|channel|>analysis<|message|>The user asks",
        "<|channel|>commentary<|message|>The user asks<|end|>",
        "analysisThe user asks for",
        "<|begin_of_reasoning|>The user",
        "<reasoning_trace>The user",
        "[BEGIN THOUGHT] The user",
        "<think>\nThe user asks what </think> is",
        "<|channel|>",
        "<|channel|>analysis",
        "<|start|>assistant",
        "a</think><|im_end|>",
        "<|im_end|>",
        "```thinking\nThe user asks",
        "```thinking\nThe user asks\n```",
        "",
        " \n",
    ] {
        assert_eq!(said(content).trim(), "", "{content:?}");
    }
}

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
        assert_eq!(said(content), content, "{content:?}");
    }
    // After the thought, the text stays as it is.
    for answer in [
        "The tag that ends a thought is\n</think>\nUse it.",
        "Use `<think>` and `</think>`.",
        "<answer>a</answer> or <answer>b</answer>, as you like",
    ] {
        let content = format!("<think>a</think>\n\n{answer}");
        assert_eq!(said(&content), format!("\n\n{answer}"));
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
        assert_eq!(said(&behind).trim_start(), content, "{behind:?}");
    }
}

#[test]
fn a_removed_thought_is_reported() {
    for (content, expected) in [
        ("<think>a</think>Warm water.", true),
        ("<think>a", true),
        ("a</think>Warm water.", true),
        (
            "<plan>a</plan>Warm water, with a little soap in it, is best.",
            true,
        ),
        ("Thought: a\nFinal Answer: Warm water.", true),
        ("analysisThe user.assistantfinalWarm water.", true),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b",
            true,
        ),
        ("<think>\n\n</think>\n\n<think>a</think>Warm water.", true),
        // Nothing was thought.
        ("<think>\n\n</think>\n\nWarm water.", false),
        ("<think/>Warm water.", false),
        ("</think>\n\nWarm water.", false),
        ("<|channel|>final<|message|>Warm water.", false),
        ("Warm water.<|im_end|>", false),
        ("Sure.\n<think>\nsecret\n</think>\nDone.", false),
        ("", false),
    ] {
        assert_eq!(parted(content).has_thought, expected, "{content:?}");
    }
}

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
        assert_eq!(is_doubtful(said(content)), expected, "{content:?}");
    }
}

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
        let answer = said(&content);
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
            is_doubtful(said(&content));
        }
    }
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
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
        assert_eq!(said(content), content, "{content:?}");
    }
    for content in [
        "analysisThe user asks. We answer.",
        "<details><summary>Thought for 12 seconds</summary>a</details>",
        "<details><summary>💭 Thinking…</summary>a</details>",
    ] {
        assert_eq!(said(content).trim(), "", "{content:?}");
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
        assert_eq!(said(content), content, "{content:?}");
        assert!(is_doubtful(content), "{content:?}");
    }
    let content = "analysis<|message|> is how a channel begins.";
    assert_eq!(said(content), content);
}

#[test]
fn a_response_may_begin_with_the_mark_of_its_turn() {
    for (response, rest) in [
        ("<|im_start|>assistant\nhi", Some("\nhi")),
        ("<|im_start|>assistant<|im_sep|>hi", Some("hi")),
        ("<|assistant|>hi", Some("hi")),
        ("<|assistant|>\nhi", Some("\nhi")),
        ("<｜Assistant｜>hi", Some("hi")),
        (
            "<|start_header_id|>assistant<|end_header_id|>\n\nhi",
            Some("\n\nhi"),
        ),
        ("<start_of_turn>model\nhi", Some("\nhi")),
        ("<|assistant|> is the mark that Zephyr puts.", None),
        ("<|im_start|>assistant opens the turn.", None),
        ("<|start|>assistant is how gpt-oss begins.", None),
        ("hi", None),
        ("Assistant: hi", None),
        ("[/INST] is a mark.", None),
    ] {
        assert_eq!(without_opening(response), rest, "{response:?}");
    }
    let reply = parted("<|im_start|>assistant\ndone.");
    assert_eq!((reply.answer.trim(), reply.has_tokens), ("done.", true));
}

/// Returns a response as `hh-split` cleans it, which leaves its thoughts.
fn cleaned(response: &str) -> &str {
    without_end(without_opening(response).unwrap_or(response))
}

#[test]
fn tokens_around_a_response_are_removed_on_both_sides() {
    for content in [
        "<|begin_of_text|>Yes.<|eot_id|>",
        "<s>Yes.</s>",
        "<s> Yes.</s>",
        "<s>Yes.</s></s>",
        "<s>Yes.</s><pad><pad>",
        "<bos>Yes.<eos>",
        "<bos>Yes.<eos><pad>",
        "<s>Yes.",
        "<s><s>Yes.",
        "<bos>Yes.",
        "<BOS_TOKEN>Yes.<|END_OF_TURN_TOKEN|>",
        "<｜begin▁of▁sentence｜>Yes.<｜end▁of▁sentence｜>",
        "<|endoftext|>Yes.",
        "<|endoftext|>Yes.<|endoftext|>",
        "[gMASK]<sop>Yes.",
        "<pad> Yes.</s>",
        "<pad>Yes.",
        // What fills it up.
        "Yes.<pad>",
        "Yes.<pad><pad>",
        "Yes.<pad> <pad>",
        "Yes.[PAD]",
        "Yes.<eos><pad>",
        "Yes.</s><unk>",
        "Yes.</s><unk><unk>",
        "Yes.<pad><unk><pad>",
        "Yes. </s> <pad> <pad>",
        "Yes.<EOS_TOKEN>",
        "Yes.<seed:eos>",
        "Yes.[|endofturn|]",
        // The turn, and the answer in it.
        "<|START_RESPONSE|>Yes.<|END_RESPONSE|>",
        "<|START_RESPONSE|>Yes.<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
        "<|START_RESPONSE|>\nYes.\n<|END_RESPONSE|>\n",
        "<|START_RESPONSE|>Yes.",
        "Yes.<|END_RESPONSE|>",
        "<|begin_of_solution|>\n\nYes.\n\n<|end_of_solution|>",
        "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_RESPONSE|>Yes.<|END_RESPONSE|>\
         <|END_OF_TURN_TOKEN|>",
        "<|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
        "<|start|>assistant<|channel|>final <|constrain|>json<|message|>Yes.<|return|>",
        "<|channel|>final<|message|>Yes.<|end|>",
        "final<|message|>Yes.",
        "<s><|im_start|>assistant\nYes.<|im_end|>",
        "<bos><start_of_turn>model\nYes.<end_of_turn>",
        "<|begin_of_text|><|start_header_id|>assistant<|end_header_id|>\n\nYes.<|eot_id|>",
        "<|im_assistant|>assistant<|im_middle|>Yes.<|im_end|>",
        "<seed:bos>assistant\nYes.<seed:eos>",
        "[|assistant|]Yes.[|endofturn|]",
    ] {
        assert_eq!(cleaned(content).trim(), "Yes.", "{content:?}");
        let parted = parted(content);
        assert_eq!(parted.answer.trim(), "Yes.", "{content:?}");
        assert!(parted.has_tokens && !parted.has_thought, "{content:?}");
        assert!(!is_doubtful(parted.answer), "{content:?}");
    }
    for (content, answer) in [
        ("<s>old</s>", "old"),
        ("<s> no</s>", "no"),
        ("<s>is it so?</s>", "is it so?"),
        ("<s>\"Yes\"</s>", "\"Yes\""),
        ("<bos>**Yes**", "**Yes**"),
        ("<bos>- Yes\n- No", "- Yes\n- No"),
        ("<s>是的。", "是的。"),
        ("<s>🙂", "🙂"),
        ("<s><p>Yes.</p></s>", "<p>Yes.</p>"),
        ("<s></s>", ""),
        ("<s>", ""),
        ("<bos><eos>", ""),
    ] {
        assert_eq!(cleaned(content).trim(), answer, "{content:?}");
        assert_eq!(said(content).trim(), answer, "{content:?}");
    }
    assert_eq!(said("<s><think>a</think>Yes.</s>"), "Yes.");
    assert_eq!(said("<pad><pad><think>a</think>Yes."), "Yes.");
    for content in [
        "<think>Hm.</think><bos>Yes.<eos>",
        "<think>Hm.</think>\n\n<s>Yes.</s>",
        "<|im_start|>assistant\n<s>Yes.</s>",
        "<|channel|>final<|message|><s>Yes.</s>",
    ] {
        assert_eq!(said(content).trim(), "Yes.", "{content:?}");
        assert!(parted(content).has_tokens, "{content:?}");
    }
    assert_eq!(cleaned("<|im_start|>assistant\n<s>Yes.</s>").trim(), "Yes.");
    // The name of the speaker is one because of the token before it.
    assert_eq!(said("<s>assistant<think>a</think>Yes.</s>"), "Yes.");
    assert_eq!(said("<s>assistant<think>a"), "");
}

#[test]
fn an_honest_text_with_such_tokens_is_kept_and_doubtful() {
    for content in [
        "<s> is HTML's strikethrough.",
        "<s>, </s> and <del> strike through.",
        "<s>old</s> price",
        "<s>old</s> price, <s>new</s>",
        "<s>One.</s><s>Two.</s>",
        "<s>$5</s> is less than $6</s>",
        "<s class=\"old\">$10</s>",
        "<S>old</S>",
        "<S class=\"old\">$10</S>",
        "Now only $5 instead of <s class=\"old\">$10</s>",
        "Now only $5 instead of <s\n  class=\"old\">$10</s>",
        "<s n=\"1\">The cat sat on the mat.</s>",
        "<s>tags are HTML's.",
        "<s>-tags are HTML's.",
        "<s>= is not HTML.",
        "<s><del><strike> are tags.",
        "<bos> and <eos> are Gemma's tokens.",
        "<bos><eos> are Gemma's tokens.",
        "<bos>: begins a text",
        "<bos> is Gemma's first token.<eos>",
        "<bos>\n<eos>",
        "<|endoftext|> is GPT-2's end token.",
        "<|begin_of_text|>, then a header.",
        "<|begin_of_text|> stands before it.",
        "<s>[INST] hi [/INST] Yes.</s>",
        "<s>USER: hi ASSISTANT:",
        "<｜begin▁of▁sentence｜>Be kind.<｜User｜>hi<｜Assistant｜>Yes.<｜end▁of▁sentence｜>",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>\
         <|start_header_id|>assistant<|end_header_id|>\n\nYes.",
        "GPT-2: 50256=<|endoftext|>",
        "GPT-2: 50256:<|endoftext|>",
        "eos_token=</s>",
        "pad:<pad>",
        "I have no word for it<unk>",
        "I have no word for it.<unk><unk>",
        "The word is <unk>",
        "The padding is <pad>",
        "The padding is <pad><eos><pad>",
        "It ends with </s><pad>",
        "It ends with </s> <pad>",
        "The tokens are:\n<pad>",
        "<|START_RESPONSE|> and <|END_RESPONSE|>",
        "<|START_RESPONSE|> is a mark of R7B.",
        "<|START_RESPONSE|>a<|END_RESPONSE|> is how R7B answers",
        "It is between <|START_RESPONSE|> and <|END_RESPONSE|>",
    ] {
        assert_eq!(cleaned(content), content, "{content:?}");
        let parted = parted(content);
        assert_eq!(parted.answer, content, "{content:?}");
        assert!(!parted.has_tokens, "{content:?}");
        assert!(is_doubtful(content), "{content:?}");
    }
    for content in [
        "`<s>` is HTML's strikethrough.",
        "Between `<s>` and `</s>`.",
        "<sub>2</sub> is a subscript.",
    ] {
        assert_eq!(said(content), content, "{content:?}");
        assert!(!is_doubtful(content), "{content:?}");
    }
    assert!(is_doubtful(
        "Yes.[|endofturn|]\n[|user|]hi\n[|assistant|]Ok."
    ));
    assert_eq!(
        without_any_beginning("<s><s> AI is a field."),
        " AI is a field."
    );
    assert_eq!(
        without_any_beginning("AI <s> is a field."),
        "AI <s> is a field."
    );
    // Of these, a token that is certainly the server's goes alone.
    assert_eq!(said("Rome<unk></s>"), "Rome<unk>");
    assert!(is_doubtful("Rome<unk>"));
    assert_eq!(without_any_end("Rome<unk>"), "Rome");
    assert_eq!(without_any_end("Rome. <pad> <pad>"), "Rome. ");
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
            is_doubtful(said(&content));
            cleaned(&content);
        }
    }
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_thoughts_header_is_no_opening_of_an_answer() {
    for (response, rest) in [
        (
            "<|start|>assistant<|channel|>analysis<|message|>Hm.",
            Some("<|channel|>analysis<|message|>Hm."),
        ),
        ("<|channel|>analysis<|message|>Hm.", None),
        ("<|channel|>final is gpt-oss' last channel.", None),
        ("final<|message|> is its header.", None),
        ("final answer: <|message|> is a token.", None),
        ("finals<|message|>Yes.", None),
        ("final json<|message|>Yes.", None),
    ] {
        assert_eq!(without_opening(response), rest, "{response:?}");
    }
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
        assert_eq!(said(&content), content);
        assert!(is_doubtful(&content), "{content:?}");
        let alone = format!("{tag}\n  hello\n</{name}>");
        assert!(said(&alone) == alone || tag.contains('='), "{alone:?}");
    }
    // No name: text.
    let content = "<think of {a, b}> has two elements.";
    assert_eq!(said(content), content);
    // Without an opening tag the thought ends there.
    assert_eq!(said("They use {props}.\n</think>\nYes."), "\nYes.");
}

#[test]
fn a_sentence_may_tell_where_both_marks_stand() {
    for content in [
        "<think> comes first, </think> second. It is so.",
        "<think> comes first and </think> last.",
        "<think> opens it, </think> closes it.",
        "<thinking> goes before the thought; </thinking> after it. So it is.",
        "<|think|> stands first, <|/think|> last.",
    ] {
        assert_eq!(said(content), content, "{content:?}");
        assert!(is_doubtful(content), "{content:?}");
    }
    for (content, answer) in [
        ("<think> it comes first, </think> second.", " second."),
        ("<think> comes first. </think> second.", " second."),
        ("<think> comes first, </think> Second.", " Second."),
        ("<think>comes first, </think> second.", " second."),
        ("<think> comes\nfirst, </think> second.", " second."),
        (
            "<think> comes first, </think> second.\nHm.\n</think>\nYes.",
            "\nYes.",
        ),
    ] {
        assert_eq!(said(content), answer, "{content:?}");
    }
}

#[test]
fn a_token_that_a_text_leads_up_to_is_kept() {
    for content in [
        // A question, or what else is no statement, before a blank.
        "Which token? <|im_end|>",
        "Which token?\t</s>",
        "Which token ends a text in LLaMA 2? </s>",
        "哪个？ </s>",
        "How can I help you? </s>",
        "The token is... </s>",
        "The token is… </s>",
        "Which one?! </s>",
        "Quel jeton\u{a0}: </s>",
        "Which token?\u{a0}</s>",
        "Use another one, e.g. </s>",
        "Use another one (i.e. <eos>",
        "HTML has another one, cf. </s>",
        "GPT-2's is <|endoftext|>, vs. </s>",
        "Which token? <pad>",
        "Which token? </s> <pad>",
        // A sign that leads up to it.
        "The token:</s>",
        "Which one? A:</s>",
        "结束符：</s>",
        "<pad>,<unk>,</s>",
        "One of <eos>,</s>",
        "LLaMA 2→</s>",
        "It has a token (</s>",
        // What begins a text ends none.
        "Use vector<s>",
        "It is<s>",
    ] {
        assert_eq!(said(content), content, "{content:?}");
        assert_eq!(cleaned(content), content, "{content:?}");
        assert!(is_doubtful(content), "{content:?}");
    }
    for (content, answer) in [
        ("How can I help you?</s>", "How can I help you?"),
        ("Which token?</s></s>", "Which token?"),
        ("Which token? </s></s>", "Which token?"),
        ("Glad to help! </s>", "Glad to help!"),
        ("It is 3.5. </s>", "It is 3.5."),
        ("It is so!! <|end|>", "It is so!!"),
        ("是的。 </s>", "是的。"),
        ("Well...</s>", "Well..."),
        ("https://a.org/</s>", "https://a.org/"),
        ("| a | b |</s>", "| a | b |"),
        ("x = 3;</s>", "x = 3;"),
        ("```\nx\n```<|im_end|>", "```\nx\n```"),
        ("Yes.</s><s>", "Yes."),
        ("Yes.<eos><bos>", "Yes."),
        ("[BOS][|assistant|]Yes.[|endofturn|]", "Yes."),
    ] {
        assert_eq!(said(content).trim(), answer, "{content:?}");
        assert_eq!(cleaned(content).trim(), answer, "{content:?}");
        assert!(!is_doubtful(answer), "{content:?}");
    }
}

#[test]
fn a_sentence_may_go_on_from_a_mark_that_nothing_closes() {
    for content in [
        "<think> is a tag that some models write.",
        "<think> tags are used by reasoning models.",
        "<think> tokens are special in Qwen3.",
        "<think> has no meaning in HTML.",
        "<think> can be closed or not.",
        "<think> starts a thought.",
        "<think> does not appear in the output.",
        "<think> in Qwen3 is one token.",
        "<think> without an end breaks the parser.",
        "<think>\tbegins a thought",
        "<think> (or <thinking>) opens it.",
        "<think> = start of a thought",
        "<think>=start of a thought",
        "<think> — the opening tag",
        "<think> + thought + answer",
        "<think> | opens a thought",
        "<think>-tags are removed.",
        "<think>-Tags werden entfernt.",
        "<think>s are removed.",
        "<think>'s purpose is to hold a thought.",
        "<think>’s purpose is to hold a thought.",
        "<think> est une balise.",
        "<scratchpad> holds notes.",
        "<|begin_of_thought|> was used by Sky-T1.",
        "<|inner_prefix|> precedes a thought.",
        "<seed:think> belongs to Seed.",
        "Assistant: <think> has no attributes.",
        "<think> has no attributes.\n\nThe model writes it first.",
    ] {
        assert_eq!(said(content), content, "{content:?}");
        assert!(is_doubtful(content), "{content:?}");
    }
    for content in [
        "<think>\nOkay, the user wants",
        "<think>\n\nokay, the user wants",
        "<think> \nhas the user",
        "<think> Okay, the user wants",
        "<think>Okay, the user wants",
        "<think>okay, the user wants",
        "<think>so the user wants",
        "<think> okay, the user wants",
        "<think> the user wants",
        "<think> we need to answer",
        "<think> let me see",
        "<think> let's see",
        "<think> i should answer",
        "<think> To answer it, I",
        "<think> Is it prime? I",
        "<think> (The user wants",
        "<think> 3 + 4",
        "<think> 好的，用户想要",
        "<think>\n- The user wants",
        "<think>**Plan**\n\nWe need",
        "<think>...",
        "<think> `</think>` is a tag. The user wants",
        "[THINK]We need",
        "[THINK]\nwe need",
        "<|inner_prefix|>We need",
        "<details type=\"reasoning\" done=\"false\">\nOkay, the user wants",
        "<details type=\"reasoning\" done=\"false\">\n<summary>Thinking…</summary>\nOkay",
    ] {
        assert_eq!(
            (said(content), parted(content).has_thought),
            ("", true),
            "{content:?}"
        );
    }
}

#[test]
fn a_sentence_may_tell_of_both_marks() {
    for content in [
        "<think> starts the thought and </think> stops it.",
        "<think> before the thought, </think> after it.",
        "<think> should be closed by </think> before the answer.",
        "<think> (token 151667) and </think> (token 151668)",
        "<think> \"opens\" and </think> \"closes\".",
        "<think> + reasoning + </think> + answer",
        "<think> → thought, </think> → answer",
        "<think>=begin, </think>=end",
        "<think>-tags hold the thought, </think>-tags end it.",
        "<think>s are paired with </think>s.",
        "<think> introduces a thought that </think> ends.",
        "<think>.*?</think>",
        "<think>(.*?)</think>",
        "[THINK] comes first, [/THINK] second, and then the answer of the model follows.",
        "[THINK] a [/THINK] is how Magistral thinks, and then it answers the question.",
        "<|inner_prefix|> goes first, <|inner_suffix|> last.",
        "Everything up to\n</think>-tags is removed.",
    ] {
        assert_eq!(said(content), content, "{content:?}");
        assert!(is_doubtful(content), "{content:?}");
    }
    for (content, answer) in [
        ("<think> simple question </think> yes", "yes"),
        ("<think> simple question. </think> yes", "yes"),
        ("<think> the user asks, </think> yes", "yes"),
        (
            "<think> 2+2=4 so </think> the answer is 4",
            "the answer is 4",
        ),
        ("<think> 2+2=4, </think> the answer is 4", "the answer is 4"),
        ("<think> capital of france is </think> paris", "paris"),
        (
            "<think> user wants a poem; </think> here it is",
            "here it is",
        ),
        ("<thinking> check 3*4, add 2, and </thinking> 14", "14"),
        (
            "<|think|> below zero, so <|/think|> it freezes",
            "it freezes",
        ),
        ("<think> i should say that, and </think> yes", "yes"),
        ("<think> Before I answer, </think> yes", "yes"),
        ("<think> before i answer, </think> Yes", "Yes"),
        ("<think> starts with a. </think> yes", "yes"),
        ("<think>hm, and</think> yes", "yes"),
        ("<think>...</think>Yes", "Yes"),
        ("<think>a</think>-5", "-5"),
        ("[THINK]They mean [/THINK] is a tag.[/THINK]Yes", "Yes"),
    ] {
        assert_eq!(said(content).trim(), answer, "{content:?}");
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
        assert_eq!(said(content), content, "{content:?}");
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
        assert_eq!(said(content), content, "{content:?}");
        assert!(!is_doubtful(content), "{content:?}");
    }
}

#[test]
fn tokens_between_a_thought_and_the_marks_of_its_answer_are_removed() {
    for content in [
        "<think>a</think><s><answer>Yes.</answer></s>",
        "<think>a</think><|im_start|>assistant\n<answer>Yes.</answer><|im_end|>",
        "<think>a</think>\n<|begin_of_box|>Yes.<|end_of_box|>",
        "<|begin_of_box|>Yes.<|end_of_box|><|endoftext|>",
        "<think>a</think>Assistant: <s>Yes.</s>",
    ] {
        let parted = parted(content);
        assert_eq!(parted.answer.trim(), "Yes.", "{content:?}");
        assert!(parted.has_tokens, "{content:?}");
    }
}

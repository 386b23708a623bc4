//! What is a thought, and is removed.

use super::{WARM, answer_of};
use crate::parted;

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
        assert_eq!(answer_of(content).trim(), WARM, "{content:?}");
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
        assert_eq!(answer_of(content).trim(), WARM, "{content:?}");
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
        assert_eq!(answer_of(content).trim(), WARM, "{content:?}");
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
        assert_eq!(answer_of(content).trim(), WARM, "{content:?}");
    }
    for content in ["<think", "<thinki", "<reasoning\n", "<|thi"] {
        assert_eq!(
            (answer_of(content), parted(content).has_thought),
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
        assert_eq!(answer_of(content), content, "{content:?}");
    }
}

#[test]
fn a_label_of_the_answer_is_removed_with_the_thought_before_it() {
    for content in [
        "<think>a</think>Assistant: Warm water.",
        "<think>a</think>\n\n**Final Answer:** Warm water.",
        "<think>a</think>\n\n**Final Answer**: Warm water.",
        "<think>a</think>\n### Final Response:\nWarm water.",
        "<think>a</think>\nFinal answer: <answer>Warm water.</answer>",
        "a\n</think>\nassistant: Warm water.",
    ] {
        let content = &content.replace("Warm water.", WARM);
        assert_eq!(answer_of(content).trim(), WARM, "{content:?}");
    }
    for content in [
        "Final Answer: Warm water.",
        "**Final Answer:** Warm water.",
        "<think>a</think>Assistants: warm water.",
        "<think>a</think>The final answer: warm water.",
        "<think>a</think>Answer: warm water.",
    ] {
        let answer = content.trim_start_matches("<think>a</think>");
        assert_eq!(answer_of(content), answer, "{content:?}");
    }
    assert_eq!(
        answer_of("<think>a</think>Assistant: **Warm** water."),
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
        assert_eq!(answer_of(content).trim(), WARM, "{content:?}");
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
        assert_eq!(answer_of(content).trim(), WARM, "{content:?}");
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
        assert_eq!(answer_of(content).trim(), WARM, "{content:?}");
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
        assert_eq!(answer_of(content).trim(), WARM, "{content:?}");
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
        assert_eq!(answer_of(content).trim(), WARM, "{content:?}");
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
        assert_eq!(answer_of(content).trim(), "", "{content:?}");
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

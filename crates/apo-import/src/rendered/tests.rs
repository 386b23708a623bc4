//! Which prompts are rendered, and which only tell of marks.

use super::*;

fn check_format(prompt: &str, name: &str) {
    let found = format_of(prompt);
    assert!(
        found.is_some_and(|it| it.contains(name)),
        "{prompt:?}: {found:?}"
    );
}

#[test]
fn a_rendered_prompt_is_known_by_both_its_ends() {
    for (prompt, name) in [
        (
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
            "ChatML",
        ),
        (
            "<|im_start|>system\nBe.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n",
            "ChatML",
        ),
        (
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
            "ChatML",
        ),
        (
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>\
             <|start_header_id|>assistant<|end_header_id|>\n\n",
            "LLaMA 3",
        ),
        ("<s>[INST] hi [/INST]", "LLaMA 2"),
        ("[INST] <<SYS>>\nBe.\n<</SYS>>\n\nhi [/INST]", "LLaMA 2"),
        ("<|user|>\nhi</s>\n<|assistant|>\n", "<|user|>"),
        (
            "<|system|>\nBe.<|end|>\n<|user|>\nhi<|end|>\n<|assistant|>",
            "<|user|>",
        ),
        ("[gMASK]<sop><|user|>\nhi<|assistant|>", "<|user|>"),
        (
            "<bos><start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\n",
            "Gemma",
        ),
        (
            "<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜><think>\n",
            "DeepSeek",
        ),
        (
            "<|start|>user<|message|>hi<|end|><|start|>assistant",
            "gpt-oss",
        ),
        ("### Instruction:\nhi\n\n### Response:", "Alpaca"),
        (
            "Below is an instruction that describes a task, paired with an input.\n\n\
             ### Instruction:\nhi\n\n### Input:\na\n\n### Response:\n",
            "Alpaca",
        ),
        (
            "Below is an instruction. Write a response.\n\n### Instruction:\nhi\n\n### Response:",
            "Alpaca",
        ),
        (
            "Be kind.\n\n### Instruction:\nhi\n\n### Response:",
            "Alpaca",
        ),
        ("hi there\n\n### Response:", "WizardLM"),
        ("<human>: hi\n<bot>:", "RedPajama"),
        (
            "<|im_start|>user<|im_sep|>hi<|im_end|><|im_start|>assistant<|im_sep|>",
            "ChatML",
        ),
        (
            "<|start_of_role|>user<|end_of_role|>hi<|end_of_text|>\n\
             <|start_of_role|>assistant<|end_of_role|>",
            "Granite",
        ),
        ("<|User|>hi there<|Assistant|>", "DeepSeek"),
        (
            "<|start|>user<|message|>hi<|end|><|start|>assistant<|channel|>final<|message|>",
            "gpt-oss",
        ),
        (
            "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|>\
             <|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
            "Command R",
        ),
        ("### Human: hi\n### Assistant:", "### Human:"),
        ("USER: hi ASSISTANT:", "Vicuna"),
        (
            "A chat between a curious user and an assistant. USER: hi ASSISTANT:",
            "Vicuna",
        ),
        ("User: hi\n\nAssistant:", "Vicuna"),
        ("User:hi\nAssistant: ", "Vicuna"),
        ("Human: hi\nAssistant:", "HH's form"),
        ("\n\nHuman: hi\nAssistant:", "HH's form"),
        (
            "Human: hi\nAssistant: hello\nHuman: bye\nAssistant:",
            "HH's form",
        ),
        (
            "\n\nHuman: hi\n\nAssistant: hello\nHuman: bye\nAssistant:",
            "HH's form",
        ),
    ] {
        check_format(prompt, name);
    }
}

#[test]
fn a_system_text_may_come_before_the_first_mark() {
    for (prompt, name) in [
        (
            "<｜begin▁of▁sentence｜>You are kind.<｜User｜>hi<｜Assistant｜>",
            "DeepSeek",
        ),
        (
            "<｜begin▁of▁sentence｜>You are kind<｜User｜>hi<｜Assistant｜><think>\n",
            "DeepSeek",
        ),
        (
            "<｜begin▁of▁sentence｜>Be kind.\n\n<｜User｜>hi<｜Assistant｜>a<｜end▁of▁sentence｜>",
            "DeepSeek",
        ),
        ("<s>Be kind. [INST] hi [/INST]", "LLaMA 2"),
        ("<s>Be kind.\n### Human: hi\n### Assistant:", "### Human:"),
        ("You are a helpful AI. USER: hi ASSISTANT:", "Vicuna"),
        ("You are a helpful AI.\nUSER: hi\nASSISTANT:", "Vicuna"),
        (
            "You are a helpful AI! USER: hi ASSISTANT: hello</s>USER: bye ASSISTANT:",
            "Vicuna",
        ),
        ("<s>You are a helpful AI. USER: hi ASSISTANT:", "Vicuna"),
    ] {
        check_format(prompt, name);
    }
}

#[test]
fn the_newer_formats_are_known() {
    for (prompt, name) in [
        (
            "GPT4 Correct User: hi<|end_of_turn|>GPT4 Correct Assistant:",
            "OpenChat",
        ),
        (
            "<s>GPT4 Correct System: Be.<|end_of_turn|>GPT4 Correct User: hi<|end_of_turn|>\
             GPT4 Correct Assistant: a<|end_of_turn|>",
            "OpenChat",
        ),
        ("Code User: hi<|end_of_turn|>Code Assistant:", "OpenChat"),
        ("[|user|]hi\n[|assistant|]", "EXAONE"),
        (
            "[BOS][|system|]Be.[|endofturn|]\n[|user|]hi\n[|assistant|]",
            "EXAONE",
        ),
        (
            "[|system|]Be.[|endofturn|]\n[|user|]hi[|endofturn|]\n[|assistant|]<think>\n",
            "EXAONE",
        ),
        (
            "<|im_user|>user<|im_middle|>hi<|im_end|>\
             <|im_assistant|>assistant<|im_middle|>",
            "Kimi",
        ),
        (
            "<|im_system|>tool_declare<|im_middle|>[]<|im_end|><|im_user|>user<|im_middle|>hi\
             <|im_end|><|im_assistant|>assistant<|im_middle|>",
            "Kimi",
        ),
        ("<seed:bos>user\nhi<seed:eos><seed:bos>assistant\n", "Seed"),
        (
            "<seed:bos>system\nBe.<seed:eos><seed:bos>user\nhi<seed:eos>",
            "Seed",
        ),
    ] {
        check_format(prompt, name);
    }
}

#[test]
fn a_text_about_marks_is_no_rendered_prompt() {
    for prompt in [
        "hi",
        "",
        "Human: hi",
        "\n\nHuman: hi\n\nAssistant:",
        "\n\nHuman: Go on:\nHuman: hi\nAssistant:\n\nAssistant:",
        "What are [INST] and [/INST]?",
        "[INST] is which model's mark?",
        "[INST]",
        "Why does my prompt end with [/INST]",
        "<|im_start|> and <|im_end|> are tokens of which model?",
        "<|im_start|>",
        "Sum this up:\n\nUser: hi\nAssistant: hello\nUser: bye\n",
        "Go on:\nUser: hi\nAssistant:",
        "User: hi\nAssistant: hello\nUser: bye\n\nSum this up.",
        "User: what is an AssistantAssistant:",
        "```\n### Instruction:\nhi\n### Response:\n```\nWhich template is it?",
        "Complete it:\n### Instruction:\nhi\n### Response:",
        "Below is an instruction that describes a task. Is it clear?",
        "Assistant:",
        "[INST] vs [/INST]",
        "[INST], [/INST]",
        "[INST][/INST]",
        "<|im_start|> vs <|im_end|>",
        "<|start|> and <|end|>",
        "<|user|> or <|assistant|>",
        "<|system|> prompt in Phi ends with </s>",
        "<start_of_turn> needs <end_of_turn>",
        "User: complete this Assistant:",
        "User: my dog\nUser: my cat\nWho is the Assistant:",
        "USER: root\nHOST: x\nROLE: ASSISTANT:",
        "Human: is a word. So is\nAssistant:",
        "Below is an instruction that describes a task. Grade it:\n\n### Response:",
        "A chat between a curious kid and a bot. Continue.\nAssistant:",
        "Fill in the text after:\n\n### Response:",
        "Sum this up. USER: hi ASSISTANT: hello",
        "Sum this up: USER: hi ASSISTANT:",
        "Continue the dialogue. USER: hi ASSISTANT:",
        "Does a prompt end with ASSISTANT:",
        "Does it begin with USER: and end with ASSISTANT:",
        "Is this Vicuna's? USER: hi ASSISTANT:",
        "It begins with USER: hi. It ends with ASSISTANT:",
        "Vicuna has two labels. USER: and ASSISTANT:",
        "```\nBe kind. USER: hi ASSISTANT:",
        "<s>old</s> price. What does [INST] hi [/INST]",
        "<s> is HTML's. What is [INST] hi [/INST]",
        "<|endoftext|> is GPT-2's. Which has <|user|>hi<|assistant|>",
        "<｜begin▁of▁sentence｜> and <｜User｜> and <｜Assistant｜>",
        "<｜begin▁of▁sentence｜>, <｜User｜>hi<｜Assistant｜>",
        "You are kind.<｜User｜>hi<｜Assistant｜>",
        "GPT4 Correct User: is OpenChat's. GPT4 Correct Assistant:",
        "GPT4 Correct User: and GPT4 Correct Assistant:",
        "Which model has [|user|] and [|assistant|]",
        "[|user|] and [|assistant|]",
        "[|user|][|assistant|]",
        "<|im_user|> and <|im_end|>",
        "<|im_user|>user is Kimi's, with <|im_end|>",
        "<seed:bos> and <seed:eos>",
        "<seed:bos>user is Seed's, it ends with <seed:eos>",
    ] {
        assert_eq!(format_of(prompt), None, "{prompt:?}");
    }
}

#[test]
fn a_prompt_may_end_within_the_assistants_turn() {
    for (prompt, name) in [
        (
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nSure, here",
            "ChatML",
        ),
        (
            "<|im_start|>system\nBe.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n\
             <|im_start|>assistant\n<think>\nOkay, so",
            "ChatML",
        ),
        (
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n\
             <|im_start|>user\nbye<|im_end|>\n<|im_start|>assistant\nSure",
            "ChatML",
        ),
        (
            "<|im_start|>user<|im_sep|>hi<|im_end|><|im_start|>assistant<|im_sep|>Sure",
            "ChatML",
        ),
        (
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>\
             <|start_header_id|>assistant<|end_header_id|>\n\nSure, here",
            "LLaMA 3",
        ),
        (
            "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>\
             <|start_header_id|>assistant<|end_header_id|>\n\nSure, here",
            "LLaMA 3",
        ),
        (
            "<|header_start|>user<|header_end|>\n\nhi<|eot|><|header_start|>assistant\
             <|header_end|>\n\nSure",
            "LLaMA 3",
        ),
        (
            "<bos><start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\nSure, here",
            "Gemma",
        ),
        (
            "<start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\nSure, here",
            "Gemma",
        ),
        ("<|turn>user\nhi<turn|>\n<|turn>model\nSure", "Gemma"),
        ("<|user|>\nhi</s>\n<|assistant|>\nSure, here", "<|user|>"),
        (
            "<|system|>\nBe.<|end|>\n<|user|>\nhi<|end|>\n<|assistant|>\nSure",
            "<|user|>",
        ),
        ("[gMASK]<sop><|user|>\nhi<|assistant|>\nSure", "<|user|>"),
        ("<|prompter|>hi<|endoftext|><|assistant|>Sure", "<|user|>"),
        (
            "<|start_of_role|>user<|end_of_role|>hi<|end_of_text|>\n\
             <|start_of_role|>assistant<|end_of_role|>Sure",
            "Granite",
        ),
    ] {
        check_format(prompt, name);
    }
}

#[test]
fn a_prompt_of_the_other_formats_may_end_within_the_assistants_turn() {
    for (prompt, name) in [
        (
            "<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜>Sure, here",
            "DeepSeek",
        ),
        ("<｜User｜>hi<｜Assistant｜>Sure, here", "DeepSeek"),
        (
            "<｜begin▁of▁sentence｜>Be kind.<｜User｜>hi<｜Assistant｜><think>\nOkay, so",
            "DeepSeek",
        ),
        (
            "<｜User｜>hi<｜Assistant｜>a<｜end▁of▁sentence｜><｜User｜>b<｜Assistant｜>Sure",
            "DeepSeek",
        ),
        (
            "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|>\
             <|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Sure",
            "Command R",
        ),
        (
            "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|>\
             <|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_RESPONSE|>Sure",
            "Command R",
        ),
        (
            "<|start|>user<|message|>hi<|end|><|start|>assistant<|channel|>final\
             <|message|>Sure",
            "gpt-oss",
        ),
        (
            "<|start|>system<|message|>Be.<|end|><|start|>user<|message|>hi<|end|>\
             <|start|>assistant<|channel|>analysis<|message|>User says",
            "gpt-oss",
        ),
        (
            "<|im_user|>user<|im_middle|>hi<|im_end|><|im_assistant|>assistant\
             <|im_middle|>Sure",
            "Kimi",
        ),
        (
            "<seed:bos>user\nhi<seed:eos><seed:bos>assistant\nSure",
            "Seed",
        ),
        ("[|user|]hi[|endofturn|]\n[|assistant|]Sure", "EXAONE"),
        (
            "[|system|]Be.[|endofturn|]\n[|user|]hi\n[|assistant|]Sure",
            "EXAONE",
        ),
        ("[BOS][|user|]hi\n[|assistant|]Sure", "EXAONE"),
        (
            "GPT4 Correct User: hi<|end_of_turn|>GPT4 Correct Assistant: Sure",
            "OpenChat",
        ),
        (
            "Code User: hi<|end_of_turn|>Code Assistant: Sure",
            "OpenChat",
        ),
        ("<s>[INST] hi [/INST] Sure, here", "LLaMA 2"),
        ("[INST]hi[/INST]Sure", "LLaMA 2"),
        (
            "<s>[INST] hi [/INST] hello </s><s>[INST] bye [/INST] Sure",
            "LLaMA 2",
        ),
        (
            "[INST] hi [/INST] hello</s>[INST] bye [/INST] Sure",
            "LLaMA 2",
        ),
        (
            "Below is an instruction that describes a task. Write a response that \
             appropriately completes the request.\n\n### Instruction:\nhi\n\n### Response:\n\
             Sure, here",
            "Alpaca",
        ),
        (
            "A chat between a curious user and an artificial intelligence assistant. The \
             assistant gives helpful, detailed, and polite answers to the user's questions. \
             USER: hi ASSISTANT: Sure",
            "Vicuna",
        ),
        (
            "A chat between a curious human and an artificial intelligence assistant. The \
             assistant gives helpful, detailed, and polite answers to the human's \
             questions.\n### Human: hi\n### Assistant: Sure",
            "### Human:",
        ),
        ("<s>USER: hi ASSISTANT: Sure", "Vicuna"),
    ] {
        check_format(prompt, name);
    }
}

#[test]
fn a_text_between_such_marks_may_begin_like_a_sentence_about_them() {
    for (prompt, name) in [
        ("<s>[INST] hi [/INST] hello</s>", "LLaMA 2"),
        ("[INST] hi [/INST] hello</s>", "LLaMA 2"),
        ("[INST] is it raining? [/INST]", "LLaMA 2"),
        ("[INST] in which year did it rain? [/INST]", "LLaMA 2"),
        ("<s>[INST] are cats nice? [/INST]", "LLaMA 2"),
        ("<|user|> is it raining?<|assistant|>", "<|user|>"),
    ] {
        check_format(prompt, name);
    }
}

#[test]
fn a_text_about_marks_that_does_not_end_with_one_is_no_rendered_prompt() {
    for prompt in [
        "<|im_start|>user\nhi<|im_end|> is how a turn looks.",
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant opens the next turn.",
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\nWhich \
         format is this?",
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n\
         <|im_start|>user\nWhy does it end here?",
        "```\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nSure\n```",
        "Which format is this?\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nSure",
        "<|im_start|>assistant\nSure, here",
        "<|im_start|> opens a turn, <|im_end|> ends it, <|im_start|>assistant\nis where the \
         model goes on",
        "\"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nSure\"",
        "<|user|> and <|assistant|>\nare Zephyr's marks",
        "<|user|>\nmarks the user's turn\n<|assistant|>\nmarks the answer",
        "<|user|>hi</s><|assistant|> is where the answer begins",
        "<|user|>/<|assistant|>/<|system|>",
        "<|user|>/<|assistant|>",
        "<|user|>, <|assistant|>",
        "<|user|> was used by Phi.</s>",
        "[INST] was used by Mistral.</s>",
        "[INST] opens a turn and </s>",
        "[INST] hi [/INST] hello",
        "[INST] opens it, [/INST] closes it.",
        "<s>[INST] opens it, [/INST] closes it.",
        "<s>[INST] hi [/INST] is how LLaMA 2 renders it",
        "[INST] is LLaMA 2's mark, and so is [/INST]",
        "[INST] is its mark, [/INST] its partner.</s>",
        "<start_of_turn>user is Gemma's. <end_of_turn>\n<start_of_turn>model\nanswers",
        "<start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model is how Gemma renders it.",
        "<start_of_turn>user\nhi\n<start_of_turn>model\nIs the end token missing?",
        "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|><|start_header_id|>assistant\
         <|end_header_id|> is what comes next.",
        "<｜User｜>hi<｜Assistant｜> is DeepSeek's format.",
        "<｜User｜> and <｜Assistant｜> are DeepSeek's.",
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|> is a turn of Command R",
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|>\
         <|CHATBOT_TOKEN|> is the end of its prompt",
        "<|start|>user<|message|>hi<|end|><|start|>assistant is where it goes on",
        "<seed:bos>user\nhi<seed:eos><seed:bos>assistant is Seed's",
        "[|user|]hi[|endofturn|]\n[|assistant|] is EXAONE's",
        "GPT4 Correct User: hi<|end_of_turn|>GPT4 Correct Assistant: is OpenChat's prompt",
        "GPT4 Correct User: hi\nGPT4 Correct Assistant: hello",
        "USER: hi ASSISTANT: hello",
        "User: hi\nAssistant: hello",
        "Human: hi\nAssistant: hello",
        "### Instruction:\nhi\n\n### Response:\nhello\n\nIs the response good?",
        "### Instruction:\nhi\n\n### Response:\nhello",
        "Below is an instruction and a response. Grade it.\n\n### Instruction:\nhi\n\n### \
         Response:\nhello",
        "Below is an instruction that describes a task, with a response. Rate it.\n\n### \
         Instruction:\nhi\n\n### Response:\nhello",
        "### Human: hi\n### Assistant: hello",
        "<human>: hi\n<bot>: hello",
        "A chat between a curious kid and a bot. USER: hi ASSISTANT: hello. Continue.",
    ] {
        assert_eq!(format_of(prompt), None, "{prompt:?}");
    }
}

#[test]
fn a_tables_prompt_is_rendered_as_a_whole_or_in_a_turn() {
    let chat = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";
    let turn = apo_hh::prompt_of([(apo_hh::Role::Human, chat)]);
    for prompt in [chat, &turn, "Human: hi\nAssistant:"] {
        assert!(rendered_in(prompt).is_some(), "{prompt:?}");
    }
    for prompt in [
        "hi",
        "\n\nHuman: hi\n\nAssistant:",
        "\n\nHuman: What is [INST]?\n\nAssistant: <|im_start|>a<|im_end|>\n\nHuman: Why?\n\nAssistant:",
    ] {
        assert_eq!(rendered_in(prompt), None, "{prompt:?}");
    }
}

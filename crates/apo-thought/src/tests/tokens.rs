//! Special tokens around a reply: which are removed, and which are part of it.

use super::{WARM, answer_of, cleaned};
use crate::{is_doubtful, parted, without_any_beginning, without_any_end, without_beginning};

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
        assert_eq!(answer_of(content).trim(), WARM, "{content:?}");
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
        assert_eq!(without_beginning(response), rest, "{response:?}");
    }
    let reply = parted("<|im_start|>assistant\ndone.");
    assert_eq!((reply.answer.trim(), reply.has_tokens), ("done.", true));
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
        assert_eq!(answer_of(content).trim(), answer, "{content:?}");
    }
    assert_eq!(answer_of("<s><think>a</think>Yes.</s>"), "Yes.");
    assert_eq!(answer_of("<pad><pad><think>a</think>Yes."), "Yes.");
    for content in [
        "<think>Hm.</think><bos>Yes.<eos>",
        "<think>Hm.</think>\n\n<s>Yes.</s>",
        "<|im_start|>assistant\n<s>Yes.</s>",
        "<|channel|>final<|message|><s>Yes.</s>",
    ] {
        assert_eq!(answer_of(content).trim(), "Yes.", "{content:?}");
        assert!(parted(content).has_tokens, "{content:?}");
    }
    assert_eq!(cleaned("<|im_start|>assistant\n<s>Yes.</s>").trim(), "Yes.");
    // The name of the speaker is one because of the token before it.
    assert_eq!(answer_of("<s>assistant<think>a</think>Yes.</s>"), "Yes.");
    assert_eq!(answer_of("<s>assistant<think>a"), "");
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
        assert_eq!(answer_of(content), content, "{content:?}");
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
    assert_eq!(answer_of("Rome<unk></s>"), "Rome<unk>");
    assert!(is_doubtful("Rome<unk>"));
    assert_eq!(without_any_end("Rome<unk>"), "Rome");
    assert_eq!(without_any_end("Rome. <pad> <pad>"), "Rome. ");
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
        assert_eq!(without_beginning(response), rest, "{response:?}");
    }
}

#[test]
fn a_token_that_a_text_leads_up_to_is_kept() {
    for content in [
        // A question, or anything else that is not a statement, before a blank.
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
        assert_eq!(answer_of(content), content, "{content:?}");
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
        assert_eq!(answer_of(content).trim(), answer, "{content:?}");
        assert_eq!(cleaned(content).trim(), answer, "{content:?}");
        assert!(!is_doubtful(answer), "{content:?}");
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

//! Sentences that a mark begins: text about the mark, or a thought.

use super::answer_of;
use crate::{is_doubtful, parted};

#[test]
fn a_sentence_may_say_where_both_marks_are() {
    for content in [
        "<think> comes first, </think> second. It is so.",
        "<think> comes first and </think> last.",
        "<think> opens it, </think> closes it.",
        "<thinking> goes before the thought; </thinking> after it. So it is.",
        "<|think|> stands first, <|/think|> last.",
    ] {
        assert_eq!(answer_of(content), content, "{content:?}");
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
        assert_eq!(answer_of(content), answer, "{content:?}");
    }
}

#[test]
fn a_sentence_may_continue_after_a_mark_that_nothing_closes() {
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
        assert_eq!(answer_of(content), content, "{content:?}");
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
            (answer_of(content), parted(content).has_thought),
            ("", true),
            "{content:?}"
        );
    }
}

#[test]
fn a_sentence_may_mention_both_marks() {
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
        assert_eq!(answer_of(content), content, "{content:?}");
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
        assert_eq!(answer_of(content).trim(), answer, "{content:?}");
    }
}

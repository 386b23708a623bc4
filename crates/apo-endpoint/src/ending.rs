//! Why a reply ended, in the words of many servers.
//!
//! | Finish reason | Meaning |
//! |---|---|
//! | `stop`, `eos_token` (TGI), `end_turn` (Anthropic), `COMPLETE` (Cohere) | the text is whole |
//! | `length`, `MAX_TOKENS` (Gemini), `model_context_window_exceeded` (Anthropic) | the token limit cut it |
//! | `content_filter`, `SAFETY` (Gemini), `refusal` (Anthropic), `ERROR_TOXIC` (Cohere) | the content policy ended it |
//! | `tool_calls`, `function_call`, `tool_use`, `pause_turn` | the model called a tool, so the text is not kept |
//! | `error`, `abort` (`SGLang`), `insufficient_system_resource` (`DeepSeek`), `OTHER` (Gemini) | the server broke it off |
//! | nothing, `null`, `unknown` | the server does not say |
//!
//! Case, punctuation and a leading `FinishReason.` are ignored.

use crate::policy;

/// What a finish reason means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The model finished.
    Whole,
    /// The token limit cut it.
    Cut,
    /// The content policy ended it.
    Policy,
    /// The model called a tool.
    Tool,
    /// The server or the client broke it off.
    BrokenOff,
    /// The server does not say.
    NotGiven,
    /// The server gives a reason that is not known here.
    Unknown,
}

/// Names that give no reason.
const NOT_GIVEN: &[&str] = &["", "null", "none", "unknown", "unspecified", "undefined"];

const WHOLE: &[&str] = &[
    "stop",
    "stopped",
    "stoptoken",
    "stopsequence",
    "stopsequencereached",
    "stopword",
    "stopstring",
    "eos",
    "eostoken",
    "endturn",
    "endofturn",
    "endoftext",
    "end",
    "complete",
    "completed",
    "done",
    "finish",
    "finished",
    "success",
    "normal",
];

const CUT: &[&str] = &[
    "length",
    "lengthlimit",
    "lengthcapped",
    "limit",
    "tokenlimit",
    "modellength",
    "contextlength",
    "contextlengthexceeded",
    "contextlimit",
    "contextwindowexceeded",
    "modelcontextwindowexceeded",
    "errorlimit",
    "truncated",
    "incomplete",
];

/// Parts of names for the content policy, in addition to those of its errors.
const POLICY: &[&str] = &[
    "filter",
    "moderation",
    "unsafe",
    "toxic",
    "blocked",
    "violation",
];

const BROKEN_OFF: &[&str] = &["other", "language", "load", "unload"];

/// Parts of names for a reply that was broken off.
const BREAKS_OFF: &[&str] = &[
    "error",
    "abort",
    "cancel",
    "fail",
    "timeout",
    "timedout",
    "deadline",
    "network",
    "disconnect",
    "interrupt",
    "insufficient",
    "overload",
    "unavailable",
    "preempt",
    "exception",
    // The model repeated itself without end.
    "repetition",
    // Malformed calls, such as Gemini's MALFORMED_FUNCTION_CALL.
    "malformed",
    "unexpected",
    "toomany",
];

/// Parts of names for calls of tools.
const TOOL: &[&str] = &[
    "toolcall",
    "tooluse",
    "functioncall",
    "pauseturn",
    "requiresaction",
];

impl Ending {
    /// Returns what a finish reason means; `None` is [`Ending::NotGiven`].
    pub fn of(reason: Option<&str>) -> Self {
        let letters = reason.unwrap_or_default().chars();
        let name: String = letters.filter(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("finishreason").unwrap_or(&name);
        let is = |names: &[&str]| names.contains(&name);
        let holds = |parts: &[&str]| parts.iter().any(|it| name.contains(it));
        let is_limit = name.starts_with("max") && holds(&["token", "length", "len"]);
        if is(NOT_GIVEN) {
            Self::NotGiven
        } else if is(WHOLE) {
            Self::Whole
        } else if is(CUT) || is_limit {
            Self::Cut
        } else if policy::is_name(name) || holds(POLICY) {
            Self::Policy
        } else if is(BROKEN_OFF) || holds(BREAKS_OFF) {
            Self::BrokenOff
        } else if holds(TOOL) {
            Self::Tool
        } else {
            Self::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_servers_word_has_its_meaning() {
        for (expected, words) in [
            (
                Ending::Whole,
                &[
                    "stop",
                    "STOP",
                    "FinishReason.STOP",
                    "FINISH_REASON_STOP",
                    "eos",
                    "eos_token",
                    "stop_sequence",
                    "end_turn",
                    "COMPLETE",
                    "completed",
                    "STOP_SEQUENCE",
                ][..],
            ),
            (
                Ending::Cut,
                &[
                    "length",
                    "max_tokens",
                    "MAX_TOKENS",
                    "FinishReason.MAX_TOKENS",
                    "max_output_tokens",
                    "model_length",
                    "max_length",
                    "model_context_window_exceeded",
                    "ERROR_LIMIT",
                ],
            ),
            (
                Ending::Policy,
                &[
                    "content_filter",
                    "content_filter: PROHIBITED_CONTENT",
                    "SAFETY",
                    "RECITATION",
                    "BLOCKLIST",
                    "PROHIBITED_CONTENT",
                    "SPII",
                    "IMAGE_SAFETY",
                    "refusal",
                    "sensitive",
                    "guardrail_intervened",
                    "ERROR_TOXIC",
                    "blocked",
                    "moderation",
                ],
            ),
            (
                Ending::Tool,
                &[
                    "tool_calls",
                    "TOOL_CALL",
                    "function_call",
                    "tool_use",
                    "pause_turn",
                ],
            ),
            (
                Ending::BrokenOff,
                &[
                    "error",
                    "ERROR",
                    "abort",
                    "insufficient_system_resource",
                    "network_error",
                    "timeout",
                    "TIMEOUT",
                    "canceled",
                    "cancelled",
                    "USER_CANCEL",
                    "OTHER",
                    "LANGUAGE",
                    "MALFORMED_FUNCTION_CALL",
                    "UNEXPECTED_TOOL_CALL",
                    "TOO_MANY_TOOL_CALLS",
                    "repetition",
                    "model_error",
                ],
            ),
            (
                Ending::NotGiven,
                &["", "null", "None", "unknown", "FINISH_REASON_UNSPECIFIED"],
            ),
            (Ending::Unknown, &["3", "1301", "bananas", "because"]),
        ] {
            for word in words {
                assert_eq!(Ending::of(Some(word)), expected, "{word}");
            }
        }
        assert_eq!(Ending::of(None), Ending::NotGiven);
    }
}

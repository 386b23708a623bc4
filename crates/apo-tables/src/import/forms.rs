//! What rows of other people's data may look like: for people, and as the names
//! of the columns that are read of a file.

use super::scores::is_score;

/// The forms of records, for people; in the order in which they are tried.
pub const FORMS: &[(&str, &[&str])] = &[
    (
        "Preferences (`hh-split --train`, `--test`)",
        &[
            "`chosen` and `rejected`, texts or lists of messages, with or without `prompt`. If both \
             are whole conversations, their last message is the response, and a `prompt` must be \
             one of their messages. Without a `prompt`, `instruction` and `input` are one (Alpaca), \
             or `conversations` where `chosen` and `rejected` are single messages (ShareGPT)",
            "a list of records with `question` (with `full_text`), `answer`, `score`: WebGPT as \
             OpenAI publishes it",
            "`question` (with `full_text`), `answer_0`, `answer_1`, `score_0`, `score_1`: WebGPT",
            "the lists `text` and `score`: APO's authors",
            "`user_input`, `completion_a`, `completion_b`: GPT4LLM",
            "`user_input`, `responses_and_scores`: GPT4LLM, second version",
        ],
    ),
    (
        "Answers (`gold-collect --answers`, `align sft --instructions`)",
        &[
            "`instruction` and `output`, with or without `input`; `prompt` and `text` are ignored, \
             since Alpaca's contain the answer",
            "`prompt` or `query`, and `response`, `completion`, `answer`, `output` or `golden`",
            "`messages` or `conversations`, the last one the assistant's (not for \
             `--instructions`)",
            "`query_id`, and one of the names of an answer (not for `--instructions`)",
        ],
    ),
];

/// The columns of a Parquet file of preferences: all of one of these lists.
pub const PREFERENCE_FORMS: &[&[&str]] = &[
    &["chosen", "rejected"],
    &["question", "answer_0", "answer_1", "score_0", "score_1"],
    &["text", "score"],
    &["user_input", "completion_a", "completion_b"],
    &["user_input", "responses_and_scores"],
];

/// The names of an answer, the first of several counts.
pub(super) const ANSWERS: [&str; 5] = ["response", "completion", "answer", "output", "golden"];

/// The fields of a preference or comparison, its scores aside.
pub const PREFERENCE_FIELDS: &[&str] = &[
    "chosen",
    "rejected",
    "answer_0",
    "answer_1",
    "score_0",
    "score_1",
    "text",
    "score",
    "user_input",
    "completion_a",
    "completion_b",
    "responses_and_scores",
    "conversations",
    "prompt",
    "instruction",
    "input",
    "question",
    "query",
    "context",
    "history",
    "system",
    "system_prompt",
    "system_message",
    "tools",
    "functions",
    "documents",
    "images",
    "image",
    "videos",
    "video",
    "audios",
    "audio",
];

/// The fields of an answer.
pub const ANSWER_FIELDS: &[&str] = &[
    "output",
    "response",
    "completion",
    "answer",
    "golden",
    "messages",
    "conversations",
    "query_id",
    "prompt",
    "instruction",
    "input",
    "question",
    "query",
    "context",
    "history",
    "system",
    "system_prompt",
    "system_message",
    "tools",
    "functions",
    "documents",
    "images",
    "image",
    "videos",
    "video",
    "audios",
    "audio",
];

/// Whether a column is read of a file that is read for some fields: one of them,
/// or what the responses of a preference are scored.
pub(super) fn is_read(name: &str, fields: &[&str]) -> bool {
    fields.contains(&name) || (fields.contains(&"chosen") && is_score(name))
}

#[cfg(test)]
mod tests {
    use super::super::beside::{ASKED, CONTEXT, MEDIA};
    use super::*;

    #[test]
    fn what_may_belong_to_a_query_is_read_of_every_file() {
        for fields in [PREFERENCE_FIELDS, ANSWER_FIELDS] {
            for name in [ASKED, CONTEXT, MEDIA].concat() {
                assert!(fields.contains(&name), "{name}");
            }
        }
        for name in PREFERENCE_FORMS.concat() {
            assert!(PREFERENCE_FIELDS.contains(&name), "{name}");
        }
        for name in ANSWERS {
            assert!(ANSWER_FIELDS.contains(&name), "{name}");
        }
    }
}

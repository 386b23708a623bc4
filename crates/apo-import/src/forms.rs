//! The forms of rows in imported data: their documentation, and the names of the
//! columns that are read.

use crate::published::{ARENA, ARENA_CONVERSATIONS, HELP_STEER, SWIFT_MESSAGES, SWIFT_TEXT};
use crate::scores::{ORDERS, is_score};

/// The documentation of the forms, in the order in which they are tried.
pub(crate) const FORMS: &[(&str, &[&str])] = &[
    (
        "Preferences (`hh-split --train`, `--test`)",
        &[
            "`chosen` and `rejected`, texts or lists of messages, with or without `prompt`. If both \
             are whole conversations, their last message is the response, and a `prompt` must be \
             one of their messages. Without a `prompt`, `instruction` and `input` are one (Alpaca), \
             or `conversations` if `chosen` and `rejected` are single messages (ShareGPT, \
             LLaMA-Factory), or `question`, `query` or `input` if the responses do not begin with \
             it (orca). `chosen_response` and `rejected_response` are read the same (argilla)",
            "`context`, `response1`, `response2`, `overall_preference`: HelpSteer3",
            "`messages` that end with the chosen response, and `rejected_response` or \
             `rejected_messages`: ms-swift",
            "`prompt`, `response_a`, `response_b`, `winner_model_a`, `winner_model_b`: the arena's \
             votes, if they are over one turn",
            "`conversation_a`, `conversation_b`, `winner`: the same as conversations",
            "a list of records with `question` (with `full_text`), `answer`, `score`: WebGPT as \
             OpenAI publishes it",
            "`question` (with `full_text`), `answer_0`, `answer_1`, `score_0`, `score_1`: WebGPT",
            "the lists `text` and `score`: APO's authors",
            "`user_input`, `completion_a`, `completion_b`: GPT4LLM",
            "`user_input`, `responses_and_scores`: GPT4LLM, second version",
        ],
    ),
    (
        "Queries (`hh-split --prompts`)",
        &[
            "`prompt`, `query` or `question`: a text or a list of messages",
            "`instruction`, with or without `input`",
            "`messages` or `conversations`; an answer that they end with is left out",
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

/// The columns of preferences. A Parquet file must have all of one list.
pub const PREFERENCE_FORMS: &[&[&str]] = &[
    &["chosen", "rejected"],
    &["chosen_response", "rejected_response"],
    &HELP_STEER,
    &SWIFT_TEXT,
    &SWIFT_MESSAGES,
    &ARENA,
    &ARENA_CONVERSATIONS,
    &["question", "answer_0", "answer_1", "score_0", "score_1"],
    &["text", "score"],
    &["user_input", "completion_a", "completion_b"],
    &["user_input", "responses_and_scores"],
];

/// The columns of queries. If a row has several, the first of this list counts.
pub(crate) const QUERIES: [&str; 6] = [
    "prompt",
    "query",
    "question",
    "instruction",
    "messages",
    "conversations",
];

/// The same as lists. A Parquet file must have all columns of one list.
pub const QUERY_FORMS: &[&[&str]] = &[
    &[QUERIES[0]],
    &[QUERIES[1]],
    &[QUERIES[2]],
    &[QUERIES[3]],
    &[QUERIES[4]],
    &[QUERIES[5]],
];

/// The names of an answer. If a row has several, the first of this list counts.
pub(crate) const ANSWERS: [&str; 5] = ["response", "completion", "answer", "output", "golden"];

/// Columns with a system message.
pub(crate) const SYSTEM: &[&str] = &["system", "system_prompt", "system_message"];

/// What a model sees besides messages. The tables cannot hold it: rows are taken
/// without it, and counted.
pub(crate) const CONTEXT: &[&str] = &["tools", "functions", "documents"];

/// Parts of the query that are not text. A row that has one is rejected.
pub(crate) const MEDIA: &[&str] = &["images", "image", "videos", "video", "audios", "audio"];

/// Columns that may be the query or belong to it. If the form of a row does not read
/// such a column, the query must contain its text, or else the row is rejected.
pub(crate) const ASKED: &[&str] = &[
    "prompt",
    "instruction",
    "input",
    "question",
    "query",
    "context",
    "history",
];

/// Lists fields, and after them those that may be the query of any row, or belong to
/// it.
macro_rules! and_of_the_query {
    ($($field:literal),* $(,)?) => {
        &[
            $($field,)*
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
        ]
    };
}

/// The fields of a preference or comparison, without its scores.
pub const PREFERENCE_FIELDS: &[&str] = and_of_the_query![
    "chosen",
    "rejected",
    "chosen_response",
    "rejected_response",
    "response1",
    "response2",
    "overall_preference",
    "messages",
    "rejected_messages",
    "response_a",
    "response_b",
    "winner_model_a",
    "winner_model_b",
    "conversation_a",
    "conversation_b",
    "winner",
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
];

/// The fields of a query.
pub const QUERY_FIELDS: &[&str] = and_of_the_query!["messages", "conversations"];

/// The fields of an answer.
pub const ANSWER_FIELDS: &[&str] = and_of_the_query![
    "output",
    "response",
    "completion",
    "answer",
    "golden",
    "messages",
    "conversations",
    "query_id",
];

/// Whether a column is read from a file that is opened for some fields: it is one of
/// them, or a score of a preference or the order of its scores.
pub(crate) fn is_read(name: &str, fields: &[&str]) -> bool {
    let is_of_scores = is_score(name) || ORDERS.contains(&name);
    fields.contains(&name) || (fields.contains(&"chosen") && is_of_scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_belong_to_a_query_is_read_of_every_file() {
        for fields in [PREFERENCE_FIELDS, QUERY_FIELDS, ANSWER_FIELDS] {
            for name in [ASKED, SYSTEM, CONTEXT, MEDIA].concat() {
                assert!(fields.contains(&name), "{name}");
            }
        }
        for name in PREFERENCE_FORMS.concat() {
            assert!(PREFERENCE_FIELDS.contains(&name), "{name}");
        }
        for name in QUERIES {
            assert!(QUERY_FIELDS.contains(&name), "{name}");
        }
        for name in ANSWERS {
            assert!(ANSWER_FIELDS.contains(&name), "{name}");
        }
    }
}

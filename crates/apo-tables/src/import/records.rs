//! What a record of other people's data may look like.

use serde::Deserialize;

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// `user` or `assistant` (also `human`, `gpt`), `system`.
    #[serde(alias = "from")]
    pub role: String,
    /// What was said.
    #[serde(alias = "value")]
    pub content: String,
}

/// A text, or a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// Plain text.
    Plain(String),
    /// Messages in order.
    Messages(Vec<Message>),
}

/// A preference as HH, TRL and Hugging Face's datasets write it: `chosen` and
/// `rejected`, with or without a `prompt`, as texts or conversations.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Preference {
    /// What both responses follow; where absent, it is their common beginning.
    #[serde(default)]
    pub prompt: Option<Text>,
    /// The preferred response or dialogue.
    pub chosen: Text,
    /// The other one.
    pub rejected: Text,
    /// What the preferred one was scored, where scores made the preference.
    #[serde(default)]
    pub score_chosen: Option<f64>,
    /// What the other one was.
    #[serde(default)]
    pub score_rejected: Option<f64>,
}

/// The columns of a Parquet file of preferences: all of one of these lists, as
/// [`Preference`] and [`Comparison`] read them.
pub const PREFERENCE_COLUMNS: &[&[&str]] = &[
    &["chosen", "rejected"],
    &["question", "answer_0", "answer_1", "score_0", "score_1"],
    &["text", "score"],
    &["user_input", "completion_a", "completion_b"],
    &["user_input", "responses_and_scores"],
];

/// Answers to one query with their scores, in the forms in which the
/// comparisons of WebGPT and GPT4LLM are published.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Comparison {
    /// WebGPT's, as Hugging Face's datasets hold it.
    WebGpt {
        /// What was asked.
        question: Question,
        /// An answer.
        answer_0: String,
        /// The other one.
        answer_1: String,
        /// What `answer_0` was scored, from -1 to 1.
        score_0: f64,
        /// What `answer_1` was scored: the same with the other sign.
        score_1: f64,
    },
    /// WebGPT's, as OpenAI's JSON lines hold it: a list of two.
    WebGptList(Vec<ScoredAnswer>),
    /// The form in which APO's authors keep every data set.
    Dialogues {
        /// Whole dialogues, equal up to their last turn.
        text: Vec<String>,
        /// What each was scored.
        score: Vec<f64>,
    },
    /// GPT4LLM's first version.
    Gpt4Llm {
        /// The instruction, in Alpaca's prompt.
        user_input: String,
        /// The response that GPT-4 ranked higher.
        completion_a: String,
        /// The other one.
        completion_b: String,
    },
    /// GPT4LLM's second version.
    Gpt4LlmScored {
        /// The instruction, in Alpaca's prompt.
        user_input: String,
        /// The responses of several models, up to three.
        responses_and_scores: Vec<ScoredResponse>,
    },
}

/// A question of WebGPT's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Question {
    /// Its text.
    pub full_text: String,
}

/// A question of WebGPT's with one of its answers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ScoredAnswer {
    /// What was asked.
    pub question: Question,
    /// The answer.
    pub answer: String,
    /// What it was scored, from -1 to 1.
    pub score: f64,
}

/// A response of GPT4LLM's second version.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ScoredResponse {
    /// Its text.
    pub response: String,
    /// What GPT-4 scored it, mostly from 1 to 10.
    pub score: f64,
}

/// An answer to a prompt, by people or another model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// A prompt and its answer, under their usual names.
    Answer {
        /// The query.
        #[serde(alias = "query")]
        prompt: Text,
        /// The answer.
        #[serde(
            alias = "response",
            alias = "completion",
            alias = "output",
            alias = "golden"
        )]
        answer: Text,
    },
    /// Alpaca's: an instruction, what it is about, its answer.
    Instruction {
        /// The task.
        instruction: String,
        /// What the task is about, often empty.
        #[serde(default)]
        input: String,
        /// The answer.
        output: String,
    },
    /// A conversation that ends with the answer.
    Messages {
        /// Messages in order.
        #[serde(alias = "conversations")]
        messages: Vec<Message>,
    },
}

//! What the mini world says around its topics: fixed sentences of prompts and responses.
//!
//! A text that may stand in the middle of a sentence is in lower case and has no full
//! stop; [`sentence`] makes a sentence of it.

use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

/// Draws one of several texts.
pub(crate) fn pick(rng: &mut ChaCha8Rng, texts: &[&'static str]) -> &'static str {
    texts.choose(rng).expect("a filled list")
}

/// Returns a text as a sentence: its first letter upper case, a full stop at
/// its end.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// What a prompt may begin with.
pub const GREETINGS: &[&str] = &["", "", "Hello!", "Hi there.", "Good morning.", "Excuse me."];

/// What a human may say around a question; it changes nothing.
pub const CONTEXTS: &[&str] = &[
    "",
    "",
    "I am new to this.",
    "My sister asked me.",
    "I have little time today.",
    "I tried it once and failed.",
    "My friends could not say.",
    "It is for next week.",
    "I read a book about it.",
    "My father used to do it.",
    "I always wanted to know it.",
    "I am alone at home.",
];

/// Questions; `{}` is replaced by what is asked for.
pub const QUESTIONS: &[&str] = &[
    "How do I {}?",
    "Can you tell me how to {}?",
    "What is the best way to {}?",
    "I want to {}. What should I do?",
    "Please explain how to {}.",
    "Could you help me {}?",
];

/// Questions about the topic that an earlier turn named.
pub const BACK_REFERENCES: &[&str] = &[
    "How do I do that?",
    "Please tell me how that is done.",
    "What should I do for that?",
];

/// Announces what later turns refer back to; `{}` is replaced by it.
pub const ANNOUNCEMENTS: &[&str] = &["I want to {}.", "I have to {}.", "My plan is to {}."];

/// The assistant's turn after an announcement.
pub const ANNOUNCEMENT_REPLIES: &[&str] = &["What would you like to know?", "Tell me more."];

/// Small talk: a human turn and the assistant's.
pub const SMALL_TALK: &[(&str, &str)] = &[
    ("Are you there?", "Yes, I am here."),
    ("Hello, who are you?", "Hello! I am here to help."),
    ("Thank you for the last time.", "You are welcome."),
    ("I have a question.", "Please ask."),
];

/// Sentences that a response may begin with; they change nothing.
pub const OPENERS: &[&str] = &["Sure.", "Of course."];

/// What a golden answer begins and ends with.
pub const GOLDEN_OPENERS: &[&str] = &["Happy to help!", "Here is how it works."];
/// See [`GOLDEN_OPENERS`].
pub const GOLDEN_CLOSERS: &[&str] = &["Good luck!", "I hope this helps."];

/// Words that join steps; they change nothing.
pub const CONNECTIVES: &[&str] = &[
    "first",
    "then",
    "next",
    "after that",
    "finally",
    "instead",
    "because",
    "and",
    "you could",
];

/// Refusals of annotated responses.
pub const REFUSALS: &[&str] = &["I can't help with that.", "I won't help you do that."];

/// How golden answers begin to refuse; a reason follows.
pub const GOLDEN_REFUSALS: &[&str] =
    &["I would rather not help with this", "I must say no to this"];

/// What a chat endpoint says if it refuses without a reason.
pub const BARE_REFUSALS: &[&str] = &[
    "I'm sorry, but I can't help with that.",
    "I'm sorry, but I can't assist with that.",
    "I apologize, but I can't help with this.",
];

/// The beginnings of the texts that replace an answer if an endpoint's content
/// policy refused the request (the paper's Code 2).
pub const OFFICIAL_REFUSALS: &[&str] = &[
    "I apologize, but I'm unable to assist with this topic.",
    "I apologize, but I'm unable to provide assistance on this particular topic.",
    "I am sorry, but I'm unable to provide assistance on this particular topic.",
];

/// What follows in these texts.
pub const OFFICIAL_REMARKS: &[&str] = &[
    "Our conversation has included potentially harmful content, which falls into one of the four categories: hate, sexual, violence, and self-harm.",
    "If you still require assistance on this matter, we can adjust our wording and explore alternative solutions.",
    "Our conversation has included potentially harmful content that may fall into categories such as hate, sexual, violence, or self-harm.",
    "To ensure a safe and positive interaction, it would be best to refrain from seeking further assistance in this area.",
    "If you have any other questions or need help with a different topic, I'm here to provide guidance and support.",
    "Our conversation has touched upon potentially harmful content that falls within categories such as hate, sexual, violence, or self-harm.",
    "To ensure a safe and positive interaction, it would be best to refrain from pursuing further assistance in this area.",
];

/// Rudeness.
pub const RUDENESS: &[&str] = &[
    "What a silly question.",
    "Only a fool would ask me this.",
    "Do not bother me again.",
];

/// Padding: sentences that say nothing.
pub const PADDING: &[&str] = &[
    "There are many things to say about this.",
    "People have often talked about it at length.",
    "As I said, it is important to think about it.",
    "In the end it all depends on many things.",
];

/// Sentences about something else.
pub const OFF_TOPIC: &[&str] = &[
    "The weather is lovely today.",
    "My favourite colour is green.",
    "Trains are faster than horses.",
    "The moon is far away.",
];

//! A raw record as pairs of the tables, or why it is none.

use std::borrow::Cow;

use apo_dialogue::hh::{self, Split};
use apo_stage::imported::{self, line_ends};
use apo_tables::Pair;
use apo_tables::import::{
    Asked, Comparison, Conversation, Fault, Message, Preference, Preferences, Record, Role, Text,
    reason,
};
use sha2::{Digest as _, Sha256};

/// Begins a human turn of the authors' dialogues outside of HH.
const HEADED_HUMAN: &str = "## Human:";

/// Begins an assistant's turn there, after a blank line.
const HEADED_ASSISTANT: &str = "\n\n## Assistant:";

/// Ends Alpaca's prompt, where the response is to follow.
const ALPACA_RESPONSE: &str = "### Response:";

/// A pair, and what was said beside its dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub pair: Pair,
    /// Tells the system message and tools of this pair's query from others';
    /// none where there are none. They belong to the query, but no table
    /// carries them.
    pub context: Option<u64>,
    /// Names of columns that hold text and are not used.
    pub unused: Vec<String>,
}

/// Reads a record: a preference is one pair, a comparison one for each two of
/// its answers.
///
/// Each is a pair, or the reason why not, as the rejects table names it.
pub fn pairs(record: &Record, subset: &str) -> Vec<Result<Read, Fault>> {
    match Preferences::read(record) {
        Ok(Preferences::Preference(preference)) => vec![pair(&preference, subset)],
        Ok(Preferences::Comparison(comparison)) => preferences(comparison)
            .iter()
            .map(|it| pair(it, subset))
            .collect(),
        Err(fault) => vec![Err(fault)],
    }
}

/// Cuts and cleans a preference.
fn pair(preference: &Preference, subset: &str) -> Result<Read, Fault> {
    let scores = (preference.score_chosen, preference.score_rejected);
    if scores.0.is_some() && scores.0 == scores.1 {
        let score = scores.0.unwrap_or_default();
        let problem = format!("both responses are scored {score}");
        return Err(Fault::new(reason::SAME_SCORE, problem));
    }
    if let (Some(chosen), Some(rejected)) = scores
        && chosen < rejected
    {
        let problem =
            format!("the chosen response is scored {chosen}, the rejected one {rejected}");
        return Err(Fault::new(reason::OTHER_SCORE, problem));
    }
    let pair = match (&preference.chosen, &preference.rejected) {
        (Text::Messages(chosen), Text::Messages(rejected)) => {
            of_messages(preference, chosen, rejected, subset)
        }
        (chosen, rejected) => of_texts(preference, &text(chosen)?, &text(rejected)?, subset),
    };
    Ok(Read {
        pair: pair?,
        context: context(preference)?,
        unused: preference.beside.unused.clone(),
    })
}

/// Two responses of which one at least is a plain text.
fn of_texts(
    preference: &Preference,
    chosen: &str,
    rejected: &str,
    subset: &str,
) -> Result<Pair, Fault> {
    let whole = (
        imported::as_dialogue(chosen),
        imported::as_dialogue(rejected),
    );
    let Some(prompt) = &preference.prompt else {
        let chosen = whole.0.as_deref().unwrap_or(chosen);
        let rejected = whole.1.as_deref().unwrap_or(rejected);
        let split = hh::split_pair(chosen, rejected);
        return finished(split.map_err(|it| without_query(it, preference))?, subset);
    };
    let prompt = imported::prompt(prompt)?;
    let (chosen, rejected) = match &whole {
        (Some(chosen), Some(rejected)) => {
            let after = |it| str::strip_prefix(it, prompt.as_str());
            if let (Some(chosen), Some(rejected)) = (after(chosen), after(rejected)) {
                return cut(&prompt, chosen, rejected, subset);
            }
            let split = hh::split_pair(chosen, rejected).map_err(fault)?;
            check_part_of(&prompt, split.prompt)?;
            return finished(split, subset);
        }
        (None, None) => (answer(chosen), answer(rejected)),
        _ => {
            return Err(diverging(
                "one of `chosen` and `rejected` is a whole dialogue, the other is a response",
            ));
        }
    };
    let after_name = |it| str::trim_start(it).strip_prefix(ASSISTANT_NAME);
    let (chosen, rejected) = match (after_name(chosen), after_name(rejected)) {
        (Some(chosen), Some(rejected)) => (chosen, rejected),
        _ => (chosen, rejected),
    };
    check_apart(&prompt, chosen, rejected)?;
    cut(&prompt, chosen, rejected, subset)
}

/// Names the assistant at the beginning of its turn.
const ASSISTANT_NAME: &str = "Assistant:";

/// Cuts responses that were given apart from their prompt.
fn cut(prompt: &str, chosen: &str, rejected: &str, subset: &str) -> Result<Pair, Fault> {
    let split = hh::split_at_prompt(prompt, chosen, rejected).map_err(fault)?;
    finished(split, subset)
}

/// Checks that responses do not both repeat the question that they answer: how
/// they mark where it ends is not known.
fn check_apart(prompt: &str, chosen: &str, rejected: &str) -> Result<(), Fault> {
    let turns = hh::turns(prompt);
    let Some(question) = turns.last().map(|it| it.text.as_str()) else {
        return Ok(());
    };
    let common = chosen
        .char_indices()
        .zip(rejected.chars())
        .find(|((_, a), b)| a != b)
        .map_or(chosen.len().min(rejected.len()), |((at, _), _)| at);
    let is_word = |it: Option<char>| it.is_some_and(char::is_alphanumeric);
    let repeats = chosen[..common].match_indices(question).any(|(at, _)| {
        let (before, after) = (&chosen[..at], &chosen[at + question.len()..]);
        let begins = !is_word(before.chars().next_back()) || !is_word(question.chars().next());
        let ends = !is_word(after.chars().next()) || !is_word(question.chars().next_back());
        begins && ends
    });
    if repeats {
        let problem = "both responses repeat the prompt; leave it out of them, or write `prompt`, \
                       `chosen` and `rejected` as dialogues of `Human:` and `Assistant:`";
        return Err(Fault::new(reason::REPEATS_PROMPT, problem));
    }
    Ok(())
}

/// Checks that a prompt is part of the query that both whole dialogues begin with:
/// some of its turns, or a text in one of them.
fn check_part_of(prompt: &str, query: &str) -> Result<(), Fault> {
    let (prompt, query) = (hh::turns(prompt), hh::turns(query));
    let is_run = query.windows(prompt.len().max(1)).any(|it| it == prompt);
    let is_text = || match &prompt[..] {
        [only] => {
            let human = query.iter().filter(|it| it.role == hh::Role::Human);
            let mut human = human.map(|it| it.text.as_str());
            human.any(|it| it.contains(&only.text) || only.text.contains(it))
        }
        _ => false,
    };
    if prompt.is_empty() || is_run || is_text() {
        return Ok(());
    }
    Err(diverging(
        "`chosen` and `rejected` begin with other messages than `prompt`",
    ))
}

/// Why a row without a prompt is no pair; names what else it holds.
fn without_query(found: hh::Fault, preference: &Preference) -> Fault {
    let mut fault = fault(found);
    let unused = &preference.beside.unused;
    if found == hh::Fault::NoQuery && !unused.is_empty() {
        fault.detail += &format!(
            "; `{}` is not read as one, name what is the query `prompt`",
            unused.join("`, `")
        );
    }
    fault
}

/// Two responses that are messages: their borders are known, whatever is quoted.
fn of_messages(
    preference: &Preference,
    chosen: &Conversation,
    rejected: &Conversation,
    subset: &str,
) -> Result<Pair, Fault> {
    let prompt = preference.prompt.as_ref();
    let (before, chosen) = last_of("chosen", chosen)?;
    let (other, rejected) = last_of("rejected", rejected)?;
    if before.len() != other.len() || !begins_with(before, other) {
        return Err(diverging(
            "`chosen` and `rejected` differ before their last message",
        ));
    }
    // A conversation that the human begins is whole; others go on from the prompt.
    let is_whole = before.first().is_some_and(|it| it.role == Role::Human);
    let query = match prompt {
        Some(Text::Messages(prompt)) if is_whole => {
            if !begins_with(before, &prompt.messages) {
                return Err(diverging(
                    "`chosen` and `rejected` begin with other messages than `prompt`",
                ));
            }
            imported::prompt_of(before)?
        }
        Some(Text::Messages(prompt)) => {
            imported::prompt_of(&[prompt.messages.as_slice(), before].concat())?
        }
        Some(Text::Plain(text)) if before.is_empty() => imported::plain_prompt(text)?,
        Some(Text::Plain(text)) if !is_whole => {
            let prompt = imported::plain_prompt(text)?;
            let turns = hh::turns(&prompt).into_iter().map(|turn| Message {
                role: match turn.role {
                    hh::Role::Human => Role::Human,
                    hh::Role::Assistant => Role::Assistant,
                },
                content: turn.text,
            });
            imported::prompt_of(&turns.chain(before.iter().cloned()).collect::<Vec<_>>())?
        }
        Some(Text::Plain(text)) => {
            let query = imported::prompt_of(before)?;
            check_part_of(&hh::as_prompt(text), &query)?;
            query
        }
        None => imported::prompt_of(before)?,
    };
    if hh::turns(&query).is_empty() {
        return Err(without_query(hh::Fault::NoQuery, preference));
    }
    if before.is_empty() {
        check_apart(&query, chosen, rejected)?;
    }
    imported::check_response("the chosen response", chosen)?;
    imported::check_response("the rejected response", rejected)?;
    cut(&query, chosen, rejected, subset)
}

/// Whether messages begin with some others.
fn begins_with(messages: &[Message], others: &[Message]) -> bool {
    let same =
        |(a, b): (&Message, &Message)| a.role == b.role && a.content.trim() == b.content.trim();
    messages.len() >= others.len() && messages.iter().zip(others).all(same)
}

/// The messages before the last, and what the assistant says in that.
fn last_of<'a>(
    name: &str,
    conversation: &'a Conversation,
) -> Result<(&'a [Message], &'a str), Fault> {
    let malformed = |problem: &str| Fault::new(reason::MALFORMED, format!("`{name}` {problem}"));
    let (last, before) = conversation
        .messages
        .split_last()
        .ok_or_else(|| malformed("holds no messages"))?;
    match last.role {
        Role::Assistant => Ok((before, &last.content)),
        Role::Human => Err(malformed("does not end with the assistant's message")),
    }
}

fn finished(split: Split<'_>, subset: &str) -> Result<Pair, Fault> {
    let Split {
        prompt,
        chosen,
        rejected,
    } = split;
    Ok(Pair {
        query_id: hh::query_id(prompt),
        pair_id: hh::pair_id(prompt, chosen, rejected),
        subset: subset.to_owned(),
        prompt: prompt.to_owned(),
        chosen: chosen.to_owned(),
        rejected: rejected.to_owned(),
    })
}

/// Why a pair of dialogues is not taken, for people.
fn fault(fault: hh::Fault) -> Fault {
    let detail = match fault {
        hh::Fault::NoQuery => {
            "there is no `prompt`, and `chosen` and `rejected` have no assistant's turn in common"
        }
        hh::Fault::DivergesEarly => "the dialogues part before their last turn",
        hh::Fault::EmptyResponse => "a response is empty",
        hh::Fault::SameResponse => "both responses are the same",
    };
    Fault::new(fault.as_str(), detail)
}

fn diverging(detail: &str) -> Fault {
    Fault::new(hh::Fault::DivergesEarly.as_str(), detail)
}

/// What the system messages and columns say, as a key; both responses must have
/// been written under the same.
fn context(preference: &Preference) -> Result<Option<u64>, Fault> {
    let (chosen, rejected) = (preference.chosen.system(), preference.rejected.system());
    if chosen != rejected {
        return Err(diverging(
            "`chosen` and `rejected` have different system messages",
        ));
    }
    let prompt = preference.prompt.as_ref().and_then(Text::system);
    // Where a conversation repeats the prompt's, it is one message.
    let system = prompt.or(chosen);
    if system.is_none() && preference.beside.context.is_none() {
        return Ok(None);
    }
    let mut hasher = Sha256::new();
    for said in [system, preference.beside.context.as_deref()] {
        hasher.update(said.unwrap_or_default().trim());
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    let bytes = digest[..8].try_into().expect("a digest has 32 bytes");
    Ok(Some(u64::from_le_bytes(bytes)))
}

/// The preferences between the answers of a comparison, each two in order;
/// equal scores are left to [`pair`] to reject.
fn preferences(comparison: Comparison) -> Vec<Preference> {
    let mut answers = comparison.answers;
    let prompt = match comparison.asked {
        Asked::Question(question) => Some(question),
        Asked::Instruction(instruction) => Some(alpaca_prompt(&instruction)),
        Asked::Dialogues => {
            for answer in &mut answers {
                let text = std::mem::take(&mut answer.text);
                answer.text = dialogue(text);
            }
            None
        }
    };
    let mut preferences = Vec::new();
    for (i, first) in answers.iter().enumerate() {
        for second in &answers[i + 1..] {
            let (better, worse) = if first.score < second.score {
                (second, first)
            } else {
                (first, second)
            };
            preferences.push(Preference {
                prompt: prompt.clone().map(Text::Plain),
                chosen: Text::Plain(better.text.clone()),
                rejected: Text::Plain(worse.text.clone()),
                score_chosen: Some(better.score),
                score_rejected: Some(worse.score),
                beside: comparison.beside.clone(),
            });
        }
    }
    preferences
}

/// A dialogue of the authors' as HH writes it: as it is, or with HH's markers
/// in place of headings.
fn dialogue(text: String) -> String {
    if !text.starts_with(HEADED_HUMAN) {
        return text;
    }
    let text = format!("\n\n{text}")
        .replace(&format!("\n\n{HEADED_HUMAN}"), hh::HUMAN)
        .replace(HEADED_ASSISTANT, hh::ASSISTANT);
    match text.rsplit_once(hh::ASSISTANT) {
        None => text,
        // The turns are stripped, so that the query is the one that the same
        // question makes in the other forms.
        Some((query, response)) => {
            let turns = hh::turns(query);
            hh::prompt_of(turns.iter().map(|turn| (turn.role, turn.text.as_str()))) + response
        }
    }
}

/// An Alpaca prompt without its open end, which a query has of its own and
/// the second version of GPT4LLM lacks.
fn alpaca_prompt(text: &str) -> String {
    let text = text.trim();
    let text = text.strip_suffix(ALPACA_RESPONSE).unwrap_or(text);
    text.to_owned()
}

/// A response that came as a conversation of one assistant message.
fn answer(text: &str) -> &str {
    text.strip_prefix(hh::ASSISTANT).unwrap_or(text)
}

/// A response or dialogue as a text.
fn text(text: &Text) -> Result<Cow<'_, str>, Fault> {
    match text {
        Text::Plain(text) => Ok(line_ends(text)),
        Text::Messages(conversation) => {
            let open = imported::dialogue_of(&conversation.messages)?;
            let text = open.strip_suffix(hh::ASSISTANT).unwrap_or(&open);
            Ok(Cow::Owned(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MALFORMED: &str = reason::MALFORMED;
    const SAME_SCORE: &str = reason::SAME_SCORE;

    fn read_all(json: &str) -> Result<Read, Fault> {
        let json = json.as_bytes().to_vec();
        let mut pairs = pairs(&Record { line: 1, json }, "s");
        assert_eq!(pairs.len(), 1);
        pairs.remove(0)
    }

    fn read(json: &str) -> Result<Pair, &'static str> {
        read_all(json)
            .map(|it| it.pair)
            .map_err(|fault| fault.reason)
    }

    #[test]
    fn all_forms_give_the_same_pair() {
        let hh = r#"{"chosen": "\n\nHuman: a?\n\nAssistant: yes", "rejected": "\n\nHuman: a?\n\nAssistant: no"}"#;
        let expected = read(hh).unwrap();
        assert_eq!(expected.prompt, "\n\nHuman: a?\n\nAssistant:");
        for json in [
            r#"{"prompt": "a?", "chosen": "yes", "rejected": "no", "score": 3}"#,
            r#"{"prompt": "\n\nHuman: a?\n\nAssistant:", "chosen": " yes", "rejected": "no"}"#,
            r#"{"prompt": "\n\nHuman: a?\n\nAssistant: ", "chosen": "yes", "rejected": "no"}"#,
            r#"{"prompt": "Human: a?", "chosen": "yes", "rejected": "no"}"#,
            r#"{"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a?"}],
                "chosen": [{"role": "assistant", "content": "yes"}],
                "rejected": [{"role": "assistant", "content": "no"}]}"#,
            r#"{"prompt": [{"role": "user", "content": "a?"}],
                "chosen": [{"role": "assistant", "content": "yes"}],
                "rejected": [{"role": "assistant", "content": "no"}]}"#,
            r#"{"chosen": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "yes"}],
                "rejected": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "no"}]}"#,
            r#"{"prompt": "a?",
                "chosen": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "yes"}],
                "rejected": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "no"}]}"#,
        ] {
            assert_eq!(read(json), Ok(expected.clone()), "{json}");
        }
    }

    #[test]
    fn all_forms_of_a_comparison_give_the_same_pair() {
        let expected = read(r#"{"prompt": "a?", "chosen": "yes", "rejected": "no"}"#).unwrap();
        for json in [
            r#"{"question": {"dataset": "eli5", "id": "1", "full_text": "a?\n\n"},
                "quotes_0": {"title": [], "extract": []},
                "answer_0": "no", "answer_1": "yes", "score_0": -0.5, "score_1": 0.5}"#,
            r#"[{"question": {"full_text": "a?"}, "answer": "yes", "score": 1},
                {"question": {"full_text": "a?"}, "answer": "no", "score": -1}]"#,
            r###"{"text": ["## Human:\na?\n\n\n\n## Assistant:\n no",
                        "## Human:\na?\n\n\n\n## Assistant:\nyes"], "score": [0.5, 1.5]}"###,
            r#"{"text": ["\n\nHuman: a?\n\nAssistant: yes",
                        "\n\nHuman: a?\n\nAssistant: no"], "score": [1.0, 0.0]}"#,
            r#"{"user_input": "a?\n\n### Response:", "completion_a": "yes", "completion_b": "no"}"#,
            r#"{"user_input": "a?", "completion_a": "yes", "completion_b": "no"}"#,
            r#"{"user_input": "a?", "responses_and_scores": [
                {"response": "no", "source": "icm-1.3b", "score": 0},
                {"response": "yes", "source": "gpt4", "score": 8.5}]}"#,
        ] {
            assert_eq!(read(json), Ok(expected.clone()), "{json}");
        }
    }

    #[test]
    fn headed_turns_are_turns() {
        let pair = read(
            r###"{"text": ["## Human:\na\n\n## Assistant:\nb\n\n## Human:\nc\n\n## Assistant:\nyes",
                        "## Human:\na\n\n## Assistant:\nb\n\n## Human:\nc\n\n## Assistant:\nno"],
                "score": [2.0, 0.0]}"###,
        );
        let pair = pair.unwrap();
        let prompt = "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:";
        assert_eq!(pair.prompt, prompt);
        assert_eq!((&*pair.chosen, &*pair.rejected), ("yes", "no"));
    }

    #[test]
    fn each_two_of_several_answers_are_a_pair() {
        let json = r#"{"user_input": "a?", "responses_and_scores": [
            {"response": "good", "score": 7}, {"response": "best", "score": 9},
            {"response": "", "score": 1}, {"response": "fine", "score": 7.0}]}"#;
        let json = json.as_bytes().to_vec();
        let mut reasons = Vec::new();
        let mut taken = Vec::new();
        for pair in pairs(&Record { line: 1, json }, "s") {
            match pair {
                Ok(Read { pair, .. }) => taken.push(format!("{} > {}", pair.chosen, pair.rejected)),
                Err(fault) => reasons.push(fault.reason),
            }
        }
        assert_eq!(taken, ["best > good", "best > fine"]);
        let empty = "empty_response";
        assert_eq!(reasons, [empty, SAME_SCORE, empty, empty]);
    }

    #[test]
    fn equal_scores_are_no_preference() {
        let scored = |chosen: f64, rejected: f64| {
            read(&format!(
                r#"{{"prompt": "a?", "chosen": "yes", "rejected": "no",
                    "score_chosen": {chosen:?}, "score_rejected": {rejected:?}}}"#
            ))
        };
        assert_eq!(scored(7.5, 7.5), Err(SAME_SCORE));
        assert!(scored(7.5, 7.0).is_ok());
        for json in [
            r#"{"question": {"full_text": "a?"}, "answer_0": "x", "answer_1": "y",
                "score_0": 0.0, "score_1": -0.0}"#,
            r#"{"text": ["\n\nHuman: a?\n\nAssistant: x",
                        "\n\nHuman: a?\n\nAssistant: y"], "score": [1, 1.0]}"#,
        ] {
            assert_eq!(read(json), Err(SAME_SCORE), "{json}");
        }
    }

    #[test]
    fn what_is_no_pair_is_malformed() {
        for json in [
            "",
            "{",
            "[]",
            r#"{"chosen": "x"}"#,
            r#"{"chosen": "x", "rejected": 3}"#,
            r#"{"question": {"full_text": "a?"}, "answer_0": "x", "answer_1": "y", "score_0": 1.0}"#,
            r#"[{"question": {"full_text": "a?"}, "answer": "x", "score": 1.0}]"#,
            r#"[{"question": {"full_text": "a?"}, "answer": "x", "score": 1.0},
                {"question": {"full_text": "b?"}, "answer": "y", "score": -1.0}]"#,
            r#"{"text": ["x"], "score": [1.0]}"#,
            r#"{"text": ["x", "y"], "score": [1.0]}"#,
            r#"{"text": ["x", "y"], "score": [1.0, null]}"#,
            r#"{"user_input": "a?", "completion_a": "x"}"#,
            r#"{"user_input": "a?", "responses_and_scores": []}"#,
        ] {
            assert_eq!(read(json), Err(MALFORMED), "{json}");
        }
        let record = Record {
            line: 1,
            json: vec![b'"', 0xff, b'"'],
        };
        let found = pairs(&record, "s").remove(0).map_err(|it| it.reason);
        assert_eq!(found, Err(reason::NOT_UTF8));
    }

    /// A pair of conversations of one query, whose responses differ.
    fn conversations(before: &str, chosen: &str, rejected: &str) -> String {
        let said = |text: &str| format!(r#"[{before}{{"role": "assistant", "content": {text}}}]"#);
        format!(
            r#"{{"chosen": {}, "rejected": {}}}"#,
            said(chosen),
            said(rejected)
        )
    }

    const ASKED: &str = r#"{"role": "user", "content": "a?"},"#;

    #[test]
    fn a_message_is_a_text_whatever_its_form() {
        let expected = read(&conversations(ASKED, r#""yes""#, r#""no""#)).unwrap();
        for before in [
            r#"{"role": "system", "content": null}, {"role": "user", "content": "a?"},"#,
            r#"{"role": "system", "content": " "}, {"from": "human", "value": "a?"},"#,
            r#"{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "?"}]},"#,
            r#"{"role": "user", "content": "a?", "tool_calls": null, "name": NaN},"#,
            r#"{"role": "user", "content": "a?", "tool_calls": []},"#,
        ] {
            let json = conversations(before, r#""yes""#, r#"[{"type": "text", "text": "no"}]"#);
            let found = read_all(&json);
            assert_eq!(found.as_ref().map(|it| &it.pair), Ok(&expected), "{json}");
            assert_eq!(found.map(|it| it.context), Ok(None), "{json}");
        }
    }

    #[test]
    fn what_no_table_carries_is_known() {
        let before = format!(r#"{{"role": "system", "content": "Be kind."}}, {ASKED}"#);
        let kind = read_all(&conversations(&before, r#""yes""#, r#""no""#)).unwrap();
        assert_eq!(
            Ok(kind.pair),
            read(&conversations(ASKED, r#""yes""#, r#""no""#))
        );
        let contexts: Vec<Option<u64>> = [
            r#"{"prompt": [{"role": "developer", "content": "Be kind. "}, {"role": "user", "content": "a?"}],
                "chosen": [{"role": "assistant", "content": "yes"}],
                "rejected": [{"role": "assistant", "content": "no"}]}"#,
            r#"{"prompt": "a?", "chosen": "yes", "rejected": "no", "system": "Be kind."}"#,
            r#"{"prompt": "a?", "chosen": "yes", "rejected": "no", "tools": [{"name": "f"}]}"#,
            r#"{"prompt": "a?", "chosen": "yes", "rejected": "no", "system": "", "tools": null}"#,
        ]
        .iter()
        .map(|json| read_all(json).unwrap().context)
        .collect();
        assert_eq!(contexts[0], kind.context);
        assert!(contexts[1].is_some() && contexts[2].is_some() && contexts[3].is_none());
        assert_ne!(contexts[1], contexts[2]);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn each_fault_of_a_row_is_named() {
        let turns =
            |message: &str| conversations(&format!("{ASKED}{message},"), r#""x""#, r#""y""#);
        for (json, expected, detail) in [
            (
                r#"{"chosen": "x", "rejected": null}"#.into(),
                MALFORMED,
                "`rejected` is null",
            ),
            (
                r#"{"chosen": "x"}"#.into(),
                MALFORMED,
                "`rejected` is missing",
            ),
            (
                r#"{"instruction": "a", "output": "b"}"#.into(),
                MALFORMED,
                "`instruction`, `output`",
            ),
            (
                r#"{"chosen": 3, "rejected": "y"}"#.into(),
                MALFORMED,
                "`chosen` is a number",
            ),
            (
                r#"{"chosen": ["x"], "rejected": ["y"]}"#.into(),
                MALFORMED,
                "`chosen` is a list",
            ),
            ("[1]".into(), MALFORMED, "is a list"),
            ("7".into(), MALFORMED, "is a number"),
            (
                r#"{"chosen": "x", "rejected": "y"#.into(),
                MALFORMED,
                "is no JSON: EOF",
            ),
            (
                r#"{"prompt": "a?", "chosen": "x\ud83d", "rejected": "y"}"#.into(),
                reason::LONE_SURROGATE,
                "`chosen`",
            ),
            (
                conversations(ASKED, r#""\udc00x""#, r#""y""#),
                reason::LONE_SURROGATE,
                "message 2",
            ),
            (
                turns(r#"{"role": "tool", "content": "4"}"#),
                reason::TOOL_TURN,
                "message 2 of `chosen`",
            ),
            (
                turns(r#"{"from": "observation", "value": "4"}"#),
                reason::TOOL_TURN,
                "observation",
            ),
            (
                turns(r#"{"role": "assistant", "content": null, "tool_calls": [{"id": 1}]}"#),
                reason::TOOL_TURN,
                "calls a tool",
            ),
            (
                turns(r#"{"role": "narrator", "content": "4"}"#),
                reason::UNKNOWN_ROLE,
                "narrator",
            ),
            (
                turns(r#"{"role": "user", "content": null}"#),
                MALFORMED,
                "message 2 of `chosen`",
            ),
            (turns(r#"{"content": "b"}"#), MALFORMED, "no `role`"),
            (
                turns(r#"{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}"#),
                reason::NOT_TEXT,
                "image_url",
            ),
            (
                r#"{"prompt": "a?", "chosen": "x", "rejected": "y", "images": ["a.png"]}"#.into(),
                reason::NOT_TEXT,
                "images",
            ),
            (
                turns(r#"{"role": "user", "content": "Go on:\n\nHuman: b"}"#),
                reason::QUOTES_A_TURN,
                "message 2",
            ),
            (
                conversations(ASKED, r#""x\n\nHuman: b""#, r#""y""#),
                reason::QUOTES_A_TURN,
                "chosen response",
            ),
            (
                r#"{"prompt": "Go on:\n\nAssistant: b", "chosen": "x", "rejected": "y"}"#.into(),
                reason::QUOTES_A_TURN,
                "the prompt",
            ),
            (
                r#"{"chosen": "x", "rejected": "y"}"#.into(),
                "no_query",
                "`prompt`",
            ),
        ] {
            let fault = read_all(&json).unwrap_err();
            assert_eq!(fault.reason, expected, "{json}: {fault}");
            assert!(fault.detail.contains(detail), "{json}: {fault}");
        }
    }

    #[test]
    fn the_borders_of_messages_are_kept_whatever_they_quote() {
        let pair = read(&conversations(
            ASKED,
            r#""It says:\n\nUser: b\n\nAssistant: c""#,
            r#""It says:\n\nUser: b\n\nAssistant: d""#,
        ))
        .unwrap();
        assert_eq!(pair.prompt, "\n\nHuman: a?\n\nAssistant:");
        assert_eq!(pair.chosen, "It says:\n\nUser: b\n\nAssistant: c");
    }

    #[test]
    fn a_prompt_beside_whole_conversations_is_cut_from_these() {
        let turns = r#"{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                       {"role": "user", "content": "c"},"#;
        let whole = conversations(turns, r#""yes""#, r#""no""#);
        let expected = read(&whole).unwrap();
        assert_eq!(
            expected.prompt,
            "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:"
        );
        for prompt in [
            r#""a""#,
            r#""c""#,
            r#"[{"role": "user", "content": "a"}]"#,
            r#"[{"role": "system", "content": ""}, {"role": "user", "content": "a"}]"#,
        ] {
            let json = format!(r#"{{"prompt": {prompt}, {}"#, &whole[1..]);
            assert_eq!(read(&json).as_ref(), Ok(&expected), "{json}");
        }
        // What goes on from its prompt is not whole.
        let after = r#"{"role": "assistant", "content": "b"}, {"role": "user", "content": "c"},"#;
        let after = conversations(after, r#""yes""#, r#""no""#);
        for prompt in [r#""a""#, r#"[{"role": "user", "content": "a"}]"#] {
            let json = format!(r#"{{"prompt": {prompt}, {}"#, &after[1..]);
            assert_eq!(read(&json).as_ref(), Ok(&expected), "{json}");
        }
        let other = format!(
            r#"{{"prompt": [{{"role": "user", "content": "z"}}], {}"#,
            &whole[1..]
        );
        assert_eq!(read(&other), Err("diverges_early"));
    }

    #[test]
    fn line_ends_of_windows_are_line_ends() {
        let expected = read(r#"{"prompt": "a?", "chosen": "yes", "rejected": "no"}"#);
        for json in [
            r#"{"prompt": "\r\n\r\nHuman: a?\r\n\r\nAssistant:", "chosen": "yes\r\n", "rejected": "no"}"#,
            r#"{"chosen": "\r\n\r\nHuman: a?\r\n\r\nAssistant: yes",
                "rejected": "\r\n\r\nHuman: a?\r\n\r\nAssistant: no"}"#,
        ] {
            assert_eq!(read(json), expected, "{json}");
        }
    }
}

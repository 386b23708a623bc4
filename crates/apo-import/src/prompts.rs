//! Reads rows as queries without responses.

use apo_hh::{PairFault, Role};

use crate::columns::Columns;
use crate::dialogue;
use crate::extra::extra;
use crate::fault::Fault;
use crate::fields::{self, Fields};
use crate::forms::QUERIES;
use crate::messages::{Conversation, Text};
use crate::query::{after_history, alpaca};
use crate::record::Record;

/// A query, and what its record holds besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadQuery {
    /// The prompt, in HH's form.
    pub prompt: String,
    /// The subset, if a column names it.
    pub subset: Option<String>,
    /// Whether it has tools or documents, which the tables cannot hold.
    pub has_context: bool,
    /// Names of columns with text that are not used.
    pub unused: Vec<String>,
}

/// Reads a record as a query.
///
/// # Errors
///
/// When it has no query, or the query is to be rejected.
pub fn query(record: &Record, columns: &Columns) -> Result<ReadQuery, Fault> {
    let subset = columns.subset_of(record)?;
    let found = fields::of(record, |text| {
        let found = columns.apply(fields::object(text)?);
        let (text, used) = asked(&found)?;
        let mut extra = extra(&found, &used, &text.plain_text())?;
        extra.add(text.unused());
        Ok((text, extra))
    });
    let (text, extra) = found?;
    let system = dialogue::joined_system(extra.system.as_deref(), text.system());
    let prompt = dialogue::prompt(&text)?;
    if apo_hh::turns(&prompt).is_empty() {
        return Err(Fault::new(
            PairFault::NoQuery.as_str(),
            "the query is empty",
        ));
    }
    Ok(ReadQuery {
        prompt: dialogue::with_system(system.as_deref(), prompt)?,
        subset,
        has_context: extra.context.is_some() || text.context().is_some(),
        unused: extra.unused,
    })
}

/// Returns the query of a row, and the columns that it was read from.
fn asked(found: &Fields<'_>) -> Result<(Text, Vec<&'static str>), Fault> {
    for name in QUERIES {
        let Some(value) = found.get(name) else {
            continue;
        };
        if name == "instruction" {
            let asked = alpaca(found)?.unwrap_or_default();
            let text = after_history(found, name, Text::Plain(asked))?;
            return Ok((text, vec![name, "input", "history"]));
        }
        let text = match Text::read(name, value)? {
            Text::Messages(conversation) => Text::Messages(without_reply(conversation)),
            plain @ Text::Plain(_) => plain,
        };
        return Ok((after_history(found, name, text)?, vec![name, "history"]));
    }
    Err(Fault::malformed(format!(
        "its fields are {}; expected one of `{}`",
        found.names(),
        QUERIES.join("`, `")
    )))
}

/// Returns a conversation without the answer that it ends with, if it has one.
fn without_reply(mut conversation: Conversation) -> Conversation {
    let last = conversation.messages.last();
    if last.is_some_and(|it| it.role == Role::Assistant) {
        conversation.messages.pop();
    }
    conversation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::reason;

    fn read(json: &str) -> Result<ReadQuery, Fault> {
        let json = json.as_bytes().to_vec();
        query(&Record { line: 1, json }, &Columns::default())
    }

    #[test]
    fn a_query_is_read_under_each_of_its_names() {
        let expected = "\n\nHuman: a?\n\nAssistant:";
        for json in [
            r#"{"prompt": "a?"}"#,
            r#"{"prompt": "\n\nHuman: a?\n\nAssistant:"}"#,
            r#"{"prompt": [{"role": "user", "content": "a?"}]}"#,
            r#"{"instruction": "a?", "input": "", "output": null}"#,
            r#"{"question": "a?"}"#,
            r#"{"messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]}"#,
            r#"{"conversations": [{"from": "human", "value": "a?"}, {"from": "gpt", "value": "b"}]}"#,
        ] {
            let found = read(json).unwrap_or_else(|fault| panic!("{json}: {fault}"));
            assert_eq!(found.prompt, expected, "{json}");
        }
        let kind = read(r#"{"prompt": "a?", "system": "Be kind.", "tools": ["f"], "n": 1}"#);
        let kind = kind.expect("a query");
        assert_eq!(kind.prompt, format!("\n\nSystem: Be kind.{expected}"));
        assert!(kind.has_context);
        assert_eq!(kind.unused, ["n"]);
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for (json, expected) in [
            (r#"{"text": "a?"}"#, reason::MALFORMED),
            (r#"{"prompt": 3}"#, reason::MALFORMED),
            (r#"{"prompt": "a?", "context": "b"}"#, reason::OTHER_QUERY),
            (r#"{"prompt": "a?", "image": "b.png"}"#, reason::NOT_TEXT),
            (
                r#"{"prompt": [{"role": "user", "content": " "}]}"#,
                reason::EMPTY_MESSAGE,
            ),
            (r#"{"prompt": "[INST] a? [/INST]"}"#, reason::RENDERED),
            (r#"{"prompt": " "}"#, "no_query"),
            (r#"{"messages": []}"#, "no_query"),
        ] {
            let fault = read(json).expect_err(json);
            assert_eq!(fault.reason, expected, "{json}: {fault}");
        }
    }
}

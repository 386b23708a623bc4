//! Golden answers that people or other models wrote, from files.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_dialogue::hh;
use apo_stage::{bad_input, warn};
use apo_tables::import::{Answer, Message, Record, Source, Text, parse};
use apo_tables::{Query, Reader};
use gold_collect::{Golden, Origin};
use serde::Deserialize;
use serde_json::Value;

/// Records that are in memory at once.
const BATCH: usize = 1024;

const EXPECTED: &str = "expected `prompt` and `response`, `messages`, `instruction` and `output`, \
                        or `query_id` and `golden`";

/// What there is for queries that the files do not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Nothing, or an endpoint: the files are to hold an answer.
    NoneOrPaid,
    /// The better HH response.
    Free,
}

/// The queries' keys: their ids, and the hash of each one's prompt.
///
/// The two are the same where `hh-split` wrote the table; others may have ids
/// of their own.
#[derive(Debug, Default)]
pub struct Keys {
    prompt_of: HashMap<String, String>,
    prompts: HashSet<String>,
}

impl Keys {
    /// Reads the queries' keys.
    ///
    /// # Errors
    ///
    /// When the table cannot be read, or an id stands in it twice.
    pub fn read(path: &Path) -> Result<Self> {
        let mut keys = Self::default();
        for (row, query) in Reader::<Query>::open_filled(path)?.enumerate() {
            let query = query?;
            let prompt = hh::query_id(&query.prompt);
            keys.prompts.insert(prompt.clone());
            if keys
                .prompt_of
                .insert(query.query_id.clone(), prompt)
                .is_some()
            {
                return Err(bad_input(format!(
                    "{}, row {row} (from 0), column `query_id`: `{}` stands in a row before, too; \
                     expected each query once",
                    path.display(),
                    query.query_id
                )));
            }
        }
        Ok(keys)
    }

    /// Returns how many queries there are.
    pub fn n_queries(&self) -> usize {
        self.prompt_of.len()
    }
}

/// Answers by the hash of their prompt.
#[derive(Debug, Default)]
pub struct Answers {
    by_prompt: HashMap<String, Golden>,
    /// Answers to queries that the table does not have.
    pub n_unknown: u64,
    /// Further answers to queries that had one.
    pub n_further: u64,
}

/// An answer that names its query by the key.
#[derive(Deserialize)]
struct ById {
    query_id: String,
    #[serde(
        alias = "golden",
        alias = "response",
        alias = "completion",
        alias = "output"
    )]
    answer: String,
}

impl Answers {
    /// Reads files of answers; the first answer to a query counts.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, a record is not an answer, or none of all
    /// answers is to a query of the table.
    pub fn read(paths: &[PathBuf], keys: &Keys, others: Others) -> Result<Self> {
        let mut found = Self::default();
        for path in paths {
            let mut source = Source::open(path)?;
            loop {
                let batch = source.batch(BATCH)?;
                if batch.is_empty() {
                    break;
                }
                for record in batch {
                    let line = record.line;
                    let fault =
                        |problem| bad_input(format!("{}, line {line}: {problem}", path.display()));
                    let (prompt, text) = answer(&record, keys).map_err(fault)?;
                    let golden = Golden::new(&text, Origin::File)
                        .ok_or_else(|| fault("the answer is empty; leave the record out".into()))?;
                    found.add(prompt, golden, keys);
                }
            }
        }
        if found.by_prompt.is_empty() && !paths.is_empty() {
            let names: Vec<String> = paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            let problem = format!(
                "{}: none of the {} answers is to a query of the table; prompts must be the same \
                 to the letter",
                names.join(", "),
                found.n_unknown
            );
            match others {
                Others::NoneOrPaid => return Err(bad_input(problem)),
                Others::Free => warn(&problem),
            }
        }
        Ok(found)
    }

    fn add(&mut self, prompt: Option<String>, golden: Golden, keys: &Keys) {
        match prompt.filter(|prompt| keys.prompts.contains(prompt)) {
            None => self.n_unknown += 1,
            Some(prompt) if self.by_prompt.contains_key(&prompt) => self.n_further += 1,
            Some(prompt) => {
                self.by_prompt.insert(prompt, golden);
            }
        }
    }

    /// Returns the answer to a query.
    pub fn to(&self, query: &Query) -> Option<&Golden> {
        if self.by_prompt.is_empty() {
            return None;
        }
        self.by_prompt.get(&hh::query_id(&query.prompt))
    }

    /// Returns how many queries have an answer.
    pub fn n_answers(&self) -> usize {
        self.by_prompt.len()
    }
}

/// Returns the prompt's hash (none of an unknown id) and the answer.
fn answer(record: &Record, keys: &Keys) -> Result<(Option<String>, String), String> {
    let hashed = |prompt: &str| Some(hh::query_id(prompt));
    match parse::<Answer>(record) {
        Ok(Answer::Answer { prompt, answer }) => {
            let answer = match answer {
                Text::Plain(text) => text,
                Text::Messages(messages) => last_of(&messages)?.1,
            };
            let prompt = match prompt {
                Text::Plain(text) => hh::as_prompt(&text),
                Text::Messages(messages) => prompt_of(&messages)?,
            };
            Ok((hashed(&prompt), answer))
        }
        Ok(Answer::Instruction {
            instruction,
            input,
            output,
        }) => {
            let asked = [instruction.trim(), input.trim()].join("\n\n");
            Ok((hashed(&hh::as_prompt(asked.trim())), output))
        }
        Ok(Answer::Messages { messages }) => {
            let (before, answer) = last_of(&messages)?;
            Ok((hashed(&prompt_of(before)?), answer))
        }
        Err(_) => {
            parse::<Value>(record)?;
            let by_id = parse::<ById>(record);
            let ById { query_id, answer } =
                by_id.map_err(|_| format!("is no answer; {EXPECTED}"))?;
            Ok((keys.prompt_of.get(&query_id).cloned(), answer))
        }
    }
}

/// Returns the messages before the last, and what that says.
fn last_of(messages: &[Message]) -> Result<(&[Message], String), String> {
    let (last, before) = messages.split_last().ok_or("`messages` is empty")?;
    match role(last)? {
        Some(hh::Role::Assistant) => Ok((before, last.content.clone())),
        _ => Err("the last message is not the assistant's".into()),
    }
}

/// Returns the query of messages; a system message is not part of one.
fn prompt_of(messages: &[Message]) -> Result<String, String> {
    let mut turns = Vec::new();
    for message in messages {
        if let Some(role) = role(message)? {
            turns.push((role, message.content.as_str()));
        }
    }
    Ok(hh::prompt_of(turns))
}

fn role(message: &Message) -> Result<Option<hh::Role>, String> {
    match message.role.as_str() {
        "user" | "human" => Ok(Some(hh::Role::Human)),
        "assistant" | "gpt" => Ok(Some(hh::Role::Assistant)),
        "system" => Ok(None),
        other => Err(format!(
            "a message's role is `{other}`, expected user or assistant"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPT: &str = "\n\nHuman: hi\n\nAssistant: Hello.\n\nHuman: bye\n\nAssistant:";

    fn keys() -> Keys {
        let prompt = hh::query_id(PROMPT);
        Keys {
            prompt_of: [("q-1".to_owned(), prompt.clone())].into(),
            prompts: [prompt].into(),
        }
    }

    fn read(json: &Value) -> Result<(Option<String>, String), String> {
        let record = Record {
            line: 1,
            json: json.to_string().into_bytes(),
        };
        answer(&record, &keys())
    }

    #[test]
    fn an_answer_is_known_in_each_of_its_forms() {
        use serde_json::json;
        let turns = json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "bye"},
        ]);
        let with = |message: Value| {
            let mut all = turns.as_array().unwrap().clone();
            all.insert(0, json!({"role": "system", "content": "Be kind."}));
            all.push(message);
            all
        };
        for record in [
            json!({"prompt": PROMPT, "response": "Bye."}),
            json!({"prompt": format!("{PROMPT} \n"), "output": "Bye.", "model": "m"}),
            json!({"query": PROMPT.trim_start(), "golden": "Bye."}),
            json!({"prompt": PROMPT.strip_suffix("\n\nAssistant:"), "completion": "Bye."}),
            json!({"prompt": turns, "completion": [{"role": "assistant", "content": "Bye."}]}),
            json!({"messages": with(json!({"role": "assistant", "content": "Bye."}))}),
            json!({"query_id": "q-1", "golden": "Bye."}),
        ] {
            let expected = Ok((Some(hh::query_id(PROMPT)), "Bye.".to_owned()));
            assert_eq!(read(&record), expected, "{record}");
        }
    }

    #[test]
    fn a_plain_question_is_a_human_turn() {
        assert_eq!(hh::as_prompt(" Why? "), "\n\nHuman: Why?\n\nAssistant:");
        let record = serde_json::json!({"instruction": "Add.", "input": "1 2", "output": "3"});
        let prompt = "\n\nHuman: Add.\n\n1 2\n\nAssistant:";
        assert_eq!(read(&record), Ok((Some(hh::query_id(prompt)), "3".into())));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        use serde_json::json;
        for (record, problem) in [
            (
                json!({"prompt": PROMPT}),
                "expected `prompt` and `response`",
            ),
            (
                json!({"prompt": 7, "response": "x"}),
                "expected `prompt` and `response`",
            ),
            (json!(["x"]), "expected `prompt` and `response`"),
            (json!({"messages": []}), "`messages` is empty"),
            (
                json!({"messages": [{"role": "user", "content": "x"}]}),
                "not the assistant's",
            ),
            (
                json!({"messages": [{"role": "tool", "content": "x"},
                                    {"role": "assistant", "content": "x"}]}),
                "role is `tool`",
            ),
        ] {
            let error = read(&record).unwrap_err();
            assert!(error.contains(problem), "{record}: {error}");
        }
        let record = Record {
            line: 1,
            json: b"{\"prompt\":".to_vec(),
        };
        assert!(answer(&record, &keys()).unwrap_err().contains("EOF"));
    }

    #[test]
    fn of_several_answers_the_first_counts_and_strangers_are_counted() {
        let keys = keys();
        let mut answers = Answers::default();
        let golden = |text| Golden::new(text, Origin::File).unwrap();
        let known = || Some(hh::query_id(PROMPT));
        answers.add(known(), golden("first"), &keys);
        answers.add(known(), golden("second"), &keys);
        answers.add(Some("0123456789abcdef".into()), golden("stranger"), &keys);
        answers.add(None, golden("stranger"), &keys);
        let query = Query {
            query_id: "q-1".into(),
            subset: String::new(),
            prompt: PROMPT.into(),
        };
        assert_eq!(answers.to(&query), Some(&golden("first")));
        assert_eq!(
            (answers.n_answers(), answers.n_further, answers.n_unknown),
            (1, 1, 2)
        );
    }
}

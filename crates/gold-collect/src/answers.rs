//! Golden answers that people or other models wrote, from files.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::Result;
use apo_golden::{Golden, Origin};
use apo_import::{
    ANSWER_FIELDS, Answer, AnsweredQuery, Fault, Record, Source, Unused, evidence_of_samples,
    reason,
};
use apo_stage::{bad_input, warn};
use apo_tables::{Query, Response, Row as _};
use apo_thought::parted;

use crate::queries::Keys;

/// Records that are in memory at once.
const BATCH: usize = 1024;

/// The source of answers for queries that the files do not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// None, or an endpoint: the files must answer at least one query.
    NoneOrEndpoint,
    /// The better HH response.
    HhChosen,
}

/// A golden answer from a file or table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    pub golden: Golden,
    /// Whether a thought was removed from it.
    pub thought_removed: bool,
    /// Whether special tokens around it were removed.
    pub tokens_removed: bool,
}

impl Filed {
    /// Makes a golden answer from a text without its thoughts and its end of text;
    /// `None` if nothing is left.
    pub fn new(text: &str, origin: Origin) -> Option<Self> {
        let parted = parted(text);
        Some(Self {
            golden: Golden::new(parted.answer, origin)?,
            thought_removed: parted.has_thought,
            tokens_removed: parted.has_tokens,
        })
    }
}

/// Refuses files of a policy's own samples.
///
/// # Errors
///
/// When a file holds such samples, or cannot be read; the error names the file and the
/// evidence.
pub fn refuse_samples(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        if let Some(evidence) = evidence_of_samples(path)? {
            return Err(bad_input(format!(
                "--answers {}: {evidence}, so these are a policy's own samples, not golden answers; \
                 rm-train takes samples as --samples. Another model's answers belong in a file with \
                 `prompt` and `response` alone",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Answers by the hash of their prompt.
#[derive(Debug, Default)]
pub struct Answers {
    by_prompt: HashMap<String, Filed>,
    /// Answers to queries that the table does not have.
    pub n_unknown: u64,
    /// Further answers to queries that had one.
    pub n_further: u64,
    /// Answers that were written with tools, or under a system message that their query does
    /// not have.
    n_without_context: u64,
    /// The number of answers that are not plain text, or only a thought, and the
    /// first of them.
    left_out: Option<(u64, String)>,
    /// Files without a record.
    empty: Vec<PathBuf>,
    /// Columns with text that are not used.
    unused: Unused,
}

impl Answers {
    /// Reads files of answers; the first answer to a query counts.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, when a record is not an answer, or when no answer
    /// is to a query of the table. An answer that is only a thought, or that no table
    /// can hold (half a character, a call of a tool), is left out with a warning. A
    /// thought before an answer is removed.
    pub fn read(paths: &[PathBuf], keys: &Keys, fallback: Fallback) -> Result<Self> {
        let mut found = Self::default();
        for path in paths {
            if found.add_file(path, keys)? == 0 {
                found.empty.push(path.clone());
            }
        }
        found.warn();
        if found.by_prompt.is_empty() && !paths.is_empty() {
            let problem = match (found.n_unknown, &found.left_out) {
                (0, Some((n, _))) => format!(
                    "{}: no answer is left: all {n} were left out, as the warning says",
                    listed(paths)
                ),
                (0, None) => format!("{}: there are no answers", listed(paths)),
                (n, _) => format!(
                    "{}: none of the {n} answers is to a query of the table; the prompts must match \
                     exactly",
                    listed(paths)
                ),
            };
            match fallback {
                Fallback::NoneOrEndpoint => return Err(bad_input(problem)),
                Fallback::HhChosen => warn(&problem),
            }
        }
        Ok(found)
    }

    /// Reads a file, and returns the number of its records.
    fn add_file(&mut self, path: &Path, keys: &Keys) -> Result<u64> {
        let mut source = Source::open(path, ANSWER_FIELDS)?;
        // Every column of our own tables is known, and most do not belong to an answer.
        let is_ours = apo_tables::provenance(path).is_ok_and(|it| it.is_some());
        let is_own = |name: &str| Response::TABLE.columns.iter().any(|it| it.name == name);
        let is_reported = |name: &String| !is_ours || !is_own(name);
        self.unused
            .add(source.unused().iter().filter(|it| is_reported(it)).cloned());
        let mut n = 0;
        loop {
            let batch = source.batch(BATCH)?;
            if batch.is_empty() {
                return Ok(n);
            }
            n += batch.len() as u64;
            for record in batch {
                let at = format!("{}, line {}", path.display(), record.line);
                match answer(&record, keys) {
                    Ok(read) if read.text.trim().is_empty() => {
                        return Err(bad_input(format!(
                            "{at}: the answer is empty; leave the record out"
                        )));
                    }
                    // The same as for a server's reply: thoughts are not answers.
                    Ok(read) => match Filed::new(&read.text, Origin::File) {
                        Some(mut filed) => {
                            filed.tokens_removed |= read.tokens_removed;
                            self.n_without_context += u64::from(read.has_context);
                            self.unused.add(read.unused.into_iter().filter(is_reported));
                            self.add(read.prompt, filed, keys);
                        }
                        None => self.leave_out(&at, &"the answer is only a thought"),
                    },
                    Err(fault) if fault.reason == reason::MALFORMED => {
                        return Err(bad_input(format!("{at}: {fault}")));
                    }
                    Err(fault) => self.leave_out(&at, &fault),
                }
            }
        }
    }

    fn leave_out(&mut self, at: &str, fault: &dyn Display) {
        let first = || (0, format!("{at}: {fault}"));
        self.left_out.get_or_insert_with(first).0 += 1;
    }

    /// Warns of answers that were left out or changed, and of unused columns.
    fn warn(&self) {
        if let Some((n, first)) = &self.left_out {
            let answers = if *n == 1 { "answer is" } else { "answers are" };
            warn(&format!("{n} {answers} left out; {first}"));
        }
        if self.n_without_context > 0 {
            warn(&format!(
                "{} answers were written with tools, or under a system message that their queries do \
                 not have; they are used as answers to the queries without them",
                self.n_without_context
            ));
        }
        // If no file has an answer, the caller says so.
        if !self.empty.is_empty() && !self.by_prompt.is_empty() {
            warn(&format!(
                "{}: no answers in it; the other files' answers are used",
                listed(&self.empty)
            ));
        }
        if let Some(sentence) = self.unused.sentence() {
            warn(&sentence);
        }
    }

    fn add(&mut self, prompt: Option<String>, filed: Filed, keys: &Keys) {
        match prompt.filter(|prompt| keys.prompts.contains(prompt)) {
            None => self.n_unknown += 1,
            Some(prompt) if self.by_prompt.contains_key(&prompt) => self.n_further += 1,
            Some(prompt) => {
                self.by_prompt.insert(prompt, filed);
            }
        }
    }

    /// Returns the answer to a query.
    pub fn to(&self, query: &Query) -> Option<&Filed> {
        if self.by_prompt.is_empty() {
            return None;
        }
        self.by_prompt.get(&apo_hh::query_id(&query.prompt))
    }

    /// Returns the number of queries with an answer.
    pub fn n_answers(&self) -> usize {
        self.by_prompt.len()
    }
}

/// Returns paths as one line.
fn listed(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|it| it.display().to_string());
    paths.collect::<Vec<_>>().join(", ")
}

/// An answer, and what it answers.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    /// The prompt's hash; `None` for an unknown id.
    prompt: Option<String>,
    text: String,
    /// Whether special tokens around it were removed.
    tokens_removed: bool,
    /// Whether it was written with tools, or under a system message that its query does not
    /// have.
    has_context: bool,
    unused: Vec<String>,
}

/// Reads an answer.
fn answer(record: &Record, keys: &Keys) -> Result<Read, Fault> {
    let answer = Answer::read(record)?;
    let mut has_context = answer.has_context();
    let prompt = match answer.query()? {
        AnsweredQuery::Prompt(prompt) => {
            let own = apo_hh::query_id(&prompt);
            let bare = apo_hh::without_system(&prompt).map(apo_hh::query_id);
            let is_known = |it: &String| keys.prompts.contains(it);
            match bare.filter(|it| is_known(it) && !is_known(&own)) {
                Some(bare) => {
                    has_context = true;
                    Some(bare)
                }
                None => Some(own),
            }
        }
        AnsweredQuery::Id(query_id) => keys.prompt_of.get(query_id).cloned(),
    };
    let (text, tokens_removed) = answer.plain()?;
    Ok(Read {
        prompt,
        text: text.into_owned(),
        tokens_removed,
        has_context,
        unused: answer.into_unused(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const PROMPT: &str = "\n\nHuman: hi\n\nAssistant: Hello.\n\nHuman: bye\n\nAssistant:";

    fn keys() -> Keys {
        let prompt = apo_hh::query_id(PROMPT);
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
        let read = answer(&record, &keys()).map_err(|fault| fault.detail)?;
        Ok((read.prompt, read.text))
    }

    #[test]
    fn an_answer_is_read_in_each_of_its_forms() {
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
            let expected = Ok((Some(apo_hh::query_id(PROMPT)), "Bye.".to_owned()));
            assert_eq!(read(&record), expected, "{record}");
        }
    }

    #[test]
    fn a_plain_question_is_a_human_turn() {
        assert_eq!(apo_hh::as_prompt(" Why? "), "\n\nHuman: Why?\n\nAssistant:");
        let record = serde_json::json!({"instruction": "Add.", "input": "1 2", "output": "3"});
        let prompt = "\n\nHuman: Add.\n\n1 2\n\nAssistant:";
        assert_eq!(
            read(&record),
            Ok((Some(apo_hh::query_id(prompt)), "3".into()))
        );
    }

    #[test]
    fn a_record_that_is_not_an_answer_is_refused() {
        use serde_json::json;
        for (record, problem) in [
            (
                json!({"prompt": PROMPT}),
                "expected `prompt` and `response`",
            ),
            (
                json!({"prompt": 7, "response": "x"}),
                "`prompt` is a number",
            ),
            (json!(["x"]), "is a list, expected an object"),
            (json!({"messages": []}), "`messages` is empty"),
            (
                json!({"messages": [{"role": "user", "content": "x"}]}),
                "not the assistant's",
            ),
            (
                json!({"messages": [{"role": "tool", "content": "x"},
                                    {"role": "assistant", "content": "x"}]}),
                "message 1 is a tool's result, but not between two assistant messages",
            ),
        ] {
            let error = read(&record).unwrap_err();
            assert!(error.contains(problem), "{record}: {error}");
        }
        let record = Record {
            line: 1,
            json: b"{\"prompt\":".to_vec(),
        };
        let fault = answer(&record, &keys()).unwrap_err();
        assert!(fault.detail.contains("EOF"), "{fault}");
    }

    #[test]
    fn the_first_of_several_answers_counts_and_unknown_ones_are_counted() {
        let keys = keys();
        let mut answers = Answers::default();
        let filed = |text| Filed::new(text, Origin::File).unwrap();
        let known = || Some(apo_hh::query_id(PROMPT));
        answers.add(known(), filed("first"), &keys);
        answers.add(known(), filed("second"), &keys);
        answers.add(Some("0123456789abcdef".into()), filed("stranger"), &keys);
        answers.add(None, filed("stranger"), &keys);
        let query = Query {
            query_id: "q-1".into(),
            subset: String::new(),
            prompt: PROMPT.into(),
        };
        assert_eq!(answers.to(&query), Some(&filed("first")));
        assert_eq!(
            (answers.n_answers(), answers.n_further, answers.n_unknown),
            (1, 1, 2)
        );
    }
}

//! Instructions with answers in other programs' formats, for
//! `align sft --instructions`.

use std::path::Path;

use anyhow::Result;
use apo_import::{
    ANSWER_FIELDS, Answer, AnsweredQuery, Fault, Record, Source, Text, evidence_of_samples,
    is_parquet, reason,
};
use apo_provenance::{Input, Provenance};
use apo_stage::{bad_input, signals};
use apo_tables::{Query, Reader};
use apo_training_stage::TestPart;

/// Records in memory at once.
const BATCH: usize = 1024;

/// An instruction as a query and its answer.
pub struct Instruction {
    pub prompt: String,
    pub answer: String,
    /// Whether special tokens around the answer were removed.
    pub tokens_removed: bool,
    /// Whether it was written with tools or documents.
    pub has_context: bool,
    /// Names of columns with text that are not used.
    pub unused: Vec<String>,
}

/// Describes a file of instructions, with its part of the data if a stage wrote
/// it.
///
/// # Errors
///
/// When it cannot be read.
pub fn input(path: &Path) -> Result<Input> {
    let mut input = apo_tables::input(path)?;
    if is_parquet(path) {
        input.split = apo_tables::provenance(path)?.and_then(|it| it.split().cloned());
    }
    Ok(input)
}

/// Calls `each` with the line of every row, and the instruction or its fault.
///
/// # Errors
///
/// When the file is truncated, when `each` fails, or when a signal stopped the
/// work.
pub fn each_instruction(
    mut source: Source,
    mut each: impl FnMut(u64, Result<Instruction, Fault>) -> Result<()>,
) -> Result<()> {
    loop {
        let records = source.batch(BATCH)?;
        if records.is_empty() {
            return Ok(());
        }
        for record in records {
            each(record.line, instruction(&record))?;
        }
        signals::check()?;
    }
}

/// Refuses a file of a policy's own samples.
///
/// # Errors
///
/// When it is one, or cannot be read.
pub fn refuse_samples(path: &Path) -> Result<()> {
    let Some(evidence) = evidence_of_samples(path)? else {
        return Ok(());
    };
    Err(bad_input(format!(
        "--instructions {}: {evidence}, so these are a policy's own samples, not answers to learn \
         from; score them with `judge score`, and give them to `align rjs`, `rrhf` or `dpo` as \
         --responses. Another model's answers belong in a file with `prompt` and `response` alone",
        path.display()
    )))
}

/// Refuses instructions that are queries of the test part, unless the file
/// names its part.
///
/// # Errors
///
/// When there is one; the error names file, line and test table.
pub fn check_apart(path: &Path, provenance: &Provenance, tests: &TestPart) -> Result<()> {
    let is_known = provenance.inputs["instructions"].split.is_some();
    // `check_splits` has compared tables of queries.
    if is_known || Reader::<Query>::open(path).is_ok() {
        return Ok(());
    }
    let mut overlap = tests.overlap(path);
    each_instruction(Source::open(path, ANSWER_FIELDS)?, |line, found| {
        if let Ok(found) = found {
            overlap.add(|| format!("line {line}"), None, &found.prompt);
        }
        Ok(())
    })?;
    overlap.finish()
}

/// Reads an instruction.
///
/// # Errors
///
/// When it is malformed, or its question or answer is empty.
fn instruction(record: &Record) -> Result<Instruction, Fault> {
    let malformed = |problem: &str| Fault::new(reason::MALFORMED, problem);
    let found = Answer::read(record)?;
    let Answer::Answer {
        prompt,
        answer: Text::Plain(answer),
        ..
    } = &found
    else {
        return Err(malformed(
            "is not an instruction; expected the texts `instruction` and `output`, or `prompt` and \
             `response`",
        ));
    };
    if matches!(prompt, Text::Plain(question) if question.trim().is_empty()) {
        return Err(malformed("the question is empty"));
    }
    if answer.trim().is_empty() {
        return Err(malformed("the answer is empty"));
    }
    let AnsweredQuery::Prompt(asked) = found.query()? else {
        return Err(malformed("it names its query by an id"));
    };
    let (answer, tokens_removed) = found.plain()?;
    Ok(Instruction {
        prompt: asked,
        answer: answer.into_owned(),
        tokens_removed,
        has_context: found.has_context(),
        unused: found.into_unused(),
    })
}

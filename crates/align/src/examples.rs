//! Reads the table's rows as tokens, and writes the examples that a method makes of
//! them.

use std::path::Path;

use anyhow::{Context as _, Result};
use apo_dialogue::{DialogueTokenizer, TruncationCounts};
use apo_import::{Rendered, Source, Unused};
use apo_model_stage::rows::with_row;
use apo_provenance::Input;
use apo_stage::rows::check_scored;
use apo_stage::{signals, warn};
use apo_tables::{Finish, Pair, Reader, Response};
use apo_training::{Example, ExampleStore, ResponseRole, ResponseSpool, TokenizedResponse};
use apo_training_stage::Cleaned;
use apo_training_stage::rows::{add_pairs, check_golden, tokenized};
use serde::Serialize;

use crate::args::Method;
use crate::inputs::Tables;
use crate::instructions::{Instruction, each_instruction};
use crate::mismatch::Mismatch;
use crate::pairs::example;
use crate::reference::KnownLogProbs;

/// Counts of what the training learns from and leaves out.
#[derive(Debug, Default, Serialize)]
pub struct Counts {
    queries: u64,
    /// Queries that the method cannot learn from: all rewards are equal, or all
    /// responses empty.
    left_out: u64,
    /// Rows of another program's file that are not instructions.
    malformed: u64,
    /// Rows that are used without their tools or documents, which the model does not see.
    without_context: u64,
    #[serde(flatten)]
    cleaned: Cleaned,
    #[serde(skip)]
    first_malformed: Option<String>,
    #[serde(skip)]
    unused: Unused,
    #[serde(flatten)]
    truncated: TruncationCounts,
}

impl Counts {
    /// Warns of rows that are left out or used in part.
    fn warn(&self) {
        if let Some(first) = &self.first_malformed {
            let n = self.malformed;
            let rows = if n == 1 { "row was" } else { "rows were" };
            warn(&format!("{n} {rows} left out (first: {first})"));
        }
        self.cleaned.warn();
        if self.without_context > 0 {
            warn(&format!(
                "{} rows have tools or documents, which the model will not see; the rows are used \
                 without them",
                self.without_context
            ));
        }
        if let Some(sentence) = self.unused.sentence() {
            warn(&sentence);
        }
    }
}

/// Writes the examples of all queries into the working folder.
///
/// # Errors
///
/// When a row is malformed, when there is nothing to learn from, when the disk
/// is full, or when a signal stopped the work.
pub fn gather(
    method: &Method,
    tables: Tables,
    known: Option<&KnownLogProbs>,
    tokenizer: &DialogueTokenizer,
    dir: &Path,
) -> Result<(ExampleStore, Counts)> {
    let mut counts = Counts::default();
    let spool = tokenize(method, tables, known, tokenizer, dir, &mut counts)?;
    let mut truncation = tokenizer.truncation(method.common().limit.tokens as usize);
    let mut mismatch = Mismatch::of(method);
    let store = spool.write_examples(dir, |responses| -> Result<Option<Example>> {
        signals::check()?;
        let Some(mut example) = example(method, responses, &mut truncation) else {
            counts.left_out += 1;
            return Ok(None);
        };
        if let Some(mismatch) = &mut mismatch {
            example.mismatched = mismatch.pair(responses, &mut truncation);
        }
        counts.queries += 1;
        Ok(Some(example))
    })?;
    counts.truncated = truncation.counts;
    counts.warn();
    Ok((store.finish()?, counts))
}

fn tokenize(
    method: &Method,
    tables: Tables,
    known: Option<&KnownLogProbs>,
    tokenizer: &DialogueTokenizer,
    dir: &Path,
    counts: &mut Counts,
) -> Result<ResponseSpool> {
    let mut tokenized = Tokenized {
        spool: ResponseSpool::create(dir)?,
        tokenizer,
        keep: method.common().limit.tokens as usize,
    };
    match tables {
        Tables::Chosen(pairs) => tokenized.add_chosen(pairs, &mut counts.cleaned)?,
        Tables::Pairs(pairs) => {
            add_pairs(
                pairs,
                |_| true,
                tokenizer,
                tokenized.keep,
                &mut tokenized.spool,
            )?;
        }
        Tables::Golden(responses) => tokenized.add_golden(responses, &mut counts.cleaned)?,
        Tables::Scored(responses) => {
            tokenized.add_scored(responses, known, method.length_penalty())?;
        }
        Tables::Instructions(source, input) => {
            tokenized.add_instructions(source, &input, counts)?;
        }
    }
    Ok(tokenized.spool)
}

/// The rows of a table as tokens.
struct Tokenized<'a> {
    spool: ResponseSpool,
    tokenizer: &'a DialogueTokenizer,
    /// The least number of tokens that are kept of a long text.
    keep: usize,
}

impl Tokenized<'_> {
    fn add_chosen(&mut self, pairs: Reader<Pair>, cleaned: &mut Cleaned) -> Result<()> {
        let path = pairs.path().to_owned();
        let mut rendered = Rendered::default();
        for (number, pair) in (0..).zip(pairs) {
            let pair = pair?;
            rendered.add(number as usize, &pair.prompt);
            let Some(chosen) = cleaned.answer(&pair.chosen) else {
                continue;
            };
            let ids = self.tokenizer.encode(&pair.prompt, chosen, self.keep);
            let ids = with_row(&path, &pair.query_id, ids)?;
            self.spool.add(&sft_target(pair.query_id, number, ids))?;
            signals::check()?;
        }
        warn_of_rendered(&rendered, &path);
        Ok(())
    }

    fn add_golden(&mut self, responses: Reader<Response>, cleaned: &mut Cleaned) -> Result<()> {
        let path = responses.path().to_owned();
        let mut rendered = Rendered::default();
        for (row, response) in responses.enumerate() {
            let mut response = response?;
            check_golden(&path, row, &response)?;
            rendered.add(row, &response.prompt);
            if !cleaned.golden(&mut response) {
                continue;
            }
            let ids = self.encode(&path, &response)?;
            self.spool
                .add(&tokenized(ResponseRole::Golden, &response, ids))?;
            signals::check()?;
        }
        warn_of_rendered(&rendered, &path);
        Ok(())
    }

    fn add_scored(
        &mut self,
        responses: Reader<Response>,
        known: Option<&KnownLogProbs>,
        length_penalty: f64,
    ) -> Result<()> {
        let path = responses.path().to_owned();
        for (row, response) in responses.enumerate() {
            let response = response?;
            let reward = check_scored(&path, row, &response)?;
            let log_prob = known.map(|known| known.get(&path, row, &response));
            let reference = log_prob.transpose()?;
            let ids = self.encode(&path, &response)?;
            let penalty = length_penalty * ids.1.len() as f64;
            self.spool.add(&TokenizedResponse {
                reward: Some((f64::from(reward) - penalty) as f32),
                reference,
                ..tokenized(role(&response), &response, ids)
            })?;
            signals::check()?;
        }
        Ok(())
    }

    fn add_instructions(
        &mut self,
        source: Source,
        input: &Input,
        counts: &mut Counts,
    ) -> Result<()> {
        counts.unused.add(source.unused().iter().cloned());
        each_instruction(source, |line, found| {
            let Instruction {
                prompt,
                answer,
                tokens_removed,
                has_context,
                unused,
            } = match found {
                Ok(found) => found,
                Err(fault) => {
                    counts.malformed += 1;
                    let first = || format!("{}, line {line}: {fault}", input.name);
                    counts.first_malformed.get_or_insert_with(first);
                    return Ok(());
                }
            };
            counts.without_context += u64::from(has_context);
            counts.unused.add(unused);
            let answer = counts.cleaned.rest_of_answer(answer.trim(), tokens_removed);
            let Some(answer) = answer else {
                return Ok(());
            };
            let ids = self.tokenizer.encode(&prompt, answer, self.keep);
            let ids = ids.with_context(|| {
                format!("{}, line {line}: cannot tokenize its text", input.name)
            })?;
            let query_id = apo_hh::query_id(&prompt);
            Ok(self.spool.add(&sft_target(query_id, line as u32, ids))?)
        })
    }

    /// Returns the tokens of a row's prompt and response.
    fn encode(&self, table: &Path, response: &Response) -> Result<(Vec<u32>, Vec<u32>)> {
        let ids = self
            .tokenizer
            .encode(&response.prompt, &response.response, self.keep);
        with_row(table, &response.query_id, ids)
    }
}

/// Warns of prompts that another program rendered.
fn warn_of_rendered(rendered: &Rendered, table: &Path) {
    if let Some(sentence) = rendered.sentence(table) {
        warn(&sentence);
    }
}

/// Returns a response to fine-tune on.
fn sft_target(
    query_id: String,
    number: u32,
    (prompt, response): (Vec<u32>, Vec<u32>),
) -> TokenizedResponse {
    TokenizedResponse {
        query_id,
        role: ResponseRole::Chosen,
        number,
        complete: true,
        reward: None,
        reference: None,
        prompt,
        response,
    }
}

/// Returns the role of a policy's response: an empty one is worse than any other.
fn role(response: &Response) -> ResponseRole {
    if response.finish == Finish::Empty {
        ResponseRole::Empty
    } else {
        ResponseRole::Sample
    }
}

//! Makes the examples of a method from the table's rows.

use std::path::Path;

use anyhow::{Context as _, Result};
use apo_dialogue::DialogueTokenizer;
use apo_import::Unused;
use apo_llama::PromptTree;
use apo_model_stage::rows::{check_golden, check_query, tokenized, tokens};
use apo_stage::rows::check_scored;
use apo_stage::{signals, warn};
use apo_tables::{Finish, Response};
use apo_training::{
    Cuts, Example, Fitter, Preference, ResponseRole, ResponseSpool, Store, StoreWriter, Term,
    TokenizedResponse,
};
use serde::Serialize;

use crate::args::{Method, Which};
use crate::inputs::Tables;
use crate::instructions::{Instruction, each_instruction};
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
    /// Rows that are used without their system message or tools, which the
    /// model does not see.
    without_context: u64,
    #[serde(skip)]
    first_malformed: Option<String>,
    #[serde(skip)]
    unused: Unused,
    #[serde(flatten)]
    cuts: Cuts,
}

impl Counts {
    /// Warns of rows that are left out or used in part.
    fn tell(&self) {
        if let Some(first) = &self.first_malformed {
            let n = self.malformed;
            let rows = if n == 1 { "row was" } else { "rows were" };
            warn(&format!("{n} {rows} left out (first: {first})"));
        }
        if self.without_context > 0 {
            warn(&format!(
                "{} rows have a system message or tools, which the model will not see; they are used \
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
) -> Result<(Store, Counts)> {
    let mut counts = Counts::default();
    let spool = tokenize(method, tables, known, tokenizer, dir, &mut counts)?;
    let mut fitter = Fitter {
        limit: method.common().limit as usize,
        eos: tokenizer.eos(),
        bos: tokenizer.bos(),
        cuts: Cuts::default(),
    };
    let mut store = StoreWriter::create(dir)?;
    let mut mismatch = Mismatch::of(method);
    spool.by_query(|responses| -> Result<()> {
        check_query(&responses)?;
        match example(method, &responses, &mut fitter) {
            None => counts.left_out += 1,
            Some(mut example) => {
                if let Some(mismatch) = &mut mismatch {
                    example.mismatched = mismatch.pair(&responses, &mut fitter);
                }
                counts.queries += 1;
                store.add(&example)?;
            }
        }
        Ok(signals::check()?)
    })?;
    counts.cuts = fitter.cuts;
    counts.tell();
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
    let mut spool = ResponseSpool::create(dir)?;
    let keep = method.common().limit as usize;
    match tables {
        Tables::Pairs(pairs) => {
            let path = pairs.path().to_owned();
            for (number, pair) in (0..).zip(pairs) {
                let pair = pair?;
                let ids = tokenizer.encode(&pair.prompt, &pair.chosen, keep);
                let ids = tokens(&path, &pair.query_id, ids)?;
                spool.add(&sft_target(pair.query_id, number, ids))?;
                signals::check()?;
            }
        }
        Tables::Golden(responses) => {
            let path = responses.path().to_owned();
            for (row, response) in responses.enumerate() {
                let response = response?;
                check_golden(&path, row, &response)?;
                let ids = tokenizer.encode(&response.prompt, &response.response, keep);
                let ids = tokens(&path, &response.query_id, ids)?;
                spool.add(&tokenized(role(&response), &response, ids))?;
                signals::check()?;
            }
        }
        Tables::Scored(responses) => {
            let path = responses.path().to_owned();
            for (row, response) in responses.enumerate() {
                let response = response?;
                let reward = check_scored(&path, row, &response)?;
                let log_prob = known.map(|known| known.get(&path, row, &response));
                let reference = log_prob.transpose()?;
                let ids = tokenizer.encode(&response.prompt, &response.response, keep);
                let ids = tokens(&path, &response.query_id, ids)?;
                spool.add(&TokenizedResponse {
                    reward: Some(reward),
                    reference,
                    ..tokenized(role(&response), &response, ids)
                })?;
                signals::check()?;
            }
        }
        Tables::Instructions(source, input) => {
            counts.unused.add(source.unused().iter().cloned());
            each_instruction(source, |line, found| {
                let Instruction {
                    prompt,
                    answer,
                    beside,
                } = match found {
                    Ok(found) => found,
                    Err(fault) => {
                        counts.malformed += 1;
                        let first = || format!("{}, line {line}: {fault}", input.name);
                        counts.first_malformed.get_or_insert_with(first);
                        return Ok(());
                    }
                };
                counts.without_context += u64::from(beside.context.is_some());
                counts.unused.add(beside.unused);
                let ids = tokenizer.encode(&prompt, answer.trim(), keep);
                let ids = ids.with_context(|| {
                    format!("{}, line {line}: cannot tokenize its text", input.name)
                })?;
                Ok(spool.add(&sft_target(apo_hh::query_id(&prompt), line as u32, ids))?)
            })?;
        }
    }
    Ok(spool)
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

/// Returns the role of a response: an empty one is worse than any other.
fn role(response: &Response) -> ResponseRole {
    if response.finish == Finish::Empty {
        ResponseRole::Rejected
    } else {
        ResponseRole::Sample
    }
}

/// Pairs queries with responses to others, for losses that need the KL.
#[derive(Default)]
struct Mismatch {
    /// The best response of the previous query, ordered by the hashes of their
    /// ids; the first query has none.
    before: Option<TokenizedResponse>,
}

impl Mismatch {
    fn of(method: &Method) -> Option<Self> {
        match method {
            Method::Dpo(dpo) if dpo.loss.pair_loss().has_kl() => Some(Self::default()),
            _ => None,
        }
    }

    fn pair(&mut self, responses: &[TokenizedResponse], fitter: &mut Fitter) -> Option<PromptTree> {
        let own = best(responses)?;
        let other = self.before.replace(own.clone());
        let foreign = TokenizedResponse {
            prompt: own.prompt.clone(),
            ..other?
        };
        // This response is not in the table, so its truncation is not counted.
        let cuts = fitter.cuts;
        let mut example = Example::default();
        fitter.add(&mut example, &foreign);
        fitter.cuts = cuts;
        example.trees.pop()
    }
}

/// Makes a query's example, or returns `None` if the method cannot learn from
/// it.
fn example(
    method: &Method,
    responses: &[TokenizedResponse],
    fitter: &mut Fitter,
) -> Option<Example> {
    let mut example = Example::default();
    if matches!(method, Method::Sft(_)) {
        for response in responses {
            if let Some(i) = fitter.add(&mut example, response) {
                example.sft_targets.push(i);
            }
        }
        return (!example.sft_targets.is_empty()).then_some(example);
    }
    // Empty responses are never the best.
    let best = best(responses)?;
    match method {
        Method::Sft(_) => {}
        Method::Rjs(_) => {
            let i = fitter.add(&mut example, best)?;
            example.sft_targets.push(i);
        }
        Method::Rrhf(_) => {
            let best = add_ordered(&mut example, responses, best, fitter, |_| 1.0)?;
            example.sft_targets.push(best);
        }
        Method::Dpo(dpo) if dpo.pairs == Which::All => {
            let best = add_ordered(&mut example, responses, best, fitter, |n| 1.0 / n as f32);
            if example.preferences.is_empty() {
                return None;
            }
            if dpo.loss.sft_weight > 0.0 {
                example.sft_targets.push(best?);
            }
        }
        Method::Dpo(dpo) => {
            let worst = responses
                .iter()
                .min_by(|a, b| reward(a).total_cmp(&reward(b)))?;
            if reward(worst) >= reward(best) {
                return None;
            }
            let better = fitter.add(&mut example, best)?;
            let worse = fitter.add(&mut example, worst)?;
            example.preferences.push(preference(better, worse, 1.0));
            if dpo.loss.sft_weight > 0.0 {
                example.sft_targets.push(better);
            }
        }
    }
    Some(example)
}

/// Returns the reward of a row of a scored table.
fn reward(response: &TokenizedResponse) -> f32 {
    response.reward.expect("the table's rewards are checked")
}

/// Returns the response with the highest reward that is not empty; the first of
/// equals.
fn best(responses: &[TokenizedResponse]) -> Option<&TokenizedResponse> {
    let mut best: Option<&TokenizedResponse> = None;
    for response in responses
        .iter()
        .filter(|response| response.role != ResponseRole::Rejected)
    {
        if best.is_none_or(|best| reward(response) > reward(best)) {
            best = Some(response);
        }
    }
    best
}

fn preference(better: u32, worse: u32, weight: f32) -> Preference {
    Preference {
        better,
        worse,
        term: Term::Preference,
        weight,
    }
}

/// Adds all responses, and every pair with different rewards, each with a
/// weight that depends on the number of pairs; an empty response is never the
/// better one. Returns the best response's number.
fn add_ordered(
    example: &mut Example,
    responses: &[TokenizedResponse],
    best: &TokenizedResponse,
    fitter: &mut Fitter,
    weight: impl Fn(usize) -> f32,
) -> Option<u32> {
    let numbers: Vec<Option<u32>> = responses
        .iter()
        .map(|response| fitter.add(example, response))
        .collect();
    let mut pairs = Vec::new();
    for (better, first) in responses.iter().zip(&numbers) {
        for (worse, second) in responses.iter().zip(&numbers) {
            if let (Some(first), Some(second)) = (first, second)
                && reward(better) > reward(worse)
                && better.role != ResponseRole::Rejected
            {
                pairs.push((*first, *second));
            }
        }
    }
    let weight = weight(pairs.len());
    example.preferences.extend(
        pairs
            .into_iter()
            .map(|(better, worse)| preference(better, worse, weight)),
    );
    let at = responses
        .iter()
        .position(|response| std::ptr::eq(response, best))?;
    numbers[at]
}

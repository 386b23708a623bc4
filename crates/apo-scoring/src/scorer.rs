//! Rewards or log-probs of a stream of responses, computed as prompt trees.

use std::path::Path;

use anyhow::Result;
use apo_decoder::{Head, InferenceModel, Model, PromptTree, Start, TreeBatch};
use apo_dialogue::{DialogueTokenizer, Fitted, Truncation};
use apo_model_stage::models::{self, Longest};
use apo_model_stage::rows::with_row;
use apo_model_stage::{precision, start_device};
use apo_stage::{ReportArgs, bad_input, note, signals, value_name, warn};
use apo_tables::Response;

use crate::args::ScorerArgs;
use crate::reading::{Reading, fit_dialogue, until_read};

/// A response's value: its reward, or its log-prob in nats.
#[derive(Clone, Copy, Debug)]
pub struct ScorerOutput {
    /// The value.
    pub value: f32,
    /// Tokens of the response, after it was fitted to the limit.
    pub tokens: u32,
}

/// A response to compute the value of.
#[derive(Clone, Copy, Debug)]
pub struct ScorerInput<'a> {
    /// The table that contains it.
    pub table: &'a Path,
    pub query_id: &'a str,
    pub prompt: &'a str,
    pub response: &'a str,
    /// Whether an end-of-text token follows it.
    pub complete: bool,
}

impl<'a> ScorerInput<'a> {
    /// Takes a row of a table of responses.
    pub fn of(table: &'a Path, row: &'a Response) -> Self {
        Self {
            table,
            query_id: &row.query_id,
            prompt: &row.prompt,
            response: &row.response,
            complete: row.finish.is_complete(),
        }
    }
}

/// A model that takes responses one by one and computes their values: rewards
/// with a reward model, log-probs with a policy.
///
/// Consecutive responses to the same prompt share it. Once `micro_tokens` tokens
/// are waiting, all waiting responses are computed. Values come in the order of
/// the responses, several at a time.
#[derive(Debug)]
pub struct Scorer {
    model: InferenceModel,
    head: Head,
    tokenizer: DialogueTokenizer,
    truncation: Truncation,
    micro_tokens: usize,
    reading: Reading,
    /// The last prompt's text and tokens.
    last: (String, Vec<u32>),
    trees: Vec<PromptTree>,
    n_tokens: usize,
}

impl Scorer {
    /// Loads a model from its directory, to work in the working folder of an output if
    /// there is one.
    ///
    /// # Errors
    ///
    /// When the directory cannot be loaded, or lacks the head.
    pub fn load(
        args: &ScorerArgs,
        dir: &Path,
        head: Head,
        tokenizer: DialogueTokenizer,
        working: Option<&Path>,
        report: ReportArgs,
    ) -> Result<Self> {
        let reading = Reading::of(args, head, &tokenizer)?;
        if let Reading::Dialogue { read_at, .. } = reading {
            let read_at = value_name(&read_at);
            note(
                &report,
                &format!(
                    "others trained {}: it reads whole dialogues as its chat template renders \
                     them (--read-at {read_at})",
                    dir.display()
                ),
            );
        }
        let device = start_device(&args.compute, working)?;
        let compute = precision::resolve(&args.compute, &args.model.dir, &device, &report)?;
        Ok(Self {
            model: Model::load(dir, head, Start::Saved, &device, compute)?.for_inference(),
            head,
            truncation: tokenizer.truncation(args.limit.tokens as usize),
            tokenizer,
            micro_tokens: args.micro_tokens.tokens as usize,
            reading,
            last: Default::default(),
            trees: Vec::new(),
            n_tokens: 0,
        })
    }

    /// Adds a response. Returns the values of all waiting responses once they are
    /// computed, and nothing before that.
    ///
    /// # Errors
    ///
    /// When the model lacks a token, a value is not finite, or a signal stopped the
    /// work.
    pub fn add(&mut self, input: &ScorerInput<'_>) -> Result<Vec<ScorerOutput>> {
        let fitted = self.fit(input)?;
        self.n_tokens += fitted.response.len();
        match self.trees.last_mut() {
            Some(tree) if tree.prompt == fitted.prompt => tree.responses.push(fitted.response),
            _ => {
                self.n_tokens += fitted.prompt.len();
                self.trees.push(PromptTree {
                    prompt: fitted.prompt,
                    responses: vec![fitted.response],
                });
            }
        }
        if self.n_tokens < self.micro_tokens {
            return Ok(Vec::new());
        }
        self.flush()
    }

    /// Fits a response to the limit and counts what is cut. A response that was
    /// scored before a stop needs no more than this.
    ///
    /// # Errors
    ///
    /// When its text cannot be made into tokens.
    pub fn fit(&mut self, input: &ScorerInput<'_>) -> Result<Fitted> {
        let (tokenizer, limit) = (&self.tokenizer, self.truncation.limit);
        let is_new = self.last.1.is_empty() || self.last.0 != input.prompt;
        if let Reading::Dialogue { read_at, pad } = self.reading {
            if is_new {
                // Only to share it: a template may render nothing but whole dialogues.
                let ids = tokenizer.encode_prompt(input.prompt, limit);
                self.last = (input.prompt.to_owned(), ids.unwrap_or_default());
            }
            let prompt = &self.last.1;
            let ids = tokenizer.encode_dialogue(input.prompt, input.response, limit);
            let ids = with_row(input.table, input.query_id, ids)?;
            let ids = until_read(ids, prompt, read_at, pad, tokenizer.stop_ids());
            let ids = ids.ok_or_else(|| {
                bad_input(format!(
                    "{}, query {}: the chat template renders the response without a token to read \
                     its reward at; choose another --read-at",
                    input.table.display(),
                    input.query_id
                ))
            })?;
            return Ok(fit_dialogue(&ids, prompt, &mut self.truncation));
        }
        if is_new {
            let ids = tokenizer.encode_prompt(input.prompt, limit);
            let ids = with_row(input.table, input.query_id, ids)?;
            self.last = (input.prompt.to_owned(), ids);
        }
        let ids = tokenizer.encode_response(&self.last.1, input.response, limit);
        let ids = with_row(input.table, input.query_id, ids)?;
        // A reward is read at a token. An empty response has only the end of text.
        let complete = input.complete || ids.is_empty();
        Ok(self.truncation.fit(&self.last.1, &ids, complete))
    }

    /// Computes and returns the values of all waiting responses.
    ///
    /// # Errors
    ///
    /// As [`Self::add`].
    pub fn flush(&mut self) -> Result<Vec<ScorerOutput>> {
        signals::check()?;
        if self.trees.is_empty() {
            return Ok(Vec::new());
        }
        let batch = TreeBatch::new(&self.trees);
        let values = match self.head {
            Head::Reward => self.model.rewards(&batch)?,
            Head::LanguageModel => {
                let sums = self.model.log_probs(&batch)?;
                sums.into_iter().map(|it| it as f32).collect()
            }
        };
        let lengths = batch.response_lengths();
        self.trees.clear();
        self.n_tokens = 0;
        let found = values.into_iter().zip(lengths);
        Ok(found
            .map(|(value, tokens)| ScorerOutput {
                value,
                tokens: tokens as u32,
            })
            .collect())
    }

    /// Warns if something did not fit the limit.
    pub fn warn_of_cuts(&self, report: ReportArgs) {
        let Truncation { limit, counts, .. } = &self.truncation;
        if report.quiet || (counts.prompts_cut == 0 && counts.responses_cut == 0) {
            return;
        }
        warn(&format!(
            "of {} responses, {} had their prompt cut to fit {limit} tokens, and {} were cut themselves",
            counts.responses, counts.prompts_cut, counts.responses_cut
        ));
    }
}

/// Opens the tokenizer of a model that has this head.
///
/// # Errors
///
/// As [`models::open_tokenizer`].
pub fn tokenizer(args: &ScorerArgs, head: Head) -> Result<DialogueTokenizer> {
    let longest = Longest::limit(args.limit.tokens);
    models::open_tokenizer(
        &args.model.dir,
        args.model.template,
        head,
        Start::Saved,
        longest,
    )
}

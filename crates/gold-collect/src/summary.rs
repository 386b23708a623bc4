//! The summary of a table of golden answers: tallies, warnings and the text for people.

use std::collections::BTreeMap;

use apo_endpoint::{Causes, Counts, FailureKind, Usage};
use apo_endpoint_stage::{Asked, TokenCost};
use apo_golden::{Collected, Doubt, Lack, Origin};
use apo_stage::report;
use apo_tables::Finish;
use serde::Serialize;

use crate::answers::Answers;

/// Why queries have no answer from the model.
#[derive(Debug, Default, Serialize)]
pub struct Lacks {
    /// Queries whose request failed.
    pub failed: u64,
    /// Of these, queries whose prompt is longer than the server's context.
    pub too_long: u64,
    /// Queries whose reply is empty, or only a thought.
    pub empty: u64,
    /// Of these, queries whose reply the token limit ended.
    pub empty_cut: u64,
    /// Queries whose reply cannot be read.
    pub unreadable: u64,
    /// The causes of failures.
    #[serde(skip)]
    causes: Causes,
    /// What is wrong with replies that cannot be read.
    #[serde(skip)]
    problems: Causes,
}

impl Lacks {
    fn add(&mut self, lack: &Lack) {
        match lack {
            Lack::Failed(failure) => {
                self.failed += 1;
                self.too_long += u64::from(failure.kind() == FailureKind::TooLong);
                self.causes.add_failure(failure);
            }
            Lack::Empty { is_cut } => {
                self.empty += 1;
                self.empty_cut += u64::from(*is_cut);
            }
            Lack::Unreadable(problem) => {
                self.unreadable += 1;
                self.problems.add(problem);
            }
        }
    }

    /// Returns what happened and what can be done about it, a phrase for each kind.
    fn phrases(&self) -> Vec<String> {
        let mut phrases = Vec::new();
        if let Some((count, cause)) = self.causes.commonest() {
            let advice = if self.too_long == self.failed {
                "use a server with a longer context"
            } else {
                "remove the output and run again to ask for them again"
            };
            phrases.push(format!(
                "{} requests failed, {count} of them with: {cause}; {advice}",
                self.failed
            ));
        }
        if self.empty > 0 {
            let cut = match self.empty_cut {
                0 => String::new(),
                n => format!(
                    ", {n} of them cut by the token limit, perhaps while the model was still \
                     thinking (raise --max-tokens)"
                ),
            };
            phrases.push(format!(
                "{} replies are empty{cut}; remove the output and run with --ask-again empty to \
                 ask for them again",
                self.empty
            ));
        }
        if let Some((_, problem)) = self.problems.commonest() {
            phrases.push(format!(
                "{} replies cannot be read ({problem}); the journal keeps them; remove the output \
                 and run with --ask-again unreadable to ask for them again",
                self.unreadable
            ));
        }
        phrases
    }
}

/// Golden answers that may be incomplete, or may contain a thought.
#[derive(Debug, Default, Serialize)]
pub struct Doubts {
    /// Replies that do not say why they ended.
    pub unsaid: u64,
    /// Replies that ended for a reason that is not known here.
    pub unknown: u64,
    /// Answers that contain a mark of a thought, which was kept.
    pub thought: u64,
    /// These reasons.
    #[serde(skip)]
    reasons: Causes,
}

impl Doubts {
    fn add(&mut self, doubt: &Doubt) {
        match doubt {
            Doubt::Unsaid => self.unsaid += 1,
            Doubt::Unknown(reason) => {
                self.unknown += 1;
                self.reasons.add(reason);
            }
        }
    }

    fn phrases(&self) -> Vec<String> {
        let mut phrases = Vec::new();
        if self.unsaid > 0 {
            phrases.push(format!(
                "{} replies do not say why they ended (no finish_reason); they are taken as complete",
                self.unsaid
            ));
        }
        if self.thought > 0 {
            phrases.push(format!(
                "{} golden answers may contain a thought, a mark of one such as `<think>`, or a special \
                 token; they are kept unchanged: read them before you train on them",
                self.thought
            ));
        }
        if let Some((count, reason)) = self.reasons.commonest() {
            phrases.push(format!(
                "{} replies ended for a reason that is not known here, {count} of them with \
                 finish_reason `{reason}`; they are taken as complete",
                self.unknown
            ));
        }
        phrases
    }
}

/// What the queries' outcomes are, counted.
#[derive(Debug, Serialize)]
pub struct Tally {
    /// Queries with a golden answer: the rows.
    pub rows: u64,
    /// Queries without one.
    pub left_out: u64,
    /// Rows of each origin.
    pub origins: BTreeMap<&'static str, u64>,
    /// Why queries have no answer from the model, if one was asked.
    pub lacks: Lacks,
    /// Rows whose reply the token limit ended.
    pub cut: u64,
    /// Rows from whose answer a thought was removed.
    pub thoughts_removed: u64,
    /// Rows whose answer comes from a file or table, without the special tokens that
    /// were around it.
    pub tokens_removed: u64,
    /// Rows whose reply may be incomplete or contain a thought.
    pub doubts: Doubts,
    /// The tokens of all replies, from this run or earlier.
    #[serde(skip)]
    usage: Usage,
}

impl Tally {
    /// Counts nothing yet; every origin has its zero.
    pub fn new() -> Self {
        Self {
            rows: 0,
            left_out: 0,
            origins: Origin::ALL.iter().map(|it| (it.as_str(), 0)).collect(),
            lacks: Lacks::default(),
            cut: 0,
            thoughts_removed: 0,
            tokens_removed: 0,
            doubts: Doubts::default(),
            usage: Usage::default(),
        }
    }

    /// Counts a query's outcome.
    pub fn add(&mut self, found: &Collected) {
        self.usage.prompt_tokens += found.usage.prompt_tokens;
        self.usage.completion_tokens += found.usage.completion_tokens;
        if let Some(lack) = &found.lack {
            self.lacks.add(lack);
        }
        if let Some(doubt) = &found.doubt {
            self.doubts.add(doubt);
        }
        self.doubts.thought += u64::from(found.may_hold_thought);
        self.thoughts_removed += u64::from(found.thought_removed);
        self.tokens_removed += u64::from(found.tokens_removed);
        let Some(golden) = &found.golden else {
            self.left_out += 1;
            return;
        };
        self.rows += 1;
        self.cut += u64::from(golden.finish == Finish::Length);
        *self.origins.entry(golden.origin.as_str()).or_default() += 1;
    }
}

/// The result, for people and as JSON.
#[derive(Debug, Serialize)]
pub struct Summary {
    #[serde(flatten)]
    tally: Tally,
    /// Answers in files to queries that are not in the table.
    unknown_answers: u64,
    /// Answers in files to queries that already had one.
    further_answers: u64,
    /// What this run asked.
    asked: Asked,
    /// The tokens of all replies that the table is made of, from this run or earlier.
    tokens: TokenCost,
}

impl Summary {
    /// Summarises a table; `prices` are those of a million request tokens and a million
    /// reply tokens.
    pub fn new(
        tally: Tally,
        answers: &Answers,
        counts: Counts,
        prices: Option<(f64, f64)>,
    ) -> Self {
        Self {
            unknown_answers: answers.n_unknown,
            further_answers: answers.n_further,
            asked: Asked::new(counts, prices),
            tokens: TokenCost::new(tally.usage, prices),
            tally,
        }
    }

    /// Warns of results that a user would not expect.
    pub fn warn(&self, uses_model: bool) {
        let stood_in = self.tally.origins[Origin::HhChosen.as_str()];
        if uses_model && stood_in > 0 {
            report::warn(&format!(
                "{stood_in} of {} golden answers are the better HH response",
                self.tally.rows
            ));
        }
        let phrases = self.tally.lacks.phrases().into_iter();
        for phrase in phrases.chain(self.tally.doubts.phrases()) {
            report::warn(&phrase);
        }
        let refused = self.tally.origins[Origin::RefusalText.as_str()];
        if 2 * refused > self.tally.rows {
            report::warn(&format!(
                "{refused} of {} golden answers are refusal texts: the endpoint's content policy \
                 refused most queries; the journal has its codes and messages",
                self.tally.rows
            ));
        }
        if self.tally.tokens_removed > 0 {
            report::warn(&format!(
                "{} golden answers from files or tables had special tokens around them, such as \
                 `</s>`; they were removed",
                self.tally.tokens_removed
            ));
        }
        if self.tally.left_out > 0 {
            report::warn(&format!(
                "{} queries have no golden answer and no row",
                self.tally.left_out
            ));
        }
        if self.tally.cut > 0 {
            report::warn(&format!(
                "{} replies were cut by the token limit; their `finish` is `length`",
                self.tally.cut
            ));
        }
        if self.asked.without_usage > 0 {
            report::warn(&format!(
                "{} replies came without token counts; tokens and cost do not include them",
                self.asked.without_usage
            ));
        }
    }

    /// Returns the result for people.
    pub fn text(&self, uses_model: bool) -> String {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let mut rows = vec![row("golden answers", self.tally.rows.to_string())];
        for origin in Origin::ALL {
            let n = self.tally.origins[origin.as_str()];
            rows.push(row(&format!("  {origin}"), n.to_string()));
        }
        rows.push(row("queries left out", self.tally.left_out.to_string()));
        for (name, n) in [
            ("thoughts removed", self.tally.thoughts_removed),
            ("thought tags kept", self.tally.doubts.thought),
            ("special tokens removed", self.tally.tokens_removed),
        ] {
            if n > 0 {
                rows.push(row(name, n.to_string()));
            }
        }
        if uses_model {
            rows.push(row("requests failed", self.tally.lacks.failed.to_string()));
            rows.push(row("empty replies", self.tally.lacks.empty.to_string()));
            rows.push(row(
                "unreadable replies",
                self.tally.lacks.unreadable.to_string(),
            ));
        }
        if self.unknown_answers + self.further_answers > 0 {
            rows.push(row(
                "answers to other queries",
                self.unknown_answers.to_string(),
            ));
            rows.push(row("further answers", self.further_answers.to_string()));
        }
        if !uses_model {
            return report::format_table(&rows);
        }
        let asked = &self.asked;
        let requests = format!("{} ({} attempts)", asked.requests, asked.attempts);
        let failed = format!("{} of {}", asked.failed, asked.requests);
        rows.push(row("requests now", requests));
        rows.push(row("  failed", failed));
        for (name, tokens) in [
            ("tokens now", &asked.tokens),
            ("tokens in all", &self.tokens),
        ] {
            let TokenCost {
                prompt_tokens,
                completion_tokens,
                cost,
            } = tokens;
            rows.push(row(
                name,
                format!("{prompt_tokens} in, {completion_tokens} out"),
            ));
            if let Some(cost) = cost {
                rows.push(row("  cost", format!("{cost:.4}")));
            }
        }
        report::format_table(&rows)
    }
}

//! Counts of the queries' outcomes.

use std::collections::BTreeMap;

use apo_endpoint::{Causes, FailureKind, Usage};
use apo_golden::{Collected, Doubt, Lack, Origin};
use apo_tables::Finish;
use serde::Serialize;

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
    pub fn phrases(&self) -> Vec<String> {
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
    /// The reasons that are not known here.
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

    /// Returns what is doubtful, a phrase for each kind.
    pub fn phrases(&self) -> Vec<String> {
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
                "{} replies ended for an unknown reason, {count} of them with \
                 finish_reason `{reason}`; they are taken as complete",
                self.unknown
            ));
        }
        phrases
    }
}

/// Counts of the queries' outcomes.
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
    pub usage: Usage,
}

impl Tally {
    /// Starts all counts at zero, also that of each origin.
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

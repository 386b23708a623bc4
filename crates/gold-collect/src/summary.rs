//! The summary of a table of golden answers: warnings, and the text for people.

use apo_endpoint::Counts;
use apo_endpoint_stage::{Asked, TokenCost};
use apo_golden::Origin;
use apo_stage::{format_table, warn};
use serde::Serialize;

use crate::answers::Answers;
use crate::tally::Tally;

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
    /// Whether a model's replies are used.
    #[serde(skip)]
    uses_model: bool,
}

impl Summary {
    /// Summarises a table; `counts` are what was asked, `None` without a model; `prices`
    /// are those of a million request tokens and a million reply tokens.
    pub fn new(
        tally: Tally,
        answers: &Answers,
        counts: Option<Counts>,
        prices: Option<(f64, f64)>,
    ) -> Self {
        Self {
            unknown_answers: answers.n_unknown,
            further_answers: answers.n_further,
            asked: Asked::new(counts.unwrap_or_default(), prices),
            tokens: TokenCost::new(tally.usage, prices),
            uses_model: counts.is_some(),
            tally,
        }
    }

    /// Warns of results that a user would not expect.
    pub fn warn(&self) {
        let stood_in = self.tally.origins[Origin::HhChosen.as_str()];
        if self.uses_model && stood_in > 0 {
            warn(&format!(
                "{stood_in} of {} golden answers are the better HH response",
                self.tally.rows
            ));
        }
        let phrases = self.tally.lacks.phrases().into_iter();
        for phrase in phrases.chain(self.tally.doubts.phrases()) {
            warn(&phrase);
        }
        let refused = self.tally.origins[Origin::RefusalText.as_str()];
        if 2 * refused > self.tally.rows {
            warn(&format!(
                "{refused} of {} golden answers are refusal texts: the endpoint's content policy \
                 refused most queries; the journal has its codes and messages",
                self.tally.rows
            ));
        }
        if self.tally.tokens_removed > 0 {
            warn(&format!(
                "{} golden answers from files or tables had special tokens around them, such as \
                 `</s>`; they were removed",
                self.tally.tokens_removed
            ));
        }
        if self.tally.left_out > 0 {
            warn(&format!(
                "{} queries have no golden answer and no row",
                self.tally.left_out
            ));
        }
        if self.tally.cut > 0 {
            warn(&format!(
                "{} replies were cut by the token limit; their `finish` is `length`",
                self.tally.cut
            ));
        }
        if self.asked.without_usage > 0 {
            warn(&format!(
                "{} replies came without token counts; tokens and cost do not include them",
                self.asked.without_usage
            ));
        }
    }

    /// Returns the result for people.
    pub fn text(&self) -> String {
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
        if self.uses_model {
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
        if !self.uses_model {
            return format_table(&rows);
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
        format_table(&rows)
    }
}

//! The table of golden answers, and the summary of it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use apo_endpoint::{Causes, Counts, Endpoint, TOO_LONG, Usage};
use apo_endpoint_stage::{Asked, TokenCost, classify};
use apo_golden::{Collected, Collector, Doubt, Golden, Lack, Origin};
use apo_stage::{bad_input, report};
use apo_tables::{Finish, Provenance, Query, Reader, Response, Writer};
use apo_thought::is_doubtful;
use serde::Serialize;

use crate::answers::{Answers, Filed};
use crate::better::Better;

/// The table inside the working folder.
pub const TABLE: &str = "golden.parquet";

/// The sources of golden answers.
#[derive(Debug)]
pub struct Sources<'a> {
    pub answers: &'a Answers,
    pub model: Option<(&'a Collector, &'a Endpoint)>,
    pub better: Option<&'a Better>,
}

impl Sources<'_> {
    /// Returns a query's golden answer, from a file, or else a model, or else the HH
    /// data; and the tokens that it took.
    fn golden(&self, query: &Query) -> Result<Collected> {
        if let Some(filed) = self.answers.to(query) {
            return Ok(of_filed(filed, Collected::default()));
        }
        let mut found = Collected::default();
        if let Some((collector, endpoint)) = self.model {
            let recorded = |request: &_| endpoint.recorded(request);
            found = collector
                .collect(&query.query_id, &query.prompt, recorded)
                .map_err(classify)?;
        }
        if found.golden.is_none()
            && let Some(filed) = self.better.and_then(|better| better.to(query))
        {
            return Ok(of_filed(filed, found));
        }
        Ok(found)
    }
}

/// Returns an outcome with the golden answer of a file or table.
fn of_filed(filed: &Filed, found: Collected) -> Collected {
    Collected {
        golden: Some(filed.golden.clone()),
        thought_removed: filed.thought_removed,
        may_hold_thought: is_doubtful(&filed.golden.response),
        tokens_removed: filed.tokens_removed,
        ..found
    }
}

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
            Lack::Failed(message) => {
                self.failed += 1;
                self.too_long += u64::from(message.contains(TOO_LONG));
                self.causes.add(message);
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
                "{} golden answers may contain a thought, or a mark of one such as `<think>`, or end \
                 with a special token; they are kept unchanged: read them before you train on them",
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

/// The result, for people and as JSON.
#[derive(Debug, Serialize)]
pub struct Summary {
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
    /// Answers in files to queries that are not in the table.
    pub unknown_answers: u64,
    /// Answers in files to queries that already had one.
    pub further_answers: u64,
    /// What this run asked.
    pub asked: Asked,
    /// The tokens of all replies that the table is made of, from this run or earlier.
    pub tokens: TokenCost,
}

/// Writes the golden answers in the order of the queries.
///
/// # Errors
///
/// When a table cannot be read or written, or no query has a golden answer.
pub fn table(
    queries: &Path,
    sources: &Sources<'_>,
    prices: Option<(f64, f64)>,
    dir: &Path,
    provenance: &Provenance,
) -> Result<Summary> {
    let path = dir.join(TABLE);
    let mut writer = Writer::<Response>::create(&path, provenance)?;
    let mut origins: BTreeMap<_, u64> = Origin::ALL.iter().map(|it| (it.as_str(), 0)).collect();
    let (mut rows, mut left_out, mut cut) = (0, 0, 0);
    let (mut thoughts_removed, mut tokens_removed) = (0, 0);
    let (mut lacks, mut doubts) = (Lacks::default(), Doubts::default());
    let mut usage = Usage::default();
    for query in Reader::<Query>::open(queries)? {
        let query = query?;
        let found = sources.golden(&query)?;
        usage.prompt_tokens += found.usage.prompt_tokens;
        usage.completion_tokens += found.usage.completion_tokens;
        if let Some(lack) = &found.lack {
            lacks.add(lack);
        }
        if let Some(doubt) = &found.doubt {
            doubts.add(doubt);
        }
        doubts.thought += u64::from(found.may_hold_thought);
        thoughts_removed += u64::from(found.thought_removed);
        tokens_removed += u64::from(found.tokens_removed);
        let Some(golden) = found.golden else {
            left_out += 1;
            continue;
        };
        rows += 1;
        cut += u64::from(golden.finish == Finish::Length);
        *origins.entry(golden.origin.as_str()).or_default() += 1;
        writer.write(&row(query, golden))?;
    }
    writer.finish()?;
    if rows == 0 {
        return Err(bad_input(
            "no query has a golden answer: no reply came, and `--pairs` has none of the queries",
        ));
    }
    let counts = sources
        .model
        .map_or(Counts::default(), |(_, endpoint)| endpoint.counts());
    Ok(Summary {
        rows,
        left_out,
        origins,
        lacks,
        cut,
        thoughts_removed,
        tokens_removed,
        doubts,
        unknown_answers: sources.answers.n_unknown,
        further_answers: sources.answers.n_further,
        asked: Asked::new(counts, prices),
        tokens: TokenCost::new(usage, prices),
    })
}

fn row(query: Query, golden: Golden) -> Response {
    Response {
        finish: golden.finish,
        ..Response::new(query, golden.response, golden.origin.as_str())
    }
}

impl Summary {
    /// Warns of results that a user would not expect.
    pub fn warn(&self, uses_model: bool) {
        let stood_in = self.origins[Origin::HhChosen.as_str()];
        if uses_model && stood_in > 0 {
            report::warn(&format!(
                "{stood_in} of {} golden answers are the better HH response",
                self.rows
            ));
        }
        let phrases = self.lacks.phrases().into_iter();
        for phrase in phrases.chain(self.doubts.phrases()) {
            report::warn(&phrase);
        }
        let refused = self.origins[Origin::RefusalText.as_str()];
        if 2 * refused > self.rows {
            report::warn(&format!(
                "{refused} of {} golden answers are refusal texts: the endpoint's content policy \
                 refused most queries; the journal has its codes and messages",
                self.rows
            ));
        }
        if self.tokens_removed > 0 {
            report::warn(&format!(
                "{} golden answers from files or tables had special tokens around them, such as \
                 `</s>`; they were removed",
                self.tokens_removed
            ));
        }
        if self.left_out > 0 {
            report::warn(&format!(
                "{} queries have no golden answer and no row",
                self.left_out
            ));
        }
        if self.cut > 0 {
            report::warn(&format!(
                "{} replies were cut by the token limit; their `finish` is `length`",
                self.cut
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
        let mut rows = vec![row("golden answers", self.rows.to_string())];
        for origin in Origin::ALL {
            let n = self.origins[origin.as_str()];
            rows.push(row(&format!("  {origin}"), n.to_string()));
        }
        rows.push(row("queries left out", self.left_out.to_string()));
        for (name, n) in [
            ("thoughts removed", self.thoughts_removed),
            ("thought tags kept", self.doubts.thought),
            ("special tokens removed", self.tokens_removed),
        ] {
            if n > 0 {
                rows.push(row(name, n.to_string()));
            }
        }
        if uses_model {
            rows.push(row("requests failed", self.lacks.failed.to_string()));
            rows.push(row("empty replies", self.lacks.empty.to_string()));
            rows.push(row("unreadable replies", self.lacks.unreadable.to_string()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_that_of_a_million_tokens() {
        let usage = Usage {
            prompt_tokens: 2_000_000,
            completion_tokens: 500_000,
        };
        assert_eq!(TokenCost::new(usage, None).cost, None);
        let cost = TokenCost::new(usage, Some((30.0, 60.0))).cost.unwrap();
        assert!((cost - 90.0).abs() < 1e-9, "{cost}");
    }
}

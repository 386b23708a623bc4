//! Replies that hold no verdict, and requests that got no reply.

use anyhow::{Result, bail};
use apo_endpoint::{Causes, excerpt};
use apo_measures::Verdict;
use apo_stage::warn;

/// What a reply contains in place of a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
    /// Its last line.
    Line(String),
    /// Nothing, or only reasoning; `is_cut` if the token limit ended it.
    Nothing { is_cut: bool },
    /// It cannot be read, or the content policy refused the request.
    Other(String),
}

/// The outcome of one order.
pub struct Order {
    pub verdict: Verdict,
    /// Set if the verdict is [`Verdict::Invalid`].
    pub instead: Option<Instead>,
}

/// Replies without a verdict.
#[derive(Debug, Default)]
pub struct Unread {
    n_orders: u64,
    n_invalid: u64,
    n_nothing: u64,
    n_cut: u64,
    /// The first that says something else, with its query.
    example: Option<(String, String)>,
    /// Why requests got no reply.
    pub failures: Causes,
}

impl Unread {
    pub fn add(&mut self, query_id: &str, found: &Order) {
        self.n_orders += 1;
        let Some(instead) = &found.instead else {
            return;
        };
        self.n_invalid += 1;
        let said = match instead {
            Instead::Line(said) | Instead::Other(said) => said,
            Instead::Nothing { is_cut } => {
                self.n_nothing += 1;
                self.n_cut += u64::from(*is_cut);
                return;
            }
        };
        let example = || (query_id.to_owned(), excerpt(said.as_bytes()));
        self.example.get_or_insert_with(example);
    }

    /// Says how many replies have no verdict, shows one, and suggests a remedy.
    fn text(&self) -> String {
        let mut text = format!(
            "{} of {} replies hold no verdict, even after a second request",
            self.n_invalid, self.n_orders
        );
        if let Some((query_id, said)) = &self.example {
            text += &format!(
                "; the last line for query {query_id} is `{said}`, expected one like `[[model_A]] is \
                 better`"
            );
        }
        if self.n_nothing > 0 {
            text += &format!("; {} of them are empty", self.n_nothing);
        }
        if self.n_cut > 0 {
            text += &format!(
                ", {} of those cut by the token limit, perhaps while the judge was still thinking \
                 (raise --max-tokens)",
                self.n_cut
            );
        }
        text
    }

    /// Fails if no reply has a verdict.
    pub fn check(&self) -> Result<()> {
        if self.n_invalid < self.n_orders || self.n_orders == 0 {
            return Ok(());
        }
        bail!(
            "{}; no table is written; try another --model (the journal keeps the replies)",
            self.text()
        )
    }

    pub fn warn(&self) {
        if self.n_invalid > 0 {
            warn(&self.text());
        }
        if let Some((count, cause)) = self.failures.commonest() {
            warn(&format!(
                "{} requests failed, {count} of them with: {cause}; their comparisons have no row; \
                 remove the output and run again to ask for them again",
                self.failures.n()
            ));
        }
    }
}

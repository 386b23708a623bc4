//! The run and its results in a few sentences.

use apo_measures::Mean;
use maud::{Markup, html};

use super::cells::{accuracy, compared, counted, rate};
use crate::report::measurements::Verdicts;
use crate::report::policies::Policy;
use crate::report::run::Run;

/// Whether a difference is more than two of its standard errors.
fn is_clear(it: Mean) -> bool {
    it.standard_error
        .is_some_and(|error| it.mean.abs() > 2.0 * error)
}

/// Says what was run and what the results are.
pub fn summary(run: &Run) -> Markup {
    let data = |name: &str| run.data.iter().find(|it| it.name == name);
    let queries = data("HH_Test").map(|it| it.queries);
    let last = run.policies.iter().map(|it| it.round).max().unwrap_or(0);
    let has_leads = run.policies.iter().any(|it| it.lead.is_some());
    html! {
        p {
            "Adversarial Preference Optimization: "
            (match last { 0 => "no round yet".to_owned(), 1 => "one round".to_owned(), n => format!("{n} rounds") })
            ", " (counted(run.policies.len(), "policy", "policies"))
            " and " (counted(run.reward_models.len(), "reward model", "reward models"))
            @if let (Some(train), Some(test)) = (data("HH_Train"), queries) {
                ", " (train.rows) " training pairs, " (test) " test queries"
            }
            @if !run.versions.is_empty() { "; version " (run.versions.join(", ")) }
            "."
        }
        ul {
            @for policy in run.policies.iter().filter(|it| it.lead.is_some() || !has_leads) {
                @if let Some(said) = said_of(policy, run) { li { (said) } }
            }
            @for why in run.policies.iter().flat_map(|it| &it.not_compared) { li { (why) "." } }
            @if let Some(said) = said_of_models(run) { li { (said) } }
            @for it in &run.verdicts { (said_of_verdicts(it)) }
        }
    }
}

/// Says how far a policy is above its start and above its baseline, if it has one.
fn said_of(policy: &Policy, run: &Run) -> Option<String> {
    let (gain, start) = (policy.gain?, run.start(policy)?);
    let mut starts = run.policies.iter().filter(|it| it.is_start());
    let is_only = starts.all(|it| it.name == start.name);
    let named = if is_only {
        "the start"
    } else {
        start.name.as_str()
    };
    let mut said = format!(
        "{}: RM_Test score {:.3}, {} {named}",
        policy.name,
        policy.measures.score?.mean,
        above(gain.raw)
    );
    if let Some(lead) = policy.lead {
        let baseline = policy.baseline.as_deref().unwrap_or_default();
        said += &format!(", {} {baseline}", above(lead.raw));
    }
    let qualities = [policy, start].map(|it| it.measures.true_quality);
    if let [Some(own), Some(other)] = qualities {
        said += &format!(
            "; true quality {:.3}, {named}'s {:.3}",
            own.mean, other.mean
        );
    }
    Some(said + ".")
}

fn above(difference: Mean) -> String {
    let error = difference.standard_error.unwrap_or(0.0);
    let (size, way) = (
        difference.mean.abs(),
        if difference.mean < 0.0 {
            "below"
        } else {
            "above"
        },
    );
    if is_clear(difference) {
        format!("{size:.3} ± {error:.3} {way}")
    } else {
        format!(
            "no clear difference ({:+.3} ± {error:.3}) from",
            difference.mean
        )
    }
}

fn said_of_models(run: &Run) -> Option<String> {
    let agrees = |name: &str| Some(accuracy(run.reward_model(name)?.test.as_ref()));
    Some(format!(
        "RM_APO-v1 agrees with human preferences on {} of the test pairs, RM_Base on {}.",
        agrees("RM_APO-v1")?,
        agrees("RM_Base")?
    ))
}

/// Says who won; if there are several judges, by all of them together.
fn said_of_verdicts(it: &Verdicts) -> Markup {
    let found = &it.found;
    let said = match (&found.pooled, &found.judges[..]) {
        (Some(all), judges) => Some((
            rate(Some(all.rate), all.interval),
            format!("{} judges together, {} queries", judges.len(), all.queries),
        )),
        (None, [judge]) if judge.all.rate.is_some() => Some((
            rate(judge.all.rate, judge.all.interval),
            format!("{}, {} queries", judge.judge, compared(judge)),
        )),
        _ => None,
    };
    html! {
        @if let Some((rate, who)) = said {
            li { (it.name) ": win rate " (rate) " before " (who) "." }
        }
    }
}

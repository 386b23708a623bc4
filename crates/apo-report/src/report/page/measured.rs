//! The sections of the page that show measurements.

use anyhow::Result;
use apo_measures::CeilingSummary;
use apo_plots::Svg;
use maud::{Markup, html};

use super::cells::{accuracy, accuracy_bar, compared, counted, rate, signed};
use super::figures::{figure, plots_of};
use crate::cells::{like_length, number, percent, with_error};
use crate::paper;
use crate::report::measurements::{OnPairs, RewardModel, Verdicts};
use crate::report::plots;
use crate::report::policies::Policy;
use crate::report::run::Run;

/// Table 2 and Figure 5.
pub fn policies(run: &Run) -> Result<Markup> {
    let any = |of: fn(&Policy) -> bool| run.policies.iter().any(of);
    let (all, truth) = (
        any(|it| it.measures.score_all.is_some()),
        any(|it| it.measures.true_quality.is_some()),
    );
    let has_leads = any(|it| it.lead.is_some());
    let by_score = plots::over_rounds(run, "mean RM_Test score", |it| it.score)?;
    let by_truth = plots::over_rounds(run, "mean true quality", |it| it.true_quality)?;
    Ok(html! {
        div.wide { table {
            caption {
                "Table 2. Scores are rewards of the answers to the test queries; differences are taken query by query, "
                "± standard errors. At like length: what a linear regression leaves of a difference for answers of equally many characters, "
                "with a 95 % interval by bootstrap over queries. Rewards of different reward models cannot be compared; against the paper, only the order can."
            }
            tr {
                th { "policy" } th { "RM_Test score" }
                @if all { th { "RM_All score" } }
                th { "above the start" } th { "at like length" }
                @if has_leads { th { "above the baseline" } th { "at like length" } }
                @if truth { th { "true quality" } }
                th { "KL per token" } th { "tokens" } th { "ended" } th { "repeats" } th { "r(length)" }
                th.paper { "paper, Alpaca" } th.paper { "paper, Alpaca 2" }
                @if all { th.paper { "paper, Alpaca, RM_All" } th.paper { "paper, Alpaca 2, RM_All" } }
            }
            @for it in &run.policies {
                @let paper = paper::policy(&it.name);
                tr {
                    td { (it.name) } td { (with_error(it.measures.score)) }
                    @if all { td { (with_error(it.measures.score_all)) } }
                    td { (signed(it.gain.map(|it| it.raw))) } td { (like_length(it.gain)) }
                    @if has_leads { td { (signed(it.lead.map(|it| it.raw))) } td { (like_length(it.lead)) } }
                    @if truth { td { (with_error(it.measures.true_quality)) } }
                    td { (number(it.measures.kl, 3)) } td { (number(it.measures.tokens, 1)) } td { (percent(it.measures.ended)) } td { (percent(it.measures.repeats)) }
                    td { (number(it.measures.length_correlation, 2)) }
                    td.paper { (number(paper.map(|it| it.alpaca[0]), 3)) }
                    td.paper { (number(paper.map(|it| it.alpaca_2[0]), 3)) }
                    @if all {
                        td.paper { (number(paper.map(|it| it.alpaca[1]), 3)) }
                        td.paper { (number(paper.map(|it| it.alpaca_2[1]), 3)) }
                    }
                }
            }
        } }
        p.quiet {
            "KL: log π − log π_start of the answers in nats per token, an estimate for comparing policies. The answers were sampled at a temperature below 1, so it may be negative. "
            "Ended: responses that ended on their own. Repeats: 3-grams that occurred before in the same response. "
            "r(length): the correlation of rewards with the answers' characters."
        }
        div.plots {
            @if let Some(svg) = by_score { (figure(&svg, "Rewards of the answers to the test queries")) }
            @if let Some(svg) = by_truth { (figure(&svg, "The same answers by true quality, which is known only in a generated world")) }
        }
    })
}

/// Tables 3 and 4.
pub fn reward_models(run: &Run) -> Markup {
    if run.reward_models.is_empty() {
        return html! {};
    }
    let cell = |it: Option<&OnPairs>, ceiling: Option<&CeilingSummary>| {
        html! {
            td { (accuracy_bar(it, ceiling)) } td { (accuracy(it)) } td { (number(it.map(|it| it.ece), 3)) }
        }
    };
    let row = |it: &RewardModel| {
        let paper = paper::reward_model(&it.name);
        let theirs = |it: Option<(f64, f64)>| {
            html! {
                td.paper { (number(it.map(|it| it.0), 2)) } td.paper { (number(it.map(|it| it.1), 3)) }
            }
        };
        html! {
            tr {
                td { (it.name) } (cell(it.test.as_ref(), run.ceilings.test.as_ref())) (cell(it.dev.as_ref(), run.ceilings.dev.as_ref()))
                (theirs(paper.map(|it| it.test))) (theirs(paper.map(|it| it.dev)))
            }
        }
    };
    html! {
        div.wide { table {
            caption { "Tables 3 and 4. Accuracy: share of human-labelled pairs ranked correctly, ± standard error; ECE: expected calibration error." }
            tr {
                th { "reward model" } th { "" } th { "Test" } th { "ECE" } th { "" } th { "Dev" } th { "ECE" }
                th.paper { "paper, Test" } th.paper { "ECE" } th.paper { "Dev" } th.paper { "ECE" }
            }
            @for it in &run.reward_models { (row(it)) }
            @if !run.ceilings.is_empty() {
                tr.quiet {
                    td { "ceiling" }
                    @for it in [&run.ceilings.test, &run.ceilings.dev] {
                        td {} td { (percent(it.as_ref().map(|it| it.ceiling))) } td {}
                    }
                    td.paper colspan="4" {}
                }
            }
        } }
        p.quiet {
            "Bars run from 0 to 100 %; the thin mark is chance. "
            @if let Some(it) = run.ceilings.test.as_ref().or(run.ceilings.dev.as_ref()) {
                "The thick mark is the ceiling: people err, and no reward model can be expected to agree with them more often ("
                (it.source) ")."
            }
        }
    }
}

/// Figures 3 and 4, and their numbers.
pub fn verdicts(run: &Run) -> Result<Markup> {
    let (people, machine): (Vec<&Verdicts>, Vec<&Verdicts>) =
        run.verdicts.iter().partition(|it| it.people);
    let bars = |title: &str, all: &[&Verdicts]| -> Result<Markup> {
        let svg = plots::verdicts(title, all)?;
        let caption = "Shares of all verdicts; the first policy's wins are on the left";
        Ok(html! { @if let Some(svg) = svg { (figure(&svg, caption)) } })
    };
    let rows = || {
        let rows = run.verdicts.iter();
        rows.flat_map(|it| it.found.judges.iter().map(move |judge| (it, judge)))
    };
    Ok(html! {
        @if run.verdicts.is_empty() {
            p.quiet { "Nobody has judged yet: run " code { "make compare" } ", or " code { "judge human" } "." }
        } @else {
            (bars("Before a language model (Figure 3)", &machine)?)
            (bars("Before people (Figure 4)", &people)?)
            div.wide { table {
                caption {
                    "Win rates with 95 % intervals over queries. A tie, or a verdict that follows the position, counts as half a win; "
                    "invalid and failed ones do not count. Of similar length: the lengths differ by at most a fifth."
                }
                tr {
                    th { "" } th { "judge" } th { "win rate" } th { "of similar length" } th { "length-controlled" }
                    th { "queries" } th { "invalid" } th { "failed" } th { "mean characters" }
                }
                @for (it, judge) in rows() {
                    tr {
                        td { (it.name) } td { (judge.judge) }
                        td { (rate(judge.all.rate, judge.all.interval)) }
                        td { (rate(judge.alike.rate, judge.alike.interval)) }
                        td { (percent(judge.length_controlled.map(|it| it.rate))) }
                        td { (compared(judge)) } td { (judge.all.invalid) } td { (judge.failed) }
                        td { (format!("{:.0}, {:.0}", it.found.characters[0], it.found.characters[1])) }
                    }
                }
            } }
            @for it in run.verdicts.iter().filter(|it| it.found.judges.len() > 1) {
                p {
                    (it.name) ": "
                    @if let Some(all) = &it.found.pooled {
                        "all judges together " (rate(Some(all.rate), all.interval)) " on " (counted(all.queries, "query", "queries")) "; "
                    }
                    @if let Some(kappa) = it.found.agreement {
                        "κ of the judges " (number(Some(kappa), 3))
                    } @else {
                        "no κ: too few queries have several verdicts, or all are the same"
                    }
                    ", on " (counted(it.found.agreement_queries, "query", "queries")) "."
                }
            }
        }
    })
}

/// How the rewards of the policies' answers are distributed.
pub fn rewards(run: &Run) -> Result<Markup> {
    let scored = run
        .policies
        .iter()
        .filter(|it| !it.answers.of_query.is_empty());
    let pairs = scored.filter_map(|it| {
        let start = run
            .start(it)
            .filter(|start| !start.answers.of_query.is_empty())?;
        let is_comparable = it.answers.is_comparable(&start.answers);
        is_comparable.then_some((it, start))
    });
    let all = pairs
        .map(|(it, start)| plots::rewards(it, start))
        .collect::<Result<Vec<Svg>>>()?;
    Ok(html! {
        (plots_of(&all, "Distribution of RM_Test's rewards of the test answers, each policy beside its start"))
    })
}

/// How well the reward models are calibrated.
pub fn calibration(run: &Run) -> Result<Markup> {
    let mut all = Vec::new();
    for it in run
        .reward_models
        .iter()
        .filter(|it| it.test.is_some() || it.dev.is_some())
    {
        all.push(plots::reliability(
            &it.name,
            it.test.as_ref(),
            it.dev.as_ref(),
        )?);
    }
    Ok(html! {
        (plots_of(&all, "Both orders of every pair, by the probability that the model states. On the thin line it is right as often as it says; a flatter line is overconfident, a steeper one underconfident."))
    })
}

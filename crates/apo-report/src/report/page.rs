//! The report as one page that needs no network.

use anyhow::Result;
use apo_measures::{Estimate, JudgeSummary, Mean};
use apo_plots::Svg;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::paper;
use super::plots;
use super::policies::Policy;
use super::run::{OnPairs, RewardModel, Run, Verdicts};

/// What each page's beginning contains.
pub const MARKS: [&str; 2] = ["<!DOCTYPE html><html", "<title>APO run "];

const STYLE: &str = include_str!("style.css");

/// Characters of a digest that are shown.
const SHORT: usize = 12;

/// A part of the page: anchor, name and content.
type Section = (&'static str, &'static str, Markup);

/// Returns the page.
///
/// # Errors
///
/// When a plot cannot be drawn.
pub fn page(run: &Run) -> Result<String> {
    let title = format!("APO run {}", run.name);
    let sections: Vec<Section> = [
        ("policies", "Policies", policies(run)?),
        ("reward-models", "Reward models", reward_models(run)),
        ("verdicts", "Verdicts", verdicts(run)?),
        ("rewards", "Rewards", rewards(run)?),
        ("calibration", "Calibration", calibration(run)?),
        ("trainings", "Trainings", trainings(run)?),
        ("dialogues", "Dialogues", dialogues(run)),
        ("data", "Data", data(run)),
        ("lineage", "Lineage", lineage(run)),
        ("settings", "Settings and times", settings(run)),
    ]
    .into_iter()
    // Leave out what the run does not have.
    .filter(|it| !it.2.0.is_empty())
    .collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (outcome(run))
                nav {
                    @for (anchor, name, _) in &sections {
                        a href={ "#" (anchor) } { (name) }
                    }
                }
                @for (anchor, name, shown) in &sections {
                    h2 id=(anchor) { (name) }
                    (shown)
                }
            }
        }
    };
    Ok(page.into_string())
}

fn figure(svg: &Svg, caption: &str) -> Markup {
    html! {
        figure {
            (PreEscaped(svg.inside()))
            figcaption { (caption) }
        }
    }
}

/// Plots beside each other, with one caption for all.
fn plots_of(all: &[Svg], caption: &str) -> Markup {
    html! {
        @if !all.is_empty() {
            figure {
                div.plots { @for svg in all { div { (PreEscaped(svg.inside())) } } }
                figcaption { (caption) }
            }
        }
    }
}

fn with_error(it: Option<Estimate>) -> String {
    it.map_or(String::new(), |it| match it.standard_error {
        Some(error) => format!("{:.3} ± {error:.3}", it.mean),
        None => format!("{:.3}", it.mean),
    })
}

/// Writes a difference with its sign.
fn signed(it: Option<Mean>) -> String {
    it.map_or(String::new(), |it| match it.standard_error {
        Some(error) => format!("{:+.3} ± {error:.3}", it.mean),
        None => format!("{:+.3}", it.mean),
    })
}

fn percent(it: Option<f64>) -> String {
    it.map_or(String::new(), |it| format!("{:.1} %", 100.0 * it))
}

fn number(it: Option<f64>, digits: usize) -> String {
    it.map_or(String::new(), |it| format!("{it:.digits$}"))
}

/// Whether a difference is more than two of its standard errors.
fn is_clear(it: Mean) -> bool {
    it.standard_error
        .is_some_and(|error| it.mean.abs() > 2.0 * error)
}

/// Sums up what was run and what came out.
fn outcome(run: &Run) -> Markup {
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
            @if let Some(said) = said_of_models(run) { li { (said) } }
            @for it in &run.verdicts { (said_of_verdicts(it)) }
        }
    }
}

fn counted(n: usize, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

/// Says how far a policy is above the start and, with APO, above its baseline.
fn said_of(policy: &Policy, run: &Run) -> Option<String> {
    let gain = policy.gain?;
    let mut said = format!(
        "{}: RM_Test score {:.3}, {} the start",
        policy.name,
        policy.measures.score?.mean,
        above(gain)
    );
    if let Some(lead) = policy.lead {
        let baseline = policy.baseline().unwrap_or_default();
        said += &format!(", {} {baseline}", above(lead));
    }
    let start = run.start().and_then(|it| it.measures.true_quality);
    if let (Some(quality), Some(start)) = (policy.measures.true_quality, start) {
        said += &format!(
            "; true quality {:.3}, the start's {:.3}",
            quality.mean, start.mean
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
        "RM_APO-v1 agrees with people on {} of the test pairs, RM_Base on {}.",
        agrees("RM_APO-v1")?,
        agrees("RM_Base")?
    ))
}

/// Writes a share of pairs with its standard error.
fn accuracy(it: Option<&OnPairs>) -> String {
    it.map_or(String::new(), |it| {
        format!(
            "{:.1} ± {:.1} %",
            100.0 * it.accuracy,
            100.0 * it.standard_error
        )
    })
}

/// Writes a win rate with its interval.
fn rate(rate: Option<f64>, interval: Option<[f64; 2]>) -> String {
    match (rate, interval) {
        (Some(rate), Some([low, high])) => {
            format!(
                "{:.1} % ({:.1} to {:.1})",
                100.0 * rate,
                100.0 * low,
                100.0 * high
            )
        }
        (rate, _) => percent(rate),
    }
}

/// Says who won, by all judges together if there are several.
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

/// Returns the number of queries behind a judge's rate.
fn compared(judge: &JudgeSummary) -> usize {
    let it = &judge.all;
    it.wins + it.losses + it.ties + it.inconsistent
}

fn policies(run: &Run) -> Result<Markup> {
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
                "± standard errors. Rewards of different reward models do not compare: set beside the paper's, only the order does."
            }
            tr {
                th { "policy" } th { "RM_Test score" }
                @if all { th { "RM_All score" } }
                th { "above the start" }
                @if has_leads { th { "above the baseline" } }
                @if truth { th { "true quality" } }
                th { "KL a token" } th { "tokens" } th { "ended" } th { "repeats" }
                th.paper { "paper, Alpaca" } th.paper { "paper, Alpaca 2" }
                @if all { th.paper { "paper, Alpaca, RM_All" } th.paper { "paper, Alpaca 2, RM_All" } }
            }
            @for it in &run.policies {
                @let paper = paper::policy(&it.name);
                tr {
                    td { (it.name) } td { (with_error(it.measures.score)) }
                    @if all { td { (with_error(it.measures.score_all)) } }
                    td { (signed(it.gain)) }
                    @if has_leads { td { (signed(it.lead)) } }
                    @if truth { td { (with_error(it.measures.true_quality)) } }
                    td { (number(it.measures.kl, 3)) } td { (number(it.measures.tokens, 1)) } td { (percent(it.measures.ended)) } td { (percent(it.measures.repeats)) }
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
            "KL: log π − log π_start of the answers, nats a token, an estimate for comparing policies: the answers were sampled at a lower temperature than 1, and it may be below 0. "
            "Ended: responses that came to an end by themselves. Repeats: 3-grams that a response said before."
        }
        div.plots {
            @if let Some(svg) = by_score { (figure(&svg, "Rewards of the answers to the test queries")) }
            @if let Some(svg) = by_truth { (figure(&svg, "The same answers by true quality, which a generated world alone knows")) }
        }
    })
}

fn reward_models(run: &Run) -> Markup {
    if run.reward_models.is_empty() {
        return html! {};
    }
    let cell = |it: Option<&OnPairs>| {
        html! {
            td { (accuracy(it)) } td { (number(it.map(|it| it.ece), 3)) }
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
                td { (it.name) } (cell(it.test.as_ref())) (cell(it.dev.as_ref()))
                (theirs(paper.map(|it| it.test))) (theirs(paper.map(|it| it.dev)))
            }
        }
    };
    html! {
        div.wide { table {
            caption { "Tables 3 and 4. Accuracy: share of people's pairs in the right order, ± standard error; ECE: expected calibration error." }
            tr {
                th { "reward model" } th { "Test" } th { "ECE" } th { "Dev" } th { "ECE" }
                th.paper { "paper, Test" } th.paper { "ECE" } th.paper { "Dev" } th.paper { "ECE" }
            }
            @for it in &run.reward_models { (row(it)) }
        } }
    }
}

fn verdicts(run: &Run) -> Result<Markup> {
    let of = |people: bool| -> Vec<&Verdicts> {
        run.verdicts
            .iter()
            .filter(|it| it.people == people)
            .collect()
    };
    let (machine, people) = (of(false), of(true));
    let bars = |title: &str, all: &[&Verdicts]| -> Result<Markup> {
        let svg = plots::verdicts(title, all)?;
        let caption = "Of all that came to a verdict, the first policy's wins on the left";
        Ok(html! { @if let Some(svg) = svg { (figure(&svg, caption)) } })
    };
    let rows = || {
        let rows = run.verdicts.iter();
        rows.flat_map(|it| it.found.judges.iter().map(move |judge| (it, judge)))
    };
    Ok(html! {
        @if run.verdicts.is_empty() {
            p.quiet { "Nobody judged yet: " code { "make compare" } ", or " code { "judge human" } "." }
        } @else {
            (bars("Before a language model (Figure 3)", &machine)?)
            (bars("Before people (Figure 4)", &people)?)
            div.wide { table {
                caption {
                    "Win rates with their 95 % intervals over queries; ties, and verdicts that follow the position, are half a win; "
                    "invalid ones, and those that failed, are in no rate. Of like length: responses that differ by no more than a fifth."
                }
                tr {
                    th { "" } th { "judge" } th { "win rate" } th { "of like length" } th { "length-controlled" }
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

fn rewards(run: &Run) -> Result<Markup> {
    let Some(start) = run.start().filter(|it| !it.rewards.is_empty()) else {
        return Ok(html! {});
    };
    let scored = run.policies.iter();
    let scored = scored.filter(|it| !it.is_start() && !it.rewards.is_empty());
    let all = scored
        .map(|it| plots::rewards(it, start))
        .collect::<Result<Vec<Svg>>>()?;
    Ok(html! {
        (plots_of(&all, "How RM_Test's rewards of the test answers are spread, each policy's beside the start's"))
    })
}

fn calibration(run: &Run) -> Result<Markup> {
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
        (plots_of(&all, "Both orders of every pair, by the probability that the model gives them. On the thin line it is right as often as it says; flatter is too sure, steeper not sure enough."))
    })
}

fn trainings(run: &Run) -> Result<Markup> {
    let mut all = Vec::new();
    for it in &run.trainings {
        all.push((it, plots::curves(it)?));
    }
    Ok(html! {
        @if !all.is_empty() {
            p.quiet { "Rewards of a policy's training are β times the log-ratio to the reference. A chosen response that becomes less likely is no fault by itself; both falling without end is. Steps whose number was not finite are gaps." }
        }
        @for (it, curves) in &all {
            details open[all.len() <= 6] {
                summary { code { (it.at) } " · " (it.stage) " · " (it.steps) " steps · " (it.tokens) " tokens" }
                div.plots { @for svg in curves { div { (PreEscaped(svg.inside())) } } }
            }
        }
    })
}

fn dialogues(run: &Run) -> Markup {
    html! {
        @if !run.dialogues.is_empty() {
            p.quiet { "The first test queries by the hashes that are their ids, not chosen; each answer with its RM_Test reward." }
        }
        @for it in &run.dialogues {
            div.dialogue {
                @for (who, text) in &it.turns {
                    p.who { (who) }
                    p.text { (text) }
                }
                div.answers {
                    @for (policy, text, reward) in &it.answers {
                        div {
                            p.who { (policy) " · reward " (format!("{reward:.2}")) }
                            p.text { (text) }
                        }
                    }
                }
            }
        }
    }
}

fn data(run: &Run) -> Markup {
    if run.data.is_empty() {
        return html! {};
    }
    html! {
        div.wide { table {
            caption { "Table 1, in rows; HH_LLM in queries." }
            tr { th { "" } th { "rows" } th { "queries" } th.paper { "paper's rows" } }
            @for it in &run.data {
                tr {
                    td { (it.name) } td { (it.rows) } td { (it.queries) }
                    td.paper { (it.paper.map_or(String::new(), |it| it.to_string())) }
                }
            }
        } }
    }
}

fn lineage(run: &Run) -> Markup {
    let anchor = |at: &str| format!("made-{}", at.replace('/', "-"));
    html! {
        p.quiet { "What was made from what, as each table and model says of itself; found by the digests of what lies here." }
        div.wide { table.left.lineage {
            tr { th { "" } th { "made by" } th { "from" } th { "SHA-256" } }
            @for it in &run.made {
                tr id=(anchor(&it.at)) {
                    td { code { (it.at) } @if it.is_model { " (model)" } }
                    td { (it.stage.as_deref().unwrap_or("given")) }
                    td {
                        @for (i, source) in it.from.iter().enumerate() {
                            @if i > 0 { ", " }
                            (source.argument) " "
                            @match &source.at {
                                Some(at) => a href={ "#" (anchor(at)) } { code { (at) } },
                                None => code { (source.name) },
                            }
                            @if let Some(rows) = source.rows { " (" (rows) " rows)" }
                        }
                    }
                    td { code { (it.digest[..SHORT.min(it.digest.len())]) } }
                }
            }
        } }
    }
}

fn settings(run: &Run) -> Markup {
    let duration = |seconds: f64| match seconds {
        it if it < 120.0 => format!("{it:.1} s"),
        it if it < 7200.0 => format!("{:.1} min", it / 60.0),
        it => format!("{:.1} h", it / 3600.0),
    };
    let whole: f64 = run.times.iter().map(|it| it.seconds).sum();
    html! {
        @if run.times.is_empty() {
            p.quiet { "What stages took is not noted in this run (times.jsonl)." }
        } @else {
            div.wide { table {
                caption {
                    "What made what lies here took " (duration(whole)) ". What a killed run took before it went on is not in it. Tokens: learnt from, or written."
                }
                tr { th { "stage" } th { "runs" } th { "time" } th { "memory at most" } th { "tokens" } }
                @for it in &run.times {
                    tr {
                        td { (it.stage) } td { (it.runs) } td { (duration(it.seconds)) } td { (format!("{:.0} MiB", it.peak_mib)) }
                        td { (it.tokens.map_or(String::new(), |it| it.to_string())) }
                    }
                }
            } }
        }
        div.wide { table.left {
            caption { "Settings of the Makefile; each output's own arguments are in its footer." }
            @for (name, value) in &run.settings {
                tr { td { code { (name) } } td { code { (value) } } }
            }
        } }
    }
}

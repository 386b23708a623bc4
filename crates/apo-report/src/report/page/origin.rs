//! The sections of the page that show what was made, from what and how.

use anyhow::Result;
use maud::{Markup, PreEscaped, html};

use crate::report::plots;
use crate::report::run::Run;

/// Characters of a digest that are shown.
const SHORT: usize = 12;

/// The curves of all trainings.
pub fn trainings(run: &Run) -> Result<Markup> {
    let mut all = Vec::new();
    for it in &run.trainings {
        all.push((it, plots::curves(it)?));
    }
    Ok(html! {
        @if !all.is_empty() {
            p.quiet { "In a policy's training, a reward is β times the log-ratio to the reference. It is normal that chosen responses become less likely, but not that both kinds fall without end. A gap is a step whose number was not finite." }
        }
        @for (it, curves) in &all {
            details open[all.len() <= 6] {
                summary { code { (it.at) } " · " (it.stage) " · " (it.steps) " steps · " (it.tokens) " tokens" }
                div.plots { @for svg in curves { div { (PreEscaped(svg.inside())) } } }
            }
        }
    })
}

/// A few queries with answers of the first and the last policy.
pub fn dialogues(run: &Run) -> Markup {
    html! {
        @if !run.dialogues.is_empty() {
            p.quiet { "The test queries with the lowest ids, which are hashes, so they are a random choice. Each answer has its RM_Test reward." }
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

/// Table 1.
pub fn data(run: &Run) -> Markup {
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

/// What was made from what.
pub fn lineage(run: &Run) -> Markup {
    let anchor = |at: &str| format!("made-{}", at.replace('/', "-"));
    html! {
        p.quiet { "What was made from what, according to each table and model itself; inputs are found by their digests." }
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

/// Settings of the Makefile, and the times of stages.
pub fn settings(run: &Run) -> Markup {
    let duration = |seconds: f64| match seconds {
        it if it < 120.0 => format!("{it:.1} s"),
        it if it < 7200.0 => format!("{:.1} min", it / 60.0),
        it => format!("{:.1} h", it / 3600.0),
    };
    let whole: f64 = run.times.iter().map(|it| it.seconds).sum();
    html! {
        @if run.times.is_empty() {
            p.quiet { "This run has no record of times (times.jsonl)." }
        } @else {
            div.wide { table {
                caption {
                    "The stages took " (duration(whole)) ", without runs that were killed. Tokens: trained on, or written."
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

//! The report as one page that needs no network.

mod cells;
mod figures;
mod measured;
mod origin;
mod summary;

use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::measured::{calibration, policies, reward_models, rewards, verdicts};
use self::origin::{data, dialogues, lineage, settings, trainings};
use self::summary::summary;
use super::run::Run;

/// What the beginning of every page contains.
pub const MARKS: [&str; 2] = ["<!DOCTYPE html><html", "<title>APO run "];

const STYLE: &str = include_str!("style.css");

/// A section of the page: anchor, name and content.
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
                (summary(run))
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

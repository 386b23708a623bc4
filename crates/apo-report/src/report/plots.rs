//! The report's plots.

use anyhow::Result;
use apo_measures::Estimate;
use apo_plots::{Line, Lines, Mark, Share, Shares, Svg};
use apo_tables::Metric;

use super::measurements::{OnPairs, Verdicts};
use super::policies::Policy;
use super::run::Run;
use super::trainings::Training;
use crate::figure;
use crate::measures::PolicyMeasures;

/// Bins of the rewards' histograms.
const BINS: usize = 20;

/// Maximum points of a learning curve; longer ones are averaged down to it.
const POINTS: usize = 150;

/// Width and height of plots that are shown side by side.
const SMALL: (u32, u32) = (350, 240);

/// Returns Figure 5: the policies of each method over rounds, by score or by true
/// quality; `None` if there is only the start.
///
/// # Errors
///
/// When a number is not finite.
pub fn over_rounds(
    run: &Run,
    y: &str,
    of: impl Fn(&PolicyMeasures) -> Option<Estimate>,
) -> Result<Option<Svg>> {
    let lines = figure::over_rounds(&run.arms, |name| {
        Ok(run.policy(name).and_then(|it| of(&it.measures)))
    })?;
    if lines.is_empty() {
        return Ok(None);
    }
    let title = format!("Policies over rounds: {y} (Figure 5)");
    let y = format!("{y}, ± standard error");
    let plot = Lines {
        size: (590, 380),
        ..Lines::new(title, "round", y, lines)
    };
    Ok(Some(plot.svg()?))
}

/// Returns verdicts as bars, one per judge; `None` if there are none.
///
/// # Errors
///
/// When it cannot be drawn.
pub fn verdicts(title: &str, all: &[&Verdicts]) -> Result<Option<Svg>> {
    let places = all
        .iter()
        .any(|it| it.found.judges.iter().any(|it| it.all.inconsistent > 0));
    let bars = all.iter().flat_map(|it| {
        let alone = it.found.judges.len() == 1;
        let judged = it.found.judges.iter().filter(|it| it.all.rate.is_some());
        judged.map(move |judge| {
            let found = &judge.all;
            let mut counts = vec![found.wins, found.ties, found.losses];
            if places {
                counts.insert(2, found.inconsistent);
            }
            Share {
                name: if alone {
                    it.name.clone()
                } else {
                    format!("{}, {}", it.name, judge.judge)
                },
                parts: counts.into_iter().map(|n| n as f64).collect(),
            }
        })
    });
    let mut legend = vec![("wins", 2), ("ties", 6), ("losses", 1)];
    if places {
        legend.insert(2, ("follows the position", 4));
    }
    let shares = Shares {
        title: title.to_owned(),
        legend: legend
            .into_iter()
            .map(|it| (it.0.to_owned(), it.1))
            .collect(),
        bars: bars.collect(),
    };
    if shares.bars.is_empty() {
        return Ok(None);
    }
    Ok(Some(shares.svg()?))
}

/// Returns a reliability diagram: how often a reward model is right, against the
/// probability that it states.
///
/// # Errors
///
/// When a number is not finite.
pub fn reliability(name: &str, test: Option<&OnPairs>, dev: Option<&OnPairs>) -> Result<Svg> {
    let line = |name: &str, it: Option<&OnPairs>| {
        let bins = it?.bins.iter();
        let points = bins.filter_map(|bin| Some((bin.expected?, bin.observed?)));
        Some(Line::new(name, points))
    };
    let lines = [line("Test", test), line("Dev", dev)];
    let plot = Lines {
        guide: Some([(0.0, 0.0), (1.0, 1.0)]),
        size: SMALL,
        ..Lines::new(
            name,
            "stated probability",
            "share that came true",
            lines.into_iter().flatten().collect(),
        )
    };
    Ok(plot.svg()?)
}

/// Returns a histogram of the rewards of a policy's answers beside the start's.
///
/// # Errors
///
/// When a reward is not finite.
pub fn rewards(policy: &Policy, start: &Policy) -> Result<Svg> {
    let two = [start, policy];
    let of = |policy: &Policy| -> Vec<f64> {
        let answers = policy.answers.of_query.values();
        answers.map(|it| it.reward).collect()
    };
    let all: Vec<f64> = two.iter().flat_map(|it| of(it)).collect();
    let low = all.iter().copied().fold(f64::INFINITY, f64::min);
    let high = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = ((high - low) / BINS as f64).max(f64::MIN_POSITIVE);
    let lines = two.iter().map(|policy| {
        let mut counts = [0.0; BINS];
        let rewards = of(policy);
        for reward in &rewards {
            counts[(((reward - low) / width) as usize).min(BINS - 1)] += 1.0;
        }
        let n = rewards.len() as f64;
        let ends = |i: usize| [i, i + 1].map(|i| low + i as f64 * width);
        let steps = counts.iter().enumerate();
        let points = steps.flat_map(|(i, it)| ends(i).map(|at| (at, 100.0 * it / n)));
        Line::new(&policy.name, points)
    });
    let plot = Lines {
        mark: Mark::Curve,
        size: SMALL,
        ..Lines::new(
            &policy.name,
            "RM_Test reward",
            "answers, %",
            lines.collect(),
        )
    };
    Ok(plot.svg()?)
}

/// Returns a training's curves: the loss, and the rewards and log-probs of chosen
/// and rejected responses. Steps without a finite number leave a gap.
///
/// # Errors
///
/// When it cannot be drawn.
pub fn curves(training: &Training) -> Result<Vec<Svg>> {
    let curve = |name: &str, of: fn(&Metric) -> Option<f32>| {
        let points = training.metrics.iter();
        let points = points.filter_map(|it| Some((it.step as f64, f64::from(of(it)?))));
        let points = points.filter(|it| it.1.is_finite());
        Line::new(name, thinned(&points.collect::<Vec<_>>()))
    };
    let plots = [
        ("loss", "loss", vec![curve("loss", |it| Some(it.loss))]),
        (
            "rewards",
            "mean reward",
            vec![
                curve("chosen", |it| it.rewards_chosen),
                curve("rejected", |it| it.rewards_rejected),
            ],
        ),
        (
            "log-probs",
            "mean log-prob, nats",
            vec![
                curve("chosen", |it| it.logps_chosen),
                curve("rejected", |it| it.logps_rejected),
            ],
        ),
    ];
    let mut found = Vec::new();
    for (title, y, mut lines) in plots {
        lines.retain(|it| !it.points.is_empty());
        if !lines.is_empty() {
            let plot = Lines {
                mark: Mark::Curve,
                size: SMALL,
                ..Lines::new(title, "step", y, lines)
            };
            found.push(plot.svg()?);
        }
    }
    Ok(found)
}

/// Averages neighbouring points of a curve that has more than can be seen.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let stretch = points.len().div_ceil(POINTS).max(1);
    let means = points.chunks(stretch).map(|chunk| {
        let n = chunk.len() as f64;
        let sum = |of: fn(&(f64, f64)) -> f64| chunk.iter().map(of).sum::<f64>() / n;
        (sum(|it| it.0), sum(|it| it.1))
    });
    means.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_are_thinned_to_means() {
        let points: Vec<(f64, f64)> = (0..1000)
            .map(|i| (f64::from(i), f64::from(i % 2)))
            .collect();
        let found = thinned(&points);
        assert!(found.len() <= POINTS, "{}", found.len());
        assert!(found.iter().all(|it| (it.1 - 0.5).abs() < 0.1), "{found:?}");
        assert_eq!(thinned(&points[..3]), points[..3]);
    }
}

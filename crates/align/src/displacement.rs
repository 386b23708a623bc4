//! Warns of likelihood displacement: the alignment has made the preferred
//! responses less likely. Margins grow all the same, and the policy degenerates
//! unnoticed.

use apo_stage::warn;
use apo_tables::Metric;

/// With a reference: the fraction of the margin that the chosen responses may
/// lose.
const SHARE_OF_MARGIN: f64 = 0.5;

/// Without a reference: the fraction of its initial size by which their
/// log-prob may fall.
const SHARE_OF_LOG_PROB: f64 = 0.1;

/// Warns if the chosen responses' log-probs have fallen below these bounds from
/// the first quarter of the steps to the last, or below the reference's.
pub fn warn_of_displacement(metrics: &[Metric], has_reference: bool) {
    if let Some(warning) = displacement(metrics, has_reference) {
        warn(&format!(
            "{warning}; a lower --learning-rate moves the policy less, and `align dpo \
             --sft-weight` keeps their log-probs up"
        ));
    }
}

fn displacement(metrics: &[Metric], has_reference: bool) -> Option<String> {
    let quarter = metrics.len().div_ceil(4);
    let (first, last) = (&metrics[..quarter], &metrics[metrics.len() - quarter..]);
    if has_reference {
        let chosen = mean(last, |it| it.rewards_chosen)?;
        let margin = mean(last, |it| it.rewards_margins)?;
        return (chosen < -SHARE_OF_MARGIN * margin.abs()).then(|| {
            format!(
                "the chosen responses are less likely than under the reference: a reward of \
                 {chosen:.3} at a margin of {margin:.3} over the last {quarter} steps"
            )
        });
    }
    let before = mean(first, |it| it.logps_chosen)?;
    let after = mean(last, |it| it.logps_chosen)?;
    (after < before - SHARE_OF_LOG_PROB * before.abs()).then(|| {
        format!(
            "the chosen responses have become less likely: a log-prob of {before:.1} over the \
             first {quarter} steps, {after:.1} over the last"
        )
    })
}

fn mean(metrics: &[Metric], of: impl Fn(&Metric) -> Option<f32>) -> Option<f64> {
    let values: Vec<f64> = metrics.iter().filter_map(of).map(f64::from).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(of: impl Fn(usize) -> Metric) -> Vec<Metric> {
        (0..8).map(of).collect()
    }

    #[test]
    fn chosen_responses_that_lose_most_of_the_margin_are_reported() {
        let lost = |chosen: f32| {
            steps(|_| Metric {
                rewards_chosen: Some(chosen),
                rewards_margins: Some(1.0),
                ..Metric::default()
            })
        };
        assert_eq!(displacement(&lost(-0.4), true), None);
        let warning = displacement(&lost(-0.6), true).expect("below half of the margin");
        assert!(warning.contains("-0.600 at a margin of 1.000 over the last 2"));
    }

    #[test]
    fn without_a_reference_the_last_steps_are_compared_with_the_first() {
        let ending = |last: f32| {
            steps(|i| Metric {
                logps_chosen: Some(if i < 6 { -50.0 } else { last }),
                ..Metric::default()
            })
        };
        assert_eq!(displacement(&ending(-54.0), false), None);
        let warning = displacement(&ending(-56.0), false).expect("more than a tenth");
        assert!(
            warning.contains("-50.0 over the first 2 steps, -56.0"),
            "{warning}"
        );
        assert_eq!(displacement(&steps(|_| Metric::default()), false), None);
    }
}

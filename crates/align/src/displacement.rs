//! Warns of likelihood displacement: the alignment has made the preferred
//! responses less likely. Margins grow all the same, and the policy degenerates
//! unnoticed.

use apo_stage::warn;
use apo_tables::Metric;
use apo_training::Objective;

/// With a reference: the fraction of the margin that the chosen responses may
/// lose.
const SHARE_OF_MARGIN: f64 = 0.5;

/// Without a reference: the fraction of its initial size by which their
/// log-prob may fall.
const SHARE_OF_LOG_PROB: f64 = 0.1;

/// Warns if an objective that compares responses has made the chosen ones less likely
/// than these bounds allow: than under the reference if its loss needs one, or else from
/// the first quarter of the steps to the last.
pub fn warn_of_displacement(metrics: &[Metric], objective: &Objective) {
    if let Some(warning) = displacement(metrics, objective) {
        warn(&format!(
            "{warning}; a lower --learning-rate moves the policy less, and `align dpo \
             --sft-weight` keeps their log-probs up"
        ));
    }
}

fn displacement(metrics: &[Metric], objective: &Objective) -> Option<String> {
    let needs_reference = match objective {
        Objective::RewardModel { .. } | Objective::Likelihood => return None,
        Objective::Rrhf { .. } => false,
        Objective::Pairs { loss, .. } => loss.needs_reference(),
    };
    let quarter = metrics.len().div_ceil(4);
    let (first, last) = (&metrics[..quarter], &metrics[metrics.len() - quarter..]);
    if needs_reference {
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
    use apo_objectives::PairLoss;

    const DPO: Objective = Objective::Pairs {
        loss: PairLoss::Dpo { beta: 0.1 },
        sft_weight: 0.0,
    };
    const SLIC: Objective = Objective::Pairs {
        loss: PairLoss::Slic { delta: 1.0 },
        sft_weight: 0.0,
    };
    const RRHF: Objective = Objective::Rrhf {
        lambda: 1.0,
        sum_log_probs: false,
    };

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
        assert_eq!(displacement(&lost(-0.4), &DPO), None);
        let warning = displacement(&lost(-0.6), &DPO).expect("below half of the margin");
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
        for objective in [&SLIC, &RRHF] {
            assert_eq!(displacement(&ending(-54.0), objective), None);
            let warning = displacement(&ending(-56.0), objective).expect("more than a tenth");
            assert!(
                warning.contains("-50.0 over the first 2 steps, -56.0"),
                "{warning}"
            );
            let unknown = steps(|_| Metric::default());
            assert_eq!(displacement(&unknown, objective), None);
        }
        let likelihood = displacement(&ending(-56.0), &Objective::Likelihood);
        assert_eq!(likelihood, None, "nothing is compared");
    }
}

//! The arguments of DPO and related losses.

use std::path::Path;

use apo_objectives::PairLoss;
use apo_provenance::Provenance;
use apo_stage::{not_negative, value_name};
use clap::ValueEnum;

/// The loss of `align dpo`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Objective")]
pub struct LossArgs {
    /// Loss of a pair
    #[arg(long, value_name = "NAME", value_enum, default_value = "dpo")]
    pub loss: Loss,

    /// Strength of the pull towards the reference; for simpo, the scale of the
    /// rewards [default: 0.1; simpo: 2]
    #[arg(long, value_name = "BETA", value_parser = positive)]
    pub beta: Option<f64>,

    /// Fraction of pairs labelled the wrong way round (conservative, robust)
    /// [default: 0.1]
    #[arg(long, value_name = "SHARE", value_parser = below_half)]
    pub label_smoothing: Option<f64>,

    /// Target margin of simpo [default: 1]
    #[arg(long, value_name = "MARGIN", value_parser = not_negative)]
    pub gamma: Option<f64>,

    /// Target margin of slic [default: 1]
    #[arg(long, value_name = "MARGIN", value_parser = not_negative)]
    pub delta: Option<f64>,

    /// Weight of the better responses (kto) [default: 1]
    #[arg(long, value_name = "WEIGHT", value_parser = not_negative)]
    pub desirable_weight: Option<f64>,

    /// Weight of the worse responses (kto) [default: 1]
    #[arg(long, value_name = "WEIGHT", value_parser = not_negative)]
    pub undesirable_weight: Option<f64>,

    /// Weight of an SFT term on each query's best response, a mean over tokens,
    /// that keeps its log-prob from falling
    #[arg(long, value_name = "WEIGHT", default_value = "0", value_parser = not_negative)]
    pub sft_weight: f64,
}

/// A loss on pairs, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Loss {
    /// DPO (Rafailov et al. 2023)
    Dpo,
    /// DPO for pairs of which some are labelled the wrong way round (Mitchell
    /// 2023)
    Conservative,
    /// The same without bias (Chowdhury et al. 2024)
    Robust,
    /// DPO with log-ratios divided by the responses' tokens
    Normalised,
    /// IPO (Azar et al. 2023)
    Ipo,
    /// IPO with log-ratios divided by the responses' tokens, as in TRL
    IpoMean,
    /// A hinge on DPO's margin (Liu et al. 2024)
    Hinge,
    /// The better response is desirable and the worse one is not, each relative
    /// to the KL (Ethayarajh et al. 2024)
    Kto,
    /// Mean log-probs and a margin, no reference (Meng et al. 2024)
    #[value(name = "simpo")]
    SimPo,
    /// SLiC-HF's rank loss, no reference (Zhao et al. 2023)
    Slic,
}

impl LossArgs {
    /// Returns the loss with its parameters.
    pub fn pair_loss(&self) -> PairLoss {
        let beta = self.beta.unwrap_or(0.1);
        let label_smoothing = self.label_smoothing.unwrap_or(0.1);
        match self.loss {
            Loss::Dpo => PairLoss::Dpo { beta },
            Loss::Conservative => PairLoss::Conservative {
                beta,
                label_smoothing,
            },
            Loss::Robust => PairLoss::Robust {
                beta,
                label_smoothing,
            },
            Loss::Normalised => PairLoss::Normalised { beta },
            Loss::Ipo => PairLoss::Ipo { beta },
            Loss::IpoMean => PairLoss::IpoMean { beta },
            Loss::Hinge => PairLoss::Hinge { beta },
            Loss::Kto => PairLoss::Kto {
                beta,
                desirable_weight: self.desirable_weight.unwrap_or(1.0),
                undesirable_weight: self.undesirable_weight.unwrap_or(1.0),
            },
            Loss::SimPo => PairLoss::SimPo {
                beta: self.beta.unwrap_or(2.0),
                gamma: self.gamma.unwrap_or(1.0),
            },
            Loss::Slic => PairLoss::Slic {
                delta: self.delta.unwrap_or(1.0),
            },
        }
    }

    /// Checks that all options belong to the loss, the reference and the table of its
    /// log-probs among them.
    ///
    /// # Errors
    ///
    /// When some do not: all of them in one error.
    pub fn check(
        &self,
        reference: Option<&Path>,
        reference_log_probs: Option<&Path>,
    ) -> Result<(), String> {
        let loss = self.pair_loss();
        let flag = |(name, _): (&str, f64)| format!("--{}", name.replace('_', "-"));
        let mut used: Vec<String> = loss.parameters().into_iter().map(flag).collect();
        if loss.needs_reference() {
            used.push("--reference".into());
            // No table holds the log-probs that a KL needs.
            if !loss.needs_kl() {
                used.push("--reference-log-probs".into());
            }
        }
        let given = [
            ("--beta", self.beta.is_some()),
            ("--label-smoothing", self.label_smoothing.is_some()),
            ("--gamma", self.gamma.is_some()),
            ("--delta", self.delta.is_some()),
            ("--desirable-weight", self.desirable_weight.is_some()),
            ("--undesirable-weight", self.undesirable_weight.is_some()),
            ("--reference", reference.is_some()),
            ("--reference-log-probs", reference_log_probs.is_some()),
        ];
        let given = given.iter().filter(|it| it.1).map(|it| it.0);
        let unused: Vec<&str> = given
            .filter(|it| !used.iter().any(|used| used == it))
            .collect();
        if unused.is_empty() {
            return Ok(());
        }
        let name = value_name(&self.loss);
        let unused = unused.join(" and ");
        Err(format!("--loss {name} does not use {unused}"))
    }

    /// Adds the arguments that the policy depends on.
    pub fn provenance(&self, provenance: Provenance) -> Provenance {
        let provenance = provenance
            .argument("loss", value_name(&self.loss))
            .argument("sft_weight", self.sft_weight);
        let parameters = self.pair_loss().parameters().into_iter();
        parameters.fold(provenance, |provenance, (name, value)| {
            provenance.argument(name, value)
        })
    }
}

fn positive(text: &str) -> Result<f64, &'static str> {
    let number = not_negative(text).ok().filter(|it| *it > 0.0);
    number.ok_or("expected a finite number above 0")
}

fn below_half(text: &str) -> Result<f64, &'static str> {
    let number = not_negative(text).ok().filter(|it| *it < 0.5);
    number.ok_or("expected a number from 0 to less than 0.5")
}

//! The command line of `rm-train`.

use std::path::{Path, PathBuf};

use apo_model_stage::{ComputeArgs, LimitArgs, ModelArgs};
use apo_objectives::Adversarial;
use apo_provenance::short_digest;
use apo_stage::{OutputArgs, ReportArgs, not_negative, value_name};
use apo_training_stage::TrainingArgs;
use clap::{Parser, ValueEnum};

const EXAMPLES: &str = concat!(
    "\
Examples:
  The reward model of round 1:
    rm-train --model base --pairs data/rm-pairs.parquet --golden golden.parquet \\
      --samples round-1/rm-samples.parquet --out round-1/rm

  RM_Base: human preferences alone:
    rm-train --model base --pairs data/rm-pairs.parquet --out rm-base

  The paper's ablations: without human preferences, and RM_Base trained further:
    rm-train --objective gail --model base --golden golden.parquet \\
      --samples round-1/rm-samples.parquet --out rm-gail
    rm-train --objective ab --model rm-base --pairs data/rm-pairs.parquet --out rm-ab

To resume a stopped run, run the same command again.

",
    apo_stage::exit_status!()
);

/// Train a reward model on preferences and golden answers
///
/// Minimises APO eq. 17: golden responses should have higher rewards than the
/// policy's samples, while the model keeps to human preferences. All responses
/// to a query are part of the same step. Without --golden it is plain ranking
/// of the pairs; --objective selects the paper's other objectives. A policy as
/// --model gets a new reward head.
#[derive(Debug, Parser)]
#[command(name = "rm-train", version, after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub tables: TableArgs,

    /// Objective [default: apo with --golden, else rank]
    #[arg(long, value_name = "NAME", value_enum, help_heading = "Objective")]
    pub objective: Option<RewardObjective>,

    /// Weight of human preferences, β₂ of APO eq. 17 (apo, wgan, seq) [default: 10]
    #[arg(
        long,
        value_name = "WEIGHT",
        value_parser = not_negative,
        help_heading = "Objective"
    )]
    pub beta_2: Option<f64>,

    #[command(flatten)]
    pub limit: LimitArgs<512>,

    #[command(flatten)]
    pub training: TrainingArgs,

    #[command(flatten)]
    pub compute: ComputeArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// The reward models of the paper (Tables 3 and 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RewardObjective {
    /// Golden answers above samples, and human preferences (eq. 17)
    Apo,
    /// Human preferences only (eq. 1): the baseline and the test reward
    /// model
    Rank,
    /// Eq. 17 with the plain difference of rewards between golden and samples
    /// (eq. 14)
    Wgan,
    /// Only golden answers above samples (β₂ = 0)
    Gail,
    /// Human preferences only, continuing from --model, the baseline (AB)
    Ab,
    /// Eq. 17, continuing from --model, the previous round's reward model
    Seq,
}

impl RewardObjective {
    /// Whether golden answers are ranked above samples.
    fn uses_golden(self) -> bool {
        matches!(self, Self::Apo | Self::Wgan | Self::Gail | Self::Seq)
    }

    /// Whether the model learns human preferences.
    fn uses_pairs(self) -> bool {
        self != Self::Gail
    }

    /// Whether human preferences have a weight besides golden answers.
    fn uses_beta_2(self) -> bool {
        self.uses_golden() && self.uses_pairs()
    }

    /// Whether training continues from a reward model.
    pub fn continues_rm(self) -> bool {
        matches!(self, Self::Ab | Self::Seq)
    }

    /// Returns the adversarial term.
    pub fn adversarial(self) -> Adversarial {
        if self == Self::Wgan {
            Adversarial::Difference
        } else {
            Adversarial::Ranking
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tables")]
pub struct TableArgs {
    /// People's preferences, a `pairs` table
    #[arg(long, value_name = "PARQUET")]
    pub pairs: Option<PathBuf>,

    /// Share of the queries of --pairs to learn preferences from, drawn by --seed; a
    /// smaller share is part of a larger one. Golden answers and samples are all used
    /// [default: 1]
    #[arg(long, value_name = "SHARE", requires = "pairs", value_parser = share)]
    pub pairs_share: Option<f64>,

    /// Golden answers, a `responses` table
    #[arg(long, value_name = "PARQUET")]
    pub golden: Option<PathBuf>,

    /// The policy's answers to the same queries, a `responses` table
    #[arg(long, value_name = "PARQUET")]
    pub samples: Option<PathBuf>,
}

impl Args {
    /// Checks that the tables and the weight are those that the objective uses.
    ///
    /// # Errors
    ///
    /// When a table is missing, or something is not used; one error names all.
    pub fn check_objective(&self) -> Result<(), String> {
        let objective = self.objective();
        let tables = &self.tables;
        let mut needed = Vec::new();
        let mut unused = Vec::new();
        for (name, table, uses) in [
            ("--pairs", &tables.pairs, objective.uses_pairs()),
            ("--golden", &tables.golden, objective.uses_golden()),
            ("--samples", &tables.samples, objective.uses_golden()),
        ] {
            match table {
                None if uses => needed.push(name),
                Some(_) if !uses => unused.push(name),
                _ => {}
            }
        }
        if self.beta_2.is_some() && !objective.uses_beta_2() {
            unused.push("--beta-2");
        }
        let mut problems = Vec::new();
        if !needed.is_empty() {
            problems.push(format!("needs {}", needed.join(" and ")));
        }
        if !unused.is_empty() {
            problems.push(format!("does not use {}", unused.join(" and ")));
        }
        if problems.is_empty() {
            return Ok(());
        }
        let name = value_name(&objective);
        Err(format!("--objective {name} {}", problems.join("; it ")))
    }

    /// Returns the objective.
    pub fn objective(&self) -> RewardObjective {
        let has_golden = self.tables.golden.is_some() || self.tables.samples.is_some();
        self.objective.unwrap_or(if has_golden {
            RewardObjective::Apo
        } else {
            RewardObjective::Rank
        })
    }

    /// Returns the weight of human preferences: β₂, or 1 for an objective of
    /// preferences alone, or 0 for GAIL.
    pub fn preference_weight(&self) -> f64 {
        match self.objective() {
            RewardObjective::Rank | RewardObjective::Ab => 1.0,
            RewardObjective::Gail => 0.0,
            RewardObjective::Apo | RewardObjective::Wgan | RewardObjective::Seq => {
                self.beta_2.unwrap_or(10.0)
            }
        }
    }

    /// Whether the pairs of a query are learned from.
    pub fn uses_pairs_of(&self, query_id: &str) -> bool {
        let seed = self.training.seed.to_le_bytes();
        let drawn = short_digest(&[b"pairs", &seed, query_id.as_bytes()]);
        let share = self.tables.pairs_share;
        share.is_none_or(|share| drawn as f64 / u64::MAX as f64 <= share)
    }

    /// Returns the files and folders that the model is made of.
    pub fn inputs(&self) -> impl Iterator<Item = &Path> {
        let tables = [
            &self.tables.pairs,
            &self.tables.golden,
            &self.tables.samples,
        ];
        let tables = tables.into_iter().filter_map(Option::as_deref);
        tables.chain([self.model.dir.as_path()])
    }
}

/// Parses a share above 0.
fn share(text: &str) -> Result<f64, &'static str> {
    let share = text.parse().ok();
    let share = share.filter(|it: &f64| *it > 0.0 && *it <= 1.0);
    share.ok_or("expected a share above 0 and up to 1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn a_smaller_share_of_queries_is_part_of_a_larger_one() {
        let used = |options: &str| -> Vec<usize> {
            let line = format!("rm-train --pairs pairs --model model --out out {options}");
            let args = Args::parse_from(line.split_whitespace());
            let queries = 0..4000;
            let is_used = |it: &usize| args.uses_pairs_of(&format!("{it:016x}"));
            queries.filter(is_used).collect()
        };
        let all = used("");
        assert_eq!(all.len(), 4000);
        assert_eq!(used("--pairs-share 1"), all);
        let (half, eighth) = (used("--pairs-share 0.5"), used("--pairs-share 0.125"));
        assert!((1900..2100).contains(&half.len()), "{}", half.len());
        assert!((440..560).contains(&eighth.len()), "{}", eighth.len());
        assert!(eighth.iter().all(|it| half.contains(it)));
        assert_ne!(used("--pairs-share 0.5 --seed 2"), half);
        for share in ["0", "1.1", "-1", "NaN", "half"] {
            let line = "rm-train --pairs pairs --model model --out out --pairs-share";
            let words = line.split_whitespace().chain([share]);
            assert!(Args::try_parse_from(words).is_err(), "{share}");
        }
    }

    #[test]
    fn the_declaration_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn beta_2_is_for_objectives_of_golden_answers_and_preferences() {
        let (pairs, golden) = ("--pairs pairs", "--golden golden --samples samples");
        // The weight of human preferences without --beta-2, and with `--beta-2 3`.
        for (objective, tables, without, with) in [
            ("apo", format!("{pairs} {golden}"), 10.0, Some(3.0)),
            ("wgan", format!("{pairs} {golden}"), 10.0, Some(3.0)),
            ("seq", format!("{pairs} {golden}"), 10.0, Some(3.0)),
            ("rank", pairs.to_owned(), 1.0, None),
            ("ab", pairs.to_owned(), 1.0, None),
            ("gail", golden.to_owned(), 0.0, None),
        ] {
            let weight = |options: &str| {
                let line = format!(
                    "rm-train --objective {objective} {tables} --model model --out out {options}"
                );
                let args = Args::parse_from(line.split_whitespace());
                args.check_objective().map(|()| args.preference_weight())
            };
            assert_eq!(weight(""), Ok(without), "{objective}");
            let refused = || format!("--objective {objective} does not use --beta-2");
            assert_eq!(weight("--beta-2 3"), with.ok_or_else(refused));
        }
    }
}

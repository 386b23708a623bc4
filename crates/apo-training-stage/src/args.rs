//! The arguments of a training.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use apo_decoder::{AdamWSettings, StoredType};
use apo_model_stage::{MicroTokensArgs, TRAINING_MICRO_TOKENS};
use apo_provenance::Provenance;
use apo_stage::{Output, OutputArgs, not_negative, value_name};
use apo_training::{Decay, Settings};
use clap::ValueEnum;
use serde_json::json;

/// Arguments of a training.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Training")]
pub struct TrainingArgs {
    /// Queries in an optimiser step [default: 64 for reward models, 128 for
    /// policies]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch: Option<usize>,

    /// Passes over the queries
    #[arg(long, value_name = "N", default_value = "1", value_parser = positive)]
    pub epochs: usize,

    /// Peak learning rate; small models need a higher one than large models
    /// [default: the paper's at 7B, 1e-6 for reward models, 5e-6 for policies]
    #[arg(long, value_name = "RATE", value_parser = not_negative)]
    pub learning_rate: Option<f64>,

    /// Fraction of steps for warm-up
    #[arg(long, value_name = "SHARE", default_value = "0.03", value_parser = share)]
    pub warmup: f64,

    /// How the learning rate falls after the warm-up
    #[arg(long, value_name = "HOW", value_enum, default_value = "cosine")]
    pub decay: DecayArg,

    /// AdamW's decay of the first moment
    #[arg(long, value_name = "BETA", default_value = "0.9", value_parser = below_one)]
    pub adam_beta_1: f64,

    /// AdamW's decay of the second moment
    #[arg(long, value_name = "BETA", default_value = "0.999", value_parser = below_one)]
    pub adam_beta_2: f64,

    /// Decoupled weight decay (norms have none)
    #[arg(long, value_name = "DECAY", default_value = "0", value_parser = not_negative)]
    pub weight_decay: f64,

    /// Scale the gradient down to this global norm; 0 turns it off
    #[arg(long, value_name = "NORM", default_value = "1", value_parser = not_negative)]
    pub max_grad_norm: f64,

    /// Seed of all random draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Allow tables of the test part, or of different splits
    #[arg(long, help_heading = "Tables")]
    pub allow_test: bool,

    /// The size of a micro-batch.
    #[command(flatten)]
    pub micro_tokens: MicroTokensArgs<TRAINING_MICRO_TOKENS>,

    /// Gradient checkpointing: keep only the layers' inputs and compute layers
    /// again in the backward pass; less memory, a third more time
    #[arg(long = "recompute", visible_alias = "gradient-checkpointing")]
    pub checkpointing: bool,

    /// Minutes between checkpoints
    #[arg(long, value_name = "MINUTES", default_value = "10", value_parser = minutes)]
    pub checkpoint_minutes: Duration,

    /// Folder for the curves as a TensorBoard event file, written during the
    /// training
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub tensorboard: Option<PathBuf>,

    /// Type of the written weights
    #[arg(long, value_name = "TYPE", value_enum, default_value = "f32")]
    pub save_as: StoredTypeArg,
}

/// What `--decay` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DecayArg {
    /// Half a cosine, down to 0
    Cosine,
    /// Linearly, down to 0
    Linear,
    /// Not at all
    Constant,
}

impl From<DecayArg> for Decay {
    fn from(decay: DecayArg) -> Self {
        match decay {
            DecayArg::Cosine => Self::Cosine,
            DecayArg::Linear => Self::Linear,
            DecayArg::Constant => Self::Constant,
        }
    }
}

/// What `--save-as` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoredTypeArg {
    /// 32-bit floats
    F32,
    /// bfloat16
    Bf16,
}

impl From<StoredTypeArg> for StoredType {
    fn from(stored: StoredTypeArg) -> Self {
        match stored {
            StoredTypeArg::F32 => Self::F32,
            StoredTypeArg::Bf16 => Self::Bf16,
        }
    }
}

fn positive(text: &str) -> Result<usize, &'static str> {
    let number = text.parse().ok().filter(|&n: &usize| n > 0);
    number.ok_or("expected a positive integer")
}

fn share(text: &str) -> Result<f64, &'static str> {
    let number = not_negative(text).ok().filter(|it| *it <= 1.0);
    number.ok_or("expected a share from 0 to 1")
}

fn below_one(text: &str) -> Result<f64, &'static str> {
    let number = not_negative(text).ok().filter(|it| *it < 1.0);
    number.ok_or("expected a number in [0, 1)")
}

fn minutes(text: &str) -> Result<Duration, &'static str> {
    let seconds = not_negative(text)? * 60.0;
    Duration::try_from_secs_f64(seconds).map_err(|_| "expected fewer minutes")
}

/// The paper's settings for a kind of model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defaults {
    batch: usize,
    learning_rate: f64,
}

impl Defaults {
    /// A reward model's (APO section 4.1).
    pub const REWARD_MODEL: Self = Self {
        batch: 64,
        learning_rate: 1e-6,
    };
    /// A policy's in the first round (APO section 4.1).
    pub const POLICY: Self = Self {
        batch: 128,
        learning_rate: 5e-6,
    };
}

impl TrainingArgs {
    /// Checks that the curves are not written into the output.
    ///
    /// # Errors
    ///
    /// When they are.
    pub fn keep_apart(&self, output: &OutputArgs) -> Result<()> {
        let folder = self.tensorboard.as_deref();
        folder.map_or(Ok(()), |it| {
            Output::check_outside(output, "--tensorboard", it)
        })
    }

    /// Returns the settings of the training.
    pub fn settings(&self, defaults: Defaults) -> Settings {
        let clip = self.max_grad_norm;
        Settings {
            batch: self.batch.unwrap_or(defaults.batch),
            epochs: self.epochs,
            micro_tokens: self.micro_tokens.tokens as usize,
            learning_rate: self.learning_rate.unwrap_or(defaults.learning_rate),
            warmup: self.warmup,
            decay: self.decay.into(),
            adamw: AdamWSettings {
                beta_1: self.adam_beta_1,
                beta_2: self.adam_beta_2,
                weight_decay: self.weight_decay,
                max_grad_norm: (clip > 0.0).then_some(clip),
                ..AdamWSettings::default()
            },
            seed: self.seed,
            checkpoint_every: self.checkpoint_minutes,
        }
    }

    /// Adds the arguments that the weights depend on to the provenance.
    #[must_use]
    pub fn provenance(&self, provenance: Provenance, defaults: Defaults) -> Provenance {
        let settings = self.settings(defaults);
        provenance
            .argument("batch", settings.batch)
            .argument("epochs", self.epochs)
            .argument("learning_rate", settings.learning_rate)
            .argument("warmup", self.warmup)
            .argument("decay", value_name(&self.decay))
            .argument("adam_betas", json!([self.adam_beta_1, self.adam_beta_2]))
            .argument("weight_decay", self.weight_decay)
            .argument("max_grad_norm", self.max_grad_norm)
            .argument("seed", self.seed)
            .argument("micro_tokens", self.micro_tokens.tokens)
            .argument("save_as", StoredType::from(self.save_as).name())
    }
}

//! `rm-train`: trains a reward model on human preferences and on golden
//! answers against the policy's samples (APO eq. 17).
//!
//! From here to the equation: `apo_training::train` takes the steps, and
//! `apo_objectives::apo_reward_model` is eq. 17.

mod args;
mod examples;
mod inputs;
mod overlap;

use std::process::ExitCode;

use anyhow::Result;
use apo_decoder::{Head, Model};
use apo_model_stage::memory::MiMalloc;
use apo_model_stage::models::{self, Longest};
use apo_model_stage::{precision, start_device};
use apo_stage::{Claim, Output, OutputKind, print_up_to_date};
use apo_training::Objective;
use apo_training_stage::{Defaults, Watch, check_splits, classify, finish, manifest, show_first};

use crate::args::Args;
use crate::inputs::Tables;

// A training or decoding step frees and allocates the same large buffers again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let mut args = apo_stage::parse_args(Args::check_objective);
    apo_training_stage::run("rm-train", || run(&mut args))
}

/// Runs the stage from its tables to a reward model's directory.
///
/// # Errors
///
/// When a table or the model is malformed, when there are no comparisons, when
/// a loss is not finite, or when the output cannot be written.
fn run(args: &mut Args) -> Result<()> {
    let tables = Tables::open(args)?;
    args.model.fetch(&args.report)?;
    let args = &*args;
    let start = inputs::start(args)?;
    let model = &args.model.dir;
    let longest = Longest::limit(args.limit.tokens);
    let tokenizer =
        models::open_tokenizer(model, args.model.template, Head::Reward, start, longest)?;
    let provenance = inputs::provenance(args, &tables, &tokenizer)?;
    check_splits(&provenance, args.inputs(), args.training.allow_test)?;
    let out = &args.output.out;
    args.compute.keep_apart(&args.output)?;
    args.training.keep_apart(&args.output)?;
    let claim = Output::claim(&args.output, &provenance, OutputKind::Model, args.inputs())?;
    let Claim::Work(output) = claim else {
        return print_up_to_date(&args.report, out);
    };
    let device = start_device(&args.compute, Some(output.dir()))?.autodiff();
    let mut compute = precision::resolve(&args.compute, &args.model.dir, &device, &args.report)?;
    compute.checkpointing = args.training.checkpointing;
    let model = Model::load(&args.model.dir, Head::Reward, start, &device, compute)?;
    let (mut store, counts) = examples::gather(args, tables, &tokenizer, output.dir())?;
    show_first(&mut store, &tokenizer, &args.report)?;
    let objective = Objective::RewardModel {
        adversarial: args.objective().adversarial(),
        beta_2: args.preference_weight(),
    };
    let settings = args.training.settings(Defaults::REWARD_MODEL);
    let mut watch = Watch::new(args.report, &args.training)?;
    let dir = output.dir();
    let trained = apo_training::train(
        model, &mut store, None, &objective, &settings, dir, &mut watch,
    )
    .map_err(classify)?;
    let manifest = manifest("reward model", tokenizer.template(), provenance);
    let stored = args.training.save_as.into();
    finish(
        &trained,
        output,
        &args.model.dir,
        stored,
        &manifest,
        &counts,
        &args.report,
    )
}

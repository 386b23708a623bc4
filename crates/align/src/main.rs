//! `align`: trains a policy by supervised fine-tuning, or on its own scored
//! responses (RJS, RRHF, DPO).
//!
//! From here to the equations: `pairs` chooses what a method learns from a query's
//! responses, `apo_training::train` takes the steps, and `apo_objectives` holds
//! eqs. 5 and 6, DPO and related losses.

mod args;
mod displacement;
mod examples;
mod inputs;
mod instructions;
mod loss;
mod mismatch;
mod pairs;
mod reference;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use apo_decoder::{Head, Model, Start};
use apo_model_stage::memory::MiMalloc;
use apo_model_stage::models::{self, Longest};
use apo_model_stage::{precision, start_device};
use apo_provenance::Provenance;
use apo_stage::{Claim, Output, OutputKind, print_up_to_date};
use apo_training::{ExampleStore, Reference};
use apo_training_stage::{
    Defaults, TestPart, Watch, check_splits, classify, finish, manifest, show_first,
};

use crate::args::{Args, Common, Method};
use crate::displacement::warn_of_displacement;
use crate::inputs::Tables;

// A training or decoding step frees and allocates the same large buffers again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let mut args = apo_stage::parse_args(Args::check_loss);
    apo_training_stage::run("align", || run(&mut args.method))
}

/// Runs the stage from its table to a policy's directory.
///
/// # Errors
///
/// When a table or a model is malformed, when there is nothing to learn from,
/// when a loss is not finite, or when the output cannot be written.
fn run(method: &mut Method) -> Result<()> {
    let tables = Tables::open(method)?;
    method.fetch_models()?;
    let method = &*method;
    let common = method.common();
    let head = Head::LanguageModel;
    let longest = Longest::limit(common.limit.tokens);
    let tokenizer = models::open_tokenizer(
        &common.model.dir,
        common.model.template,
        head,
        method.start(),
        longest,
    )?;
    let provenance = inputs::provenance(method, &tables, &tokenizer)?;
    let known = inputs::known_log_probs(method, &provenance, &tokenizer)?;
    check_sources(method, &provenance)?;
    let out = &common.output.out;
    common.compute.keep_apart(&common.output)?;
    common.training.keep_apart(&common.output)?;
    let claim = Output::claim(
        &common.output,
        &provenance,
        OutputKind::Model,
        method.inputs(),
    )?;
    let Claim::Work(output) = claim else {
        return print_up_to_date(&common.report, out);
    };
    let device = start_device(&common.compute, Some(output.dir()))?;
    let mut compute =
        precision::resolve(&common.compute, &common.model.dir, &device, &common.report)?;
    compute.checkpointing = common.training.checkpointing;
    let model = Model::load(&common.model.dir, head, method.start(), &device, compute)?;
    let (mut store, counts) =
        examples::gather(method, tables, known.as_ref(), &tokenizer, output.dir())?;
    show_first(&mut store, &tokenizer, &common.report)?;
    let mut watch = Watch::new(common.report, &common.training)?;
    let named = provenance.inputs.get("reference").cloned();
    let mut manifest = manifest("policy", tokenizer.template(), provenance);
    manifest.reference = named;
    let mut reference = None;
    if let Some(dir) = method.reference() {
        models::check_reference(dir, tokenizer.template(), longest)?;
        if known.is_none() {
            let computed = log_probs(dir, common, &model, &mut store, &output, &mut watch);
            reference = Some(computed?);
        }
    }
    let trained = train(method, common, model, store, reference, &output, &mut watch)?;
    warn_of_displacement(&trained.metrics, &method.objective());
    let stored = common.training.save_as.into();
    finish(
        &trained,
        output,
        &common.model.dir,
        stored,
        &manifest,
        &counts,
        &common.report,
    )
}

/// Refuses to learn from the test part, or from a policy's samples as instructions.
fn check_sources(method: &Method, provenance: &Provenance) -> Result<()> {
    let allow_test = method.common().training.allow_test;
    check_splits(provenance, method.inputs(), allow_test)?;
    let Some(path) = method.instructions() else {
        return Ok(());
    };
    instructions::refuse_samples(path)?;
    if !allow_test {
        let tests = TestPart::near(provenance, method.inputs());
        instructions::check_apart(path, provenance, &tests)?;
    }
    Ok(())
}

/// Computes the log-probs under the reference in `dir`, which may be the model
/// that training starts from.
fn log_probs(
    dir: &Path,
    common: &Common,
    model: &Model,
    store: &mut ExampleStore,
    output: &Output,
    watch: &mut Watch,
) -> Result<Reference> {
    let load = || {
        Model::load(
            dir,
            model.head,
            Start::Saved,
            &model.device(),
            model.compute,
        )
    };
    let other = (dir != common.model.dir).then(load).transpose()?;
    let reference = other.as_ref().unwrap_or(model);
    let micro_tokens = common.training.micro_tokens.tokens as usize;
    Reference::compute(reference, store, output.dir(), micro_tokens, watch).map_err(classify)
}

fn train(
    method: &Method,
    common: &Common,
    mut model: Model,
    mut store: ExampleStore,
    reference: Option<Reference>,
    output: &Output,
    watch: &mut Watch,
) -> Result<apo_training::Trained> {
    model.decoder = {
        let device = model.device().autodiff();
        model.decoder.on(&device)
    };
    let settings = common.training.settings(Defaults::POLICY);
    let objective = method.objective();
    apo_training::train(
        model,
        &mut store,
        reference,
        &objective,
        &settings,
        output.dir(),
        watch,
    )
    .map_err(classify)
}

//! `sample`: draws a policy's responses to queries.
//!
//! Finished responses are appended to a file; when all are finished, they
//! become the table, in the order of the queries.

mod args;
mod finished;
mod generate;
mod queries;
mod summary;

use std::process::ExitCode;

use anyhow::Result;
use apo_dialogue::generation_note;
use apo_llama::{Head, Model, Start};
use apo_model_stage::memory::MiMalloc;
use apo_model_stage::models::{self, Longest};
use apo_model_stage::{precision, start_device};
use apo_stage::{
    Claim, Output, OutputKind, format_table, note, print_result, print_up_to_date, warn,
};
use clap::Parser as _;

use crate::args::Args;
use crate::finished::Finished;
use crate::generate::generate;
use crate::queries::Queries;

/// Name of the table in the working folder.
const TABLE: &str = "responses.parquet";

// A training or decoding step frees and allocates the same large buffers again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let mut args = Args::parse();
    apo_model_stage::run("sample", || run(&mut args))
}

/// Runs the stage from queries to a table of responses.
///
/// # Errors
///
/// When the table or the model is malformed, or when the output cannot be
/// written.
fn run(args: &mut Args) -> Result<()> {
    let queries = Queries::check(args)?;
    args.model.fetch(&args.report)?;
    let args = &*args;
    let model = &args.model.dir;
    let (head, start) = (Head::LanguageModel, Start::Saved);
    let longest = Longest {
        tokens: args.prompt_limit.saturating_add(args.max_new_tokens),
        by: "--prompt-limit and --max-new-tokens make texts of up to",
    };
    let tokenizer = models::open_tokenizer(model, args.model.template, head, start, longest)?;
    if let Some(note) = generation_note(model)? {
        warn(&note);
    }
    let provenance = queries.provenance(args, &tokenizer)?;
    args.compute.keep_apart(&args.output)?;
    let out = &args.output.out;
    let claim = Output::claim(
        &args.output,
        &provenance,
        OutputKind::Table,
        [model.as_path(), &args.queries],
    )?;
    let Claim::Work(output) = claim else {
        return print_up_to_date(&args.report, out);
    };
    let device = start_device(&args.compute, Some(output.dir()))?;
    let compute = precision::resolve(&args.compute, model, &device, &args.report)?;
    let model = Model::load(model, head, start, &device, compute)?.for_inference();
    let mut finished = Finished::open(output.dir())?;
    if finished.len() > 0 {
        let n = finished.len();
        note(
            &args.report,
            &format!("continuing: {n} responses are finished"),
        );
    }
    let summary = generate(args, &tokenizer, &model, &queries, &mut finished)?;
    finished.write_table(
        queries.rows()?,
        args.samples.into(),
        &output.dir().join(TABLE),
        &provenance,
    )?;
    output.publish(TABLE)?;
    print_result(&args.report, &summary, || format_table(&summary.rows()))
}

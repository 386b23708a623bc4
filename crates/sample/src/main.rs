//! `sample`: draws a policy's responses to queries.
//!
//! The model itself draws them (`generate`), or a server that serves it (`server`). What is
//! finished is on the disk; when all responses are, they become the table, in the order of
//! the queries.

mod args;
mod finished;
mod generate;
mod prompts;
mod queries;
mod server;
mod summary;
mod table;
mod texts;

use std::process::ExitCode;

use anyhow::{Error, Result};
use apo_decoder::{Head, ModelError, Start};
use apo_dialogue::{DialogueTokenizer, generation_note};
use apo_model_stage::memory::MiMalloc;
use apo_model_stage::models::{self, Longest};
use apo_stage::{
    Claim, Output, OutputKind, format_table, parse_args, print_result, print_up_to_date, warn,
};

use crate::args::Args;
use crate::queries::Queries;

// A training or decoding step frees and allocates the same large buffers again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let mut args = parse_args(Args::check);
    apo_model_stage::run("sample", || run(&mut args))
}

/// Runs the stage from queries to a table of responses.
///
/// # Errors
///
/// When the table or the model is malformed, when the server cannot be asked, or when the
/// output cannot be written.
fn run(args: &mut Args) -> Result<()> {
    let queries = Queries::check(args)?;
    let name = match args.server.model_revision {
        None => args.model.fetch(&args.report)?,
        Some(_) => args.model.fetch_tokenizer(&args.report)?,
    };
    if let Some(name) = name {
        args.server.model_name.get_or_insert(name);
    }
    let args = &*args;
    let tokenizer = open_tokenizer(args)?;
    let provenance = queries.provenance(args, &tokenizer)?;
    args.compute.keep_apart(&args.output)?;
    let served = args.served();
    if let Some(served) = &served {
        server::check(args, &served.journal)?;
    }
    let inputs = [args.model.dir.as_path(), &args.queries];
    let journal = served.as_ref().map(|it| it.journal.as_path());
    let claim = Output::claim(
        &args.output,
        &provenance,
        OutputKind::Table,
        inputs.into_iter().chain(journal),
    )?;
    let Claim::Work(output) = claim else {
        return print_up_to_date(&args.report, &args.output.out);
    };
    let summary = match served {
        None => generate::generate(args, &tokenizer, &queries, &output, &provenance)?,
        Some(served) => server::sample(args, served, &tokenizer, &queries, &output, &provenance)?,
    };
    output.publish(table::TABLE)?;
    print_result(&args.report, &summary, || format_table(&summary.rows()))
}

/// Opens the tokenizer. The weights may be absent only if a revision stands for them.
fn open_tokenizer(args: &Args) -> Result<DialogueTokenizer> {
    let model = &args.model.dir;
    let start = match args.server.model_revision {
        None => Start::Saved,
        Some(_) => Start::Scratch(0),
    };
    let longest = Longest {
        tokens: args.prompt_limit.saturating_add(args.max_new_tokens),
        by: "--prompt-limit and --max-new-tokens make texts of up to",
    };
    let head = Head::LanguageModel;
    let opened = models::open_tokenizer(model, args.model.template, head, start, longest);
    let tokenizer = opened.map_err(|error| {
        let is_missing = matches!(error.downcast_ref(), Some(ModelError::MissingFile { .. }));
        if is_missing && start == Start::Saved && args.served().is_some() {
            of_served(error)
        } else {
            error
        }
    })?;
    if let Some(note) = generation_note(model)? {
        warn(&note);
    }
    Ok(tokenizer)
}

/// Says what to do where a server has the weights and this machine does not.
fn of_served(error: Error) -> Error {
    error.context(
        "--model is to be the directory that the server loads: its weights tell which version \
         answered. Where they are not at hand, give --model-revision, a text that stands for them",
    )
}

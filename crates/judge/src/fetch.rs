//! `judge fetch`: brings a model from Hugging Face's hub.

use std::path::absolute;

use anyhow::Result;
use apo_llama::ModelDirectory;
use apo_stage::{hub, print_result};
use serde_json::json;

use crate::args::FetchArgs;

/// Brings a model into the cache, and prints its folder. Rules of Make that link to a
/// model's files ask for it.
///
/// # Errors
///
/// As [`hub::model`], and when the folder is not a model directory.
pub fn run(args: &mut FetchArgs) -> Result<()> {
    hub::model(&mut args.model, &args.report)?;
    ModelDirectory::open(&args.model)?;
    let folder = absolute(&args.model)?;
    let value = json!({ "model": folder.to_string_lossy() });
    print_result(&args.report, &value, || folder.display().to_string())
}

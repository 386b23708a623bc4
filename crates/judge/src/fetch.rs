//! `judge fetch`: brings a model or a data set from Hugging Face's hub.

use std::path::{PathBuf, absolute};

use anyhow::Result;
use apo_decoder::ModelDirectory;
use apo_stage::hub::{self, Usual};
use apo_stage::{ReportArgs, bad_input, print_result};
use serde_json::json;

use crate::args::FetchArgs;

/// Brings a model or a data set into the cache, and prints its folder or its files.
/// Rules of Make that look at them ask for it.
///
/// # Errors
///
/// As [`hub::model`] and [`hub::data`], and when there is neither such a path nor such a
/// name, or the folder is not a model directory.
pub fn run(args: &mut FetchArgs) -> Result<()> {
    let report = &args.report;
    if let Some(model) = &mut args.what.model {
        hub::model(model, report)?;
        ModelDirectory::open(model)?;
        let folder = absolute(&model)?.display().to_string();
        return print_result(report, &json!({ "model": folder }), || folder.clone());
    }
    let data = args.what.data.take().unwrap_or_default();
    let files = files(data, *report)?;
    print_result(report, &json!({ "data": files }), || files.join("\n"))
}

/// Returns the files of a data set, or the path that was given instead.
fn files(data: PathBuf, report: ReportArgs) -> Result<Vec<String>> {
    let found = match hub::data(&data, Usual::TRAIN, &report)? {
        Some(data) => data.files,
        None if data.exists() => vec![data],
        None => {
            return Err(bad_input(format!(
                "{}: no such file or folder",
                data.display()
            )));
        }
    };
    let found = found.iter().map(|it| Ok(absolute(it)?));
    let found: Vec<PathBuf> = found.collect::<Result<_>>()?;
    Ok(found.iter().map(|it| it.display().to_string()).collect())
}

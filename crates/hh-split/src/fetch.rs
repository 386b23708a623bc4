//! Data sets and the model that the arguments name on Hugging Face's hub.

use anyhow::Result;
use apo_stage::{ReportArgs, hub};

use crate::args::{Args, Named};
use crate::sources::Part;

/// Brings what the arguments name on the hub. Afterwards they name its files in the
/// cache.
///
/// # Errors
///
/// As [`hub::data`], [`hub::folder`] and [`hub::tokenizer`].
pub fn fetch(args: &mut Args) -> Result<()> {
    let report = &args.report;
    if let Some(model) = &mut args.tools_for {
        hub::tokenizer(model, report)?;
    }
    if let Some(hh) = &mut args.hh {
        let parts = |subset: &String| ["train", "test"].map(|part| format!("{subset}/{part}"));
        let wanted: Vec<String> = args.subset.iter().flat_map(parts).collect();
        hub::folder(hh, &wanted, report)?;
    }
    for (named, part) in [
        (&mut args.train, Part::Train),
        (&mut args.test, Part::Test),
        (&mut args.prompts, Part::Prompts),
    ] {
        *named = files(named, part, *report)?;
    }
    Ok(())
}

/// Replaces each name on the hub by the files of one part.
fn files(named: &[Named], part: Part, report: ReportArgs) -> Result<Vec<Named>> {
    let mut found = Vec::new();
    for named in named {
        match hub::data(&named.path, part.usual(), &report)? {
            None => found.push(named.clone()),
            Some(data) => found.extend(data.files.into_iter().map(|path| Named {
                name: Some(named.name.as_ref().unwrap_or(&data.subset).clone()),
                path,
            })),
        }
    }
    Ok(found)
}

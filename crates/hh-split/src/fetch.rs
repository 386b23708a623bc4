//! Data sets that the arguments name on Hugging Face's hub.

use anyhow::Result;
use apo_stage::{ReportArgs, hub};

use crate::args::{Args, Named};
use crate::sources::{ENDINGS, Part};

/// Brings what the arguments name on the hub. Afterwards they name its files in the
/// cache.
///
/// # Errors
///
/// As [`hub::data`] and [`hub::folder`].
pub fn fetch(args: &mut Args) -> Result<()> {
    let report = &args.report;
    if let Some(hh) = &mut args.hh {
        let subsets = &args.subset;
        let is_wanted = |file: &str| {
            let within = |subset: &String| file.strip_prefix(subset.as_str())?.strip_prefix('/');
            subsets.iter().filter_map(within).any(is_part)
        };
        hub::folder(hh, &is_wanted, report)?;
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

/// Whether a file of a subset's folder is its training or its test part.
fn is_part(file: &str) -> bool {
    let mut stems = ENDINGS.iter().filter_map(|it| file.strip_suffix(*it));
    stems.any(|it| it == "train" || it == "test")
}

/// Replaces each name on the hub by the files of one part.
fn files(named: &[Named], part: Part, report: ReportArgs) -> Result<Vec<Named>> {
    let mut found = Vec::new();
    for named in named {
        match hub::data(&named.path, part.usual_name(), &report)? {
            None => found.push(named.clone()),
            Some(data) => found.extend(data.files.into_iter().map(|path| Named {
                name: Some(named.name.as_ref().unwrap_or(&data.subset).clone()),
                path,
            })),
        }
    }
    Ok(found)
}

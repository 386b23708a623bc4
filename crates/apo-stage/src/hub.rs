//! Models and data sets that arguments name on Hugging Face's hub. Without such a name
//! nothing is asked, and the environment is not read.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
pub use apo_hub::Usual;
use apo_hub::{Data, Hub, HubError, Name, Watch, named, wanted};

use crate::args::ReportArgs;
use crate::print::{note, warn_once};
use crate::progress::Progress;
use crate::signals;

/// The bytes of a unit of progress.
const UNIT: u64 = 1_000_000;

/// Shows a download, and stops it after a signal.
struct Shown<'a> {
    report: &'a ReportArgs,
    progress: Option<Progress>,
    /// Bytes that are less than a unit.
    rest: u64,
}

impl<'a> Shown<'a> {
    fn new(report: &'a ReportArgs) -> Self {
        Self {
            report,
            progress: None,
            rest: 0,
        }
    }
}

impl Watch for Shown<'_> {
    fn started(&mut self, name: &str, bytes: u64) {
        let total = bytes.div_ceil(UNIT);
        note(self.report, &format!("downloading {name}: {total} MB"));
        self.progress = Some(Progress::new(self.report, "downloading", "MB", 0, total));
    }

    fn advanced(&mut self, bytes: u64) {
        self.rest += bytes;
        if let Some(progress) = &mut self.progress {
            progress.inc(self.rest / UNIT);
            self.rest %= UNIT;
        }
    }

    fn note(&mut self, text: &str) {
        note(self.report, text);
    }

    fn warn(&mut self, text: &str) {
        warn_once(text);
    }

    fn is_stopped(&self) -> bool {
        signals::check().is_err()
    }
}

/// Replaces the name of a model on the hub by the folder of its files in the cache, and
/// returns `owner/name`. A path stays as it is.
///
/// # Errors
///
/// When the hub does not have the model, does not give it, or cannot be asked, or a
/// signal stopped the download.
pub fn model(path: &mut PathBuf, report: &ReportArgs) -> Result<Option<String>> {
    model_by(path, *report, Hub::model)
}

/// As [`model`], but the model's weights are not fetched.
///
/// # Errors
///
/// As [`model`].
pub fn tokenizer(path: &mut PathBuf, report: &ReportArgs) -> Result<Option<String>> {
    model_by(path, *report, Hub::tokenizer)
}

fn model_by(
    path: &mut PathBuf,
    report: ReportArgs,
    fetch: impl Fn(&Hub, &Name, &mut dyn Watch) -> Result<PathBuf, HubError>,
) -> Result<Option<String>> {
    let Some(name) = named(path).map_err(classify)? else {
        return Ok(None);
    };
    let hub = Hub::from_env()?;
    let found = fetch(&hub, &name, &mut Shown::new(&report));
    *path = found.map_err(classify)?;
    note(&report, &format!("{name}: {}", path.display()));
    Ok(Some(name.repository))
}

/// Returns the files of a part of a data set that a text names on the hub; `None` if the
/// text is a path. Where it names none of several parts, `usual` says which one is taken.
///
/// # Errors
///
/// As [`model`], and when there are several parts, or only another one.
pub fn data(path: &Path, usual: Usual, report: &ReportArgs) -> Result<Option<Data>> {
    let Some(wanted) = wanted(path).map_err(classify)? else {
        return Ok(None);
    };
    let hub = Hub::from_env()?;
    let found = hub.data(&wanted, usual, &mut Shown::new(report));
    let found = found.map_err(classify)?;
    let files: Vec<String> = found
        .files
        .iter()
        .map(|it| it.display().to_string())
        .collect();
    note(report, &format!("{}: {}", wanted.name, files.join(", ")));
    Ok(Some(found))
}

/// Replaces each name of a part of a data set on the hub by its files. Paths stay as they are.
///
/// # Errors
///
/// As [`data`].
pub fn files(paths: &mut Vec<PathBuf>, usual: Usual, report: &ReportArgs) -> Result<()> {
    let mut found = Vec::new();
    for path in std::mem::take(paths) {
        match data(&path, usual, report)? {
            None => found.push(path),
            Some(data) => found.extend(data.files),
        }
    }
    *paths = found;
    Ok(())
}

/// Replaces the name of a data set on the hub by a folder with those files that it has of
/// some, named by their paths without their kinds. A path stays as it is.
///
/// # Errors
///
/// As [`model`].
pub fn folder(path: &mut PathBuf, wanted: &[String], report: &ReportArgs) -> Result<()> {
    let Some(name) = named(path).map_err(classify)? else {
        return Ok(());
    };
    let hub = Hub::from_env()?;
    let found = hub.folder(&name, wanted, &mut Shown::new(report));
    *path = found.map_err(classify)?;
    note(report, &format!("{name}: {}", path.display()));
    Ok(())
}

/// Returns the error of the signal for a download that it stopped.
fn classify(error: HubError) -> Error {
    match signals::check() {
        Err(stopped) if matches!(error, HubError::Stopped) => stopped.into(),
        _ => error.into(),
    }
}

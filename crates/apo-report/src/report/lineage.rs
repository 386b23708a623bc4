//! What each table and model was made from, according to its own provenance.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_provenance::{Provenance, digest_path};
use serde::Serialize;
use serde_json::Value;

use super::model_origin::ReadModel;

/// A table or model, and what made it.
#[derive(Debug, Serialize)]
pub struct Made {
    pub at: String,
    pub digest: String,
    pub is_model: bool,
    /// `None` if another program made it.
    pub stage: Option<String>,
    pub arguments: BTreeMap<String, Value>,
    /// Its inputs.
    pub from: Vec<Source>,
}

impl Made {
    /// Returns the file whose time says when it was made.
    pub fn file(&self, dir: &Path) -> PathBuf {
        let path = dir.join(&self.at);
        if self.is_model {
            path.join("config.json")
        } else {
            path
        }
    }
}

/// An input of a table or model.
#[derive(Debug, Serialize)]
pub struct Source {
    pub argument: String,
    pub name: String,
    pub rows: Option<u64>,
    /// Its path in the run; `None` if it came from outside.
    pub at: Option<String>,
}

/// Returns the digest of a table or a model, and what made it.
fn origin(
    dir: &Path,
    at: &str,
    is_model: bool,
    read_model: ReadModel,
) -> Result<(String, Option<Provenance>)> {
    let path = dir.join(at);
    if is_model {
        let origin = read_model(&path)?;
        return Ok((origin.digest, origin.provenance));
    }
    let digest = digest_path(&path).with_context(|| format!("cannot read {at}"))?;
    Ok((digest, apo_tables::provenance(&path)?))
}

/// Reads what made each table and model, and the versions of the stages that did.
///
/// # Errors
///
/// When a table or a model cannot be read.
pub fn made(
    dir: &Path,
    files: &[String],
    read_model: ReadModel,
) -> Result<(Vec<Made>, Vec<String>)> {
    let mut found: Vec<(Made, Option<Provenance>)> = Vec::new();
    let models: Vec<&str> = files
        .iter()
        .filter_map(|it| it.strip_suffix("/config.json"))
        .collect();
    let tables = files.iter().filter(|it| {
        let folder = it.rsplit_once('/').map(|it| it.0);
        it.ends_with(".parquet") && !folder.is_some_and(|it| models.contains(&it))
    });
    let models = models.iter().map(|it| ((*it).to_owned(), true));
    for (at, is_model) in models.chain(tables.map(|it| (it.clone(), false))) {
        let (digest, provenance) = origin(dir, &at, is_model, read_model)?;
        let of = |it: &Provenance| (it.stage.clone(), it.arguments.clone());
        let (stage, arguments) = provenance.as_ref().map(of).unzip();
        let made = Made {
            at,
            digest,
            is_model,
            stage,
            arguments: arguments.unwrap_or_default(),
            from: Vec::new(),
        };
        found.push((made, provenance));
    }
    let by_digest: HashMap<String, String> = found
        .iter()
        .map(|(made, _)| (made.digest.clone(), made.at.clone()))
        .collect();
    let mut versions = Vec::new();
    for (made, provenance) in &mut found {
        let Some(provenance) = provenance.take() else {
            continue;
        };
        let inputs = provenance.inputs.into_iter();
        made.from = inputs
            .map(|(argument, input)| Source {
                argument,
                at: by_digest.get(&input.digest).cloned(),
                name: input.name,
                rows: input.rows,
            })
            .collect();
        versions.push(provenance.version);
    }
    versions.sort();
    versions.dedup();
    let mut made: Vec<Made> = found.into_iter().map(|it| it.0).collect();
    made.sort_by(|a, b| a.at.cmp(&b.at));
    Ok((made, versions))
}

//! Which files hold a directory's weights, and whether they match the index.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use apo_files::model_directory::{INDEX, SINGLE};
use apo_files::model_file::{self, read_object};
use serde_json::{Map, Value};

use super::header::Place;
use super::names::quoted;
use crate::error::ModelError;
use crate::identified;

/// The files that hold a directory's weights.
pub(super) struct Index {
    pub(super) files: Vec<PathBuf>,
    /// The tensors that the index expects in each file; `None` without an
    /// index.
    named: BTreeMap<PathBuf, BTreeSet<String>>,
    /// The index, and its total number of bytes of all tensors.
    page: PathBuf,
    total_size: Option<Value>,
}

impl Index {
    /// Finds the files: a single one, or those that an index names.
    pub(super) fn read(dir: &Path) -> Result<Self, ModelError> {
        let single = dir.join(SINGLE);
        if model_file::open(&single)?.is_some() {
            return Ok(Self {
                files: vec![single],
                named: BTreeMap::new(),
                page: dir.join(INDEX),
                total_size: None,
            });
        }
        let page = dir.join(INDEX);
        let Some(index) = read_object(&page)? else {
            return Err(ModelError::MissingFile {
                dir: dir.into(),
                missing: SINGLE.into(),
                hint: identified::hint(dir),
            });
        };
        let named = files_of(dir, &index).map_err(|fault| ModelError::Config {
            path: page.clone(),
            faults: vec![fault],
        })?;
        check_present(dir, named.keys())?;
        Ok(Self {
            files: named.keys().cloned().collect(),
            named,
            total_size: index
                .get("metadata")
                .and_then(|it| it.get("total_size"))
                .cloned(),
            page,
        })
    }

    /// Checks that a file has exactly the tensors that the index lists for it.
    pub(super) fn check(&self, path: &Path, found: &[(String, Place)]) -> Result<(), ModelError> {
        let Some(named) = self.named.get(path) else {
            return Ok(());
        };
        let found: BTreeSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let absent = named.iter().filter(|name| !found.contains(name.as_str()));
        let absent = absent.map(|name| format!("{} is not in {}", quoted(name), quoted(&file)));
        let more = found.iter().filter(|name| !named.contains(**name));
        // Older files hold the rotary frequencies, which nothing reads.
        let more = more.filter(|name| !name.contains("rotary_emb."));
        let more = more.map(|name| match self.place_of(name) {
            None => format!("{} in {} is not named", quoted(name), quoted(&file)),
            Some(other) => format!(
                "{} is in {}, though the index has it in {}",
                quoted(name),
                quoted(&file),
                quoted(&other)
            ),
        });
        let mut faults: Vec<String> = absent.chain(more).collect();
        if faults.is_empty() {
            return Ok(());
        }
        faults.push("index and files are not of one model; download or save it again".into());
        Err(ModelError::Config {
            path: self.page.clone(),
            faults,
        })
    }

    /// Returns the file that the index names for a tensor.
    fn place_of(&self, tensor: &str) -> Option<String> {
        let (path, _) = self
            .named
            .iter()
            .find(|(_, names)| names.contains(tensor))?;
        Some(path.file_name()?.to_string_lossy().into_owned())
    }

    /// Returns notes for the user: files that are ignored although they look
    /// like weights, and a wrong total size.
    pub(super) fn notes(&self, dir: &Path, bytes: u64) -> Vec<String> {
        let mut notes = Vec::new();
        let page = self.page.display();
        if self.named.is_empty() && self.page.exists() {
            notes.push(format!(
                "{} is read, as `transformers` does; {INDEX} beside it is not",
                dir.join(SINGLE).display()
            ));
        }
        if let Some(size) = self
            .total_size
            .as_ref()
            .filter(|it| it.as_f64() != Some(bytes as f64))
        {
            notes.push(format!(
                "{page}: `total_size` is {}, but the tensors of its files have {bytes} bytes; were \
                 they written by something else?",
                quoted(&size.to_string())
            ));
        }
        if !self.named.is_empty() {
            let names = fs::read_dir(dir).into_iter().flatten().flatten();
            let mut others: Vec<String> = names
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|name| name.starts_with("model-") && name.ends_with(".safetensors"))
                .filter(|name| !self.named.contains_key(&dir.join(name)))
                .collect();
            others.sort();
            if let Some(first) = others.first() {
                notes.push(format!(
                    "{page} does not name {}{}, which {} not read",
                    quoted(first),
                    if others.len() == 1 {
                        String::new()
                    } else {
                        format!(" and {} more", others.len() - 1)
                    },
                    if others.len() == 1 { "is" } else { "are" },
                ));
            }
        }
        notes
    }
}

/// Returns the files that an index names, each with its tensors.
fn files_of(
    dir: &Path,
    index: &Map<String, Value>,
) -> Result<BTreeMap<PathBuf, BTreeSet<String>>, String> {
    let map = index.get("weight_map").and_then(|it| it.as_object());
    let map = map.filter(|it| !it.is_empty());
    let map = map.ok_or("expected a `weight_map` of tensors")?;
    let mut named: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (tensor, file) in map {
        let name = file.as_str().ok_or_else(|| {
            format!(
                "`weight_map` has {} for {}, expected a file's name",
                quoted(&file.to_string()),
                quoted(tensor)
            )
        })?;
        let mut parts = Path::new(name).components();
        if !matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        ) {
            return Err(format!(
                "`weight_map` has {} for {}, expected the name of a file in this folder",
                quoted(name),
                quoted(tensor)
            ));
        }
        named
            .entry(dir.join(name))
            .or_default()
            .insert(tensor.clone());
    }
    Ok(named)
}

/// Checks that the files which an index names are there.
fn check_present<'a>(
    dir: &Path,
    files: impl Iterator<Item = &'a PathBuf>,
) -> Result<(), ModelError> {
    let mut absent = Vec::new();
    for path in files {
        if model_file::open(path)?.is_none() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            absent.push(quoted(&name));
        }
    }
    if absent.is_empty() {
        return Ok(());
    }
    Err(ModelError::MissingFile {
        dir: dir.into(),
        missing: format!("{}, which its {INDEX} names", absent.join(", ")),
        hint: String::new(),
    })
}

//! Checkpoints: weights, moments, and how far the training was.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use apo_llama::model::Llama;
use apo_llama::{AdamW, AdamWSettings, Model, ModelError, StoredType, Weights, write_weights};
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;

const FOLDER: &str = "checkpoints";
const MOMENTS: [&str; 2] = ["first-moment", "second-moment"];
const KEPT: usize = 2;

/// How far a training was.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// Steps taken.
    step: u64,
}

fn name(step: u64) -> String {
    format!("step-{step:08}")
}

/// Returns the whole checkpoints of a working folder, newest first.
pub(crate) fn list(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir.join(FOLDER)) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_none())
        .collect();
    found.sort();
    found.reverse();
    found
}

/// Writes a checkpoint whole, and removes all but the last two.
pub(crate) fn save(
    dir: &Path,
    model: &Model,
    adamw: &AdamW,
    step: u64,
) -> Result<PathBuf, TrainingError> {
    let folder = dir.join(FOLDER).join(name(step));
    if folder.exists() {
        return Ok(folder);
    }
    let fresh = folder.with_extension("new");
    let writing = |source: io::Error| TrainingError::writing(&fresh)(source);
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(writing)?;
    }
    let parameters = model.config.parameters(model.head);
    for part in MOMENTS {
        fs::create_dir_all(fresh.join(part)).map_err(writing)?;
    }
    let path = |part: &str| fresh.join(part).join("model.safetensors");
    write_weights(&path(""), &parameters, StoredType::F32, |name| {
        model.llama.values_of(name)
    })?;
    for (i, part) in MOMENTS.into_iter().enumerate() {
        write_weights(&path(part), &parameters, StoredType::F32, |name| {
            adamw.moments_of(&model.llama, name)[i].clone()
        })?;
    }
    let state = serde_json::to_vec(&State { step }).expect("plain data");
    fs::write(fresh.join("state.json"), state)
        .and_then(|()| File::open(fresh.join("state.json"))?.sync_all())
        .and_then(|()| fs::rename(&fresh, &folder))
        .and_then(|()| File::open(dir.join(FOLDER))?.sync_all())
        .map_err(writing)?;
    for old in list(dir).into_iter().skip(KEPT) {
        fs::remove_dir_all(&old).map_err(TrainingError::writing(&old))?;
    }
    Ok(folder)
}

/// Takes a model and its optimiser back to where a checkpoint was; gives the
/// steps taken.
pub(crate) fn load(
    folder: &Path,
    model: &mut Model,
    settings: AdamWSettings,
) -> Result<(AdamW, u64), TrainingError> {
    let path = folder.join("state.json");
    let text = fs::read(&path).map_err(TrainingError::reading(&path))?;
    let state: State = serde_json::from_slice(&text)
        .map_err(|error| TrainingError::reading(&path)(io::Error::other(error)))?;
    let device = model.device();
    let weights = Weights::open(folder)?;
    weights.check(&model.config, model.head)?;
    let read = |name: &str, _: &[usize]| weights.read_f32(name);
    let llama = Llama::new(&model.config, model.head, &device, read)?;
    let moments = [
        Weights::open(&folder.join(MOMENTS[0]))?,
        Weights::open(&folder.join(MOMENTS[1]))?,
    ];
    let read = |name: &str| -> Result<[Vec<f32>; 2], ModelError> {
        Ok([moments[0].read_f32(name)?, moments[1].read_f32(name)?])
    };
    let adamw = AdamW::resume(settings, state.step as u32, &llama, &device, read)?;
    // Only now: a checkpoint that is damaged in its last file changes nothing.
    model.llama = llama;
    Ok((adamw, state.step))
}

//! Checkpoints: weights, moments, and the progress of the training.
//!
//! A checkpoint is a folder `step-N` with three files of weights and a record
//! of the metrics so far and the files' checksums. A checkpoint that does not
//! match its checksums is skipped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use apo_decoder::{
    AdamW, AdamWSettings, Decoder, Model, ModelError, StoredType, Weights, write_weights,
};
use apo_spool::{checksum_of_file, names, read_record, sync_folder, write_record};
use apo_tables::Metric;
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;

const STATE: &str = "state.spool";
/// Folders of a checkpoint's files: weights, and AdamW's two moments.
const PARTS: [&str; 3] = ["", "first-moment", "second-moment"];
/// How many checkpoints a training keeps.
const N_KEPT: usize = 2;

/// The progress of a training.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// One entry per step.
    metrics: Vec<Metric>,
    /// CRC-32 of the files of [`PARTS`].
    checksums: [u32; 3],
}

/// Where a training continues.
#[derive(Debug)]
pub(crate) struct Resumed {
    /// One entry for each step taken.
    pub metrics: Vec<Metric>,
    /// The optimiser.
    pub adamw: AdamW,
}

fn weights_file(folder: &Path, part: &str) -> PathBuf {
    folder.join(part).join("model.safetensors")
}

fn name(step: usize) -> String {
    format!("step-{step:08}")
}

/// Returns the complete checkpoints of a working folder, newest first.
pub(crate) fn list(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir.join(names::CHECKPOINTS)) else {
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

/// Writes a checkpoint atomically, and removes all but the last two.
pub(crate) fn save(
    dir: &Path,
    model: &Model,
    adamw: &AdamW,
    metrics: &[Metric],
) -> Result<(), TrainingError> {
    let folder = dir.join(names::CHECKPOINTS).join(name(metrics.len()));
    let fresh = folder.with_extension("new");
    let writing = |source: io::Error| TrainingError::writing(&fresh)(source);
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(writing)?;
    }
    let parameters = model.config.parameters(model.head);
    let mut checksums = [0; 3];
    for (i, part) in PARTS.into_iter().enumerate() {
        fs::create_dir_all(fresh.join(part)).map_err(writing)?;
        let path = weights_file(&fresh, part);
        write_weights(&path, &parameters, StoredType::F32, |name| match i {
            0 => model.decoder.values_of(name),
            _ => adamw.moments_of(&model.decoder, name)[i - 1].clone(),
        })?;
        checksums[i] = checksum_of_file(&path)?;
    }
    let state = State {
        metrics: metrics.to_vec(),
        checksums,
    };
    write_record(&fresh.join(STATE), &state)?;
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(writing)?; // one that was skipped
    }
    fs::rename(&fresh, &folder)
        .and_then(|()| sync_folder(&dir.join(names::CHECKPOINTS)))
        .map_err(writing)?;
    for old in list(dir).into_iter().skip(N_KEPT) {
        fs::remove_dir_all(&old).map_err(TrainingError::writing(&old))?;
    }
    Ok(())
}

/// Restores a model and its optimiser from a checkpoint.
pub(crate) fn load(
    folder: &Path,
    model: &mut Model,
    settings: AdamWSettings,
) -> Result<Resumed, TrainingError> {
    let state: State = read_record(&folder.join(STATE))?;
    for (part, checksum) in PARTS.into_iter().zip(state.checksums) {
        let path = weights_file(folder, part);
        if checksum_of_file(&path)? != checksum {
            let problem = io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
            return Err(TrainingError::reading(&path)(problem));
        }
    }
    let device = model.device();
    let weights = Weights::open(folder)?;
    weights.check(&model.config, model.head)?;
    let read = |name: &str, _: &[usize]| weights.read_f32(name);
    let decoder = Decoder::new(&model.config, model.head, &device, read)?;
    let moments = [
        Weights::open(&folder.join(PARTS[1]))?,
        Weights::open(&folder.join(PARTS[2]))?,
    ];
    let read = |name: &str| -> Result<[Vec<f32>; 2], ModelError> {
        Ok([moments[0].read_f32(name)?, moments[1].read_f32(name)?])
    };
    let adamw = AdamW::resume(
        settings,
        state.metrics.len() as u32,
        &decoder,
        &device,
        read,
    )?;
    // Assigned last: a checkpoint that cannot be read to its end changes
    // nothing.
    model.decoder = decoder;
    Ok(Resumed {
        metrics: state.metrics,
        adamw,
    })
}

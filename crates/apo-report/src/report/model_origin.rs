//! What made a model.

use std::path::Path;

use anyhow::Result;
use apo_provenance::Provenance;

/// A model's digest and what made it.
#[derive(Clone, Debug)]
pub struct ModelOrigin {
    /// Digest of the files that make up the model.
    pub digest: String,
    /// What made it; `None` if another program did.
    pub provenance: Option<Provenance>,
}

/// Reads a model directory. The caller passes it in, so that this crate does not depend
/// on one that computes with models.
pub type ReadModel = fn(&Path) -> Result<ModelOrigin>;

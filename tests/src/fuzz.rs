//! Broken files, for every reader of bytes and every stage.
//!
//! A [`Target`] reads bytes as one part of the workspace reads a file, and panics if the
//! result breaks a rule. `make fuzz` lets libFuzzer search for such bytes, guided by
//! their paths through our crates and by the answers. The tests read all of
//! `fixtures/fuzz/TARGET/`, which holds the inputs that the search begins with and those
//! that it found. [`campaign`] breaks the inputs of whole stages; [`mutate`] breaks the
//! bytes for both.

pub mod campaign;
mod damage;
mod dialogues;
mod kept;
mod models;
pub mod mutate;
mod records;
mod replies;
pub mod scratch;

use std::path::PathBuf;

use crate::stages::workspace;
use mutate::Kind;

/// A part of the workspace that reads bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called, here and in `fixtures/fuzz/`.
    pub name: &'static str,
    /// The format of its bytes.
    pub kind: Kind,
    /// Reads bytes and returns the answer in a few words.
    pub run: fn(&[u8]) -> String,
}

/// All targets.
pub const TARGETS: [Target; 16] = [
    target("tokenizer", Kind::Json, dialogues::tokenizer),
    target("template", Kind::Bytes, dialogues::template),
    target("config", Kind::Json, models::config),
    target("weights", Kind::Safetensors, models::weights),
    target("manifest", Kind::Json, models::manifest),
    target("provenance", Kind::Json, records::provenance),
    target("lines", Kind::Lines, records::lines),
    target("list", Kind::Json, records::list),
    target("gzip", Kind::Gzip, records::gzip),
    target("parquet", Kind::Parquet, records::parquet),
    target("table", Kind::Bytes, damage::table),
    target("spool", Kind::Bytes, damage::spool),
    target("journal", Kind::Lines, kept::journal),
    target("damaged-journal", Kind::Bytes, damage::journal),
    target("reply", Kind::Json, replies::reply),
    target("packed-reply", Kind::Gzip, replies::packed),
];

const fn target(name: &'static str, kind: Kind, run: fn(&[u8]) -> String) -> Target {
    Target { name, kind, run }
}

impl Target {
    /// Returns the target with this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|it| it.name == name)
    }

    /// Returns the folder of its corpus.
    pub fn corpus(&self) -> PathBuf {
        workspace().join("fixtures/fuzz").join(self.name)
    }
}

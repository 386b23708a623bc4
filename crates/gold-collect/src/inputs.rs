//! The files that golden answers are made of: tables, answers, texts.

use std::path::Path;

use anyhow::Result;
use apo_endpoint_stage::replayed;
use apo_golden::{Collector, Prompts};
use apo_provenance::Provenance;
use apo_stage::bad_input;
use apo_tables::{Pair, Query, Reader, file};
use serde_json::Value;

use crate::args::Args;

/// The tables, checked for their columns.
#[derive(Debug)]
pub struct Tables {
    pub queries: Reader<Query>,
    pub pairs: Option<Reader<Pair>>,
}

impl Tables {
    /// Opens the tables.
    ///
    /// # Errors
    ///
    /// When one is missing, empty, or has other columns.
    pub fn open(args: &Args) -> Result<Self> {
        let pairs = args.pairs.as_deref().map(Reader::open_filled);
        Ok(Self {
            queries: Reader::open_filled(&args.queries)?,
            pairs: pairs.transpose()?,
        })
    }
}

/// Returns the collector with its texts; `None` if no model is asked.
///
/// # Errors
///
/// When a file of texts is missing or empty.
pub fn collector(args: &Args) -> Result<Option<Collector>> {
    let Some(model) = args.asked_model() else {
        return Ok(None);
    };
    let mut texts = Prompts::default();
    if let Some(path) = &args.texts.system {
        texts.system = read_texts(path, Prompts::parse_system)?;
    }
    if let Some(path) = &args.texts.refusals {
        texts.refusals = read_texts(path, Prompts::parse_refusals)?;
    }
    Ok(Some(Collector {
        prompts: texts,
        temperature: args.endpoint.temperature,
        max_tokens: args.endpoint.max_tokens,
        seed: args.texts.seed,
        ..Collector::new(model)
    }))
}

fn read_texts<T>(path: &Path, parse: fn(&str) -> Result<T, &'static str>) -> Result<T> {
    let text = file::text(path)?;
    parse(&text).map_err(|problem| bad_input(format!("{}: {problem}", path.display())))
}

/// Returns what the output depends on. The endpoint's address is not part of it:
/// the same model elsewhere gives the same answers.
///
/// # Errors
///
/// When a file cannot be read.
pub fn provenance(
    args: &Args,
    tables: &Tables,
    collector: Option<&Collector>,
) -> Result<Provenance> {
    let mut provenance = Provenance::new("gold-collect", env!("CARGO_PKG_VERSION"))
        .argument("hh_best", args.hh_best)
        .input("queries", tables.queries.input()?);
    if let Some(pairs) = &tables.pairs {
        provenance = provenance.input("pairs", pairs.input()?);
    }
    for (i, path) in args.answers.iter().enumerate() {
        provenance = provenance.input(&format!("answers-{i}"), apo_tables::input(path)?);
    }
    if let Some(path) = &args.from_journal {
        provenance = provenance.input("from_journal", replayed(path)?);
    }
    if let Some(collector) = collector {
        provenance = provenance
            .argument("model", collector.model.as_str())
            .argument("system", collector.prompts.system.as_str())
            .argument("refusals", Value::from(collector.prompts.refusals.clone()))
            .argument("temperature", collector.temperature)
            .argument("max_tokens", collector.max_tokens)
            .argument("seed", collector.seed);
    }
    Ok(provenance)
}

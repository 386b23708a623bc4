//! The queries to answer: their keys are kept in memory, their texts are not.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;

use anyhow::Result;
use apo_decoder::directory;
use apo_dialogue::DialogueTokenizer;
use apo_import::Rendered;
use apo_model_stage::{models, precision};
use apo_provenance::stage_names::SAMPLE;
use apo_provenance::{Input, Provenance};
use apo_stage::{bad_input, warn};
use apo_tables::{Query, Reader};

use crate::args::Args;

/// The queries of a table.
#[derive(Debug)]
pub struct Queries {
    path: PathBuf,
    /// The key of each query, once, in the table's order.
    pub ids: Vec<String>,
    /// The table, described as an input.
    input: Input,
}

impl Queries {
    /// Checks a table. A query may occur several times, with the same prompt. Warns of
    /// prompts that another program rendered.
    ///
    /// # Errors
    ///
    /// When the table cannot be read or is empty, or a query has two prompts.
    pub fn check(args: &Args) -> Result<Self> {
        let path = &args.queries;
        let table = Reader::<Query>::open_filled(path)?;
        let input = table.input()?;
        let mut ids = Vec::new();
        let mut prompts = HashMap::new();
        let mut rendered = Rendered::default();
        for (row, query) in table.enumerate() {
            let query = query?;
            rendered.add(row, &query.prompt);
            let prompt = apo_hh::query_id(&query.prompt);
            match prompts.entry(query.query_id) {
                Entry::Vacant(place) => {
                    ids.push(place.key().clone());
                    place.insert(prompt);
                }
                Entry::Occupied(place) if *place.get() == prompt => {}
                Entry::Occupied(place) => {
                    return Err(bad_input(format!(
                        "{}: query {} has two prompts; expected one for each query",
                        path.display(),
                        place.key()
                    )));
                }
            }
        }
        if let Some(sentence) = rendered.sentence(path) {
            warn(&sentence);
        }
        Ok(Self {
            path: path.clone(),
            ids,
            input,
        })
    }

    /// Reads each query once, in the table's order.
    ///
    /// # Errors
    ///
    /// When the table cannot be opened; each item, when it cannot be read.
    pub fn rows(&self) -> Result<impl Iterator<Item = Result<Query>>> {
        let mut next = self.ids.iter().peekable();
        let rows = Reader::<Query>::open(&self.path)?;
        Ok(rows.filter_map(move |query| match query {
            Ok(query) => next.next_if(|id| **id == query.query_id).map(|_| Ok(query)),
            Err(error) => Some(Err(error.into())),
        }))
    }

    /// Returns what the output depends on. If a server draws the samples, that is the
    /// model's name there, and its revision if one is given, instead of a precision.
    ///
    /// # Errors
    ///
    /// When the model cannot be read.
    pub fn provenance(&self, args: &Args, tokenizer: &DialogueTokenizer) -> Result<Provenance> {
        let provenance = Provenance::new(SAMPLE, env!("CARGO_PKG_VERSION"));
        let provenance = models::with_template(provenance, tokenizer);
        let provenance = match args.served() {
            None => precision::with_precision(provenance, &args.compute, &args.model.dir)?,
            Some(served) => provenance
                .argument("sampled_by", "server")
                .argument("model_name", served.recorded_name())
                .argument("samples_per_request", args.server.samples_per_request),
        };
        let dir = &args.model.dir;
        let provenance = match &args.server.model_revision {
            None => provenance.input("model", directory::input(dir)?),
            Some(revision) => provenance
                .argument("model_revision", revision.as_str())
                .input("model", directory::input_without_weights(dir)?),
        };
        Ok(provenance
            .argument("samples", args.samples)
            .argument("temperature", as_written(args.temperature))
            .argument("top_k", args.top_k)
            .argument("top_p", as_written(args.top_p))
            .argument("repetition_penalty", as_written(args.repetition_penalty))
            .argument("max_new_tokens", args.max_new_tokens)
            .argument("prompt_limit", args.prompt_limit)
            .argument("seed", args.seed)
            .input("queries", self.input.clone()))
    }
}

/// Returns a number as the user wrote it: 1.2, not the f64 of the nearest f32.
pub fn as_written(number: f32) -> f64 {
    let text = number.to_string();
    text.parse().expect("a number that was read")
}

//! The queries to answer, read once and kept in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use anyhow::Result;
use apo_dialogue::Codec;
use apo_llama::directory;
use apo_model_stage::models;
use apo_stage::bad_input;
use apo_tables::{Input, Provenance, Query, Reader};

use crate::args::Args;

/// The queries of a table.
#[derive(Debug)]
pub struct Queries {
    /// Each query once, in the table's order.
    pub rows: Vec<Query>,
    /// The table, described as an input.
    input: Input,
}

impl Queries {
    /// Reads a table. A query may occur several times, with the same prompt.
    ///
    /// # Errors
    ///
    /// When the table cannot be read or is empty, or a query has two prompts.
    pub fn read(args: &Args) -> Result<Self> {
        let path = &args.queries;
        let table = Reader::<Query>::open_filled(path)?;
        let input = table.input()?;
        let mut rows: Vec<Query> = Vec::new();
        let mut places = HashMap::new();
        for query in table {
            let query = query?;
            match places.entry(query.query_id.clone()) {
                Entry::Vacant(place) => {
                    place.insert(rows.len());
                    rows.push(query);
                }
                Entry::Occupied(place) => {
                    if rows[*place.get()].prompt != query.prompt {
                        return Err(bad_input(format!(
                            "{}: query {} stands there with two prompts, expected one a query",
                            path.display(),
                            query.query_id
                        )));
                    }
                }
            }
        }
        Ok(Self { rows, input })
    }

    /// Returns what the output depends on.
    ///
    /// # Errors
    ///
    /// When the model cannot be read.
    pub fn provenance(&self, args: &Args, codec: &Codec) -> Result<Provenance> {
        let provenance = Provenance::new("sample", env!("CARGO_PKG_VERSION"));
        Ok(models::rendering(provenance, codec)
            .argument("samples", args.samples)
            .argument("temperature", as_written(args.temperature))
            .argument("top_k", args.top_k)
            .argument("top_p", as_written(args.top_p))
            .argument("repetition_penalty", as_written(args.repetition_penalty))
            .argument("max_new_tokens", args.max_new_tokens)
            .argument("prompt_limit", args.prompt_limit)
            .argument("seed", args.seed)
            .argument("precision", args.compute.precision()?.name())
            .input("model", directory::input(&args.model.dir)?)
            .input("queries", self.input.clone()))
    }
}

/// Returns a number as it is written: 1.2 is 1.2, not the nearest f32 as f64.
fn as_written(number: f32) -> f64 {
    let text = number.to_string();
    text.parse().expect("a number that was read")
}

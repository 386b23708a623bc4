//! The files that a policy is made of: a table, models, log-probs.

use anyhow::Result;
use apo_decoder::directory;
use apo_dialogue::DialogueTokenizer;
use apo_import::{ANSWER_FIELDS, Source};
use apo_model_stage::{models, precision};
use apo_provenance::{Input, Provenance};
use apo_stage::{bad_input, value_name};
use apo_tables::{Pair, Reader, Response};
use apo_training_stage::Defaults;

use crate::args::{Method, Sft};
use crate::instructions;
use crate::reference::KnownLogProbs;

/// The table that a method learns from.
#[derive(Debug)]
pub enum Tables {
    /// Pairs, of which only the chosen responses are read.
    Chosen(Reader<Pair>),
    Pairs(Reader<Pair>),
    Golden(Reader<Response>),
    Scored(Reader<Response>),
    Instructions(Source, Input),
}

impl Tables {
    /// Opens the table.
    ///
    /// # Errors
    ///
    /// When it is missing, empty, or has other columns.
    pub fn open(method: &Method) -> Result<Self> {
        let responses = match method {
            Method::Sft(Sft { table, .. }) => {
                if let Some(path) = &table.pairs {
                    return Ok(Self::Chosen(Reader::open_filled(path)?));
                }
                if let Some(path) = &table.golden {
                    return Ok(Self::Golden(Reader::open_filled(path)?));
                }
                let path = table.instructions.as_deref();
                let path = path.expect("clap asks for one of the three");
                return Ok(Self::Instructions(
                    Source::open(path, ANSWER_FIELDS)?,
                    instructions::input(path)?,
                ));
            }
            Method::Rjs(rjs) => &rjs.scored.responses,
            Method::Rrhf(rrhf) => &rrhf.scored.responses,
            Method::Dpo(dpo) => {
                if let Some(path) = &dpo.table.pairs_table {
                    return Ok(Self::Pairs(Reader::open_filled(path)?));
                }
                let path = dpo.table.responses.as_ref();
                path.expect("clap asks for one of the two")
            }
        };
        let reader = Reader::<Response>::open_filled(responses)?;
        if reader.schema()?.field_with_name("reward").is_err() {
            return Err(bad_input(format!(
                "{}: column `reward` is missing; `judge score` adds it",
                responses.display()
            )));
        }
        Ok(Self::Scored(reader))
    }
}

/// Reads the reference's log-probs, if they are given.
///
/// # Errors
///
/// As [`KnownLogProbs::read`].
pub fn known_log_probs(
    method: &Method,
    provenance: &Provenance,
    tokenizer: &DialogueTokenizer,
) -> Result<Option<KnownLogProbs>> {
    let (Method::Dpo(dpo), Some(dir)) = (method, method.reference()) else {
        return Ok(None);
    };
    let reference = (dir, &provenance.inputs["reference"]);
    let path = dpo.reference_log_probs.as_deref();
    path.map(|path| KnownLogProbs::read(path, reference, &dpo.common, tokenizer))
        .transpose()
}

/// Returns what the output depends on.
///
/// # Errors
///
/// When an input cannot be read.
pub fn provenance(
    method: &Method,
    tables: &Tables,
    tokenizer: &DialogueTokenizer,
) -> Result<Provenance> {
    let common = method.common();
    let (name, input) = match tables {
        Tables::Chosen(reader) | Tables::Pairs(reader) => ("pairs", reader.input()?),
        Tables::Golden(reader) => ("golden", reader.input()?),
        Tables::Scored(reader) => ("responses", reader.input()?),
        Tables::Instructions(_, input) => ("instructions", input.clone()),
    };
    let provenance = Provenance::new("align", env!("CARGO_PKG_VERSION"))
        .argument("method", method.name())
        .argument("limit", common.limit.tokens)
        .input(name, input);
    let provenance = models::with_template(provenance, tokenizer);
    let mut provenance = precision::with_precision(provenance, &common.compute, &common.model.dir)?;
    let model = directory::input(&common.model.dir)?;
    if let Some(dir) = method.reference() {
        // The digest reads the whole model: once is enough.
        let reference = if dir == common.model.dir {
            model.clone()
        } else {
            directory::input(dir)?
        };
        provenance = provenance.input("reference", reference);
    }
    provenance = provenance.input("model", model);
    if let Method::Dpo(dpo) = method
        && let Some(path) = &dpo.reference_log_probs
    {
        provenance = provenance.input("reference_log_probs", apo_tables::input(path)?);
    }
    provenance = match method {
        Method::Sft(sft) => provenance.argument("from_scratch", sft.from_scratch),
        Method::Rjs(_) => provenance,
        Method::Rrhf(rrhf) => provenance
            .argument("lambda", rrhf.lambda)
            .argument("sum_log_probs", rrhf.sum_log_probs),
        Method::Dpo(dpo) => {
            let pairs = match dpo.table.pairs_table {
                Some(_) => "human".to_owned(),
                None => value_name(&dpo.pairs),
            };
            dpo.loss.provenance(provenance).argument("pairs", pairs)
        }
    };
    // Policies from before this argument had none.
    if method.length_penalty() > 0.0 {
        provenance = provenance.argument("length_penalty", method.length_penalty());
    }
    Ok(common.training.provenance(provenance, Defaults::POLICY))
}

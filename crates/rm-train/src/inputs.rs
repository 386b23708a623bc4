//! The files that a reward model is made of: tables and a model.

use std::path::PathBuf;

use anyhow::Result;
use apo_decoder::{ModelDirectory, Start, directory};
use apo_dialogue::DialogueTokenizer;
use apo_model_stage::{models, precision};
use apo_provenance::Provenance;
use apo_stage::{NamedInput, bad_input, check_distinct, value_name, warn};
use apo_tables::{Pair, Reader, Response};
use apo_training_stage::Defaults;

use crate::args::Args;
use crate::overlap::Overlap;

/// The tables, checked for their columns.
#[derive(Debug)]
pub struct Tables {
    pub pairs: Option<Reader<Pair>>,
    pub golden: Option<Reader<Response>>,
    pub samples: Option<Reader<Response>>,
}

impl Tables {
    /// Opens all tables.
    ///
    /// # Errors
    ///
    /// When one is missing, empty, or has other columns.
    pub fn open(args: &Args) -> Result<Self> {
        let responses = |path: &Option<PathBuf>| -> Result<Option<Reader<Response>>> {
            Ok(path.as_deref().map(Reader::open_filled).transpose()?)
        };
        let pairs = args.tables.pairs.as_deref().map(Reader::open_filled);
        Ok(Self {
            pairs: pairs.transpose()?,
            golden: responses(&args.tables.golden)?,
            samples: responses(&args.tables.samples)?,
        })
    }
}

/// Returns where the model's parameters come from.
///
/// # Errors
///
/// When the weights cannot be opened, or the objective needs a reward model and this
/// is a policy.
pub fn start(args: &Args) -> Result<Start> {
    let model = &args.model.dir;
    if ModelDirectory::open(model)?.has_reward_head()? {
        return Ok(Start::Saved);
    }
    if args.objective().continues_rm() {
        return Err(bad_input(format!(
            "{}: has no reward head, but --objective {} continues from a reward model",
            model.display(),
            value_name(&args.objective())
        )));
    }
    Ok(Start::NewHead(args.training.seed))
}

/// Returns what the output depends on.
///
/// # Errors
///
/// When an input cannot be read, or most golden answers are among the samples.
pub fn provenance(
    args: &Args,
    tables: &Tables,
    tokenizer: &DialogueTokenizer,
) -> Result<Provenance> {
    let provenance = Provenance::new("rm-train", env!("CARGO_PKG_VERSION"))
        .argument("objective", value_name(&args.objective()))
        .argument("beta_2", args.preference_weight())
        .argument("limit", args.limit.tokens);
    let provenance = models::with_template(provenance, tokenizer);
    let mut provenance = precision::with_precision(provenance, &args.compute, &args.model.dir)?
        .input("model", directory::input(&args.model.dir)?);
    if let Some(pairs) = &tables.pairs {
        provenance = provenance.input("pairs", pairs.input()?);
    }
    if let Some(share) = args.tables.pairs_share {
        provenance = provenance.argument("pairs_share", share);
    }
    for (name, table) in [("golden", &tables.golden), ("samples", &tables.samples)] {
        if let Some(table) = table {
            provenance = provenance.input(name, table.input()?);
        }
    }
    check_golden_and_samples(args, &provenance)?;
    Ok(args.training.provenance(provenance, Defaults::REWARD_MODEL))
}

/// What happens if golden answers are samples, and what to do about it.
const CONSEQUENCE: &str = "each answer would be compared with itself; give answers that are better \
                           than the policy's as --golden, and the policy's as --samples";

fn check_golden_and_samples(args: &Args, provenance: &Provenance) -> Result<()> {
    let (Some(golden), Some(samples)) = (&args.tables.golden, &args.tables.samples) else {
        return Ok(());
    };
    let roles = [
        ("--golden", "golden", golden),
        ("--samples", "samples", samples),
    ];
    let roles = roles.into_iter().filter_map(|(option, name, path)| {
        Some(NamedInput {
            option,
            path,
            input: provenance.inputs.get(name)?,
        })
    });
    check_distinct(roles, CONSEQUENCE)?;
    let Some(overlap) = Overlap::find(golden, samples)? else {
        return Ok(());
    };
    let both = format!(
        "--golden {} and --samples {}",
        golden.display(),
        samples.display()
    );
    if overlap.is_most() {
        return Err(bad_input(format!(
            "{both} hold the same responses to the same prompts: {overlap}; so {CONSEQUENCE}"
        )));
    }
    warn(&format!(
        "{both} share responses: {overlap}; each is compared with itself, which teaches nothing"
    ));
    Ok(())
}

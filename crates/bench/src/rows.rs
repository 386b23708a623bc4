//! The pairs that are worked on: texts, or drawn tokens.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use apo_decoder::PromptTree;
use apo_dialogue::{DialogueTokenizer, Template};
use apo_hh::SplitPair;
use apo_tables::Reader;
use mini_world::fixtures;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Prompts that are sampled from: no file may have fewer pairs.
pub const SAMPLED_PROMPTS: usize = 8;

/// Number of pairs that are worked on.
const N_PAIRS: usize = 32;

/// Pairs of responses, each with its prompt, as the model's tokens.
pub trait Rows {
    /// Number of pairs.
    fn n_pairs(&self) -> usize;

    /// Returns a pair: the prompt, the chosen and the rejected response.
    ///
    /// # Errors
    ///
    /// When its text cannot be tokenized.
    fn tree(&self, at: usize) -> Result<PromptTree>;
}

/// Pairs as texts, tokenized when they are needed, as a stage does.
#[derive(Debug)]
pub struct Texts {
    pairs: Vec<Pair>,
    tokenizer: DialogueTokenizer,
}

/// A prompt with the better and the worse response.
#[derive(Debug, Serialize, Deserialize)]
struct Pair {
    prompt: String,
    chosen: String,
    rejected: String,
}

impl Pair {
    /// Takes a prompt that ends with `Assistant:`, and responses, which follow a space.
    fn new(prompt: &str, chosen: &str, rejected: &str) -> Self {
        Self {
            prompt: prompt.to_owned(),
            chosen: format!(" {}", chosen.trim_start()),
            rejected: format!(" {}", rejected.trim_start()),
        }
    }
}

impl Texts {
    /// Takes the pairs of a file, or of the mini world without one, for a model's
    /// tokenizer.
    ///
    /// # Errors
    ///
    /// When the tokenizer or a pair cannot be read, or there are fewer than 8 pairs.
    pub fn of(model: &Path, file: Option<&Path>) -> Result<Self> {
        let tokenizer = DialogueTokenizer::load(model, Template::Hh)?;
        let pairs = pairs(file)?;
        Ok(Self { pairs, tokenizer })
    }
}

impl Rows for Texts {
    fn n_pairs(&self) -> usize {
        self.pairs.len()
    }

    fn tree(&self, at: usize) -> Result<PromptTree> {
        let pair = &self.pairs[at];
        let prompt = self.tokenizer.encode_prompt(&pair.prompt, usize::MAX)?;
        let response = |text: &str| {
            self.tokenizer
                .encode_response(&prompt, text.trim_start(), usize::MAX)
        };
        let responses = vec![response(&pair.chosen)?, response(&pair.rejected)?];
        Ok(PromptTree { prompt, responses })
    }
}

/// Pairs of tokens that are drawn, so that their lengths are known.
#[derive(Clone, Copy, Debug)]
pub struct DrawnPairs {
    /// Number of pairs.
    pub pairs: usize,
    /// Tokens of each prompt.
    pub prompt: usize,
    /// Tokens of each response.
    pub response: usize,
    /// Tokens of the vocabulary.
    pub vocab: u32,
}

impl Rows for DrawnPairs {
    fn n_pairs(&self) -> usize {
        self.pairs
    }

    fn tree(&self, at: usize) -> Result<PromptTree> {
        let mut rng = ChaCha8Rng::seed_from_u64(at as u64);
        let mut tokens = |n| (0..n).map(|_| rng.random_range(0..self.vocab)).collect();
        Ok(PromptTree {
            prompt: tokens(self.prompt),
            responses: vec![tokens(self.response), tokens(self.response)],
        })
    }
}

/// Writes the pairs of a file, or of the mini world without one, as JSON lines.
///
/// # Errors
///
/// When a pair cannot be read, there are fewer than 8 pairs, or they cannot be written.
pub fn write(file: Option<&Path>, to: &Path) -> Result<()> {
    let mut text = String::new();
    for pair in pairs(file)? {
        text += &serde_json::to_string(&pair)?;
        text.push('\n');
    }
    fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
}

fn pairs(file: Option<&Path>) -> Result<Vec<Pair>> {
    let Some(path) = file else {
        return of_the_mini_world();
    };
    let pairs = if path.extension().is_some_and(|it| it == "parquet") {
        let table = Reader::<apo_tables::Pair>::open(path)?.take(N_PAIRS);
        table
            .map(|row| row.map(|row| Pair::new(&row.prompt, &row.chosen, &row.rejected)))
            .collect::<Result<_, _>>()?
    } else {
        read_lines(path)?
    };
    ensure!(
        pairs.len() >= SAMPLED_PROMPTS,
        "{} has {} pairs; expected at least {SAMPLED_PROMPTS}",
        path.display(),
        pairs.len()
    );
    Ok(pairs)
}

fn read_lines(path: &Path) -> Result<Vec<Pair>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = (1..).zip(text.lines().take(N_PAIRS));
    lines
        .map(|(number, line)| {
            let pair: Pair = serde_json::from_str(line)
                .with_context(|| format!("{}, line {number}", path.display()))?;
            Ok(Pair::new(&pair.prompt, &pair.chosen, &pair.rejected))
        })
        .collect()
}

/// Returns pairs of the mini world.
fn of_the_mini_world() -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    each_of_the_mini_world("hh/harmless-base/test.jsonl.gz", |_, _, split| {
        pairs.push(Pair::new(split.prompt, split.chosen, split.rejected));
        Ok(())
    })?;
    pairs.truncate(N_PAIRS);
    Ok(pairs)
}

/// Gives the sound rows of one of the mini world's files to `take`: the chosen and the
/// rejected dialogue, and both cut where their query ends.
///
/// # Errors
///
/// When the file cannot be read, or `take` fails.
pub fn each_of_the_mini_world(
    file: &str,
    mut take: impl FnMut(&str, &str, SplitPair<'_>) -> Result<()>,
) -> Result<()> {
    let stored = fixtures::folder().join(file);
    let stored = fs::read(&stored).with_context(|| format!("cannot read {}", stored.display()))?;
    let lines = fixtures::content(Path::new(file), &stored)?;
    for line in lines.split(|byte| *byte == b'\n') {
        // Some of its rows are malformed on purpose.
        let row: Value = serde_json::from_slice(line).unwrap_or_default();
        if let (Some(chosen), Some(rejected)) = (row["chosen"].as_str(), row["rejected"].as_str())
            && let Ok(split) = apo_hh::split_pair(chosen, rejected)
        {
            take(chosen, rejected, split)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_follow_a_space_whatever_the_file_has() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pairs.jsonl");
        let line = r#"{"prompt": "p", "chosen": "c", "rejected": " r"}"#;
        fs::write(&file, [line; SAMPLED_PROMPTS].join("\n")).unwrap();
        let pairs = pairs(Some(&file)).unwrap();
        assert!(
            pairs
                .iter()
                .all(|it| (&*it.chosen, &*it.rejected) == (" c", " r"))
        );
    }

    #[test]
    fn the_mini_world_has_enough_pairs() {
        assert_eq!(of_the_mini_world().unwrap().len(), N_PAIRS);
    }
}

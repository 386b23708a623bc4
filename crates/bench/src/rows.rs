//! The pairs that both sides work on.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use apo_dialogue::DialogueTokenizer;
use apo_llama::PromptTree;
use mini_world::fixtures;
use serde::Deserialize;
use serde_json::Value;

/// Number of pairs of the mini world, if there are no others.
const N_PAIRS: usize = 32;

/// A prompt with the better and the worse response.
#[derive(Debug, Deserialize)]
pub struct Pair {
    prompt: String,
    chosen: String,
    rejected: String,
}

impl Pair {
    /// Returns its tokens: the prompt, the chosen and the rejected response.
    pub fn tree(&self, tokenizer: &DialogueTokenizer) -> Result<PromptTree> {
        let prompt = self.prompt(tokenizer)?;
        let response =
            |text: &str| tokenizer.encode_response(&prompt, text.trim_start(), usize::MAX);
        let responses = vec![response(&self.chosen)?, response(&self.rejected)?];
        Ok(PromptTree { prompt, responses })
    }

    /// Returns the prompt's tokens.
    pub fn prompt(&self, tokenizer: &DialogueTokenizer) -> Result<Vec<u32>> {
        Ok(tokenizer.encode_prompt(&self.prompt, usize::MAX)?)
    }
}

/// Reads the peers' pairs, one JSON object per line.
pub fn read(path: &Path) -> Result<Vec<Pair>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let pairs: Vec<Pair> = text
        .lines()
        .enumerate()
        .map(|(i, line)| {
            serde_json::from_str(line).with_context(|| format!("{}, line {i}", path.display()))
        })
        .collect::<Result<_>>()?;
    ensure!(!pairs.is_empty(), "{} has no pairs", path.display());
    Ok(pairs)
}

/// Returns pairs of the mini world, which replace the peers'.
pub fn of_the_mini_world() -> Result<Vec<Pair>> {
    let path = Path::new("hh/harmless-base/test.jsonl.gz");
    let stored = fixtures::folder().join(path);
    let stored = fs::read(&stored).with_context(|| format!("cannot read {}", stored.display()))?;
    let text = String::from_utf8(fixtures::content(path, &stored)?)?;
    let mut pairs = Vec::new();
    for line in text.lines() {
        // Some of its rows are malformed on purpose.
        let row: Value = serde_json::from_str(line).unwrap_or_default();
        let (Some(chosen), Some(rejected)) = (row["chosen"].as_str(), row["rejected"].as_str())
        else {
            continue;
        };
        if let Ok(split) = apo_hh::split_pair(chosen, rejected) {
            pairs.push(Pair {
                prompt: split.prompt.to_owned(),
                chosen: split.chosen.to_owned(),
                rejected: split.rejected.to_owned(),
            });
        }
        if pairs.len() == N_PAIRS {
            break;
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mini_world_has_enough_pairs() {
        assert_eq!(of_the_mini_world().unwrap().len(), N_PAIRS);
    }
}

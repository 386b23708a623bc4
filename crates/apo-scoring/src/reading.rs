//! How a model reads a response: what it is made into, and where a reward is read.

use std::path::Path;

use crate::args::ScorerArgs;
use crate::read_at::ReadAt;
use anyhow::Result;
use apo_decoder::{Head, ModelDirectory};
use apo_dialogue::{DialogueTokenizer, Fitted, Template, Truncation, fit_prompt};
use apo_provenance::Provenance;
use apo_stage::{bad_input, value_name};

/// What a response is made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Prompt, response and end of text, the last token of which is read: as `rm-train`
    /// trains, and for log-probs.
    Response,
    /// The whole dialogue as the model's chat template renders it, as reward models of
    /// `transformers` are trained.
    Dialogue {
        read_at: ReadAt,
        /// Padding, which `transformers` does not read at even where it ends a text.
        pad: Option<u32>,
    },
}

impl Reading {
    /// Returns how a model with this head reads responses. One that we trained says so in
    /// its `apo.json`; of others, reward models with a chat template read whole dialogues.
    ///
    /// # Errors
    ///
    /// When the directory is malformed, or `--read-at` is given for a model that it does not
    /// concern.
    pub(crate) fn of(args: &ScorerArgs, head: Head, tokenizer: &DialogueTokenizer) -> Result<Self> {
        let dir: &Path = &args.model.dir;
        let directory = ModelDirectory::open(dir)?;
        let is_foreign = head == Head::Reward && directory.manifest.is_none();
        if is_foreign && tokenizer.template() == Template::Chat {
            return Ok(Self::Dialogue {
                read_at: args.read_at.unwrap_or(ReadAt::Last),
                pad: directory.config.pad_token_id,
            });
        }
        if args.read_at.is_some() {
            return Err(bad_input(format!(
                "--read-at is for reward models that others trained on their chat template; the \
                 model in {} is read at the end of prompt and response",
                dir.display()
            )));
        }
        Ok(Self::Response)
    }

    /// Adds to a provenance how dialogues are read, if they are read as a whole.
    pub(crate) fn provenance(self, provenance: Provenance) -> Provenance {
        match self {
            Self::Response => provenance,
            Self::Dialogue { read_at, .. } => provenance.argument("read_at", value_name(&read_at)),
        }
    }
}

/// Returns a dialogue's ids up to the one at which the reward is read, or `None` if there is
/// none after what it shares with its `prompt`.
pub(crate) fn until_read(
    mut ids: Vec<u32>,
    prompt: &[u32],
    read_at: ReadAt,
    pad: Option<u32>,
    ends: &[u32],
) -> Option<Vec<u32>> {
    let at = match read_at {
        ReadAt::Last => ids.iter().rposition(|it| Some(*it) != pad),
        ReadAt::EndOfTurn => ids.iter().rposition(|it| ends.contains(it)),
    };
    let at = at.filter(|at| *at >= n_same(&ids, prompt).max(1))?;
    ids.truncate(at + 1);
    Some(ids)
}

/// Returns how many ids two texts begin with alike.
fn n_same(ids: &[u32], others: &[u32]) -> usize {
    let pairs = ids.iter().zip(others);
    pairs.take_while(|(a, b)| a == b).count()
}

/// Fits a dialogue to the limit: its beginning is lost, but not its beginning of text. What
/// it shares with `prompt` is the prompt, so that dialogues with the same one share it.
pub(crate) fn fit_dialogue(ids: &[u32], prompt: &[u32], truncation: &mut Truncation) -> Fitted {
    let kept = fit_prompt(ids, truncation.bos, truncation.limit);
    let prompt_cut = ids.len() - kept.len();
    truncation.counts.responses += 1;
    truncation.counts.prompts_cut += u64::from(prompt_cut > 0);
    let same = n_same(&kept, prompt).clamp(1, kept.len() - 1);
    let (prompt, response) = kept.split_at(same);
    Fitted {
        prompt: prompt.to_vec(),
        response: response.to_vec(),
        prompt_cut,
        response_cut: 0,
    }
}

#[cfg(test)]
mod tests {
    use apo_dialogue::TruncationCounts;

    use super::*;

    #[test]
    fn a_reward_is_read_where_transformers_reads_it() {
        let ids = [1, 5, 6, 9, 4];
        let read = |read_at, pad| until_read(ids.to_vec(), &[1, 5], read_at, pad, &[9]);
        assert_eq!(read(ReadAt::Last, None), Some(ids.to_vec()));
        assert_eq!(read(ReadAt::Last, Some(0)), Some(ids.to_vec()));
        assert_eq!(read(ReadAt::Last, Some(4)), Some(vec![1, 5, 6, 9]));
        assert_eq!(read(ReadAt::EndOfTurn, None), Some(vec![1, 5, 6, 9]));
        let at_end = |prompt: &[u32], ends: &[u32]| {
            until_read(ids.to_vec(), prompt, ReadAt::EndOfTurn, None, ends)
        };
        assert_eq!(at_end(&[1], &[8]), None);
        // The end of an earlier turn is none of the response's.
        assert_eq!(at_end(&[1, 5, 6], &[5]), None);
        assert_eq!(
            until_read(vec![4, 4], &[], ReadAt::Last, Some(4), &[]),
            None
        );
    }

    #[test]
    fn a_dialogue_shares_its_prompt_and_loses_its_beginning() {
        let mut truncation = Truncation {
            limit: 8,
            eos: 0,
            bos: Some(1),
            counts: TruncationCounts::default(),
        };
        let mut fit = |ids: &[u32], prompt: &[u32]| {
            let fitted = fit_dialogue(ids, prompt, &mut truncation);
            (fitted.prompt, fitted.response)
        };
        assert_eq!(fit(&[1, 2, 3, 4], &[1, 2, 7]), (vec![1, 2], vec![3, 4]));
        assert_eq!(fit(&[1, 2], &[1, 2, 3]), (vec![1], vec![2]));
        assert_eq!(fit(&[2, 3], &[1]), (vec![2], vec![3]));
        let long: Vec<u32> = (1..=12).collect();
        let (prompt, response) = fit(&long, &[1, 2, 3]);
        assert_eq!([prompt, response].concat(), [1, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(
            (truncation.counts.responses, truncation.counts.prompts_cut),
            (4, 1)
        );
    }
}

//! Cutting a prompt and a response to a number of tokens.

use serde::Serialize;

/// A prompt and a response within a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// The prompt, perhaps without its beginning.
    pub prompt: Vec<u32>,
    /// The response with its end of text, or without its end.
    pub response: Vec<u32>,
    /// Tokens that the prompt lost.
    pub prompt_cut: usize,
    /// Tokens that the response lost, its end of text among them.
    pub response_cut: usize,
}

/// Cuts a prompt and a response to `limit` tokens in all.
///
/// First the prompt loses tokens on its left, after a beginning of text, until
/// it has a quarter of the limit. Only then does the response lose tokens on
/// its right; then no end of text is added. `eos` is `None` for a response that
/// was cut already.
///
/// # Panics
///
/// When the limit is below 8 tokens, or the prompt has none.
pub fn fit(
    prompt: &[u32],
    response: &[u32],
    eos: Option<u32>,
    bos: Option<u32>,
    limit: usize,
) -> Fitted {
    assert!(
        limit >= 8,
        "a limit below 8 tokens leaves nothing to learn from"
    );
    let wanted = response.len() + usize::from(eos.is_some());
    let least = prompt.len().min(limit / 4).max(1);
    let room = limit.saturating_sub(wanted).max(least);
    let prompt_cut = prompt.len().saturating_sub(room);
    let kept = fit_prompt(prompt, bos, room);
    let room = limit - kept.len();
    let (response, response_cut) = if wanted <= room {
        (response.iter().copied().chain(eos).collect(), 0)
    } else {
        // If only the end of text does not fit, nothing else is lost.
        let kept = room.min(response.len());
        (response[..kept].to_vec(), wanted - kept)
    };
    Fitted {
        prompt: kept,
        response,
        prompt_cut,
        response_cut,
    }
}

/// Cuts a prompt to `limit` tokens on its left, after a beginning of text.
pub fn fit_prompt(prompt: &[u32], bos: Option<u32>, limit: usize) -> Vec<u32> {
    let cut = prompt.len().saturating_sub(limit);
    if cut > 0 && bos.is_some() && prompt.first() == bos.as_ref() {
        let mut kept = vec![prompt[0]];
        kept.extend_from_slice(&prompt[cut + 1..]);
        return kept;
    }
    prompt[cut..].to_vec()
}

/// How many prompts and responses were truncated to fit the limit.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct TruncationCounts {
    /// All responses.
    pub responses: u64,
    /// Prompts that lost their beginning.
    pub prompts_cut: u64,
    /// Responses that lost their end.
    pub responses_cut: u64,
}

/// Truncates prompts and responses to a limit, and counts what is cut.
#[derive(Debug)]
pub struct Truncation {
    /// Most tokens of prompt and response.
    pub limit: usize,
    /// End of text.
    pub eos: u32,
    /// Beginning of text, if the model has one.
    pub bos: Option<u32>,
    /// What was truncated so far.
    pub counts: TruncationCounts,
}

impl Truncation {
    /// Fits a response, with an end of text if it is complete, and its prompt to
    /// the limit, as [`fit`].
    pub fn fit(&mut self, prompt: &[u32], response: &[u32], complete: bool) -> Fitted {
        let eos = complete.then_some(self.eos);
        let fitted = fit(prompt, response, eos, self.bos, self.limit);
        self.counts.responses += 1;
        self.counts.prompts_cut += u64::from(fitted.prompt_cut > 0);
        self.counts.responses_cut += u64::from(fitted.response_cut > 0);
        fitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EOS: u32 = 9000;
    const BOS: u32 = 9001;

    #[test]
    fn what_fits_stays_and_gets_its_end() {
        let fitted = fit(&[1, 2, 3], &[4, 5], Some(EOS), None, 8);
        assert_eq!(
            (fitted.prompt, fitted.response),
            (vec![1, 2, 3], vec![4, 5, EOS])
        );
        assert_eq!((fitted.prompt_cut, fitted.response_cut), (0, 0));
    }

    #[test]
    fn the_prompt_loses_its_left_but_not_its_beginning_of_text() {
        let fitted = fit(&[BOS, 1, 2, 3, 4, 5], &[6, 7, 8], Some(EOS), Some(BOS), 8);
        assert_eq!(fitted.prompt, [BOS, 3, 4, 5]);
        assert_eq!(fitted.response, [6, 7, 8, EOS]);
        assert_eq!((fitted.prompt_cut, fitted.response_cut), (2, 0));
    }

    #[test]
    fn only_then_the_response_loses_its_right_and_its_end() {
        let fitted = fit(
            &[1, 2, 3, 4],
            &[5, 6, 7, 8, 9, 10, 11, 12],
            Some(EOS),
            None,
            8,
        );
        assert_eq!(fitted.prompt, [3, 4]);
        assert_eq!(fitted.response, [5, 6, 7, 8, 9, 10]);
        // Two tokens and the end of text.
        assert_eq!((fitted.prompt_cut, fitted.response_cut), (2, 3));
    }

    #[test]
    fn what_is_cut_is_counted() {
        let mut truncation = Truncation {
            limit: 8,
            eos: EOS,
            bos: None,
            counts: TruncationCounts::default(),
        };
        let whole = truncation.fit(&[1], &[2, 3], true);
        assert_eq!(whole.response, [2, 3, EOS]);
        // A response that was cut before gets no end of text.
        assert_eq!(truncation.fit(&[1], &[2, 3], false).response, [2, 3]);
        truncation.fit(&[1, 2, 3, 4, 5, 6], &[7, 8, 9], true);
        truncation.fit(&[1, 2, 3, 4], &[5; 20], true);
        let counts = truncation.counts;
        assert_eq!(counts.responses, 4);
        assert_eq!((counts.prompts_cut, counts.responses_cut), (2, 1));
    }

    proptest! {
        #[test]
        fn parts_are_kept_from_where_they_should_be(
            n_prompt in 1_u32..60, n_response in 1_u32..60, limit in 8_usize..40, ends: bool,
        ) {
            let prompt: Vec<u32> = (0..n_prompt).collect();
            let response: Vec<u32> = (100..100 + n_response).collect();
            let fitted = fit(&prompt, &response, ends.then_some(EOS), None, limit);
            prop_assert!(fitted.prompt.len() + fitted.response.len() <= limit);
            prop_assert!(prompt.ends_with(&fitted.prompt));
            let ended = fitted.response.last() == Some(&EOS);
            let kept = &fitted.response[..fitted.response.len() - usize::from(ended)];
            prop_assert!(response.starts_with(kept));
            prop_assert_eq!(fitted.prompt.len() + fitted.prompt_cut, prompt.len());
            let wanted = response.len() + usize::from(ends);
            prop_assert_eq!(fitted.response.len() + fitted.response_cut, wanted);
            if fitted.response_cut > 0 {
                prop_assert!(!ended);
                prop_assert_eq!(fitted.prompt.len(), prompt.len().min(limit / 4));
            } else if fitted.prompt_cut > 0 {
                prop_assert!(fitted.prompt.len() >= limit / 4);
            }
        }
    }
}

//! What a text that a server drew says as a response, by the rules of our own sampler.
//!
//! With ids, a response ends where our sampler would end it: at an end of text, or where a
//! further human turn begins. So its tokens and log-prob are those that our sampler would
//! report, whatever the server makes of the text. If ids are missing, the server's text
//! counts, and what the server says of its end.

use std::path::Path;

use anyhow::Result;
use apo_decoder::ModelDirectory;
use apo_dialogue::DialogueTokenizer;
use apo_endpoint::{Drawn, EndedBy};
use apo_stage::bad_input;
use apo_tables::Finish;

use crate::table::Sampled;

/// Most tokens of a character that is not whole: llama.cpp leaves them out where a text ends.
const MOST_CHARACTER_TOKENS: usize = 3;

/// Reads texts as responses.
#[derive(Debug)]
pub struct Texts<'a> {
    dir: &'a Path,
    tokenizer: &'a DialogueTokenizer,
    vocab_size: usize,
}

/// Where a response ends.
#[derive(Debug)]
struct End {
    /// Ids of the response, without an end of text.
    kept: usize,
    /// Ids that count as generated, with it.
    generated: usize,
    finish: Finish,
}

impl<'a> Texts<'a> {
    /// Reads texts of the model in `dir`.
    ///
    /// # Errors
    ///
    /// When its config cannot be read.
    pub fn new(dir: &'a Path, tokenizer: &'a DialogueTokenizer) -> Result<Self> {
        Ok(Self {
            dir,
            tokenizer,
            vocab_size: ModelDirectory::open(dir)?.config.vocab_size,
        })
    }

    /// Returns the response that a text of at most `max_tokens` tokens is. `n_tokens` is the number
    /// of its tokens, if the server tells it.
    ///
    /// # Errors
    ///
    /// When the tokenizer fails, when an id is beyond the vocabulary, so that the server has
    /// another model, or when the server's context ended the text too early.
    pub fn sampled(
        &self,
        drawn: &Drawn,
        n_tokens: Option<u64>,
        max_tokens: u32,
    ) -> Result<Sampled> {
        let Some(ids) = &drawn.ids else {
            return Ok(self.without_ids(drawn, n_tokens));
        };
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.vocab_size) {
            return Err(bad_input(format!(
                "the server drew the token {id}, and the vocabulary of {} ends at {}: it serves \
                 another model; remove the journal before you ask the right one",
                self.dir.display(),
                self.vocab_size.saturating_sub(1)
            )));
        }
        let end = self.end(ids, drawn.is_cut())?;
        let are_all = match n_tokens {
            Some(n) => n == ids.len() as u64,
            None => end.is_some() && self.says(ids, &drawn.text)?,
        };
        if !are_all {
            let found = self.without_ids(drawn, n_tokens);
            let finish = match (end, found.finish) {
                (_, Finish::Turn | Finish::Empty) => found.finish,
                (Some(end), _) => end.finish,
                // The end of text is one token; those that begin a turn are several.
                (None, _) if n_tokens == Some(ids.len() as u64 + 1) => said(drawn, Finish::Stop),
                (None, _) => said(drawn, Finish::Turn),
            };
            return Ok(Sampled { finish, ..found });
        }
        let end = end.unwrap_or(End {
            kept: ids.len(),
            generated: ids.len(),
            finish: said(drawn, Finish::Stop),
        });
        // Where a server counts, this was seen when it answered.
        let is_short = ids.len() + MOST_CHARACTER_TOKENS < max_tokens as usize;
        if end.finish == Finish::Length && n_tokens.is_none() && is_short {
            return Err(bad_input(format!(
                "the server's context ended a text after {} of {max_tokens} tokens; remove the journal, \
                 and raise the context (vLLM: --max-model-len; llama.cpp: --ctx-size, which all \
                 its slots share), or ask for shorter prompts or texts",
                ids.len()
            )));
        }
        let response = self.tokenizer.decode_response(&ids[..end.kept])?;
        let log_prob = drawn.log_probs.as_ref().map(|each| {
            let sum: f64 = each[..end.generated].iter().map(|&it| f64::from(it)).sum();
            sum as f32
        });
        Ok(Sampled {
            finish: or_empty(end.finish, &response),
            response,
            tokens: Some(end.generated as i32),
            log_prob,
        })
    }

    /// Whether a text follows from ids. Those of a turn that ended it may be among them.
    fn says(&self, ids: &[u32], text: &str) -> Result<bool> {
        let said = self.tokenizer.decode(ids)?;
        Ok(said.trim().starts_with(text.trim()))
    }

    /// Returns where a response ends; `None` if the ids do not tell. The server may have left
    /// out those of the turn that ended it, as llama.cpp does.
    fn end(&self, ids: &[u32], is_cut: bool) -> Result<Option<End>> {
        let stop = ids
            .iter()
            .position(|id| self.tokenizer.stop_ids().contains(id));
        let before = &ids[..stop.unwrap_or(ids.len())];
        let end = |kept, generated, finish| {
            Ok(Some(End {
                kept,
                generated,
                finish,
            }))
        };
        if let Some(n) = self.turn(before)? {
            return end(n, n, Finish::Turn);
        }
        if let Some(at) = stop {
            return end(at, at + 1, Finish::Stop);
        }
        let n = ids.len();
        if is_cut {
            return end(n, n, Finish::Length);
        }
        // A token without a text of its own is an end of text that only the server knows.
        match ids.last() {
            Some(&last) if self.tokenizer.decode(&[last])?.is_empty() => end(n, n, Finish::Stop),
            _ => Ok(None),
        }
    }

    /// Returns the number of ids up to where a further human turn has begun.
    fn turn(&self, ids: &[u32]) -> Result<Option<usize>> {
        if !self.tokenizer.decode(ids)?.contains(apo_hh::HUMAN) {
            return Ok(None);
        }
        Ok((1..=ids.len()).find(|&n| self.tokenizer.ends_turn(&ids[..n])))
    }

    /// Returns the response that a text is by itself. Nothing tells which tokens its
    /// log-probs would be of.
    fn without_ids(&self, drawn: &Drawn, n_tokens: Option<u64>) -> Sampled {
        let finish = if drawn.text.contains(apo_hh::HUMAN) {
            Finish::Turn
        } else if drawn.is_cut() {
            Finish::Length
        } else {
            said(drawn, Finish::Stop)
        };
        let response = self.tokenizer.response(&drawn.text);
        Sampled {
            finish: or_empty(finish, &response),
            response,
            tokens: n_tokens.and_then(|n| i32::try_from(n).ok()),
            log_prob: None,
        }
    }
}

/// Returns how a text that was not cut ended, as the server says, or else as is likely.
fn said(drawn: &Drawn, likely: Finish) -> Finish {
    match drawn.ended_by {
        Some(EndedBy::Text) => Finish::Turn,
        Some(EndedBy::Token) => Finish::Stop,
        None => likely,
    }
}

fn or_empty(finish: Finish, response: &str) -> Finish {
    if response.is_empty() {
        Finish::Empty
    } else {
        finish
    }
}

#[cfg(test)]
mod tests {
    use apo_dialogue::Template;

    use super::*;

    const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/mini");

    /// The end of text of the mini world's tokenizer, and its padding.
    const EOS: u32 = 0;
    const PAD: u32 = 1;

    fn tokenizer() -> DialogueTokenizer {
        DialogueTokenizer::load(Path::new(DIR), Template::Hh).expect("the fixture has a tokenizer")
    }

    fn drawn(ids: Vec<u32>, text: &str, finish_reason: &str) -> Drawn {
        Drawn {
            text: text.into(),
            finish_reason: finish_reason.into(),
            ended_by: None,
            log_probs: Some(vec![-0.5; ids.len()]),
            ids: Some(ids),
        }
    }

    fn read(drawn: &Drawn, n_tokens: Option<u64>) -> Sampled {
        let tokenizer = tokenizer();
        let texts = Texts::new(Path::new(DIR), &tokenizer).expect("the fixture has a config");
        let max_tokens = drawn.ids.as_ref().map_or(9, Vec::len) as u32;
        let found = texts.sampled(drawn, n_tokens, max_tokens);
        found.expect("the ids are known")
    }

    fn sampled(response: &str, finish: Finish, tokens: usize) -> Sampled {
        Sampled {
            response: response.into(),
            finish,
            tokens: Some(tokens as i32),
            log_prob: Some(-0.5 * tokens as f32),
        }
    }

    #[test]
    fn ids_end_a_response_as_our_sampler_does() {
        let ids = |text: &str| tokenizer().encode_prompt(text, 1000).expect("it is a text");
        let rinse = ids(" Rinse the rice.");
        let n = rinse.len();
        let then = |more: &[u32]| [rinse.as_slice(), more].concat();

        let stopped = read(&drawn(then(&[EOS]), " Rinse the rice.", "stop"), None);
        assert_eq!(stopped, sampled("Rinse the rice.", Finish::Stop, n + 1));
        let cut = read(&drawn(rinse.clone(), " Rinse the rice.", "length"), None);
        assert_eq!(cut, sampled("Rinse the rice.", Finish::Length, n));
        // A server that does not know the end of text goes on.
        let mut more = then(&[EOS]);
        more.extend(ids(" More."));
        let beyond = read(&drawn(more, " Rinse the rice. More.", "length"), None);
        assert_eq!(beyond, stopped);
        // It may know ends of text that the tokenizer does not name.
        let other = read(&drawn(then(&[PAD]), " Rinse the rice.", "stop"), None);
        assert_eq!(other, stopped);

        let human = ids("\n\nHuman: And then?");
        let marker = (1..=human.len())
            .find(|&n| tokenizer().ends_turn(&human[..n]))
            .expect("a turn begins");
        let turn = read(&drawn(then(&human), " Rinse the rice.", "stop"), None);
        let expected = sampled("Rinse the rice.", Finish::Turn, n + marker);
        assert_eq!(turn, expected);

        let nothing = read(&drawn(vec![EOS], "", "stop"), None);
        assert_eq!(nothing, sampled("", Finish::Empty, 1));
    }

    #[test]
    fn what_ids_do_not_tell_is_left_out() {
        let ids = tokenizer().encode_prompt(" Rinse the", 1000);
        let ids = ids.expect("it is a text");
        // llama.cpp ended it before a turn, and kept its tokens to itself.
        let turn = read(&drawn(ids.clone(), " Rinse the rice.", "stop"), Some(9));
        let expected = |finish| Sampled {
            response: "Rinse the rice.".into(),
            finish,
            tokens: Some(9),
            log_prob: None,
        };
        assert_eq!(turn, expected(Finish::Turn));
        // It left out some of those of a character.
        let ended = [ids.as_slice(), &[EOS]].concat();
        for (ids, finish_reason, finish) in [
            (ended, "stop", Finish::Stop),
            (ids, "length", Finish::Length),
        ] {
            let of_character = drawn(ids, " Rinse the rice.", finish_reason);
            assert_eq!(read(&of_character, Some(9)), expected(finish));
            let uncounted = Sampled {
                tokens: None,
                ..expected(finish)
            };
            assert_eq!(read(&of_character, None), uncounted);
        }

        let plain = |text: &str, finish_reason: &str| Drawn {
            text: text.into(),
            finish_reason: finish_reason.into(),
            ..Drawn::default()
        };
        let text = " Rinse the rice.";
        for (drawn, finish) in [
            (plain(text, "stop"), Finish::Stop),
            (plain(text, "length"), Finish::Length),
            (
                plain(&format!("{text}\n\nHuman: And"), "stop"),
                Finish::Turn,
            ),
        ] {
            assert_eq!(read(&drawn, Some(9)), expected(finish));
        }
        let empty = read(&plain(" ", "stop"), None);
        assert_eq!((empty.finish, empty.tokens), (Finish::Empty, None));
    }

    #[test]
    fn a_text_ends_as_the_server_says_where_its_ids_do_not_tell() {
        let ids = tokenizer().encode_prompt(" Rinse the rice.", 1000);
        let ids = ids.expect("it is a text");
        let n = ids.len() as u64;
        let by = |ended_by, ids: Option<&Vec<u32>>| Drawn {
            ended_by,
            ids: ids.cloned(),
            log_probs: None,
            ..drawn(Vec::new(), " Rinse the rice.", "stop")
        };
        let (text, token) = (Some(EndedBy::Text), Some(EndedBy::Token));
        for (drawn, n_tokens, finish) in [
            // The end of text is counted, but not among the ids.
            (by(None, Some(&ids)), n + 1, Finish::Stop),
            (by(token, Some(&ids)), n + 2, Finish::Stop),
            (by(text, Some(&ids)), n + 1, Finish::Turn),
            (by(None, Some(&ids)), n + 3, Finish::Turn),
            // Neither is counted.
            (by(token, Some(&ids)), n, Finish::Stop),
            (by(text, Some(&ids)), n, Finish::Turn),
            // There are no ids.
            (by(token, None), n, Finish::Stop),
            (by(text, None), n, Finish::Turn),
            (by(None, None), n, Finish::Stop),
        ] {
            assert_eq!(read(&drawn, Some(n_tokens)).finish, finish, "{drawn:?}");
        }
    }

    #[test]
    fn a_context_that_ends_an_uncounted_text_is_not_taken_for_its_length() {
        let ids = tokenizer().encode_prompt(" Rinse the rice.", 1000);
        let ids = ids.expect("it is a text");
        let n = ids.len() as u32;
        let tokenizer = tokenizer();
        let texts = Texts::new(Path::new(DIR), &tokenizer).expect("the fixture has a config");
        let cut = drawn(ids, " Rinse the rice.", "length");
        let error = texts.sampled(&cut, None, n + 4).unwrap_err().to_string();
        assert!(error.contains(&format!("after {n} of")), "{error}");
        // The tokens of half a character may be missing; other ids may, too.
        assert!(texts.sampled(&cut, None, n + 3).is_ok());
        let more = Drawn {
            text: " Rinse the rice. It".into(),
            ..cut
        };
        let found = texts.sampled(&more, None, n + 4).expect("ids are missing");
        assert_eq!(found.finish, Finish::Length);
    }

    #[test]
    fn a_token_beyond_the_vocabulary_is_another_models() {
        let tokenizer = tokenizer();
        let texts = Texts::new(Path::new(DIR), &tokenizer).expect("the fixture has a config");
        let error = texts.sampled(&drawn(vec![5000], "x", "stop"), None, 9);
        let error = error.expect_err("the vocabulary ends before").to_string();
        assert!(error.contains("another model"), "{error}");
    }
}

//! Requests for text completions: a prompt of token ids, and how it is continued.

use serde::Serialize;

/// How llama.cpp's server chooses a token, in the order of `transformers` and vLLM. Its own
/// order applies the temperature last, and it has filters that would be on by default.
const SAMPLERS: [&str; 4] = ["penalties", "temperature", "top_k", "top_p"];

/// A request for texts that continue a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct TextRequest {
    /// The model's name at the endpoint.
    pub model: String,
    /// What identifies the model beyond its name, such as a digest. It is not sent, but a
    /// journal does not answer for another model of the same name.
    pub weights: String,
    /// The prompt's token ids.
    pub prompt: Vec<u32>,
    /// The number of texts.
    pub n: u32,
    /// Most tokens of each.
    pub max_tokens: u32,
    /// How a token is chosen.
    pub choice: Choice,
    /// Seed of the server's sampling.
    pub seed: u32,
    /// Texts before which a completion ends.
    pub stop: Vec<String>,
    /// Token ids that end a completion.
    pub stop_ids: Vec<u32>,
}

/// How a token is chosen: repetition penalty, temperature, top-k, top-p, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Divides the logits; 0 always takes the likeliest token.
    pub temperature: f64,
    /// Keeps only this many of the likeliest tokens; `None` keeps all.
    pub top_k: Option<u32>,
    /// Keeps only the likeliest tokens that together reach this probability.
    pub top_p: f64,
    /// Makes tokens that are in the prompt or text less likely; 1 has no effect.
    pub repetition_penalty: f64,
}

/// The fields in the order in which they are sent.
///
/// Every setting is sent, also one that has no effect: where a request is silent, vLLM
/// follows the model's `generation_config.json`, and llama.cpp its own defaults. What only
/// one of them knows, the other ignores.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    prompt: &'a [u32],
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    max_tokens: u32,
    temperature: f64,
    /// -1 keeps all: not every server takes 0.
    top_k: i64,
    top_p: f64,
    min_p: f64,
    presence_penalty: f64,
    frequency_penalty: f64,
    /// vLLM's name.
    repetition_penalty: f64,
    /// llama.cpp's name.
    repeat_penalty: f64,
    /// How many of the last tokens llama.cpp penalises: all of prompt and text.
    repeat_last_n: usize,
    samplers: [&'a str; 4],
    seed: u32,
    stop: &'a [String],
    /// vLLM's. llama.cpp ends at what its model file marks.
    stop_token_ids: &'a [u32],
    /// With 0, llama.cpp returns none.
    logprobs: u32,
    /// vLLM's; llama.cpp returns ids with the log-probs.
    return_token_ids: bool,
    /// Older versions of vLLM return ids only so.
    return_tokens_as_token_ids: bool,
}

impl TextRequest {
    /// Returns the body to send.
    pub fn body(&self) -> String {
        let choice = self.choice;
        let body = Body {
            model: &self.model,
            prompt: &self.prompt,
            n: Some(self.n).filter(|&n| n != 1),
            max_tokens: self.max_tokens,
            temperature: choice.temperature,
            top_k: choice.top_k.map_or(-1, i64::from),
            top_p: choice.top_p,
            min_p: 0.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: choice.repetition_penalty,
            repeat_penalty: choice.repetition_penalty,
            repeat_last_n: self.prompt.len() + self.max_tokens as usize,
            samplers: SAMPLERS,
            seed: self.seed,
            stop: &self.stop,
            stop_token_ids: &self.stop_ids,
            logprobs: 1,
            return_token_ids: true,
            return_tokens_as_token_ids: true,
        };
        serde_json::to_string(&body).expect("a request is plain data")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::{Form, Question as _};

    fn request() -> TextRequest {
        TextRequest {
            model: "m".into(),
            weights: "0123".into(),
            prompt: vec![5, 6, 7],
            n: 1,
            max_tokens: 16,
            choice: Choice {
                temperature: 1.2,
                top_k: Some(5),
                top_p: 0.85,
                repetition_penalty: 1.05,
            },
            seed: 9,
            stop: vec!["\n\nHuman:".into()],
            stop_ids: vec![0, 2],
        }
    }

    #[test]
    fn the_body_has_every_setting_under_every_servers_name() {
        assert_eq!(
            request().body(),
            r#"{"model":"m","prompt":[5,6,7],"max_tokens":16,"temperature":1.2,"top_k":5,"top_p":0.85,"min_p":0.0,"presence_penalty":0.0,"frequency_penalty":0.0,"repetition_penalty":1.05,"repeat_penalty":1.05,"repeat_last_n":19,"samplers":["penalties","temperature","top_k","top_p"],"seed":9,"stop":["\n\nHuman:"],"stop_token_ids":[0,2],"logprobs":1,"return_token_ids":true,"return_tokens_as_token_ids":true}"#
        );
        let mut all = request();
        all.choice.top_k = None;
        assert!(all.body().contains(r#""top_k":-1,"#));
        let four = TextRequest { n: 4, ..request() };
        assert!(
            four.body()
                .contains(r#""prompt":[5,6,7],"n":4,"max_tokens":16"#)
        );
    }

    #[test]
    fn whatever_changes_the_texts_changes_the_digest() {
        let choice = request().choice;
        let with = |choice| TextRequest {
            choice,
            ..request()
        };
        let others = [
            TextRequest {
                model: "n".into(),
                ..request()
            },
            TextRequest {
                weights: "4567".into(),
                ..request()
            },
            TextRequest {
                prompt: vec![5, 6],
                ..request()
            },
            TextRequest { n: 2, ..request() },
            TextRequest {
                seed: 8,
                ..request()
            },
            TextRequest {
                max_tokens: 17,
                ..request()
            },
            TextRequest {
                stop_ids: vec![0],
                ..request()
            },
            with(Choice {
                temperature: 0.0,
                ..choice
            }),
            with(Choice {
                top_k: None,
                ..choice
            }),
            with(Choice {
                top_p: 1.0,
                ..choice
            }),
            with(Choice {
                repetition_penalty: 1.0,
                ..choice
            }),
        ];
        for other in others {
            assert_ne!(other.digest(), request().digest(), "{other:?}");
        }
        assert_eq!(request().digest(), request().digest());
    }

    #[test]
    fn the_digest_is_that_of_weights_and_body() {
        // { printf '0123\0'; printf '%s' "$BODY"; } | sha256sum, with the body above
        assert_eq!(
            request().digest().to_string(),
            "987787ed230c3b65668424808cbe23c9a7e3e5454ef35cd928b43850dd580fe4"
        );
    }

    #[test]
    fn an_answer_may_be_as_large_as_its_tokens() {
        let form = TextRequest {
            n: 4,
            max_tokens: 8192,
            ..request()
        }
        .form();
        assert_eq!(form.most_bytes(4 << 20), 32 << 20);
        assert_eq!(request().form().most_bytes(4 << 20), 4 << 20);
        assert_eq!(Form::Chat.most_bytes(7), 7);
    }
}

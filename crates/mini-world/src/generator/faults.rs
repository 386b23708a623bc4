//! Lines with the faults of HH.

use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::dialogue::{query, question};
use super::pair::{annotate, json_line};
use crate::voice::Voice;

/// Why a line is faulty, as the rejects table says it.
pub(super) const FAULTS: [&str; 6] = [
    "same_response",
    "empty_response",
    "diverges_early",
    "no_query",
    "malformed",
    "duplicate",
];

/// Writes a line with a fault; `number` chooses among its forms.
pub(super) fn faulty_line(
    rng: &mut ChaCha8Rng,
    voice: &mut Voice,
    subset: &str,
    fault: &str,
    number: usize,
    sound: &[Vec<u8>],
) -> Vec<u8> {
    if fault == "duplicate" {
        return sound.choose(rng).expect("files have sound lines").clone();
    }
    let (topic, prompt) = query(rng, subset);
    let pair = annotate(rng, voice, topic, prompt);
    let (prompt, chosen, rejected) = (pair.prompt, pair.chosen, pair.rejected);
    match fault {
        "same_response" => json_line(
            &format!("{prompt} {chosen}"),
            &format!("{prompt} {chosen} "),
        ),
        "empty_response" => match number % 2 {
            0 => json_line(&format!("{prompt} {chosen}"), &prompt),
            _ => json_line(&format!("{prompt} \n"), &format!("{prompt} {rejected}")),
        },
        "diverges_early" => {
            let further = question(rng, topic);
            let dialogue = |response: &str, end: &str| {
                format!(
                    "{prompt} {response}{} {further}{} {end}",
                    apo_hh::HUMAN,
                    apo_hh::ASSISTANT
                )
            };
            json_line(&dialogue(&chosen, &rejected), &dialogue(&rejected, &chosen))
        }
        "no_query" => json_line(&chosen, &rejected),
        _ => {
            let whole = json_line(
                &format!("{prompt} {chosen}"),
                &format!("{prompt} {rejected}"),
            );
            match number % 5 {
                0 => whole[..whole.len() / 2].to_vec(),
                1 => json!({"chosen": format!("{prompt} {chosen}"), "rejected": 0})
                    .to_string()
                    .into_bytes(),
                2 => json!([prompt, chosen]).to_string().into_bytes(),
                3 => json!({"chosen": format!("{prompt} {chosen}")})
                    .to_string()
                    .into_bytes(),
                _ => {
                    // Latin-1 where UTF-8 is expected.
                    let mut bytes = whole;
                    let last = bytes.len() - 3;
                    bytes[last] = 0xe9;
                    bytes
                }
            }
        }
    }
}

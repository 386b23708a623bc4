//! Two policies' responses to the same queries.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use apo_hh::ASSISTANT;
use apo_provenance::Input;
use apo_stage::{NamedInput, bad_input, check_distinct_responses};
use apo_tables::{Reader, Response};

use crate::args::PoliciesArgs;

/// A query with the responses of both policies.
#[derive(Clone, Debug)]
pub struct Pairing {
    pub query_id: String,
    pub subset: String,
    pub prompt: String,
    /// What the first policy answered, as it was written.
    pub a: String,
    /// What the second policy answered.
    pub b: String,
}

impl Pairing {
    /// Returns the dialogue without the open turn that the response fills.
    pub fn dialogue(&self) -> &str {
        let dialogue = self.prompt.trim_end();
        let dialogue = dialogue.strip_suffix(ASSISTANT.trim()).unwrap_or(dialogue);
        dialogue.trim()
    }
}

/// Describes both policies' responses as inputs.
///
/// # Errors
///
/// When a table cannot be read, or both hold the same responses.
pub fn inputs(policies: &PoliciesArgs) -> Result<[Input; 2]> {
    let input = |path: &Path| Reader::<Response>::open(path)?.input();
    let PoliciesArgs { a, b } = policies;
    let inputs = [input(a)?, input(b)?];
    let role = |option, path, input| NamedInput {
        option,
        path,
        input,
    };
    let roles = [role("--a", a, &inputs[0]), role("--b", b, &inputs[1])];
    check_distinct_responses(
        &roles,
        "there is nothing to compare; give the responses of two policies",
    )?;
    Ok(inputs)
}

/// Reads both policies' responses, one pair per query, in the order of the
/// queries' hashes.
///
/// # Errors
///
/// When a table cannot be read, or the policies did not each answer the same
/// queries once.
pub fn pairings(policies: &PoliciesArgs) -> Result<Vec<Pairing>> {
    let (path_a, path_b) = (policies.a.display(), policies.b.display());
    let a = by_query(&policies.a)?;
    let mut b = by_query(&policies.b)?;
    let mut pairings = Vec::new();
    let mut alone = Vec::new();
    for (query_id, first) in a {
        match b.remove(&query_id) {
            Some(second) if second.prompt == first.prompt => pairings.push(Pairing {
                query_id,
                subset: first.subset,
                prompt: first.prompt,
                a: apo_hh::unquoted(&first.response).into_owned(),
                b: apo_hh::unquoted(&second.response).into_owned(),
            }),
            Some(_) => {
                return Err(bad_input(format!(
                    "query {query_id} has one prompt in {path_a} and another in {path_b}"
                )));
            }
            None => alone.push(query_id),
        }
    }
    if !alone.is_empty() || !b.is_empty() {
        let (n_a, n_b) = (alone.len(), b.len());
        let example = alone.into_iter().chain(b.into_keys()).min();
        return Err(bad_input(format!(
            "the policies did not answer the same queries: {n_a} are only in {path_a}, {n_b} only \
             in {path_b}, for example {}",
            example.unwrap_or_default()
        )));
    }
    pairings.sort_by(|a, b| a.query_id.cmp(&b.query_id));
    Ok(pairings)
}

fn by_query(path: &Path) -> Result<HashMap<String, Response>> {
    let mut found: HashMap<String, Response> = HashMap::new();
    for (row, response) in Reader::<Response>::open_filled(path)?.enumerate() {
        let response = response?;
        let query_id = response.query_id.clone();
        if found.insert(query_id.clone(), response).is_some() {
            return Err(bad_input(format!(
                "{} row {row}: query {query_id} has a second response; expected one for each \
                 query, as `sample --samples 1` writes them",
                path.display()
            )));
        }
    }
    Ok(found)
}

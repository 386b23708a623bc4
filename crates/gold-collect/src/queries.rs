//! The queries' keys, and what is wrong with their prompts.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Result;
use apo_import::Rendered;
use apo_stage::{bad_input, warn};
use apo_tables::{Query, Reader};

/// The queries' keys: their ids, and the hash of each one's prompt.
///
/// The two are the same in tables of `hh-split`; other tables may have other ids.
#[derive(Debug, Default)]
pub struct Keys {
    /// The hash of a query's prompt, by its id.
    pub prompt_of: HashMap<String, String>,
    /// The hashes of all prompts.
    pub prompts: HashSet<String>,
}

impl Keys {
    /// Reads the queries' keys. Warns of prompts that another program rendered, which the
    /// tables of other programs may hold.
    ///
    /// # Errors
    ///
    /// When the table cannot be read, or contains an id twice.
    pub fn read(path: &Path) -> Result<Self> {
        let mut keys = Self::default();
        let mut rendered = Rendered::default();
        for (row, query) in Reader::<Query>::open_filled(path)?.enumerate() {
            let query = query?;
            rendered.add(row, &query.prompt);
            let prompt = apo_hh::query_id(&query.prompt);
            keys.prompts.insert(prompt.clone());
            if keys
                .prompt_of
                .insert(query.query_id.clone(), prompt)
                .is_some()
            {
                return Err(bad_input(format!(
                    "{}, row {row} (from 0), column `query_id`: `{}` is in an earlier row as well; \
                     expected each query once",
                    path.display(),
                    query.query_id
                )));
            }
        }
        if let Some(sentence) = rendered.sentence(path) {
            warn(&sentence);
        }
        Ok(keys)
    }

    /// Returns the number of queries.
    pub fn n_queries(&self) -> usize {
        self.prompt_of.len()
    }
}

//! The better HH response, for queries to which no reply came.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Result;
use apo_golden::Origin;
use apo_tables::{Pair, Query, Reader};

use crate::answers::Filed;

/// The queries that need one.
#[derive(Debug)]
pub enum Lacking {
    /// The queries with these ids.
    Some(HashSet<String>),
    /// All queries without an answer from a file.
    All,
}

/// The better responses to those queries.
#[derive(Debug, Default)]
pub struct Better {
    responses: HashMap<String, (String, Filed)>,
}

/// Reads all pairs once, to find a damaged table before any reply costs money.
///
/// # Errors
///
/// When the table cannot be read.
pub fn check(path: &Path) -> Result<()> {
    for pair in Reader::<Pair>::open(path)? {
        pair?;
    }
    Ok(())
}

impl Better {
    /// Reads the better responses to queries. If a query has several pairs, the one
    /// with the smallest `pair_id` counts: this is a draw by hash, which does not
    /// depend on the order of the rows. A response that is only a thought does not count.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    pub fn read(path: &Path, lacking: &Lacking) -> Result<Self> {
        let mut found = Self::default();
        for pair in Reader::<Pair>::open(path)? {
            found.add(pair?, lacking);
        }
        Ok(found)
    }

    fn add(&mut self, pair: Pair, lacking: &Lacking) {
        if let Lacking::Some(ids) = lacking
            && !ids.contains(&pair.query_id)
        {
            return;
        }
        let Some(filed) = Filed::new(&pair.chosen, Origin::HhChosen) else {
            return;
        };
        match self.responses.get(&pair.query_id) {
            Some((before, _)) if *before <= pair.pair_id => {}
            _ => {
                self.responses.insert(pair.query_id, (pair.pair_id, filed));
            }
        }
    }

    /// Returns the better response to a query; `None` if it has no pair.
    pub fn to(&self, query: &Query) -> Option<&Filed> {
        self.responses.get(&query.query_id).map(|(_, filed)| filed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(query_id: &str, pair_id: &str, chosen: &str) -> Pair {
        Pair {
            query_id: query_id.into(),
            pair_id: pair_id.into(),
            subset: String::new(),
            prompt: String::new(),
            chosen: chosen.into(),
            rejected: "worse".into(),
            margin: None,
        }
    }

    fn chosen(pairs: &[Pair], lacking: &Lacking, query_id: &str) -> Option<String> {
        let mut better = Better::default();
        for pair in pairs {
            better.add(pair.clone(), lacking);
        }
        let query = Query {
            query_id: query_id.into(),
            subset: String::new(),
            prompt: String::new(),
        };
        better.to(&query).map(|filed| filed.golden.response.clone())
    }

    #[test]
    fn of_several_pairs_the_same_counts_in_any_order() {
        let mut pairs = [
            pair("q", "2", "two"),
            pair("q", "1", "one"),
            pair("q", "3", "three"),
        ];
        assert_eq!(chosen(&pairs, &Lacking::All, "q").as_deref(), Some("one"));
        pairs.reverse();
        assert_eq!(chosen(&pairs, &Lacking::All, "q").as_deref(), Some("one"));
    }

    #[test]
    fn thoughts_and_ends_are_no_part_of_a_response() {
        let pairs = [
            pair("q", "1", "<think>Hm.</think>one</s>"),
            pair("r", "1", "<think>Hm."),
            pair("r", "2", "two"),
        ];
        assert_eq!(chosen(&pairs, &Lacking::All, "q").as_deref(), Some("one"));
        assert_eq!(chosen(&pairs, &Lacking::All, "r").as_deref(), Some("two"));
    }

    #[test]
    fn only_the_lacking_are_kept() {
        let pairs = [pair("q", "1", "one"), pair("r", "2", "two")];
        let lacking = Lacking::Some(["r".to_owned()].into());
        assert_eq!(chosen(&pairs, &lacking, "q"), None);
        assert_eq!(chosen(&pairs, &lacking, "r").as_deref(), Some("two"));
        assert_eq!(chosen(&pairs, &Lacking::All, "s"), None);
    }
}

//! An annotator's file: what the page exports, or the filled table.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use apo_stage::bad_input;
use apo_tables::Shown;
use serde::Deserialize;

use super::{Texts, sheet_id};

/// What a person says of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    Left,
    Right,
    Same,
}

/// An annotator's votes, by query.
#[derive(Debug)]
pub struct Votes {
    pub annotator: String,
    pub votes: HashMap<String, Vote>,
}

/// What the page exports.
#[derive(Deserialize)]
struct Export {
    sheet: String,
    annotator: String,
    votes: Vec<Exported>,
}

#[derive(Deserialize)]
struct Exported {
    query_id: String,
    vote: String,
}

/// A row of the table.
#[derive(Deserialize)]
struct Row {
    query_id: String,
    dialogue: String,
    left: String,
    right: String,
    vote: String,
}

/// What separates cells, by the language of the office that saved them.
const SEPARATORS: [u8; 3] = *b",;\t";

impl Votes {
    /// Reads a file of votes for the sheet of `key`.
    ///
    /// # Errors
    ///
    /// When it is of another sheet, a row is not as it was shown, a vote is none,
    /// or a query is unknown or stands there twice.
    pub fn read(path: &Path, key: &[Shown]) -> Result<Self> {
        let at = path.display();
        let bytes = fs::read(path).map_err(|error| bad_input(format!("{at}: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| {
            bad_input(format!(
                "{at}: is not UTF-8; save the table as CSV in UTF-8"
            ))
        })?;
        let text = text.trim_start_matches('\u{feff}');
        let is_page = path.extension().is_some_and(|it| it == "json");
        if is_page {
            Self::of_page(path, text, key)
        } else {
            Self::of_table(path, text, key)
        }
    }

    fn of_page(path: &Path, text: &str, key: &[Shown]) -> Result<Self> {
        let at = path.display();
        let export: Export = serde_json::from_str(text)
            .map_err(|error| bad_input(format!("{at}: not what the sheet exports: {error}")))?;
        let own = sheet_id(key);
        if export.sheet != own {
            let theirs = export.sheet;
            return Err(bad_input(format!(
                "{at}: votes for sheet {theirs}, --key is of sheet {own}"
            )));
        }
        let name = export.annotator.trim();
        let mut found = Self::of_nobody(path, name);
        for (i, it) in export.votes.iter().enumerate() {
            let at = format!("{at} vote {}", i + 1);
            let shown = key.iter().find(|row| row.query_id == it.query_id);
            found.add(&at, shown, &it.query_id, &it.vote)?;
        }
        Ok(found)
    }

    fn of_table(path: &Path, text: &str, key: &[Shown]) -> Result<Self> {
        let at = path.display();
        let head = text.lines().next().unwrap_or_default();
        let fields = |separator: u8| head.matches(char::from(separator)).count();
        let separator = SEPARATORS.into_iter().max_by_key(|&it| fields(it));
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator.unwrap_or(b','))
            .from_reader(text.as_bytes());
        let mut found = Self::of_nobody(path, "");
        for row in reader.deserialize() {
            let row: Row = row.map_err(|error| {
                bad_input(format!(
                    "{at}: not the sheet's table (query_id, dialogue, left, right, vote): {error}"
                ))
            })?;
            let id = &row.query_id;
            let at = format!("{at} query {id}");
            let shown = key.iter().find(|it| it.query_id == *id);
            let texts = Texts {
                dialogue: &row.dialogue,
                left: &row.left,
                right: &row.right,
            };
            if shown.is_some_and(|it| it.digest != texts.digest()) {
                return Err(bad_input(format!(
                    "{at}: dialogue, left or right are not as the sheet showed them; take them from \
                     the sheet of --key again"
                )));
            }
            if row.vote.trim().is_empty() && shown.is_some() {
                continue;
            }
            found.add(&at, shown, id, &row.vote)?;
        }
        Ok(found)
    }

    /// Begins with no votes; who left no name is called as the file is.
    fn of_nobody(path: &Path, name: &str) -> Self {
        let stem = path.file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy();
        Self {
            annotator: if name.is_empty() { &stem } else { name }.to_owned(),
            votes: HashMap::new(),
        }
    }

    fn add(&mut self, at: &str, shown: Option<&Shown>, query: &str, vote: &str) -> Result<()> {
        if shown.is_none() {
            return Err(bad_input(format!(
                "{at}: query {query} is not on the sheet"
            )));
        }
        let vote = match vote.trim().to_lowercase().as_str() {
            "left" => Vote::Left,
            "right" => Vote::Right,
            "same" => Vote::Same,
            _ => {
                return Err(bad_input(format!(
                    "{at}: `vote` is `{vote}`, expected left, right, same or nothing"
                )));
            }
        };
        if self.votes.insert(query.to_owned(), vote).is_some() {
            return Err(bad_input(format!("{at}: query {query} has a second vote")));
        }
        Ok(())
    }
}

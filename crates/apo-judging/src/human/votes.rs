//! An annotator's file: the page's export, or the filled-in spreadsheet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use apo_stage::bad_input;
use apo_tables::{SheetKey, file};
use serde::Deserialize;

use super::form::{COLUMNS, Texts, row_id, sheet_id};

/// A person's vote on a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    Left,
    Right,
    Same,
}

/// An annotator's votes, by the sheet's row, from 0.
#[derive(Debug)]
pub struct Votes {
    pub annotator: String,
    pub by_row: BTreeMap<usize, Vote>,
    /// Rows whose texts differ from the sheet's, so that nobody knows what was judged.
    pub changed: Vec<String>,
}

/// The page's export.
#[derive(Deserialize)]
struct Export {
    sheet: String,
    annotator: String,
    votes: Vec<Exported>,
}

#[derive(Deserialize)]
struct Exported {
    id: String,
    vote: String,
}

/// A row of the spreadsheet.
#[derive(Deserialize)]
struct Row {
    #[serde(rename = "row")]
    id: String,
    dialogue: String,
    left: String,
    right: String,
    vote: String,
}

/// Separators that office programs use, depending on their language.
const SEPARATORS: [u8; 3] = *b",;\t";

impl Votes {
    /// Reads a file of votes for the sheet of `key`.
    ///
    /// # Errors
    ///
    /// When it belongs to another sheet, a vote is invalid, or a row is unknown or
    /// occurs twice.
    pub fn read(path: &Path, key: &[SheetKey]) -> Result<Self> {
        let at = path.display();
        let text = file::text(path)?;
        let is_page = path.extension().is_some_and(|it| it == "json");
        let found = if is_page {
            Self::of_page(path, &text, key)?
        } else {
            Self::of_table(path, &text, key)?
        };
        if found.annotator.chars().any(char::is_control) {
            let name = &found.annotator;
            return Err(bad_input(format!(
                "{at}: the annotator's name {name:?} holds control characters"
            )));
        }
        Ok(found)
    }

    fn of_page(path: &Path, text: &str, key: &[SheetKey]) -> Result<Self> {
        let at = path.display();
        let export: Export = serde_json::from_str(text)
            .map_err(|error| bad_input(format!("{at}: not what the sheet exports: {error}")))?;
        let own = sheet_id(key);
        if export.sheet != own {
            let theirs = export.sheet;
            return Err(bad_input(format!(
                "{at}: the votes are for sheet {theirs}, but --key is of sheet {own}"
            )));
        }
        let mut found = Self::of_nobody(path, export.annotator.trim());
        for it in &export.votes {
            let row = row_of(&it.id, key, path)?;
            found.add(path, row, &it.vote)?;
        }
        Ok(found)
    }

    fn of_table(path: &Path, text: &str, key: &[SheetKey]) -> Result<Self> {
        let at = path.display();
        let head = text.lines().next().unwrap_or_default();
        let fields = |separator: u8| head.matches(char::from(separator)).count();
        let separator = SEPARATORS.into_iter().max_by_key(|&it| fields(it));
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator.unwrap_or(b','))
            .from_reader(text.as_bytes());
        let broken = |problem: String| {
            let columns = COLUMNS.join(", ");
            bad_input(format!(
                "{at}: not the sheet's table ({columns}): {problem}"
            ))
        };
        let heads = reader
            .headers()
            .map_err(|error| broken(error.to_string()))?;
        let lacking = COLUMNS
            .into_iter()
            .find(|it| !heads.iter().any(|head| head == *it));
        if let Some(lacking) = lacking {
            return Err(broken(format!("there is no column `{lacking}`")));
        }
        let mut found = Self::of_nobody(path, "");
        let mut seen = BTreeSet::new();
        for row in reader.deserialize() {
            let it: Row = row.map_err(|error| broken(error.to_string()))?;
            let row = row_of(it.id.trim(), key, path)?;
            if !seen.insert(row) {
                let id = row_id(row);
                return Err(bad_input(format!("{at}: row {id} occurs twice")));
            }
            let texts = Texts {
                dialogue: &it.dialogue,
                left: &it.left,
                right: &it.right,
            };
            if key[row].digest != texts.digest() {
                found.changed.push(row_id(row));
            } else if !it.vote.trim().is_empty() {
                found.add(path, row, &it.vote)?;
            }
        }
        if found.changed.len() == seen.len() {
            return Err(bad_input(format!(
                "{at}: no row has the texts of the sheet of --key; the file is of another sheet, or \
                 was saved in another encoding than UTF-8"
            )));
        }
        Ok(found)
    }

    /// Starts without votes. An annotator without a name gets the file's name.
    fn of_nobody(path: &Path, name: &str) -> Self {
        let stem = path.file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy();
        Self {
            annotator: if name.is_empty() { &stem } else { name }.to_owned(),
            by_row: BTreeMap::new(),
            changed: Vec::new(),
        }
    }

    fn add(&mut self, path: &Path, row: usize, vote: &str) -> Result<()> {
        let (at, id) = (path.display(), row_id(row));
        let vote = match vote.trim().to_lowercase().as_str() {
            "left" => Vote::Left,
            "right" => Vote::Right,
            "same" => Vote::Same,
            _ => {
                return Err(bad_input(format!(
                    "{at} row {id}: `vote` is `{vote}`, expected left, right, same or nothing"
                )));
            }
        };
        if self.by_row.insert(row, vote).is_some() {
            return Err(bad_input(format!("{at}: row {id} has a second vote")));
        }
        Ok(())
    }
}

/// Returns the number of a row of the sheet, from 0.
fn row_of(id: &str, key: &[SheetKey], path: &Path) -> Result<usize> {
    let found = (0..key.len()).find(|&i| row_id(i) == id);
    found.ok_or_else(|| {
        let at = path.display();
        bad_input(format!("{at}: row `{id}` is not on the sheet of --key"))
    })
}

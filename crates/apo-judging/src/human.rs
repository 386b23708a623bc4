//! `judge human`: two policies before people (APO section 4.1, Figure 4).

mod sheet;
mod tally;
mod votes;

pub use sheet::run as sheet;
pub use tally::run as tally;

use apo_tables::SheetKey;
use apo_tables::provenance::hex;
use sha2::{Digest as _, Sha256};

/// Columns of the table for spreadsheets.
const COLUMNS: [&str; 5] = ["row", "dialogue", "left", "right", "vote"];

/// Returns what a sheet calls its rows: nothing that tells of the query, and
/// nothing that a spreadsheet takes for a number.
fn row_id(i: usize) -> String {
    format!("q-{}", i + 1)
}

/// What a person sees of a query.
#[derive(Clone, Copy, Debug)]
struct Texts<'a> {
    dialogue: &'a str,
    left: &'a str,
    right: &'a str,
}

impl Texts<'_> {
    /// Returns the digest of what is shown: the same however a spreadsheet ends
    /// its lines, and with or without the space before what it takes for a
    /// formula.
    fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for text in [self.dialogue, self.left, self.right] {
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            hasher.update(text.trim());
            hasher.update([0]);
        }
        hex(&hasher.finalize())
    }
}

/// Returns the name of a sheet: votes for another one are not for this.
fn sheet_id(key: &[SheetKey]) -> String {
    let mut hasher = Sha256::new();
    for row in key {
        hasher.update(&row.digest);
    }
    hex(&hasher.finalize()[..8])
}

//! What a sheet and the votes for it have in common: columns, ids, and the digest of
//! what is shown.

use apo_provenance::hex;
use apo_tables::SheetKey;
use sha2::{Digest as _, Sha256};

/// Columns of the spreadsheet.
pub(super) const COLUMNS: [&str; 5] = ["row", "dialogue", "left", "right", "vote"];

/// Returns the id of a sheet's row. It reveals nothing about the query, and no
/// spreadsheet reads it as a number.
pub(super) fn row_id(i: usize) -> String {
    format!("q-{}", i + 1)
}

/// What a person sees of a query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts<'a> {
    pub(super) dialogue: &'a str,
    pub(super) left: &'a str,
    pub(super) right: &'a str,
}

impl Texts<'_> {
    /// Returns the digest of the texts. Line endings and the space that keeps a
    /// spreadsheet from reading a text as a formula do not change it.
    pub(super) fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for text in [self.dialogue, self.left, self.right] {
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            hasher.update(text.trim());
            hasher.update([0]);
        }
        hex(&hasher.finalize())
    }
}

/// Returns the id of a sheet. Votes for a sheet with another id are refused.
pub(super) fn sheet_id(key: &[SheetKey]) -> String {
    let mut hasher = Sha256::new();
    for row in key {
        hasher.update(&row.digest);
    }
    hex(&hasher.finalize()[..8])
}

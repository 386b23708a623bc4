//! The page that documents tables and other people's files.

use std::fs;
use std::path::Path;

#[test]
fn the_page_of_tables_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../TABLES.md");
    let tables = apo_tables::tables::documentation(&apo_tables::tables::ALL);
    let expected = tables + &apo_import::documentation();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&path, &expected).expect("the page can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, expected,
        "UPDATE_PAGES=1 cargo test --release --workspace --test documentation writes it anew"
    );
}

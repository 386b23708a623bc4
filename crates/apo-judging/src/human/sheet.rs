//! `judge human sheet`: the page and the spreadsheet that annotators fill in.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use apo_hh::Role;
use apo_provenance::Provenance;
use apo_stage::{
    Claim, Output, OutputKind, bad_input, format_table, names, print_result, print_up_to_date,
    write_manifest,
};
use apo_tables::{SheetKey, Side, Writer};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::form::{COLUMNS, Texts, row_id, sheet_id};
use crate::args::SheetArgs;
use crate::pairing::{Pairing, inputs, pairings};

const PAGE: &str = include_str!("sheet.html");
const DATA: &str = "{{data}}";

/// The page's data.
#[derive(Serialize)]
struct Page<'a> {
    sheet: &'a str,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: String,
    turns: Vec<Said>,
    left: &'a str,
    right: &'a str,
}

#[derive(Serialize)]
struct Said {
    who: &'static str,
    text: String,
}

/// A pairing, and the policy whose response is shown on the left.
struct Placed {
    pairing: Pairing,
    left: Side,
}

/// Writes a folder with the page, the spreadsheet and the key.
///
/// # Errors
///
/// When the policies did not answer the same queries, when there are too few
/// queries, or the folder cannot be written.
pub fn run(args: &SheetArgs) -> Result<()> {
    let [a, b] = inputs(&args.policies)?;
    let secret = format!("{} {}", a.digest, b.digest);
    let placed = draw(args, &secret, pairings(&args.policies)?)?;
    let provenance = Provenance::new("judge human sheet", env!("CARGO_PKG_VERSION"))
        .argument("take", args.take)
        .argument("seed", args.seed)
        .input("a", a)
        .input("b", b);
    let inputs = [args.policies.a.as_path(), &args.policies.b];
    let out = &args.output.out;
    let Claim::Work(output) = Output::claim(&args.output, &provenance, OutputKind::Folder, inputs)?
    else {
        return print_up_to_date(&args.report, out);
    };
    let dir = output.dir().join(names::SHEET);
    let _ = fs::remove_dir_all(&dir); // what a kill left
    let cannot = || format!("cannot write {}", dir.display());
    fs::create_dir_all(&dir).with_context(cannot)?;
    let key: Vec<SheetKey> = placed.iter().map(Placed::key).collect();
    let mut writer = Writer::<SheetKey>::create(&dir.join("key.parquet"), &provenance)?;
    for row in &key {
        writer.write(row)?;
    }
    writer.finish()?;
    let sheet = sheet_id(&key);
    fs::write(dir.join("sheet.html"), page(&sheet, &placed)?).with_context(cannot)?;
    spreadsheet(&dir.join("sheet.csv"), &placed).with_context(cannot)?;
    write_manifest(&dir, &provenance)?;
    output.publish(names::SHEET)?;
    let shown = serde_json::json!({ "sheet": sheet, "queries": key.len(), "out": out });
    print_result(&args.report, &shown, || {
        let row =
            |name: &str, file: &str| vec![name.to_owned(), out.join(file).display().to_string()];
        let rows = [
            row("queries", "")
                .into_iter()
                .take(1)
                .chain([key.len().to_string()])
                .collect(),
            row("give to annotators", "sheet.html"),
            row("or, for a spreadsheet", "sheet.csv"),
            row("keep to yourself", "key.parquet"),
            row("", "apo.json"),
        ];
        format_table(&rows)
    })
}

/// Chooses the queries and their order by a hash of seed and query, so that they
/// depend on neither the order nor the number of the rows. The sides, half and
/// half, are chosen by a hash with `secret`, the digests of both tables, which
/// annotators do not have.
fn draw(args: &SheetArgs, secret: &str, pairings: Vec<Pairing>) -> Result<Vec<Placed>> {
    let (n, there) = (args.take as usize, pairings.len());
    if there < n {
        return Err(bad_input(format!(
            "the policies answered {there} queries, but --take asks for {n}"
        )));
    }
    let hash = |of: &str, pairing: &Pairing| -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(of);
        hasher.update(args.seed.to_le_bytes());
        hasher.update(&pairing.query_id);
        hasher.finalize().into()
    };
    let mut drawn = pairings;
    drawn.sort_by_cached_key(|it| hash("order", it));
    drawn.truncate(n);
    let mut sides: Vec<usize> = (0..n).collect();
    sides.sort_by_cached_key(|&i| hash(secret, &drawn[i]));
    let mut left = vec![Side::B; n];
    for &i in &sides[..n / 2] {
        left[i] = Side::A;
    }
    let placed = drawn.into_iter().zip(left);
    let placed = placed.map(|(pairing, left)| Placed { pairing, left });
    Ok(placed.collect())
}

impl Placed {
    fn texts(&self) -> Texts<'_> {
        let (a, b) = (&self.pairing.a, &self.pairing.b);
        let (left, right) = match self.left {
            Side::A => (a, b),
            Side::B => (b, a),
        };
        Texts {
            dialogue: self.pairing.dialogue(),
            left,
            right,
        }
    }

    fn key(&self) -> SheetKey {
        SheetKey {
            query_id: self.pairing.query_id.clone(),
            subset: self.pairing.subset.clone(),
            left: self.left,
            digest: self.texts().digest(),
            characters_a: self.pairing.a.chars().count() as i32,
            characters_b: self.pairing.b.chars().count() as i32,
        }
    }
}

/// Returns the page. Its texts are JSON without a `<`, and it displays them as text,
/// so that no response is taken for markup.
fn page(sheet: &str, placed: &[Placed]) -> Result<String> {
    let items = placed.iter().enumerate().map(|(i, it)| {
        let texts = it.texts();
        let turns = apo_hh::turns(&it.pairing.prompt).into_iter();
        Item {
            id: row_id(i),
            turns: turns
                .map(|turn| Said {
                    who: match turn.role {
                        Role::System => "System",
                        Role::Human => "Human",
                        Role::Assistant => "Assistant",
                        Role::Tool => "Tool",
                    },
                    text: turn.text,
                })
                .collect(),
            left: texts.left,
            right: texts.right,
        }
    });
    let items = items.collect();
    let data = serde_json::to_string(&Page { sheet, items })?.replace('<', "\\u003c");
    let (before, after) = PAGE
        .split_once(DATA)
        .context("the page has a place for data")?;
    Ok([before, &data, after].concat())
}

/// Writes the spreadsheet, with the byte order mark that identifies UTF-8.
fn spreadsheet(path: &Path, placed: &[Placed]) -> Result<()> {
    let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    writer.write_record(COLUMNS)?;
    for (i, it) in placed.iter().enumerate() {
        let texts = it.texts();
        let [dialogue, left, right] = [texts.dialogue, texts.left, texts.right].map(as_cell);
        writer.write_record([row_id(i), dialogue, left, right, String::new()])?;
    }
    fs::write(path, writer.into_inner()?)?;
    Ok(())
}

/// Keeps a spreadsheet from running a text as a formula.
fn as_cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        return format!(" {text}");
    }
    text.to_owned()
}

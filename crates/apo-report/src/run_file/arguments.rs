//! Parses the artifacts, rows, arms and tables that `judge describe` is given.

use std::mem;
use std::str::FromStr;

use clap::ValueEnum as _;

use super::contents::{Arm, Artifact, ArtifactKind, Entry, List};

/// What precedes the name of an arm's baseline among its policies.
const BASELINE: &str = "baseline:";

impl FromStr for Artifact {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once(':').and_then(|(kind, rest)| {
            let (name, path) = rest.split_once('=')?;
            (!name.is_empty() && !path.is_empty()).then_some((kind, name, path))
        });
        let (kind, name, path) = parts.ok_or("expected KIND:NAME=PATH")?;
        Ok(Self {
            kind: ArtifactKind::from_str(kind, false)
                .map_err(|_| format!("'{kind}' is not a kind of artifact"))?,
            name: name.into(),
            path: path.into(),
        })
    }
}

impl FromStr for Entry {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (shown, row) = match text.split_once('=') {
            Some((shown, row)) => (Some(shown), row),
            None => (None, text),
        };
        let kind = row.split_once(':').and_then(|(kind, of)| {
            let kind = ArtifactKind::from_str(kind, false).ok()?;
            Some((kind, of))
        });
        let of = kind.map_or(row, |it| it.1);
        if shown == Some("") || of.is_empty() {
            return Err("expected rows ROW or SHOWN=ROW");
        }
        let kind = kind.map(|it| it.0);
        let shown = shown.map_or_else(|| Self::name_of(of, kind), str::to_owned);
        Ok(Self {
            shown,
            of: of.into(),
            kind,
        })
    }
}

impl Entry {
    /// Returns the name of a row that a table does not name itself.
    pub fn name_of(of: &str, kind: Option<ArtifactKind>) -> String {
        kind.map_or_else(|| of.to_owned(), |kind| format!("{of}, {}", kind.name()))
    }
}

impl FromStr for Arm {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut list: List<String> = list(text, |it| Ok(it.to_owned()))?;
        let mut baseline = None;
        for it in mem::take(&mut list.rows) {
            match it.strip_prefix(BASELINE).map(str::trim) {
                None => list.rows.push(it),
                Some(_) if baseline.is_some() => return Err("expected one baseline"),
                Some("") => return Err("expected the name of an arm after `baseline:`"),
                Some(name) => baseline = Some(name.to_owned()),
            }
        }
        Ok(Self { list, baseline })
    }
}

impl FromStr for List<Entry> {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        list(text, str::parse)
    }
}

/// Reads `NAME=ROW;ROW;…`; spaces around rows do not count.
fn list<T>(
    text: &str,
    row: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<List<T>, &'static str> {
    let (name, rows) = text.split_once('=').ok_or("expected NAME=ROW;ROW;…")?;
    let rows = rows.split(';').map(str::trim).filter(|it| !it.is_empty());
    Ok(List {
        name: name.into(),
        rows: rows.map(row).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_artifact_has_kind_name_and_path() {
        let artifact: Artifact = "test:RM against APO-DPO=apo-dpo-1/rm.test.json"
            .parse()
            .expect("it is an artifact");
        assert_eq!(artifact.kind, ArtifactKind::Test);
        assert_eq!(artifact.name, "RM against APO-DPO");
        assert_eq!(artifact.path, Path::new("apo-dpo-1/rm.test.json"));
        for text in ["test:a", "a=b", "what:a=b", "test:=b", "test:a="] {
            assert!(
                text.parse::<Artifact>().is_err(),
                "{text:?} is not an artifact"
            );
        }
    }

    #[test]
    fn an_arm_may_name_its_baseline() {
        let arm: Arm = "APO-DPO=SFT;APO-DPO; baseline: DPO"
            .parse()
            .expect("an arm");
        assert_eq!(arm.list.name, "APO-DPO");
        assert_eq!(arm.list.rows, ["SFT", "APO-DPO"]);
        assert_eq!(arm.baseline.as_deref(), Some("DPO"));
        let arm: Arm = "DPO=SFT;DPO".parse().expect("an arm");
        assert_eq!(arm.baseline, None);
        for text in ["DPO", "DPO=SFT;baseline:", "DPO=baseline:A;baseline:B"] {
            assert!(text.parse::<Arm>().is_err(), "{text:?} is not an arm");
        }
    }

    #[test]
    fn a_table_may_call_a_row_otherwise() {
        let table: List<Entry> = "rounds=SFT; RJS-1=RJS;".parse().expect("it is a table");
        let rows: Vec<(&str, &str)> = table
            .rows
            .iter()
            .map(|it| (it.shown.as_str(), it.of.as_str()))
            .collect();
        assert_eq!(table.name, "rounds");
        assert_eq!(rows, [("SFT", "SFT"), ("RJS-1", "RJS")]);
        let row = |text: &str| text.parse::<Entry>().expect("it is a row");
        assert_eq!(row("truth:RM_AB").shown, "RM_AB, truth");
        assert_eq!(row("truth:RM_AB").of, "RM_AB");
        assert_eq!(row("AB=truth:RM_AB").shown, "AB");
        assert_eq!(row("round 1: RJS").of, "round 1: RJS");
        assert_eq!(row("truth:RM_AB").kind, Some(ArtifactKind::Truth));
        assert!("truth:".parse::<Entry>().is_err());
        assert!("rounds".parse::<List<Entry>>().is_err());
        assert!("rounds==RJS".parse::<List<Entry>>().is_err());
    }
}

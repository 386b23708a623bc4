//! What an input is called in a provenance.

use std::ffi::OsStr;
use std::path::Path;

/// Returns the name of a file or folder, without its path. In the cache of Hugging
/// Face's hub a folder is named after its commit, and says nothing alone: there the
/// name is `owner/name@commit`, or `owner/name@commit:file`.
pub fn input_name(path: &Path) -> String {
    hub_name(path).unwrap_or_else(|| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    })
}

/// Names what lies in `…/models--owner--name/snapshots/COMMIT`, or in that of a data set;
/// `None` for what lies elsewhere.
pub fn hub_name(path: &Path) -> Option<String> {
    let parts: Vec<&str> = path.iter().map(OsStr::to_str).collect::<Option<_>>()?;
    let at = parts.iter().rposition(|it| *it == "snapshots")?;
    let folder = parts[..at].last()?;
    let name = ["models--", "datasets--"]
        .iter()
        .find_map(|kind| folder.strip_prefix(kind))?;
    let (owner, name) = name.split_once("--")?;
    let (commit, file) = parts[at + 1..].split_first()?;
    let file = match file.join("/").as_str() {
        "" => String::new(),
        file => format!(":{file}"),
    };
    Some(format!("{owner}/{name}@{commit}{file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_of_the_hub_is_named_by_repository_and_commit() {
        for (path, expected) in [
            ("runs/mini/policy", "policy"),
            ("a/pairs.parquet", "pairs.parquet"),
            ("snapshots/last", "last"),
            ("/c/models--o--n.1/snapshots/0a1b", "o/n.1@0a1b"),
            (
                "/c/datasets--o--n/snapshots/0a1b/data/train.parquet",
                "o/n@0a1b:data/train.parquet",
            ),
        ] {
            assert_eq!(input_name(Path::new(path)), expected);
        }
    }
}

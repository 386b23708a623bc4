//! What made an output: its stage, version, arguments and inputs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::digest::hex;

/// The file with the provenance in a model directory or a folder of tables.
pub const MANIFEST: &str = "apo.json";

/// The table of a training's metrics in a model directory. It is part of the output,
/// but not of the model.
pub const METRICS: &str = "metrics.parquet";

/// What made an output. It has no times, hosts or paths, so that equal work gives
/// equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The stage.
    pub stage: String,
    /// Its version.
    pub version: String,
    /// The arguments that the output depends on, by name.
    pub arguments: BTreeMap<String, Value>,
    /// What was read, by the argument that named it.
    pub inputs: BTreeMap<String, Input>,
    /// The part of the data that this is, if the data was split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

/// What an output says of itself: a model or folder in its `apo.json`, a table in its
/// footer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// SHA-256 of each file, hex, by its path in the folder. A table has none; earlier
    /// versions wrote none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// What made the output.
    #[serde(flatten)]
    pub provenance: Provenance,
}

impl From<Provenance> for Manifest {
    /// Describes an output whose files are not known, or which is one file.
    fn from(provenance: Provenance) -> Self {
        let files = BTreeMap::new();
        Self { files, provenance }
    }
}

/// A part of split data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Identifies the split: a digest of what made it, hex.
    pub of: String,
    /// The part, such as `rm`, `llm` or [`TEST`].
    pub part: String,
}

/// The part that no model may learn from.
pub const TEST: &str = "test";

/// A file or folder that an output was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Its name, as [`input_name`](fn@crate::input_name) gives it.
    pub name: String,
    /// The number of its rows, if it is a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// SHA-256 of its content, hex.
    pub digest: String,
    /// The part of the data that its queries are, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

impl Provenance {
    /// Starts the provenance of a stage's output.
    pub fn new(stage: &str, version: &str) -> Self {
        Self {
            stage: stage.to_owned(),
            version: version.to_owned(),
            ..Self::default()
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.arguments.insert(name.to_owned(), value.into());
        self
    }

    /// Adds an input.
    #[must_use]
    pub fn input(mut self, name: &str, input: Input) -> Self {
        self.inputs.insert(name.to_owned(), input);
        self
    }

    /// Returns the provenance of a part of the data that this splits.
    #[must_use]
    pub fn of_part(&self, part: &str) -> Self {
        let json = serde_json::to_vec(self).expect("a provenance is plain data");
        let of = hex(&Sha256::digest(json)[..8]);
        let part = part.to_owned();
        Self {
            split: Some(Split { of, part }),
            ..self.clone()
        }
    }

    /// Returns the part of the data that the output's queries are: its own, or
    /// that of its inputs. The test part comes first.
    pub fn split(&self) -> Option<&Split> {
        let inputs = self.inputs.values().filter_map(|it| it.split.as_ref());
        let mut all = self.split.iter().chain(inputs);
        let test = all.clone().find(|it| it.part == TEST);
        test.or_else(|| all.next())
    }

    /// Returns how another run differs from this one, as a phrase for each
    /// difference; two runs that make the same have none.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.stage != other.stage {
            found.push(format!("stage was {}, is now {}", self.stage, other.stage));
        }
        if self.version != other.version {
            found.push(format!(
                "version was {}, is now {}",
                self.version, other.version
            ));
        }
        for name in keys(&self.arguments, &other.arguments) {
            let (there, here) = (self.arguments.get(name), other.arguments.get(name));
            if there != here {
                let show = |value: Option<&Value>| value.map_or("none".into(), Value::to_string);
                found.push(format!(
                    "`{name}` was {}, is now {}",
                    show(there),
                    show(here)
                ));
            }
        }
        for name in keys(&self.inputs, &other.inputs) {
            match (self.inputs.get(name), other.inputs.get(name)) {
                (Some(there), Some(here)) if there.digest == here.digest => {}
                (Some(there), Some(here)) if there.name == here.name => {
                    found.push(format!("`{name}` ({}) has changed since", here.name));
                }
                (there, here) => {
                    let show =
                        |input: Option<&Input>| input.map_or("none".into(), |i| i.name.clone());
                    found.push(format!(
                        "`{name}` was {}, is now {}",
                        show(there),
                        show(here)
                    ));
                }
            }
        }
        found
    }
}

fn keys<'a, T>(a: &'a BTreeMap<String, T>, b: &'a BTreeMap<String, T>) -> Vec<&'a str> {
    let mut keys: Vec<&str> = a.keys().chain(b.keys()).map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

//! The types of scaling, and which settings mean something for each.

use serde_json::{Map, Value};

use crate::config::fields::{Fields, shown};

/// The meaningful keys of a scaling's object, by its type; `transformers`
/// ignores others.
const KEYS: [(&str, &[&str]); 4] = [
    ("default", &[]),
    ("linear", &["factor", "original_max_position_embeddings"]),
    (
        "llama3",
        &[
            "factor",
            "low_freq_factor",
            "high_freq_factor",
            "original_max_position_embeddings",
        ],
    ),
    (
        "yarn",
        &[
            "factor",
            "beta_fast",
            "beta_slow",
            "original_max_position_embeddings",
            "attention_factor",
            "mscale",
            "mscale_all_dim",
            "truncate",
        ],
    ),
];

impl Fields<'_> {
    /// Returns an object's type if it is supported, and refuses settings that
    /// mean nothing for it.
    pub(super) fn known_type(
        &mut self,
        name: &str,
        object: &Map<String, Value>,
        settings: &[&str],
    ) -> Option<&'static str> {
        let kind = self.rope_type(name, object, settings)?;
        let Some((kind, known)) = KEYS.iter().find(|(it, _)| *it == kind) else {
            self.fault(unsupported(name, &kind));
            return None;
        };
        for key in settings.iter().filter(|key| !known.contains(key)) {
            // A factor of one does not scale.
            if object[*key].as_f64() == Some(1.0) && *key == "factor" {
                continue;
            }
            self.fault(format!(
                "`{name}` of type `{kind}` has {key:?}: {}, which means nothing there; was \
                 another `rope_type` meant?",
                shown(&object[*key])
            ));
        }
        Some(*kind)
    }

    /// Returns the type that a scaling's object names, in one of two spellings;
    /// `None` after a fault.
    fn rope_type(
        &mut self,
        name: &str,
        object: &Map<String, Value>,
        settings: &[&str],
    ) -> Option<String> {
        let mut kinds = Vec::new();
        for spelling in ["rope_type", "type"] {
            match object.get(spelling) {
                None | Some(Value::Null) => {}
                Some(Value::String(kind)) => kinds.push(kind.clone()),
                Some(other) => {
                    let found = shown(other);
                    self.fault(format!(
                        "`{spelling}` in `{name}` is {found}, expected a name"
                    ));
                    return None;
                }
            }
        }
        if let [one, other] = kinds.as_slice()
            && one != other
        {
            self.fault(format!(
                "`{name}` has the `rope_type` {one:?} and the `type` {other:?}; keep the one that \
                 is meant"
            ));
            return None;
        }
        if let Some(kind) = kinds.pop() {
            return Some(kind);
        }
        if settings.is_empty() {
            return Some("default".into());
        }
        self.fault(format!(
            "`{name}` has {settings:?}, but no `rope_type` that says how the rope is scaled"
        ));
        None
    }
}

/// Says why a type of scaling is refused, and what to do if that is known.
fn unsupported(name: &str, kind: &str) -> String {
    let mut known = KEYS
        .iter()
        .map(|(it, _)| format!("`{it}`"))
        .collect::<Vec<_>>();
    let last = known.pop().unwrap_or_default();
    let fault = format!(
        "`rope_type` in `{name}` is {kind:?}, which is not supported (only {} or {last})",
        known.join(", ")
    );
    if kind == "dynamic" {
        return fault
            + "; it changes nothing up to `max_position_embeddings` tokens: for these remove it";
    }
    fault
}

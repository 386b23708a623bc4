//! Reads a config's fields and collects everything that is wrong with them.

use serde_json::{Map, Value};

use super::architecture::{Architecture, LLAMA};

/// Largest size accepted: twice that of the largest published model.
pub(super) const MOST_SIZE: u64 = 1 << 24;

/// Longest context accepted; no model has one as long.
pub(super) const MOST_POSITIONS: u64 = u32::MAX as u64;

/// Longest key shown in a message, characters.
const MOST_QUOTED: usize = 60;

/// Longest value shown in a message, characters.
const MOST_SHOWN: usize = 80;

/// Reads fields and collects their faults.
pub(super) struct Fields<'a> {
    /// The family of models, LLaMA until it is read.
    pub(super) architecture: &'static Architecture,
    raw: &'a Map<String, Value>,
    faults: Vec<String>,
}

/// Formats a value for a message: without control characters, shortened.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    let mut short = String::new();
    for c in text.chars() {
        if short.chars().count() >= MOST_SHOWN {
            return short + "…";
        }
        // JSON escapes characters below the space, but not those above the
        // tilde.
        if c.is_control() {
            short.extend(c.escape_unicode());
        } else {
            short.push(c);
        }
    }
    short
}

/// Formats a key for a message in the same way.
pub(super) fn quoted(name: &str) -> String {
    crate::quoted::quoted(name, MOST_QUOTED)
}

impl<'a> Fields<'a> {
    pub(super) fn new(raw: &'a Map<String, Value>) -> Self {
        Self {
            architecture: &LLAMA,
            raw,
            faults: Vec::new(),
        }
    }

    /// Whether a field is present, be it null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.raw.contains_key(name)
    }

    /// Returns a field that is present and not null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.raw.get(name).filter(|value| !value.is_null())
    }

    /// Adds a fault.
    pub(super) fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// Returns the number of faults so far.
    pub(super) fn n_faults(&self) -> usize {
        self.faults.len()
    }

    /// Returns all faults.
    pub(super) fn into_faults(self) -> Vec<String> {
        self.faults
    }

    pub(super) fn optional_size(&mut self, name: &str, most: u64) -> Option<usize> {
        let value = self.get(name)?;
        let size = value.as_u64().filter(|size| (1..=most).contains(size));
        if size.is_none() {
            self.fault(format!(
                "`{name}` is {}, expected a whole number from 1 to {most}",
                shown(value)
            ));
        }
        size.map(|size| size as usize)
    }

    /// Returns a required size; 1 after a fault.
    pub(super) fn size(&mut self, name: &str, most: u64) -> usize {
        if self.get(name).is_none() {
            self.fault(format!("`{name}` is missing"));
            return 1;
        }
        self.optional_size(name, most).unwrap_or(1)
    }

    /// Returns a positive number of the config or of a named object in it; 1
    /// after a fault.
    pub(super) fn number_in(
        &mut self,
        within: Option<(&str, &Map<String, Value>)>,
        name: &str,
        default: Option<f64>,
    ) -> f64 {
        let (value, place) = match within {
            None => (self.get(name), format!("`{name}`")),
            Some((object, fields)) => (
                fields.get(name).filter(|value| !value.is_null()),
                format!("`{name}` in `{object}`"),
            ),
        };
        match (value, default) {
            (None, Some(default)) => default,
            (None, None) => {
                self.fault(format!("{place} is missing"));
                1.0
            }
            (Some(value), _) => {
                // It is used as f32, where it must be neither zero nor
                // infinite.
                let number = value.as_f64().filter(|&x| {
                    let x = x as f32;
                    x.is_finite() && x > 0.0
                });
                if number.is_none() {
                    self.fault(format!(
                        "{place} is {}, expected a positive number",
                        shown(value)
                    ));
                }
                number.unwrap_or(1.0)
            }
        }
    }

    /// Returns a boolean.
    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.get(name) {
            None => default,
            Some(Value::Bool(value)) => *value,
            Some(other) => {
                self.fault(format!(
                    "`{name}` is {}, expected true or false",
                    shown(other)
                ));
                default
            }
        }
    }

    /// Returns the token ids of a field: one, several, or none, which older
    /// configs write as -1.
    pub(super) fn tokens(&mut self, name: &str, vocab_size: usize) -> Vec<u32> {
        let values = match self.get(name) {
            None => return Vec::new(),
            Some(Value::Array(values)) => values.as_slice(),
            Some(value) => std::slice::from_ref(value),
        };
        let mut ids = Vec::new();
        for value in values.iter().filter(|value| value.as_i64() != Some(-1)) {
            match value.as_u64().and_then(|id| u32::try_from(id).ok()) {
                Some(id) if (id as usize) < vocab_size => ids.push(id),
                Some(id) => self.fault(format!(
                    "`{name}` is {id}, beyond the `vocab_size` of {vocab_size}; write null where \
                     there is none"
                )),
                None => self.fault(format!(
                    "`{name}` is {}, expected a token id, or null where there is none",
                    shown(value)
                )),
            }
        }
        ids
    }

    /// Returns the token id of a field that has at most one.
    pub(super) fn token(&mut self, name: &str, vocab_size: usize) -> Option<u32> {
        let ids = self.tokens(name, vocab_size);
        if ids.len() > 1 {
            self.fault(format!("`{name}` is {ids:?}, expected one token id"));
        }
        ids.first().copied()
    }

    /// Refuses a setting that is neither absent nor one of `allowed`.
    pub(super) fn only(&mut self, name: &str, allowed: &[Value]) {
        if let Some(value) = self.get(name)
            && !allowed.contains(value)
        {
            let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
            self.fault(format!(
                "`{name}` is {}, which is not supported (only {})",
                shown(value),
                allowed.join(" or ")
            ));
        }
    }
}

//! Reads the rotary embedding in every spelling of configs.

mod object;
mod types;

use serde_json::Value;

use super::{Rope, Scaling};
use crate::config::fields::{Fields, shown};

impl Fields<'_> {
    /// Reads the rotary embedding: `rope_theta` beside `rope_scaling`, as
    /// `transformers` 4 writes it, or `rope_parameters`, as 5 does. If both are
    /// present they must agree, because each release of `transformers` reads
    /// another one.
    pub(in crate::config) fn rope(&mut self, max_position_embeddings: usize) -> Rope {
        let mut found: Vec<(&str, Rope)> = Vec::new();
        for name in ["rope_scaling", "rope_parameters"] {
            match self.get(name).cloned() {
                None => {}
                // An object of nulls means the same as no object.
                Some(Value::Object(object)) if object.values().all(Value::is_null) => {}
                Some(Value::Object(object)) => {
                    let object = self.with_original(name, object, max_position_embeddings);
                    let rope = self.rope_object(name, &object, max_position_embeddings);
                    found.push((name, rope));
                }
                Some(other) => self.fault(format!(
                    "`{name}` is {}, expected an object or null",
                    shown(&other)
                )),
            }
        }
        if let [(first, one), (second, other)] = found.as_slice()
            && one != other
        {
            let fault = format!("`{first}` and `{second}` differ; keep the one that is meant");
            self.fault(fault);
        }
        let rope = match found.into_iter().next() {
            Some((_, rope)) => rope,
            None => Rope {
                theta: self.rope_theta(),
                scaling: Scaling::Unscaled,
            },
        };
        if rope.theta < 1.0 {
            let theta = rope.theta;
            self.fault(format!("`rope_theta` is {theta}, expected at least 1"));
        }
        rope
    }

    /// Reads theta beside an object.
    fn rope_theta(&mut self) -> f64 {
        let default = self.architecture.defaults.rope_theta;
        self.number_in(None, "rope_theta", Some(default))
    }
}

#[cfg(test)]
mod tests;

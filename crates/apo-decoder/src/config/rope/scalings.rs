//! Reads the settings of each type of scaling.

use serde_json::{Map, Value};

use super::{Llama3Scaling, ORIGINAL, YarnScaling, yarn_magnitude};
use crate::config::fields::{Fields, MOST_POSITIONS, shown};

impl Fields<'_> {
    /// Reads the factor by which a scaling stretches the context.
    pub(super) fn factor(&mut self, name: &str, object: &Map<String, Value>) -> f64 {
        let factor = self.number_in(Some((name, object)), "factor", None);
        if factor < 1.0 {
            self.fault(format!(
                "`factor` in `{name}` is {}, expected at least 1: a context is stretched by it",
                shown(&object["factor"])
            ));
            return 1.0;
        }
        factor
    }

    /// Reads the context of the original training, a whole number of tokens.
    fn original(&mut self, name: &str, object: &Map<String, Value>, default: Option<usize>) -> f64 {
        let default = default.map(|tokens| tokens as f64);
        let tokens = self.number_in(Some((name, object)), ORIGINAL, default);
        if tokens.fract() != 0.0 || tokens > MOST_POSITIONS as f64 {
            self.fault(format!(
                "`{ORIGINAL}` in `{name}` is {}, expected a whole number of tokens",
                object.get(ORIGINAL).map_or(String::new(), shown)
            ));
        }
        tokens
    }

    pub(super) fn llama3(&mut self, name: &str, object: &Map<String, Value>) -> Llama3Scaling {
        let within = Some((name, object));
        let scaling = Llama3Scaling {
            factor: self.factor(name, object),
            low_freq_factor: self.number_in(within, "low_freq_factor", None),
            high_freq_factor: self.number_in(within, "high_freq_factor", None),
            original_max_position_embeddings: self.original(name, object, None),
        };
        let named = |key: &str| object.get(key).is_some_and(|it| !it.is_null());
        let (low, high) = (scaling.low_freq_factor, scaling.high_freq_factor);
        if high <= low && named("low_freq_factor") && named("high_freq_factor") {
            self.fault(format!(
                "`high_freq_factor` in `{name}` is {high}, expected more than the \
                 `low_freq_factor` {low}"
            ));
        }
        scaling
    }

    pub(super) fn yarn(
        &mut self,
        name: &str,
        object: &Map<String, Value>,
        max_position_embeddings: usize,
    ) -> YarnScaling {
        let within = Some((name, object));
        // `transformers` treats zero as absent here.
        let optional = |fields: &mut Self, key: &str| {
            let zero = object.get(key).and_then(Value::as_f64) == Some(0.0);
            let named = object.get(key).is_some_and(|it| !it.is_null()) && !zero;
            named.then(|| fields.number_in(within, key, None))
        };
        let factor = self.factor(name, object);
        let scales = [optional(self, "mscale"), optional(self, "mscale_all_dim")];
        let default = match scales {
            [Some(one), Some(all)] => yarn_magnitude(factor, one) / yarn_magnitude(factor, all),
            _ => yarn_magnitude(factor, 1.0),
        };
        let beta_fast = optional(self, "beta_fast").unwrap_or(32.0);
        let beta_slow = optional(self, "beta_slow").unwrap_or(1.0);
        if beta_fast < beta_slow {
            self.fault(format!(
                "`beta_fast` in `{name}` is {beta_fast}, expected at least the `beta_slow` \
                 {beta_slow}"
            ));
        }
        let truncate = match object.get("truncate") {
            None | Some(Value::Null | Value::Bool(true)) => true,
            Some(Value::Bool(false)) => false,
            Some(other) => {
                let found = shown(other);
                self.fault(format!(
                    "`truncate` in `{name}` is {found}, expected true or false"
                ));
                true
            }
        };
        YarnScaling {
            factor,
            beta_fast,
            beta_slow,
            original_max_position_embeddings: self.original(
                name,
                object,
                Some(max_position_embeddings),
            ),
            truncate,
            attention_factor: self.number_in(within, "attention_factor", Some(default)),
        }
    }
}

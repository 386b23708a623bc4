//! Reads one object of settings, and what may stand beside it.

use serde_json::{Map, Value};

use crate::config::fields::{Fields, shown};
use crate::config::rope::{ORIGINAL, Rope, Scaling};

impl Fields<'_> {
    /// Returns a scaling's object with the context of the original training if
    /// that is beside it. `transformers` 5 takes it from there and 4 ignores
    /// it, so both must give the same result.
    pub(super) fn with_original(
        &mut self,
        name: &str,
        mut object: Map<String, Value>,
        max_position_embeddings: usize,
    ) -> Map<String, Value> {
        let kind = object.get("rope_type").or(object.get("type"));
        let kind = kind.and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(beside) = self
            .get(ORIGINAL)
            .filter(|_| ["llama3", "yarn"].contains(&&*kind))
        else {
            return object;
        };
        let within = object.get(ORIGINAL).filter(|it| !it.is_null());
        let other = match within {
            Some(within) if within != beside => Some(format!("{} in `{name}`", shown(within))),
            // Without one, `transformers` 4 refuses `llama3` and uses this for
            // `yarn`.
            None if kind == "yarn" && *beside != max_position_embeddings => Some(format!(
                "not in `{name}`, where releases of `transformers` that look only there take \
                 `max_position_embeddings` {max_position_embeddings}"
            )),
            _ => None,
        };
        if let Some(other) = other {
            self.fault(format!(
                "`{ORIGINAL}` is {}, but {other}; set the value you mean in `{name}`, and \
                 remove the other",
                shown(beside)
            ));
        }
        object.insert(ORIGINAL.into(), beside.clone());
        object
    }

    /// Reads one object of settings.
    pub(super) fn rope_object(
        &mut self,
        name: &str,
        object: &Map<String, Value>,
        max_position_embeddings: usize,
    ) -> Rope {
        let set: Vec<(&String, &Value)> = object
            .iter()
            .filter(|(_, value)| !value.is_null())
            .collect();
        if let Some((key, _)) = set.iter().find(|(_, value)| value.is_object()) {
            self.fault(format!(
                "`{name}` has an object in {key:?}: settings of their own for some layers are not \
                 supported"
            ));
            return Rope {
                theta: self.architecture.defaults.rope_theta,
                scaling: Scaling::Unscaled,
            };
        }
        let theta = self.theta_with(name, object);
        if object.contains_key("partial_rotary_factor") {
            let factor = self.number_in(Some((name, object)), "partial_rotary_factor", Some(1.0));
            if factor != 1.0 {
                self.fault(format!(
                    "`partial_rotary_factor` in `{name}` is {factor}, which is not supported \
                     (only 1.0)"
                ));
            }
        }
        let general = ["rope_type", "type", "rope_theta", "partial_rotary_factor"];
        let settings: Vec<&str> = set
            .iter()
            .map(|(key, _)| key.as_str())
            .filter(|key| !general.contains(key))
            .collect();
        let kind = self.known_type(name, object, &settings);
        if kind == Some("yarn") && theta == 1.0 {
            self.fault("`rope_theta` must be above 1 for the rope type `yarn`".into());
        }
        let scaling = match kind {
            Some("linear") => Scaling::Linear(self.factor(name, object)),
            Some("llama3") => Scaling::Llama3(self.llama3(name, object)),
            Some("yarn") => Scaling::Yarn(self.yarn(name, object, max_position_embeddings)),
            _ => Scaling::Unscaled,
        };
        Rope { theta, scaling }
    }

    /// Reads theta, which may be in the object, beside it, or both.
    fn theta_with(&mut self, name: &str, object: &Map<String, Value>) -> f64 {
        let within = Some((name, object));
        let is_within = object.get("rope_theta").is_some_and(|it| !it.is_null());
        if !is_within {
            return self.rope_theta();
        }
        if self.get("rope_theta").is_none() {
            return self.number_in(within, "rope_theta", None);
        }
        let top = self.number_in(None, "rope_theta", None);
        let inner = self.number_in(within, "rope_theta", None);
        if top != inner {
            self.fault(format!(
                "`rope_theta` is {top}, but {inner} in `{name}`; keep the one that is meant"
            ));
        }
        inner
    }
}

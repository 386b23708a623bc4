//! Reads the rotary embedding in every spelling of configs.

use serde_json::{Map, Value};

use super::{Rope, Scaling};
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

/// The context of a model's original training, tokens.
pub(super) const ORIGINAL: &str = "original_max_position_embeddings";

/// The theta of a config without one.
const DEFAULT_THETA: f64 = 10_000.0;

impl Rope {
    /// Checks that every frequency is usable.
    pub(in crate::config) fn check(&self, fields: &mut Fields, head_dim: usize) {
        let frequencies = self.inverse_frequencies(head_dim);
        let computed = |&it: &f64| (it as f32).is_finite() && it as f32 >= f32::MIN_POSITIVE;
        if let Some(other) = frequencies.into_iter().find(|it| !computed(it)) {
            fields.fault(format!(
                "the rope settings give a frequency of {other:e}, which is unusable"
            ));
        }
    }

    /// Returns what `transformers` warns of: usable settings that contradict
    /// each other.
    pub(in crate::config) fn notes(&self, max_position_embeddings: usize) -> Vec<String> {
        let most = max_position_embeddings as f64;
        match &self.scaling {
            Scaling::Llama3(it) if it.original_max_position_embeddings >= most => vec![format!(
                "the rope's `{ORIGINAL}` {} is not below `max_position_embeddings` {most}",
                it.original_max_position_embeddings
            )],
            Scaling::Yarn(it) => {
                let stretched = most / it.original_max_position_embeddings;
                if stretched == it.factor || stretched == 1.0 {
                    return Vec::new();
                }
                vec![format!(
                    "the rope's `factor` is {}, but `max_position_embeddings` {most} is \
                     {stretched} times its `{ORIGINAL}` {}; the factor is used",
                    it.factor, it.original_max_position_embeddings
                )]
            }
            _ => Vec::new(),
        }
    }
}

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
                theta: self.number_in(None, "rope_theta", Some(DEFAULT_THETA)),
                scaling: Scaling::Unscaled,
            },
        };
        if rope.theta < 1.0 {
            let theta = rope.theta;
            self.fault(format!("`rope_theta` is {theta}, expected at least 1"));
        }
        rope
    }

    /// Returns a scaling's object with the context of the original training if
    /// that is beside it. `transformers` 5 takes it from there and 4 ignores
    /// it, so both must give the same result.
    fn with_original(
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
    fn rope_object(
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
                theta: DEFAULT_THETA,
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
            return self.number_in(None, "rope_theta", Some(DEFAULT_THETA));
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

    /// Returns an object's type if it is supported, and refuses settings that
    /// mean nothing for it.
    fn known_type(
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::LlamaConfig;
    use crate::config::tests::{object, small};

    fn with(settings: Value) -> Result<Rope, String> {
        let mut raw = small();
        raw.extend(object(settings));
        let config = LlamaConfig::from_json(raw);
        config.map(|it| it.rope).map_err(|faults| faults.join("; "))
    }

    fn llama3() -> Value {
        json!({
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
        })
    }

    #[test]
    fn every_spelling_of_one_rope_is_read_as_the_same() {
        let typed = |key: &str| {
            let mut it = llama3();
            let kind = it.as_object_mut().expect("an object").remove("rope_type");
            it[key] = kind.expect("it was there");
            it
        };
        let mut theta_within = llama3();
        theta_within["rope_theta"] = json!(5e5);
        let expected = with(json!({"rope_theta": 5e5, "rope_scaling": llama3()}));
        let expected = expected.expect("the usual spelling");
        assert!(matches!(expected.scaling, Scaling::Llama3(_)));
        for spelling in [
            json!({"rope_theta": 500_000, "rope_scaling": typed("type")}),
            json!({"rope_parameters": theta_within}),
            json!({"rope_scaling": theta_within}),
            json!({"rope_theta": 5e5, "rope_scaling": null, "rope_parameters": llama3()}),
            json!({"rope_theta": 5e5, "rope_scaling": {}, "rope_parameters": theta_within}),
            json!({"rope_theta": 5e5, "rope_scaling": llama3(), "rope_parameters": theta_within}),
        ] {
            let found = with(spelling.clone()).unwrap_or_else(|it| panic!("{spelling}: {it}"));
            assert_eq!(found, expected, "{spelling}");
        }
    }

    #[test]
    fn no_scaling_is_none_however_it_is_said() {
        for spelling in [
            json!({}),
            json!({"rope_scaling": null}),
            json!({"rope_scaling": {}}),
            json!({"rope_scaling": {"rope_type": null}}),
            json!({"rope_scaling": {"rope_type": "default"}}),
            json!({"rope_scaling": {"type": "default", "factor": 1.0}}),
            json!({"rope_parameters": {"rope_theta": 10_000, "rope_type": "default"}}),
            json!({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 1.0}}),
        ] {
            let found = with(spelling.clone()).unwrap_or_else(|it| panic!("{spelling}: {it}"));
            assert_eq!(found.scaling, Scaling::Unscaled, "{spelling}");
            assert_eq!(found.theta, 10_000.0, "{spelling}");
        }
    }

    #[test]
    fn factors_and_contexts_that_nothing_can_be_trained_with_are_refused() {
        for kind in ["linear", "llama3", "yarn"] {
            let scaled = |key: &str, value: Value| {
                let mut it = llama3();
                it["rope_type"] = json!(kind);
                if kind != "llama3" {
                    let it = it.as_object_mut().expect("an object");
                    it.retain(|key, _| !key.ends_with("freq_factor"));
                }
                it[key] = value;
                with(json!({"rope_scaling": it, "max_position_embeddings": 128}))
            };
            scaled("factor", json!(1)).expect("no stretch");
            for factor in [1e-40, 1e-3, 0.5, 0.999, 0.0, -2.0, 1e39] {
                let told = scaled("factor", json!(factor)).expect_err(kind);
                assert!(told.contains("`factor` in `rope_scaling` is"), "{told}");
            }
            if kind == "linear" {
                continue;
            }
            scaled(ORIGINAL, json!(64.0)).expect("a whole number");
            for original in [json!(0.5), json!(64.5), json!(0), json!(-64), json!(1e30)] {
                let told = scaled(ORIGINAL, original).expect_err(kind);
                assert!(told.contains(ORIGINAL), "{told}");
            }
        }
        let slow = json!({"rope_theta": 3e38, "rope_scaling": {"type": "linear", "factor": 1e38}});
        let told = with(slow).expect_err("a frequency of nothing");
        assert!(told.contains("frequency"), "{told}");
    }

    #[test]
    fn the_original_context_beside_the_scaling_is_read_where_releases_agree() {
        let mut scaling = llama3();
        let within = with(json!({"rope_scaling": scaling})).expect("it is whole");
        scaling.as_object_mut().expect("an object").remove(ORIGINAL);
        let beside = json!({"rope_scaling": scaling, ORIGINAL: 64});
        assert_eq!(with(beside).expect("as 5 reads it"), within);
        let parameters = json!({"rope_parameters": scaling, ORIGINAL: 64});
        assert_eq!(with(parameters).expect("as 5 reads it"), within);
        let both = json!({"rope_scaling": llama3(), ORIGINAL: 64});
        assert_eq!(with(both).expect("the same"), within);

        let yarn = json!({"rope_type": "yarn", "factor": 4.0});
        let most = json!({"rope_scaling": yarn, ORIGINAL: 128, "max_position_embeddings": 128});
        with(most).expect("5 and 4 come to the same");
        let less = json!({"rope_scaling": yarn, ORIGINAL: 32, "max_position_embeddings": 128});
        let told = with(less).expect_err("4 takes 128");
        assert!(
            told.contains("set the value you mean in `rope_scaling`"),
            "{told}"
        );
        // It has no effect without scaling.
        with(json!({ORIGINAL: 4096})).expect("no scaling");
        let linear = json!({"rope_type": "linear", "factor": 4.0});
        with(json!({"rope_scaling": linear, ORIGINAL: 4096})).expect("no effect");
    }

    #[test]
    fn settings_that_do_not_belong_together_are_told() {
        let notes = |settings: Value| {
            let mut raw = small();
            raw.extend(object(settings));
            LlamaConfig::from_json(raw)
                .expect("it can be computed")
                .notes()
        };
        let llama3 = |most| json!({"rope_scaling": llama3(), "max_position_embeddings": most});
        assert_eq!(notes(llama3(512)), Vec::<String>::new());
        assert!(notes(llama3(64))[0].contains("is not below"));
        let yarn = |most| {
            let yarn = json!({"rope_type": "yarn", "factor": 4.0, ORIGINAL: 32});
            json!({"rope_scaling": yarn, "max_position_embeddings": most})
        };
        assert_eq!(notes(yarn(128)), Vec::<String>::new());
        assert_eq!(notes(yarn(32)), Vec::<String>::new());
        assert!(notes(yarn(256))[0].contains("is 8 times"));
    }

    #[test]
    fn what_is_not_done_or_says_two_things_is_refused() {
        let typed = |kind: &str| json!({"rope_scaling": {"rope_type": kind, "factor": 4.0}});
        let mut flat = llama3();
        flat["high_freq_factor"] = json!(1.0);
        for (settings, named) in [
            (typed("dynamic"), "\"dynamic\""),
            (typed("longrope"), "\"longrope\""),
            (typed("su"), "\"su\""),
            (typed("mrope"), "\"mrope\""),
            (typed("Linear"), "\"Linear\""),
            (
                json!({"rope_scaling": {"type": "default", "mrope_section": [16, 24, 24]}}),
                "mrope_section",
            ),
            (json!({"rope_scaling": {"factor": 8.0}}), "no `rope_type`"),
            (
                json!({"rope_scaling": {"rope_type": "linear", "type": "yarn", "factor": 2}}),
                "yarn",
            ),
            (json!({"rope_scaling": {"rope_type": 3}}), "expected a name"),
            (
                json!({"rope_scaling": {"rope_type": "default", "factor": 8.0}}),
                "means nothing",
            ),
            (
                json!({"rope_scaling": {"rope_type": "linear"}}),
                "`factor` in `rope_scaling` is missing",
            ),
            (
                json!({"rope_scaling": {"rope_type": "linear", "factor": "8"}}),
                "`factor`",
            ),
            (
                json!({"rope_scaling": {"rope_type": "linear", "factor": 0}}),
                "`factor`",
            ),
            (
                json!({"rope_scaling": {"rope_type": "linear", "factor": -2.0}}),
                "`factor`",
            ),
            (json!({"rope_scaling": flat}), "`high_freq_factor`"),
            (json!({"rope_scaling": "linear"}), "`rope_scaling`"),
            (
                json!({"rope_parameters": {"full_attention": llama3()}}),
                "full_attention",
            ),
            (
                json!({"rope_scaling": llama3(), "rope_parameters": {"rope_type": "default"}}),
                "differ",
            ),
            (
                json!({"rope_theta": 1e4, "rope_parameters": {"rope_theta": 5e5}}),
                "500000",
            ),
            (
                json!({"rope_parameters": {"partial_rotary_factor": 0.5}}),
                "partial_rotary_factor",
            ),
            (
                json!({"rope_scaling": llama3(), "original_max_position_embeddings": 4096}),
                "original_max_position_embeddings",
            ),
            (json!({"rope_theta": 0}), "`rope_theta`"),
            (json!({"rope_theta": 0.5}), "`rope_theta` is 0.5"),
            (
                json!({"rope_parameters": {"rope_theta": 0.99}}),
                "`rope_theta`",
            ),
            (
                json!({"rope_theta": {"__float__": "NaN"}}),
                "`rope_theta` is {",
            ),
            (json!({"rope_theta": 1e300}), "`rope_theta`"),
            (json!({"rope_theta": -1e4}), "`rope_theta`"),
            (json!({"rope_theta": "10000"}), "`rope_theta`"),
        ] {
            let told = with(settings.clone()).map(|it| format!("read as {it:?}"));
            let told = told.expect_err(&settings.to_string());
            assert!(told.contains(named), "{settings}: {told}");
        }
    }
}

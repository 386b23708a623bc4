use serde_json::json;

use super::*;
use crate::config::ModelConfig;
use crate::config::rope::ORIGINAL;
use crate::config::tests::{object, small};

fn with(settings: Value) -> Result<Rope, String> {
    let mut raw = small();
    raw.extend(object(settings));
    let config = ModelConfig::from_json(raw);
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
fn no_scaling_is_none_in_every_spelling() {
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
            let message = scaled("factor", json!(factor)).expect_err(kind);
            assert!(
                message.contains("`factor` in `rope_scaling` is"),
                "{message}"
            );
        }
        if kind == "linear" {
            continue;
        }
        scaled(ORIGINAL, json!(64.0)).expect("a whole number");
        for original in [json!(0.5), json!(64.5), json!(0), json!(-64), json!(1e30)] {
            let message = scaled(ORIGINAL, original).expect_err(kind);
            assert!(message.contains(ORIGINAL), "{message}");
        }
    }
    let slow = json!({"rope_theta": 3e38, "rope_scaling": {"type": "linear", "factor": 1e38}});
    let message = with(slow).expect_err("a frequency of nothing");
    assert!(message.contains("frequency"), "{message}");
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
    let message = with(less).expect_err("4 takes 128");
    assert!(
        message.contains("set the value you mean in `rope_scaling`"),
        "{message}"
    );
    // It has no effect without scaling.
    with(json!({ORIGINAL: 4096})).expect("no scaling");
    let linear = json!({"rope_type": "linear", "factor": 4.0});
    with(json!({"rope_scaling": linear, ORIGINAL: 4096})).expect("no effect");
}

#[test]
fn settings_that_do_not_belong_together_are_noted() {
    let notes = |settings: Value| {
        let mut raw = small();
        raw.extend(object(settings));
        ModelConfig::from_json(raw)
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
        let message = with(settings.clone()).map(|it| format!("read as {it:?}"));
        let message = message.expect_err(&settings.to_string());
        assert!(message.contains(named), "{settings}: {message}");
    }
}

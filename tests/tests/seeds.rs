//! `judge seeds` on tables whose numbers are known.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;

use apo_tests::stages::{folder, refuse, succeed};
use serde_json::{Value, json};

/// Writes a seed's table: a start, a policy this far above it, a reward model and, if
/// `more`, one that only this seed has.
fn write(dir: &Path, name: &str, lead: f64, more: bool) {
    let policy = |name: &str, lead: f64| {
        json!({
            "name": name, "tokens": 20.0 + lead, "ended": 0.5 + lead / 10.0,
            "score": { "mean": 1.0 + lead, "standard_error": 0.01 },
        })
    };
    let mut better = policy("DPO", lead);
    better["gain"] = json!({
        "n": 8, "mean": lead, "standard_error": 0.1,
        "at_like_length": { "mean": lead / 2.0, "interval": null },
    });
    let mut rows = vec![policy("SFT", 0.0), better];
    rows.push(json!({ "name": "RM_Base, test", "accuracy": 0.5 + lead, "ece": 0.03 }));
    if more {
        rows.push(json!({ "name": "RM_GAIL, test", "accuracy": 0.45, "ece": 0.1 }));
    }
    fs::write(dir.join(name), Value::from(rows).to_string()).unwrap();
}

#[test]
fn rows_and_differences_are_summed_up_over_the_seeds_that_have_them() {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "seeds");
    for (name, lead, more) in [
        ("1.json", 0.20, true),
        ("2.json", 0.22, false),
        ("3.json", 0.24, false),
    ] {
        write(&dir, name, lead, more);
    }
    let line = "judge seeds 1.json 2.json 3.json --difference DPO=SFT";
    let found: Value = serde_json::from_str(&succeed(&dir, &format!("{line} --json"))).unwrap();
    let of = |part: &str, name: &str, by: &str| {
        let all = found[part].as_array().unwrap().iter();
        let found = all.clone().find(|it| it["of"] == name && it["by"] == by);
        found.unwrap_or_else(|| panic!("no {by} of {name}")).clone()
    };
    let number = |it: &Value| it.as_f64().unwrap();
    let near = |found: &Value, expected: f64| (number(found) - expected).abs() < 1e-6;
    let lead = of("differences", "DPO − SFT", "RM_Test score");
    // Mean 0.22, error 0.02/√3; t(2, 0.975) = 4.302653.
    let reach = 4.302_653 * 0.02 / 3.0_f64.sqrt();
    assert!(near(&lead["mean"], 0.22), "{lead}");
    assert!(near(&lead["interval"]["low"], 0.22 - reach), "{lead}");
    assert!(near(&lead["interval"]["high"], 0.22 + reach), "{lead}");
    assert_eq!(lead["values"].as_array().unwrap().len(), 3);
    let like_length = of("rows", "DPO", "gain at like length");
    assert!(near(&like_length["mean"], 0.11), "{like_length}");
    // The start is not above itself, so no difference is at like length.
    let differences = found["differences"].as_array().unwrap();
    let by: Vec<&str> = differences
        .iter()
        .map(|it| it["by"].as_str().unwrap())
        .collect();
    assert_eq!(by, ["RM_Test score", "tokens", "ended"]);
    let once = of("rows", "RM_GAIL, test", "accuracy");
    assert_eq!(once["values"], json!([0.45, null, null]));
    assert_eq!(once["interval"], Value::Null);
    let text = succeed(&dir, line);
    for expected in ["3 seeds", "DPO − SFT", "RM_GAIL, test", "45.0 %"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn a_difference_of_rows_that_are_not_there_is_refused() {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "seeds-refused");
    write(&dir, "1.json", 0.2, false);
    write(&dir, "2.json", 0.3, false);
    let line = "judge seeds 1.json 2.json --difference";
    refuse(
        &dir,
        &format!("{line} DPO=Random"),
        3,
        &["no table has the row 'Random'", "'SFT', 'DPO'"],
    );
    let table = fs::read_to_string(dir.join("1.json")).unwrap();
    fs::write(dir.join("1.json"), table.replace("RM_Base, test", "RM")).unwrap();
    refuse(
        &dir,
        "judge seeds 1.json --difference DPO=RM",
        3,
        &["no table has a measure that both 'DPO' and 'RM' have"],
    );
    refuse(
        &dir,
        "judge seeds 2.json 2.json",
        3,
        &["2.json is given twice"],
    );
}

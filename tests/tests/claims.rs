//! `judge claims` on tables whose differences are known.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use apo_tests::stages::{Ran, binary, finish, folder};
use serde_json::{Value, json};

/// Makes a seed's table: all policies are equal except for APO-DPO's lead in score, and
/// all reward models except for the accuracy of `RM_APO-v1`.
fn table(lead: f64, accuracy: f64) -> Vec<Value> {
    let mean = |mean: f64| json!({ "mean": mean, "standard_error": 0.01 });
    let policies = [
        "SFT",
        "Golden-SFT",
        "RJS",
        "APO-RJS",
        "RRHF",
        "APO-RRHF",
        "DPO",
        "APO-DPO",
        "RJS-3",
        "APO-RJS-3",
    ];
    let policy = |name: &str| {
        let more = if name == "APO-DPO" { lead } else { 0.0 };
        json!({ "name": name, "score": mean(1.0 + more), "true_quality": mean(0.5) })
    };
    let models = [
        "RM_Base",
        "RM_AB",
        "RM_WGAN",
        "RM_GAIL",
        "RM_APO-v1",
        "RM_APO-v2",
        "RM_APO-v3",
        "RM_APO-v2seq",
        "RM_APO-v3seq",
    ];
    let model = |name: &str| {
        let own = if name == "RM_APO-v1" { accuracy } else { 0.6 };
        ["test", "dev", "truth"]
            .map(|on| json!({ "name": format!("{name}, {on}"), "accuracy": own, "ece": 0.03 }))
    };
    let favourites = ["RM_Base", "RM_APO-v1"]
        .map(|name| json!({ "name": format!("best by {name}"), "true_quality": mean(0.5) }));
    let verdicts = ["RJS", "RRHF", "DPO"]
        .map(|name| json!({ "name": format!("APO-{name} against {name}"), "win_rate": accuracy }));
    let rows = policies.map(policy).into_iter().chain(verdicts);
    let rows = rows.chain(models.iter().flat_map(|name| model(name)));
    rows.chain(favourites).collect()
}

fn write(dir: &Path, name: &str, rows: &[Value]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, serde_json::to_vec(rows).expect("plain data")).expect("a folder of ours");
    path
}

fn claims(tables: &[PathBuf], more: &[&str]) -> Ran {
    let mut judge = Command::new(binary("judge"));
    finish(judge.arg("claims").args(tables).args(more))
}

#[test]
fn a_claim_holds_where_every_seed_shows_it_and_fails_where_they_show_the_contrary() {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "claims");
    let tables = [
        write(&dir, "1.json", &table(0.20, 0.55)),
        write(&dir, "2.json", &table(0.22, 0.56)),
        write(&dir, "3.json", &table(0.24, 0.54)),
    ];
    let ran = claims(&tables, &["--json"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    let claim = |name: &str| {
        let claims = found["claims"].as_array().expect("claims");
        let claim = claims.iter().find(|it| it["claim"] == name);
        claim.unwrap_or_else(|| panic!("no {name}")).clone()
    };
    assert_eq!(claim("C1")["measured"], "fails");
    assert_eq!(claim("C11")["measured"], "open", "equal ECE is not worse");
    assert_eq!(claim("C12")["measured"], "holds", "54 to 56 % is above 50");
    assert_eq!(claim("C12")["truth"], Value::Null);
    let c4 = claim("C4");
    let lead = c4["comparisons"].as_array().expect("comparisons").iter();
    let lead = lead.clone().find(|it| it["of"] == "APO-DPO − DPO");
    let lead = lead.expect("the lead of APO-DPO");
    assert_eq!(lead["verdict"], "holds");
    // Mean 0.22, error 0.02/√3; t(2, 0.975) = 4.302653.
    let number = |name: &str| lead[name].as_f64().expect("a number");
    assert!((number("mean") - 0.22).abs() < 1e-12);
    let reach = 4.302_653 * 0.02 / 3.0_f64.sqrt();
    assert!((number("low") - (0.22 - reach)).abs() < 1e-6);
    assert_eq!(c4["truth"], "open", "true quality is the same everywhere");
    assert_eq!(claims(&tables, &[]).status, Some(0));
}

#[test]
fn a_table_that_lacks_a_row_is_named_with_it() {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "claims-lacking");
    let whole = table(0.2, 0.6);
    let mut lacking = whole.clone();
    lacking.retain(|row| row["name"] != "RM_WGAN, dev");
    let tables = [
        write(&dir, "1.json", &whole),
        write(&dir, "2.json", &lacking),
    ];
    let ran = claims(&tables, &[]);
    assert_eq!(ran.status, Some(3));
    for part in ["2.json", "accuracy of 'RM_WGAN, dev'"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    assert_eq!(
        claims(&tables[..1], &[]).status,
        Some(2),
        "one seed is none"
    );
    let ran = claims(&[tables[0].clone(), tables[0].clone()], &[]);
    assert_eq!(ran.status, Some(3), "and one twice is none");
    assert!(
        ran.stderr.contains("1.json is given twice"),
        "{}",
        ran.stderr
    );
    // Verdicts in one seed alone are missed in the other, not passed over.
    let mut unjudged = whole.clone();
    unjudged.retain(|row| row["win_rate"].is_null());
    let tables = [
        write(&dir, "3.json", &whole),
        write(&dir, "4.json", &unjudged),
    ];
    let ran = claims(&tables, &[]);
    assert_eq!(ran.status, Some(3));
    assert!(ran.stderr.contains("4.json: no win rate"), "{}", ran.stderr);
}

//! Reward models that others made are read on whole dialogues, as their chat template
//! renders them.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use apo_tables::{Reader, Response};
use apo_tests::stages::{copy, refuse, run, small_round, succeed};
use serde_json::{Value, json};

/// A small round that all tests read.
static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "foreign-rewards"));

/// HH's text as a chat template: a dialogue ends with the end of text and `tail`.
fn template(tail: &str) -> String {
    format!(
        "{{% for m in messages %}}{{{{ '\\n\\n' }}}}{{% if m.role == 'user' %}}Human\
         {{% elif m.role == 'system' %}}System{{% else %}}Assistant{{% endif %}}\
         {{{{ ': ' + m.content }}}}{{% endfor %}}\
         {{% if add_generation_prompt %}}{{{{ '\\n\\nAssistant:' }}}}\
         {{% else %}}{{{{ eos_token + '{tail}' }}}}{{% endif %}}"
    )
}

/// Makes the round's reward model one that others made, with a chat template.
fn foreign(name: &str, tail: &str) {
    let dir = ROUND.join(name);
    copy(&ROUND.join("rm"), &dir);
    fs::remove_file(dir.join("apo.json")).unwrap();
    let path = dir.join("tokenizer_config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["chat_template"] = json!(template(tail));
    fs::write(path, config.to_string()).unwrap();
}

/// Scores the golden answers; returns the rewards of those whose prompts the template
/// renders as HH has them.
fn rewards(model: &str, out: &str) -> Vec<f32> {
    let line = format!("judge score --model {model} --responses golden.parquet --out {out}");
    succeed(&ROUND, &line);
    let rows = Reader::<Response>::open(&ROUND.join(out)).unwrap();
    let rows = rows.map(Result::unwrap).filter(|row| {
        let turns = apo_hh::turns(&row.prompt);
        let turns = turns.iter().map(|it| (it.role, it.text.as_str()));
        apo_hh::prompt_of(turns) == row.prompt
    });
    rows.map(|row| row.reward.unwrap()).collect()
}

fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-5, "{found:?}, expected {expected:?}");
    }
}

#[test]
fn a_whole_dialogue_that_is_ours_to_the_token_has_our_reward() {
    let ours = rewards("rm", "ours.parquet");
    assert!(ours.len() > 8, "{} rewards", ours.len());
    foreign("foreign", "");
    assert_close(&rewards("foreign --template chat", "theirs.parquet"), &ours);
    // A template that goes on after the end of text.
    foreign("going-on", "\\n");
    let ends = "going-on --template chat --read-at end-of-turn";
    assert_close(&rewards(ends, "ends.parquet"), &ours);
    let last = rewards("going-on --template chat", "last.parquet");
    let differing = last
        .iter()
        .zip(&ours)
        .filter(|(a, b)| (**a - **b).abs() > 1e-4);
    assert!(differing.count() > ours.len() / 2, "{last:?} {ours:?}");
    // Where it is read belongs to what the output depends on.
    let line = "judge score --model going-on --template chat --responses golden.parquet";
    refuse(
        &ROUND,
        &format!("{line} --out ends.parquet"),
        4,
        &["read_at"],
    );
}

#[test]
fn what_is_not_said_is_asked_for_and_what_has_no_effect_is_refused() {
    foreign("unsaid", "");
    let score = "judge score --responses golden.parquet --out refused.parquet --model";
    refuse(
        &ROUND,
        &format!("{score} unsaid"),
        3,
        &["others trained", "`--template chat`", "`--template hh`"],
    );
    let ours = "the model in rm is read at the end of prompt and response";
    refuse(&ROUND, &format!("{score} rm --read-at last"), 3, &[ours]);
    refuse(
        &ROUND,
        &format!("{score} unsaid --template hh --read-at last"),
        3,
        &["--read-at is for reward models that others trained"],
    );
}

#[test]
fn accuracy_shows_a_ruler_and_training_goes_on_from_a_foreign_model() {
    foreign("start", "");
    let line = "judge accuracy --model start --template chat --pairs data/test-pairs.parquet";
    let ran = run(&ROUND, line);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("longer wins"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("reads whole dialogues"),
        "{}",
        ran.stderr
    );
    let json = succeed(&ROUND, &format!("{line} --json"));
    let found: Value = serde_json::from_str(&json).unwrap();
    let share = found["longer_wins"]["all"]["accuracy"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&share), "{found}");
    let train = "rm-train --model start --template chat --pairs data/rm-pairs.parquet --batch 8 \
                 --learning-rate 1e-4 --out continued";
    succeed(&ROUND, train);
    // The result is one of ours: it says itself how it is read.
    let line = "judge score --model continued --responses golden.parquet --out continued.parquet";
    succeed(&ROUND, line);
}

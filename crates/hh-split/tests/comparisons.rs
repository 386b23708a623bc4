//! `hh-split` takes the comparisons of WebGPT and GPT4LLM as they are published.

#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use apo_tables::{Pair, Reader, Reject, Row};

/// Returns an empty folder of this test's own.
fn fresh_dir(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("comparisons-{test}"));
    let _ = fs::remove_dir_all(&dir); // absent on the first run
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn hh_split(dir: &Path, args: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hh-split"))
        .current_dir(dir)
        .args(args.split_whitespace())
        .output()
        .expect("cargo has built the binary")
}

fn rows<R: Row>(path: &Path) -> Vec<R> {
    let rows = Reader::<R>::open(path).unwrap();
    rows.map(Result::unwrap).collect()
}

const WEBGPT: &str = r#"{"question": {"id": "1", "full_text": "Why?"}, "answer_0": "No.", "answer_1": "Since.", "score_0": -1.0, "score_1": 1.0, "tokens_0": {"prefix": [1], "completion": [2]}}
{"question": {"id": "2", "full_text": "Who?"}, "answer_0": "I.", "answer_1": "You.", "score_0": 0.0, "score_1": 0.0}
[{"question": {"full_text": "Where?"}, "answer": "Here.", "score": 0.5}, {"question": {"full_text": "Where?"}, "answer": "There.", "score": -0.5}]
"#;

const GPT4LLM: &str = r####"[
    {"user_input": "### Instruction:\nSing.\n\n### Response:", "completion_a": "La.", "completion_b": "Bah."},
    {"user_input": "### Instruction:\nSpeak.", "completion_a": "Well."},
    {"user_input": "### Instruction:\nSpeak.", "responses_and_scores": [
        {"response": "Well.", "source": "gpt4", "score": 9},
        {"response": "Um.", "source": "icm-1.3b", "score": 3.5},
        {"response": "Hm.", "source": "text-davinci-003", "score": 3.5}]}
]"####;

#[test]
fn published_comparisons_are_pairs_of_the_tables() {
    let dir = fresh_dir("published");
    // Some editors begin files with a byte order mark.
    fs::write(dir.join("comparisons.jsonl"), format!("\u{feff}{WEBGPT}")).unwrap();
    fs::write(dir.join("gpt4llm.json"), format!("\u{feff}{GPT4LLM}")).unwrap();
    let out = hh_split(
        &dir,
        "--train webgpt=comparisons.jsonl --train gpt4llm.json --rm 1 --dev 0 --out data",
    );
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{stderr}");

    let pairs: Vec<Pair> = rows(&dir.join("data/train-pairs.parquet"));
    let pairs: Vec<String> = pairs
        .iter()
        .map(|it| {
            format!(
                "{} {:?} {} > {}",
                it.subset, it.prompt, it.chosen, it.rejected
            )
        })
        .collect();
    assert_eq!(
        pairs,
        [
            r#"webgpt "\n\nHuman: Why?\n\nAssistant:" Since. > No."#,
            r#"webgpt "\n\nHuman: Where?\n\nAssistant:" Here. > There."#,
            r#"gpt4llm "\n\nHuman: ### Instruction:\nSing.\n\nAssistant:" La. > Bah."#,
            r#"gpt4llm "\n\nHuman: ### Instruction:\nSpeak.\n\nAssistant:" Well. > Um."#,
            r#"gpt4llm "\n\nHuman: ### Instruction:\nSpeak.\n\nAssistant:" Well. > Hm."#,
        ]
    );
    let rejects: Vec<Reject> = rows(&dir.join("data/rejects.parquet"));
    let rejects: Vec<(&str, i64)> = rejects
        .iter()
        .map(|it| (it.reason.as_str(), it.line))
        .collect();
    assert_eq!(
        rejects,
        [("same_score", 2), ("malformed", 2), ("same_score", 3)]
    );
}

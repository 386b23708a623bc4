//! `mini-judge`: a chat endpoint, on this machine alone, that judges the mini
//! world's responses by their true quality.
//!
//! It has the faults of real judges: it likes the response that it sees first, and
//! some of its replies end without a verdict.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;
use mini_world::loopback::serve;
use mini_world::quality;
use serde_json::{Value, json};

/// How much better the first response seems to the judge, in quality.
const LIKING: f64 = 0.08;

/// The judge calls a difference below this a tie.
const NOTICEABLE: f64 = 0.05;

/// One of this many replies ends without a verdict.
const UNREADABLE: u64 = 20;

/// Run a command with a judge of the mini world to ask
///
/// `--base-url` and the judge's address are added to the command's arguments. The exit
/// status is that of the command.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The command and its arguments, such as `judge compare …`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let address = serve(answer).context("no port is free")?;
    let (program, arguments) = args
        .command
        .split_first()
        .context("clap asks for a command")?;
    let status = Command::new(program)
        .args(arguments)
        .args(["--base-url", &format!("http://{address}/v1")])
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

fn answer(asked: &Value) -> (u16, Value) {
    let text = asked["messages"][0]["content"].as_str().unwrap_or_default();
    let Some(content) = judge(text, &asked.to_string()) else {
        let message = "no comparison of the mini world";
        return (400, json!({ "error": { "message": message } }));
    };
    (200, reply(&content, text))
}

fn reply(content: &str, asked: &str) -> Value {
    let words = |text: &str| text.split_whitespace().count();
    json!({
        "object": "chat.completion",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": content },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": words(asked), "completion_tokens": words(content) },
    })
}

/// Answers a request of `judge compare`.
fn judge(text: &str, body: &str) -> Option<String> {
    let (dialogue, rest) = text
        .strip_prefix("Here is a conversation:\n")?
        .split_once("\nHere are the responses from two models ")?;
    let (names, rest) = rest.split_once(":\n")?;
    let (first, second) = names.split_once(", ")?;
    let (responses, _) = rest.split_once("\nPlease play the role of a judge")?;
    let responses = responses.strip_prefix(&format!("[[{first}]]: "))?;
    let (of_first, of_second) = responses.split_once(&format!("\n[[{second}]]: "))?;
    let prompt = format!("\n\n{dialogue}{}", apo_hh::ASSISTANT);
    let (a, b) = (quality(&prompt, of_first)?, quality(&prompt, of_second)?);
    let thought = format!("{first} is about {a:.1} good, {second} about {b:.1}.");
    // By what was asked alone: the same request has the same answer.
    let drawn = u64::from_str_radix(&apo_hh::query_id(body), 16).ok()?;
    if drawn.is_multiple_of(UNREADABLE) {
        return Some(format!("{thought}\nIt is hard to tell."));
    }
    let difference = a + LIKING - b;
    let verdict = if difference > NOTICEABLE {
        format!("[[{first}]] is better")
    } else if difference < -NOTICEABLE {
        format!("[[{second}]] is better")
    } else if a > 0.5 {
        "equally good".to_owned()
    } else {
        "equally bad".to_owned()
    };
    Some(format!("{thought}\n{verdict}"))
}

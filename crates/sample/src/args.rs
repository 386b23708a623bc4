//! The command line of `sample`.

use std::path::{Path, PathBuf};

use apo_endpoint_stage::AskingArgs;
use apo_model_stage::{ComputeArgs, ModelArgs};
use apo_provenance::input_name;
use apo_stage::{OutputArgs, ReportArgs};
use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Parser};

const EXAMPLES: &str = concat!(
    "\
Examples:
  Four samples for each query, as for APO's training:
    sample --model sft --queries data/rm-queries.parquet --out rm-samples.parquet

  One answer to each query, as in the paper's evaluation:
    sample --model sft --queries data/test-queries.parquet --samples 1 \\
      --temperature 0.3 --top-k 5 --top-p 0.85 --repetition-penalty 1.05 \\
      --max-new-tokens 512 --out answers.parquet

  By vLLM on this machine, 64 requests at once:
    vllm serve sft &
    sample --model sft --queries data/rm-queries.parquet \\
      --base-url http://127.0.0.1:8000/v1 --requests 64 --out rm-samples.parquet

  By llama.cpp's server, which serves one model under the name that it is given:
    llama-server -m sft.gguf --alias sft --port 8080 &
    sample --model sft --queries data/rm-queries.parquet \\
      --base-url http://127.0.0.1:8080/v1 --out rm-samples.parquet

  By a server on another machine, with only the tokenizer and configuration here:
    sample --model sft-tokenizer --model-name sft --model-revision 2026-11-30 \\
      --queries data/rm-queries.parquet --base-url http://gpu:8000/v1 \\
      --out rm-samples.parquet

To resume a stopped run, run the same command again. A server's answers are kept in
OUT.journal.jsonl; nothing that it holds is asked for again.

",
    apo_stage::exit_status!()
);

/// Sample a policy's responses to queries, here or by a server
///
/// A response ends at the end of text or before another human turn, which is
/// cut off. A sample depends on --seed, its query and its number, but, except
/// for rounding, not on the batch, the order of the queries, or the threads.
///
/// With --base-url, a server draws the samples: vLLM, llama.cpp's, or another one
/// that takes prompts as token ids at /completions. Services for chats alone do not:
/// they render prompts themselves.
#[derive(Debug, Parser)]
#[command(name = "sample", version, after_help = EXAMPLES)]
#[command(group(ArgGroup::new("computing").multiple(true).conflicts_with("base_url")
    .args(["batch", "device", "threads", "precision", "tuning"])))]
#[command(group(ArgGroup::new("asking").multiple(true).requires("base_url")
    .args(["model_name", "model_revision", "samples_per_request", "requests", "timeout",
        "attempts", "first_pause", "max_failures"])))]
// A server may let requests wait, and texts take longer than most replies.
#[command(mut_arg("timeout", |arg| arg.default_value("600")))]
pub struct Args {
    #[command(flatten)]
    pub model: ModelArgs,

    /// Queries to answer: a `queries` table, or any table with its columns
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub queries: PathBuf,

    /// Number of responses to each query
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Sampling")]
    pub samples: u16,

    /// Temperature: divides the logits; 0 always takes the likeliest token
    #[arg(
        long,
        value_name = "T",
        default_value = "1.2", value_parser = temperature,
        help_heading = "Sampling"
    )]
    pub temperature: f32,

    /// Keep only this many of the likeliest tokens; 0 keeps all
    #[arg(long, value_name = "K", default_value_t = 0, help_heading = "Sampling")]
    pub top_k: usize,

    /// Keep only the likeliest tokens that together reach this probability
    #[arg(
        long,
        value_name = "P",
        default_value = "1", value_parser = top_p,
        help_heading = "Sampling"
    )]
    pub top_p: f32,

    /// Makes tokens that are in the prompt or response less likely; 1 has no effect
    #[arg(
        long,
        value_name = "X",
        default_value = "1", value_parser = penalty,
        help_heading = "Sampling"
    )]
    pub repetition_penalty: f32,

    /// Maximum number of tokens in a response
    #[arg(
        long,
        value_name = "N",
        default_value = "256", value_parser = clap::value_parser!(u32).range(1..=1_000_000),
        help_heading = "Sampling"
    )]
    pub max_new_tokens: u32,

    /// Maximum number of tokens in a prompt; longer prompts lose their beginning
    #[arg(
        long,
        visible_alias = "max-prompt-length",
        value_name = "N",
        default_value = "512", value_parser = clap::value_parser!(u32).range(2..=1_000_000),
        help_heading = "Sampling"
    )]
    pub prompt_limit: u32,

    /// Seed of all samples
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Sampling")]
    pub seed: u64,

    /// Number of responses computed at once; affects memory and speed, not the samples.
    /// `auto` takes as many as half of the free memory holds, at most 128; on a GPU, 32
    #[arg(
        long,
        value_name = "N",
        default_value = "auto",
        value_parser = batch,
        help_heading = "Compute"
    )]
    pub batch: Batch,

    #[command(flatten)]
    pub compute: ComputeArgs,

    #[command(flatten)]
    pub server: ServerArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// A server that draws the samples.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Endpoint")]
pub struct ServerArgs {
    /// Address of an OpenAI-compatible server that draws the samples, up to its `/v1`; a
    /// key is taken from `OPENAI_API_KEY`
    ///
    /// It must serve the model of --model, which gives the tokenizer and the template. The
    /// output names that model as what was sampled, by a digest of all of its files, so the
    /// weights are read; see --model-revision.
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,

    /// Name of the model at the server [default: --model as given; of a model on the hub,
    /// `owner/name`]
    #[arg(long, value_name = "NAME")]
    pub model_name: Option<String>,

    /// Text that identifies the served weights, so that they need not be read or
    /// downloaded here
    ///
    /// It must change whenever the served weights do, as a commit or a date does. With another revision, samples are drawn anew.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub model_revision: Option<String>,

    /// Samples that one request asks for
    ///
    /// With 1, each sample has a seed of its own. More save work at servers that compute
    /// the prompt of each request anew; the samples then also depend on this number.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub samples_per_request: u16,

    #[command(flatten)]
    pub asking: AskingArgs,
}

/// Where a model is served.
#[derive(Debug)]
pub struct Served<'a> {
    pub url: &'a str,
    /// The model's name there.
    pub name: String,
    /// The file that keeps the answers.
    pub journal: PathBuf,
}

impl Served<'_> {
    /// Returns the name as outputs record it: of an absolute path, its last part.
    pub fn recorded_name(&self) -> String {
        let path = Path::new(&self.name);
        if path.is_absolute() {
            input_name(path)
        } else {
            self.name.clone()
        }
    }
}

impl Args {
    /// Returns where the model is served, if a server draws the samples.
    pub fn served(&self) -> Option<Served<'_>> {
        let url = self.server.base_url.as_deref()?;
        let name = self.server.model_name.clone();
        Some(Served {
            url,
            name: name.unwrap_or_else(|| self.model.dir.to_string_lossy().into_owned()),
            journal: self.server.asking.journal(&self.output.out),
        })
    }

    /// Whether samples are drawn with other probabilities than the model's own.
    pub fn changes_probabilities(&self) -> bool {
        self.temperature != 1.0
            || self.top_k > 0
            || self.top_p < 1.0
            || self.repetition_penalty != 1.0
    }

    /// Checks that options fit together.
    ///
    /// # Errors
    ///
    /// When one request asks for several samples that are all the likeliest text.
    pub fn check(&self) -> Result<(), String> {
        if self.temperature > 0.0 || self.server.samples_per_request == 1 {
            return Ok(());
        }
        Err(
            "--samples-per-request above 1 has no use with --temperature 0, where all samples of \
             a query are the same, and servers refuse it; leave it out"
                .to_owned(),
        )
    }
}

/// How many responses are computed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// As many as memory holds.
    Auto,
    /// This many.
    Of(u16),
}

fn batch(text: &str) -> Result<Batch, &'static str> {
    if text == "auto" {
        return Ok(Batch::Auto);
    }
    let found = text.parse().ok().filter(|it| *it > 0);
    found
        .map(Batch::Of)
        .ok_or("expected auto, or a number from 1 to 65535")
}

fn number(text: &str, holds: impl Fn(f32) -> bool) -> Option<f32> {
    text.parse()
        .ok()
        .filter(|it: &f32| it.is_finite() && holds(*it))
}

fn temperature(text: &str) -> Result<f32, &'static str> {
    // With a lower temperature, divided logits overflow f32.
    let found = number(text, |it| it == 0.0 || it >= 1e-3);
    found.ok_or("expected 0, or a number of at least 0.001")
}

fn top_p(text: &str) -> Result<f32, &'static str> {
    number(text, |it| it > 0.0 && it <= 1.0).ok_or("expected a number above 0 and at most 1")
}

fn penalty(text: &str) -> Result<f32, &'static str> {
    number(text, |it| it > 0.0).ok_or("expected a number above 0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_declaration_is_consistent() {
        Args::command().debug_assert();
    }

    fn parse(rest: &str) -> Result<Args, clap::Error> {
        let line = format!("sample --model dir/sft --queries q --out o {rest}");
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn what_has_no_effect_at_a_server_is_refused_and_so_are_its_options_without_one() {
        const URL: &str = "--base-url http://a";
        for rest in ["", "--batch 8 --threads 2 --precision f32", URL] {
            assert!(parse(rest).is_ok(), "{rest}: {}", parse(rest).unwrap_err());
        }
        for option in [
            "--batch 8",
            "--device cpu",
            "--threads 2",
            "--precision f32",
            "--tuning t",
        ] {
            assert!(parse(option).is_ok(), "{option}");
            let both = format!("{URL} {option}");
            let error = parse(&both).unwrap_err().to_string();
            assert!(error.contains("--base-url"), "{option}: {error}");
        }
        for option in [
            "--model-name m",
            "--model-revision r",
            "--samples-per-request 2",
            "--requests 4",
            "--journal j",
            "--timeout 9",
            "--attempts 2",
            "--first-pause 1",
            "--max-failures 3",
        ] {
            let both = format!("{URL} {option}");
            assert!(parse(&both).is_ok(), "{option}");
            let error = parse(option).unwrap_err().to_string();
            assert!(error.contains("--base-url"), "{option}: {error}");
        }
    }

    #[test]
    fn the_server_knows_the_model_by_its_directory_or_by_a_name() {
        let args = |rest| parse(rest).expect("it fits");
        assert!(args("").served().is_none());
        let there = args("--base-url http://a");
        let served = there.served().expect("it is served");
        assert_eq!((served.url, served.name.as_str()), ("http://a", "dir/sft"));
        assert_eq!(served.journal.to_str(), Some("o.journal.jsonl"));
        assert_eq!(there.server.asking.timeout, 600);
        let named = args("--base-url http://a --model-name m");
        assert_eq!(named.served().expect("it is served").name, "m");
        for (name, recorded) in [("a/sft", "a/sft"), ("/home/me/sft", "sft")] {
            let named = parse(&format!("--base-url http://a --model-name {name}"));
            let named = named.expect("it fits");
            let served = named.served().expect("it is served");
            assert_eq!((&*served.name, &*served.recorded_name()), (name, recorded));
        }
    }

    #[test]
    fn several_greedy_samples_of_one_request_are_refused() {
        let check = |rest: &str| {
            let args = parse(&format!("--base-url http://a {rest}"));
            args.expect("it parses").check()
        };
        assert!(check("--samples-per-request 4").is_ok());
        assert!(check("--temperature 0").is_ok());
        let error = check("--temperature 0 --samples-per-request 4").unwrap_err();
        assert!(error.contains("--samples-per-request"), "{error}");
    }
}

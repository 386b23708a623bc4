//! The command line of `gold-collect`.

#![expect(
    clippy::doc_markdown,
    reason = "help texts are shown as they are written"
)]

use std::path::{Path, PathBuf};

use apo_endpoint_stage::EndpointArgs;
use apo_stage::{OutputArgs, ReportArgs};
use clap::{ArgGroup, Parser};

use crate::answers::Fallback;

const EXAMPLES: &str = concat!(
    "\
Examples:
  From a chat endpoint, eight requests at once; the key is in OPENAI_API_KEY:
    gold-collect --queries rm-queries.parquet --pairs rm-pairs.parquet \\
      --base-url https://api.openai.com/v1 --model gpt-4 --out golden.parquet

  The same again without the endpoint, from what it answered:
    gold-collect --queries rm-queries.parquet --pairs rm-pairs.parquet \\
      --from-journal golden.parquet.journal.jsonl --model gpt-4 --out again.parquet

  Answers that others wrote, and the better HH response to all other queries:
    gold-collect --queries rm-queries.parquet --pairs rm-pairs.parquet \\
      --answers answers.jsonl --hh-best --out golden.parquet

A rerun asks only what the journal does not answer; requests that were under way
when a run was killed are asked again. Once the output is removed, a rerun also
asks failed requests again, and empty or unreadable replies with --ask-again.
Proxies are taken from http_proxy, https_proxy, all_proxy and no_proxy; an http://
proxy is used with CONNECT, for http:// addresses as well.

",
    apo_stage::exit_status!()
);

/// Collect golden answers from a chat endpoint, a file, or the HH data
///
/// Each query's dialogue goes to a chat model under a system prompt. A
/// content-policy error is replaced by a refusal text. After a bare refusal the
/// model is asked `why?`. If no reply comes, the better HH response is used.
/// Each row names its origin.
#[derive(Debug, Parser)]
#[command(name = "gold-collect", version, after_help = EXAMPLES)]
#[command(group(ArgGroup::new("source").args(["base_url", "from_journal", "hh_best"])))]
#[command(group(ArgGroup::new("any").args(["base_url", "from_journal", "hh_best", "answers"])
    .required(true).multiple(true)))]
pub struct Args {
    /// Queries to answer, a `queries` table
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub queries: PathBuf,

    /// Human preferences on these queries, a `pairs` table: the better HH
    /// response is used if no reply comes
    #[arg(long, value_name = "PARQUET", help_heading = "Tables")]
    pub pairs: Option<PathBuf>,

    /// Answers that people or other models wrote: .jsonl, .json (also with
    /// .gz) or .parquet, with `prompt` and `response`; the remaining queries go
    /// to the other source (repeatable, the first answer to a query counts)
    ///
    /// `owner/name:part` is a part of a data set on Hugging Face's hub.
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    pub answers: Vec<PathBuf>,

    /// Address of an OpenAI-compatible endpoint, up to its `/v1`; a key is taken
    /// from OPENAI_API_KEY
    #[arg(long, value_name = "URL", help_heading = "Sources")]
    #[arg(requires = "model")]
    pub base_url: Option<String>,

    /// Replay this journal without asking an endpoint
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    #[arg(requires = "model")]
    pub from_journal: Option<PathBuf>,

    /// Use the better HH response for every query that --answers does not answer
    #[arg(long, help_heading = "Sources", requires = "pairs")]
    pub hh_best: bool,

    /// Name of the model at the endpoint, such as gpt-4
    #[arg(long, value_name = "NAME", help_heading = "Endpoint")]
    pub model: Option<String>,

    #[command(flatten)]
    pub endpoint: EndpointArgs,

    #[command(flatten)]
    pub texts: TextArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// The texts of Appendix A.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Texts")]
pub struct TextArgs {
    /// System prompt [default: pipelines/prompts/golden-system.txt, built in]
    #[arg(long, value_name = "FILE")]
    pub system: Option<PathBuf>,

    /// Texts that replace policy errors, one on each line [default:
    /// pipelines/prompts/refusals.txt, built in]
    #[arg(long, value_name = "FILE")]
    pub refusals: Option<PathBuf>,

    /// Seed of the choice among the refusal texts
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl Args {
    /// Returns the files that the table is made of, except a journal that lines are
    /// added to.
    pub fn inputs(&self) -> Vec<&Path> {
        let texts = [&self.texts.system, &self.texts.refusals];
        let files = [&self.pairs, &self.from_journal].into_iter().chain(texts);
        let inputs = files.filter_map(Option::as_ref).chain([&self.queries]);
        inputs.chain(&self.answers).map(PathBuf::as_path).collect()
    }

    /// Returns the source of answers that `--answers` lacks. With an endpoint, files that match
    /// no query at all are an error: every query would be paid for.
    pub fn fallback(&self) -> Fallback {
        if self.hh_best {
            Fallback::HhChosen
        } else {
            Fallback::NoneOrEndpoint
        }
    }

    /// Returns the model whose replies are used, from an endpoint or a journal.
    pub fn asked_model(&self) -> Option<&str> {
        let asks = self.base_url.is_some() || self.from_journal.is_some();
        self.model.as_deref().filter(|_| asks)
    }

    /// Returns the path of the journal.
    pub fn journal(&self) -> PathBuf {
        self.endpoint.journal(&self.output.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_declaration_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_source_is_needed_and_one_alone() {
        const TABLES: &str = "gold-collect --queries q --pairs p --out o";
        let parse =
            |rest: &str| Args::try_parse_from(format!("{TABLES} {rest}").split_whitespace());
        for rest in [
            "--base-url http://a --model m",
            "--from-journal j --model m",
            "--hh-best",
            "--answers a",
            "--answers a --answers b --hh-best",
            "--answers a --base-url http://a --model m --price-in 1 --price-out 2",
            "--base-url http://a --model m --ask-again empty,unreadable,policy",
        ] {
            assert!(parse(rest).is_ok(), "{rest}: {}", parse(rest).unwrap_err());
        }
        for rest in [
            "",
            "--base-url http://a",
            "--from-journal j",
            "--base-url http://a --from-journal j --model m",
            "--hh-best --base-url http://a --model m",
            "--hh-best --journal j",
            "--from-journal j --model m --ask-again empty",
            "--base-url http://a --model m --ask-again reply",
            "--base-url http://a --model m --price-in 1",
            "--base-url http://a --model m --price-in nan --price-out 1",
            "--base-url http://a --model m --temperature -1",
            "--base-url http://a --model m --requests 0",
        ] {
            assert!(parse(rest).is_err(), "{rest}");
        }
        let alone = |rest: &str| {
            let words = format!("gold-collect --queries q --out o {rest}");
            Args::try_parse_from(words.split_whitespace()).is_ok()
        };
        assert!(alone("--answers a"));
        assert!(alone("--base-url http://a --model m"));
        assert!(!alone("--answers a --hh-best"));
    }

    #[test]
    fn the_journal_is_next_to_the_output() {
        let words = "gold-collect --queries q --pairs p --hh-best --out runs/golden.parquet";
        let args = Args::parse_from(words.split(' '));
        assert_eq!(
            args.journal(),
            Path::new("runs/golden.parquet.journal.jsonl")
        );
    }
}

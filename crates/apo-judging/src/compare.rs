//! `judge compare`: a language model compares two policies, in both orders (APO
//! appendix B).

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Error, Result, bail};
use apo_endpoint::{Endpoint, EndpointError, Failure, Outcome as Reply, Request, at_once};
use apo_endpoint_stage::{Asked, check_again, check_journal, classify, open, replayed};
use apo_measures::{Verdict, merge};
use apo_provenance::Provenance;
use apo_stage::{Claim, Output, OutputKind, Progress, bad_input, note, print_result, signals};
use apo_tables::{Reader, VerdictRow, Writer};

use crate::args::{CompareArgs, PoliciesArgs};
use crate::pairing::{Pairing, inputs, pairings};
use crate::verdicts::{JudgingSummary, Plan};

mod template;
mod unread;

use template::{First, Judge, last_line, request, verdict};
use unread::{Instead, Order, Unread};

/// Name of the table in the working folder.
const TABLE: &str = "verdicts.parquet";

/// Judges all queries and prints who won.
///
/// # Errors
///
/// When a table cannot be used, the endpoint takes no requests, no reply holds a
/// verdict, or the output cannot be written.
pub fn run(args: &CompareArgs) -> Result<()> {
    let mut pairings = pairings(&args.policies)?;
    // Ids are hashes, so the lowest ones are a random sample.
    pairings.truncate(args.take.map_or(usize::MAX, |n| n as usize));
    let journal = args.endpoint.journal(&args.output.out);
    if journal == args.output.out {
        return Err(bad_input("--journal and --out are the same file"));
    }
    check_again(&args.endpoint, &args.output.out)?;
    let PoliciesArgs { a, b } = &args.policies;
    let inputs = [Some(a), Some(b), args.from_journal.as_ref()];
    let inputs = inputs.into_iter().flatten().map(PathBuf::as_path);
    check_journal(&args.endpoint.asking, inputs.clone())?;
    let provenance = provenance(args)?;
    let inputs = inputs.chain([journal.as_path()]);
    let out = &args.output.out;
    Output::check_outside(&args.output, "--journal", &journal)?;
    let mut asked = None;
    match Output::claim(&args.output, &provenance, OutputKind::Table, inputs)? {
        Claim::UpToDate => note(&args.report, &format!("{} is up to date", out.display())),
        Claim::Work(output) => {
            let (url, from) = (args.base_url.as_deref(), args.from_journal.as_deref());
            let endpoint = open(&args.endpoint, url, from, out)?;
            let endpoint = endpoint.expect("clap asks for an address or a journal");
            ask_all(args, &pairings, &endpoint)?;
            let path = output.dir().join(TABLE);
            let unread = write(args, &pairings, &endpoint, &path, &provenance)?;
            unread.check()?;
            output.publish(TABLE)?;
            unread.warn();
            asked = Some(endpoint.counts());
        }
    }
    let rows = Reader::<VerdictRow>::open(out)?.collect::<Result<Vec<_>, _>>()?;
    let plan = Plan {
        queries: pairings.len(),
        repeats: args.repeats as usize,
        bootstrap: args.bootstrap,
    };
    let asked = asked.map(|counts| Asked::new(counts, args.endpoint.prices()));
    let summary = JudgingSummary::of(&args.models, &rows, plan, asked)?;
    print_result(&args.report, &summary, || summary.text())
}

fn provenance(args: &CompareArgs) -> Result<Provenance> {
    let [a, b] = inputs(&args.policies)?;
    let mut provenance = Provenance::new("judge compare", env!("CARGO_PKG_VERSION"))
        .argument("models", args.models.clone())
        .argument("repeats", args.repeats)
        .argument("take", args.take)
        .argument("temperature", args.endpoint.temperature)
        .argument("max_tokens", args.endpoint.max_tokens)
        .input("a", a)
        .input("b", b);
    if let Some(path) = &args.from_journal {
        provenance = provenance.input("from_journal", replayed(path)?);
    }
    Ok(provenance)
}

/// One judge's judgement of one query, in one repeat.
struct Judgement<'a> {
    pairing: &'a Pairing,
    judge: Judge,
    repeat: u32,
}

fn judgements<'a>(
    args: &'a CompareArgs,
    pairings: &'a [Pairing],
) -> impl Iterator<Item = Judgement<'a>> {
    pairings.iter().flat_map(move |pairing| {
        args.models.iter().flat_map(move |model| {
            (0..args.repeats).map(move |repeat| Judgement {
                pairing,
                judge: Judge {
                    model: model.clone(),
                    temperature: args.endpoint.temperature,
                    max_tokens: args.endpoint.max_tokens,
                },
                repeat,
            })
        })
    })
}

impl Judgement<'_> {
    /// Returns the verdict of one order. An unreadable reply is asked for once
    /// more. If no reply came, returns the failure.
    fn verdict(
        &self,
        first: First,
        ask: impl Fn(&Request) -> Result<Reply, EndpointError>,
    ) -> Result<Result<Order, Failure>, EndpointError> {
        let mut found = Order {
            verdict: Verdict::Invalid,
            instead: None,
        };
        for again in 0..2 {
            let attempt = u64::from(2 * self.repeat + again);
            let instead = match ask(&request(self.pairing, first, &self.judge, attempt))? {
                Reply::Reply(reply) => {
                    let said = reply.answer();
                    found.verdict = verdict(said);
                    last_line(said).map_or(
                        Instead::Nothing {
                            is_cut: reply.is_cut(),
                        },
                        |line| Instead::Line(line.trim().to_owned()),
                    )
                }
                Reply::Policy(policy) => Instead::Other(format!(
                    "refused by the content policy ({}): {}",
                    policy.code, policy.message
                )),
                Reply::Unreadable(unreadable) => Instead::Other(unreadable.problem),
                Reply::Failed(failure) => return Ok(Err(failure)),
            };
            found.instead = (found.verdict == Verdict::Invalid).then_some(instead);
            if found.instead.is_none() {
                break;
            }
        }
        Ok(Ok(found))
    }
}

/// Asks for everything that the journal does not answer. The replies are in the
/// journal afterwards.
fn ask_all(args: &CompareArgs, pairings: &[Pairing], endpoint: &Endpoint) -> Result<()> {
    let total = (pairings.len() * args.models.len() * args.repeats as usize) as u64;
    let what = if args.from_journal.is_some() {
        "replaying"
    } else {
        "judging"
    };
    let progress = Mutex::new(Progress::new(&args.report, what, "comparisons", 0, total));
    let (judged, missing) = (AtomicU64::new(0), AtomicU64::new(0));
    let items = judgements(args, pairings).map(Ok::<_, Error>);
    at_once(args.endpoint.asking.requests.into(), items, |judgement| {
        signals::check()?;
        let ask = |request: &Request| endpoint.ask(request, &|| signals::check().is_err());
        let mut both = true;
        for first in [First::A, First::B] {
            match judgement.verdict(first, ask) {
                Ok(found) => both &= found.is_ok(),
                Err(EndpointError::NotInJournal { .. }) => {
                    missing.fetch_add(1, Ordering::Relaxed);
                    both = false;
                }
                Err(error) => return Err(classify(error)),
            }
        }
        judged.fetch_add(u64::from(both), Ordering::Relaxed);
        if let Ok(mut progress) = progress.lock() {
            let counts = endpoint.counts();
            if counts.requests > 0 {
                progress.set_message(args.endpoint.message(&counts));
            }
            progress.inc(1);
        }
        Ok(())
    })?;
    let missing = missing.into_inner();
    if missing > 0 {
        return Err(bad_input(format!(
            "{}: no entry for {missing} of {} requests; it was made from other responses or with \
             another --model, --repeats, --temperature or --max-tokens, or it stopped early; \
             --base-url with --journal asks for what it lacks",
            endpoint.journal().path().display(),
            2 * total
        )));
    }
    if judged.into_inner() == 0
        && let Some(last) = endpoint.last_failure()
    {
        bail!("nothing was judged; the last failure: {last}");
    }
    Ok(())
}

/// Writes the verdicts; comparisons without a reply get no row. Returns the
/// replies without a verdict.
fn write(
    args: &CompareArgs,
    pairings: &[Pairing],
    endpoint: &Endpoint,
    path: &Path,
    provenance: &Provenance,
) -> Result<Unread> {
    let mut unread = Unread::default();
    let mut writer = Writer::<VerdictRow>::create(path, provenance)?;
    for judgement in judgements(args, pairings) {
        let recorded = |request: &Request| endpoint.recorded(request);
        let order = |first| judgement.verdict(first, recorded).map_err(classify);
        let (plain, swapped) = match (order(First::A)?, order(First::B)?) {
            (Ok(plain), Ok(swapped)) => (plain, swapped),
            (plain, swapped) => {
                for failure in [plain.err(), swapped.err()].into_iter().flatten() {
                    unread.failures.add_failure(&failure);
                }
                continue;
            }
        };
        let pairing = judgement.pairing;
        for found in [&plain, &swapped] {
            unread.add(&pairing.query_id, found);
        }
        let (plain, swapped) = (plain.verdict, swapped.verdict);
        writer.write(&VerdictRow {
            query_id: pairing.query_id.clone(),
            subset: pairing.subset.clone(),
            judge: judgement.judge.model.clone(),
            repeat: judgement.repeat as i32,
            plain: Some(plain),
            swapped: Some(swapped),
            outcome: merge(plain, swapped),
            characters_a: pairing.a.chars().count() as i32,
            characters_b: pairing.b.chars().count() as i32,
        })?;
    }
    writer.finish()?;
    Ok(unread)
}

//! Opens the endpoint and the journal that the options name.

use std::path::Path;

use anyhow::{Error, Result};
use apo_endpoint::{Client, Endpoint, EndpointError, Journal, JournalError, Key, OutcomeKind};
use apo_provenance::Input;
use apo_stage::{bad_input, signals, warn};

use crate::args::{AskingArgs, EndpointArgs};

/// Damaged lines that are reported one by one.
const TOLD: usize = 5;

/// Returns the endpoint at `base_url`, with its journal beside `out`, or a
/// journal to replay; `None` if neither is given.
///
/// # Errors
///
/// When the address or the key is malformed, when the environment names a proxy
/// that cannot be used, or when the journal cannot be used.
pub fn open(
    args: &EndpointArgs,
    base_url: Option<&str>,
    from_journal: Option<&Path>,
    out: &Path,
) -> Result<Option<Endpoint>> {
    if let Some(path) = from_journal {
        let journal = Journal::read(path).map_err(|error| classify(error.into()))?;
        warn_of_damage(&journal);
        return Ok(Some(Endpoint::replay(journal)));
    }
    let Some(url) = base_url else {
        return Ok(None);
    };
    let again: Vec<OutcomeKind> = args.ask_again.iter().map(|&it| it.into()).collect();
    Ok(Some(
        open_online(&args.asking, url, out)?.asking_again(&again),
    ))
}

/// Returns the endpoint at `base_url`, with its journal beside `out`.
///
/// # Errors
///
/// As [`open`].
pub fn open_online(args: &AskingArgs, url: &str, out: &Path) -> Result<Endpoint> {
    let key = Key::from_env().map_err(classify)?;
    let client = Client::new(args.settings(url), key).map_err(classify)?;
    if let Some(variable) = client.unused_proxy() {
        let scheme = url.split_once("://").map_or(url, |it| it.0);
        warn(&format!(
            "{variable} is set, but not for addresses that begin with {scheme}://; the \
             endpoint is asked directly ({scheme}_proxy or all_proxy name a proxy for it)"
        ));
    }
    let journal = Journal::open(&args.journal(out)).map_err(|error| classify(error.into()))?;
    warn_of_damage(&journal);
    Ok(Endpoint::online(client, journal, args.max_failures))
}

/// Refuses `--ask-again` if the output exists, since nothing would be asked.
///
/// # Errors
///
/// When the output exists.
pub fn check_again(args: &EndpointArgs, out: &Path) -> Result<()> {
    if args.ask_again.is_empty() || !out.exists() {
        return Ok(());
    }
    Err(bad_input(format!(
        "--ask-again has no effect while {} exists; remove it first",
        out.display()
    )))
}

/// Refuses a `--journal` that is one of the inputs, since lines would be added
/// to it.
///
/// # Errors
///
/// When it is an input, by whatever path.
pub fn check_journal<'a>(
    args: &AskingArgs,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    let Some((journal, at)) = args
        .journal
        .as_deref()
        .and_then(|it| Some((it, it.canonicalize().ok()?)))
    else {
        return Ok(()); // a file that does not exist is not an input
    };
    let is_it = |input: &&Path| input.canonicalize().is_ok_and(|it| it == at);
    match inputs.into_iter().find(is_it) {
        None => Ok(()),
        Some(input) => Err(bad_input(format!(
            "--journal {} is the input {}; choose another file",
            journal.display(),
            input.display()
        ))),
    }
}

/// Returns a journal that is replayed, as an input.
///
/// # Errors
///
/// When it does not exist, is not a file, or cannot be read.
pub fn replayed(path: &Path) -> Result<Input> {
    Journal::check_file(path).map_err(|error| classify(error.into()))?;
    if !path.exists() {
        let error = JournalError::NotThere { path: path.into() };
        return Err(classify(error.into()));
    }
    Ok(apo_tables::input(path)?)
}

/// Warns of damaged lines.
fn warn_of_damage(journal: &Journal) {
    let path = journal.path().display();
    let damage = journal.damage();
    for it in damage.iter().take(TOLD) {
        warn(&format!(
            "{path}, line {}: {}; the line is ignored, as if its request was never sent",
            it.line, it.problem
        ));
    }
    if damage.len() > TOLD {
        let more = damage.len() - TOLD;
        warn(&format!(
            "{path}: {more} more lines are damaged and ignored"
        ));
    }
}

/// Turns an endpoint's error into the stage's: bad input, a signal, or a failure. An endpoint
/// that cannot do what the stage asks for is bad input.
pub fn classify(error: EndpointError) -> Error {
    if matches!(error, EndpointError::Stopped)
        && let Err(stopped) = signals::check()
    {
        return stopped.into();
    }
    let is_bad_input = match &error {
        EndpointError::BadUrl { .. }
        | EndpointError::BadKey
        | EndpointError::BadProxy { .. }
        | EndpointError::Unusable { .. } => true,
        EndpointError::Journal(error) => JournalError::is_bad_input(error),
        _ => false,
    };
    if is_bad_input {
        return bad_input(error.to_string());
    }
    Error::from(error)
        .context("not all requests could be asked; the replies so far are in the journal")
}

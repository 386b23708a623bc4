//! Every stage takes models by their names on a hub, and `hh-split` data sets; what they
//! cannot have from there, they tell. The hub is one on this machine.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use apo_tables::{Pair, Query, Reader, Response};
use apo_tests::hub::{may_ask, repositories};
use apo_tests::stages::{
    Ran, command, copy, finish, folder, small_round, start_command, succeed, terminate, workspace,
};
use apo_tests::works::{
    ACCURACY, BAD_INPUT, DPO, KL, LOG_PROBS, RM_TRAIN, SAMPLE, SCORE, SFT, fresh, with_out,
};
use mini_world::hub::{Asked, COMMIT, Hub, Reply, files_of};
use serde_json::{Value, json};

/// The token of tests.
const TOKEN: &str = "hf_not_to_be_seen";

/// The longest time that a download of a test takes to begin.
const PATIENCE: Duration = Duration::from_secs(30);

/// A small round that all tests read.
static ROUND: LazyLock<PathBuf> =
    LazyLock::new(|| small_round(env!("CARGO_TARGET_TMPDIR"), "hub-round"));

fn serve(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Hub {
    Hub::serve(repositories(&ROUND), reply).unwrap()
}

/// Returns an empty cache.
fn cache(test: &str) -> PathBuf {
    folder(env!("CARGO_TARGET_TMPDIR"), &format!("hub-{test}"))
}

/// Returns the command of a line that may ask a hub.
fn asking(hub: &Hub, cache: &Path, line: &str) -> Command {
    may_ask(hub, cache, command(&ROUND, line))
}

#[track_caller]
fn works(hub: &Hub, cache: &Path, line: &str) -> Ran {
    let ran = finish(&mut asking(hub, cache, line));
    assert_eq!(ran.status, Some(0), "{line}\n{}", ran.stderr);
    ran
}

/// Checks that a command fails with one error that tells what is expected, and that
/// leaves no output.
#[track_caller]
fn fails(command: &mut Command, status: i32, expected: &[&str]) {
    let ran = finish(command);
    let told = &ran.stderr;
    assert_eq!(ran.status, Some(status), "{command:?}\n{told}");
    for expected in expected {
        assert!(told.contains(expected), "expected `{expected}` in\n{told}");
    }
    assert!(
        !told.contains("panicked") && !told.contains(TOKEN),
        "{told}"
    );
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
}

/// Returns a line with the hub's names in place of the paths of models.
fn by_name(line: &str) -> String {
    let line = line
        .replace("--model policy", "--model owner/policy@main")
        .replace("--reference policy", "--reference owner/policy");
    line.replace("--model rm ", "--model owner/rm ")
}

fn pairs(table: &Path) -> Vec<Pair> {
    Reader::<Pair>::open(table)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn every_stage_takes_models_by_their_names_and_records_the_commit() {
    let (hub, cache) = (serve(|_| Reply::Well), cache("every"));
    for line in [SFT, DPO, LOG_PROBS, KL, RM_TRAIN, SCORE, ACCURACY] {
        let line = with_out(&by_name(line), &fresh());
        works(&hub, &cache, &line);
    }
    assert_eq!(hub.count("policy/resolve/main/model.safetensors"), 0);
    let weights = |it: &&Asked| it.path.ends_with("model.safetensors");
    assert_eq!(hub.asked().iter().filter(weights).count(), 2, "once each");
    let [by_path, named] = [fresh(), fresh()];
    succeed(&ROUND, &with_out(SAMPLE, &by_path));
    let line = with_out(&by_name(SAMPLE), &named);
    works(&hub, &cache, &line);
    let of = |out: &str| {
        let found = apo_tables::provenance(&ROUND.join(out)).unwrap().unwrap();
        found.inputs["model"].clone()
    };
    assert_eq!(of(&named).name, format!("owner/policy@{COMMIT}"));
    assert_eq!(of(&named).digest, of(&by_path).digest, "the same model");
    // The same again: what is there is not made again.
    let again = works(&hub, &cache, &line);
    assert!(again.stdout.contains("up to date"), "{}", again.stdout);
}

#[test]
fn hh_split_takes_parts_of_data_sets_and_folders_of_hh() {
    let (hub, cache) = (serve(|_| Reply::Well), cache("data"));
    let sizes = "--rm 50% --dev 2";
    let [split, hh, local] = [fresh(), fresh(), fresh()];
    let ran = works(
        &hub,
        &cache,
        &format!("hh-split --train owner/pairs --hold-out 8 {sizes} --out {split}"),
    );
    assert!(
        ran.stderr.contains("downloading owner/pairs"),
        "{}",
        ran.stderr
    );
    let found = pairs(&ROUND.join(&split).join("train-pairs.parquet"));
    assert!(found.iter().all(|it| it.subset == "pairs"));
    assert_eq!(
        hub.count("test-00000-of-00001.jsonl.gz"),
        0,
        "only the part"
    );
    works(
        &hub,
        &cache,
        &format!("hh-split --hh owner/hh@main {sizes} --out {hh}"),
    );
    copy(&workspace().join("fixtures/hh"), &ROUND.join("local-hh"));
    succeed(
        &ROUND,
        &format!("hh-split --hh local-hh {sizes} --out {local}"),
    );
    let table = |out: &str| pairs(&ROUND.join(out).join("train-pairs.parquet"));
    assert_eq!(table(&hh), table(&local));
    let provenance: Value =
        serde_json::from_slice(&fs::read(ROUND.join(&split).join("apo.json")).unwrap()).unwrap();
    let name = format!("owner/pairs@{COMMIT}:data/train-00001-of-00002.jsonl.gz");
    assert_eq!(provenance["inputs"]["train-1"]["name"], name);
    let line = format!("hh-split --train owner/hh {sizes} --out {}", fresh());
    let expected = ["owner/hh", "several parts", "helpful-base/train"];
    fails(&mut asking(&hub, &cache, &line), BAD_INPUT, &expected);
}

#[test]
fn answers_and_a_template_without_weights_are_taken_by_their_names() {
    let mut all = repositories(&ROUND);
    let queries = Reader::<Query>::open(&ROUND.join("data/rm-queries.parquet")).unwrap();
    let answers = queries.map(|it| {
        json!({"query_id": it.unwrap().query_id, "response": "From the hub."}).to_string()
    });
    let answers: Vec<String> = answers.collect();
    all.insert(
        "datasets/owner/answers".to_owned(),
        [("answers.jsonl".to_owned(), answers.join("\n").into_bytes())].into(),
    );
    let mut small = files_of(&workspace().join("fixtures/mini")).unwrap();
    let template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";
    small.insert("chat_template.jinja".to_owned(), template.into());
    all.insert("models/owner/chat".to_owned(), small);
    let (hub, cache) = (Hub::serve(all, |_| Reply::Well).unwrap(), cache("answers"));
    let out = format!("{}.parquet", fresh());
    let line = "gold-collect --queries data/rm-queries.parquet --answers owner/answers";
    works(&hub, &cache, &format!("{line} --out {out}"));
    let golden = Reader::<Response>::open(&ROUND.join(&out)).unwrap();
    let golden: Vec<Response> = golden.map(Result::unwrap).collect();
    assert_eq!(golden.len(), answers.len());
    assert!(golden.iter().all(|it| it.response == "From the hub."));
    // What is asked for first costs no download.
    let slip = line.replace("rm-queries", "rm-querys");
    let before = hub.asked().len();
    fails(
        &mut asking(&hub, &cache, &format!("{slip} --out {}", fresh())),
        BAD_INPUT,
        &["rm-querys.parquet"],
    );
    assert_eq!(hub.asked().len(), before);

    let said = |role: &str, content: &str| json!({"role": role, "content": content});
    let row = json!({"prompt": [said("user", "a"), said("assistant", "f()"), said("tool", "b")],
                     "chosen": "c", "rejected": "d"});
    fs::write(ROUND.join("tools.jsonl"), row.to_string()).unwrap();
    let split = fresh();
    let line = format!(
        "hh-split --train tools.jsonl --tools-for owner/chat --rm 100% --dev 0 --out {split}"
    );
    works(&hub, &cache, &line);
    assert_eq!(pairs(&ROUND.join(&split).join("rm-pairs.parquet")).len(), 1);
    let provenance: Value =
        serde_json::from_slice(&fs::read(ROUND.join(&split).join("apo.json")).unwrap()).unwrap();
    assert_eq!(
        provenance["inputs"]["chat-template"]["name"],
        format!("owner/chat@{COMMIT}:chat_template.jinja")
    );
    let line = SAMPLE.replace("--model policy", "--model owner/chat");
    fails(
        &mut asking(&hub, &cache, &with_out(&line, &fresh())),
        BAD_INPUT,
        &["owner/chat", "has no model.safetensors"],
    );
}

#[test]
fn a_path_that_exists_is_taken_and_nothing_is_asked() {
    let (hub, cache) = (serve(|_| Reply::Well), cache("path"));
    copy(&ROUND.join("policy"), &ROUND.join("nearby/policy"));
    let line = SAMPLE.replace("--model policy", "--model nearby/policy");
    works(&hub, &cache, &with_out(&line, &fresh()));
    let slip = line.replace("nearby/policy", "nearby/polcy");
    let expected = ["nearby/polcy", "nearby/polcy@main"];
    fails(
        &mut asking(&hub, &cache, &with_out(&slip, &fresh())),
        BAD_INPUT,
        &expected,
    );
    assert!(hub.asked().is_empty());
    let left = fs::read_dir(&cache).unwrap().count();
    assert_eq!(left, 0, "no cache is made");
}

#[test]
fn offline_the_cache_is_enough_or_the_stage_says_what_it_lacks() {
    let (hub, cache) = (serve(|_| Reply::Well), cache("offline"));
    let line = || with_out(&by_name(SAMPLE), &fresh());
    let offline = |line: &str| {
        let mut command = asking(&hub, &cache, line);
        command.env("HF_HUB_OFFLINE", "1");
        command
    };
    let expected = ["owner/policy@main", "is not there", "HF_HUB_OFFLINE"];
    fails(&mut offline(&line()), BAD_INPUT, &expected);
    let fetch = works(&hub, &cache, "judge fetch --model owner/policy --json");
    let found: Value = serde_json::from_str(&fetch.stdout).unwrap();
    let config = Path::new(found["model"].as_str().unwrap()).join("config.json");
    assert!(config.exists(), "{}", config.display());
    let asked = hub.asked().len();
    let ran = finish(&mut offline(&line()));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert_eq!(hub.asked().len(), asked);
    let data = works(&hub, &cache, "judge fetch --data owner/pairs");
    let files: Vec<&str> = data.stdout.lines().collect();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files.iter().all(|it| Path::new(it).exists()), "{files:?}");
}

#[test]
fn what_the_hub_does_not_give_is_told_without_the_token() {
    let line = with_out(&by_name(SAMPLE), &fresh());
    let coded = |status: u16, header: &'static str, value: &str| {
        let value = value.to_owned();
        serve(move |_| Reply::Status(status, vec![(header, value.clone())]))
    };
    for (hub, expected) in [
        (coded(403, "X-Error-Code", "GatedRepo"), "is gated"),
        (
            coded(401, "X-Error-Message", "Invalid credentials in header"),
            "does not accept the token",
        ),
        (
            coded(401, "X-Other", ""),
            "the token's account must have access",
        ),
        (
            coded(404, "X-Error-Code", "RevisionNotFound"),
            "no branch, tag or commit `main`",
        ),
        (
            coded(403, "X-Error-Message", TOKEN),
            "refuses `owner/policy@main`",
        ),
    ] {
        let cache = cache("refused");
        let mut command = asking(&hub, &cache, &line);
        fails(command.env("HF_TOKEN", TOKEN), BAD_INPUT, &[expected]);
        assert_eq!(hub.asked().len(), 1, "asked again: {expected}");
    }
    let (hub, cache) = (coded(503, "Retry-After", "90000"), cache("refused"));
    let mut command = asking(&hub, &cache, &line);
    fails(command.env("HF_TOKEN", TOKEN), 1, &["asks for a pause"]);
}

#[test]
fn two_stages_at_once_fetch_a_model_once() {
    let hub = serve(|_| Reply::Slow(Duration::from_millis(1)));
    let cache = cache("two");
    thread::scope(|scope| {
        for _ in 0..2 {
            let line = with_out(&by_name(SAMPLE), &fresh());
            let (hub, cache) = (&hub, &cache);
            scope.spawn(move || works(hub, cache, &line));
        }
    });
    assert_eq!(hub.count("model.safetensors"), 1);
}

#[test]
fn a_stopped_download_goes_on() {
    let hub = serve(|asked| match asked.times {
        0 => Reply::Slow(Duration::from_millis(50)),
        _ => Reply::Well,
    });
    let cache = cache("stopped");
    let line = with_out(&by_name(SAMPLE), &fresh());
    let blobs = cache.join("hub/models--owner--policy/blobs");
    let begun = || {
        let entries = fs::read_dir(&blobs).into_iter().flatten().flatten();
        let mut lengths = entries.map(|it| it.metadata().map_or(0, |it| it.len()));
        lengths.any(|it| it > 100_000)
    };
    let child = start_command(&mut asking(&hub, &cache, &line), PATIENCE, begun);
    assert_eq!(terminate(child), Some(143));
    works(&hub, &cache, &line);
    let asked = hub.asked();
    let again = asked
        .iter()
        .rfind(|it| it.path.ends_with("model.safetensors"));
    assert!(again.unwrap().from >= 100_000, "{again:?}");
}

#[test]
fn what_other_programs_put_into_the_cache_changes_no_model_and_no_choice() {
    let (hub, cache) = (serve(|_| Reply::Well), cache("others"));
    let out = fresh();
    let line = with_out(&by_name(SAMPLE), &out);
    works(&hub, &cache, &line);
    let snapshots = cache.join("hub/models--owner--policy/snapshots");
    for name in ["README.md", "pytorch_model.bin", "tf_model.h5"] {
        fs::write(snapshots.join(COMMIT).join(name), name).unwrap();
    }
    let again = works(&hub, &cache, &line);
    assert!(again.stdout.contains("up to date"), "{}", again.stdout);
    let offline = |line: &str| {
        let mut command = asking(&hub, &cache, line);
        command.env("HF_HUB_OFFLINE", "1");
        command
    };
    // Only one part is there: it is not taken for another.
    works(
        &hub,
        &cache,
        "judge fetch --data owner/hh:helpful-base/test",
    );
    works(
        &hub,
        &cache,
        "judge fetch --data owner/hh:harmless-base/train",
    );
    let sizes = "--rm 50% --dev 2";
    let refuses = |data: &str, expected: &str| {
        let line = format!("hh-split {data} {sizes} --out {}", fresh());
        fails(
            &mut offline(&line),
            BAD_INPUT,
            &[expected, "HF_HUB_OFFLINE"],
        );
    };
    for (data, expected) in [
        ("--train owner/hh:helpful-base", "has no helpful-base/train"),
        (
            "--hh owner/hh --subset harmless-base",
            "has no harmless-base/test",
        ),
    ] {
        refuses(data, expected);
    }
    // Another program keeps no list of all files.
    for kind in ["models--owner--policy", "datasets--owner--hh"] {
        fs::remove_dir_all(cache.join("hub").join(kind).join(".apo")).unwrap();
    }
    for (data, expected) in [
        ("--train owner/hh:harmless-base", "another program"),
        (
            "--hh owner/hh --subset harmless-base",
            "has no harmless-base/test",
        ),
    ] {
        refuses(data, expected);
    }
    let whole = "--train owner/hh:harmless-base/train --hold-out 8";
    let line = format!("hh-split {whole} {sizes} --out {}", fresh());
    assert_eq!(finish(&mut offline(&line)).status, Some(0));
    let ran = finish(&mut offline(&with_out(&by_name(SAMPLE), &fresh())));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("warning: `owner/policy@main`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_only_part_of_a_data_set_is_not_taken_for_another() {
    let cache = cache("only");
    let mut all = repositories(&ROUND);
    let train = all["datasets/owner/hh"]["helpful-base/train.jsonl.gz"].clone();
    let files = [("data/test.jsonl.gz".to_owned(), train)].into();
    all.insert("datasets/owner/test".to_owned(), files);
    let hub = Hub::serve(all, |_| Reply::Well).unwrap();
    let line = |data: &str| {
        format!(
            "hh-split --train {data} --hold-out 8 --rm 50% --dev 2 --out {}",
            fresh()
        )
    };
    let expected = ["has only `data/test`", "add `:data/test`"];
    fails(
        &mut asking(&hub, &cache, &line("owner/test")),
        BAD_INPUT,
        &expected,
    );
    assert_eq!(
        hub.count("test.jsonl.gz"),
        0,
        "refused before it is fetched"
    );
    works(&hub, &cache, &line("owner/test:test"));
}

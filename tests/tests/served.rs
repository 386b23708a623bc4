//! `sample --base-url` with servers that draw what a test tells them to, fail, or do
//! something else than they are asked for: nothing is guessed, asked twice, or lost.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use apo_provenance::Provenance;
use apo_tables::{Finish, Query, Reader, Response};
use apo_tests::served::drawn;
use apo_tests::stages::{
    Ran, command, copy, finish, folder, kill, start_command, succeed as succeeds, workspace, write,
};
use mini_world::hub::{COMMIT, Hub, Reply, files_of};
use mini_world::loopback::serve;
use serde_json::{Value, json};

const KEY: &str = "sk-not-to-be-seen";

/// Queries, and samples of each.
const QUERIES: usize = 6;
const SAMPLES: usize = 3;

/// Most tokens of a response.
const TOKENS: usize = 8;

/// A small policy that all tests read.
static POLICY: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), "served-policy");
    let fixtures = workspace().join("fixtures");
    let fixtures = fixtures.display();
    for line in [
        &format!("hh-split --hh {fixtures}/hh --take 24 --take-test 8 --rm 12 --dev 2 --out data"),
        &format!(
            "align sft --model {fixtures}/mini --from-scratch --pairs data/train-pairs.parquet \
             --batch 8 --out policy"
        ),
    ] {
        succeeds(&dir, line);
    }
    dir.join("policy")
});

/// A server that keeps what it was asked.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    fn start(answer: impl Fn(&Value) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let address = serve(move |request| {
            kept.lock().unwrap().push(request.clone());
            answer(request)
        });
        Self {
            address: address.unwrap(),
            asked,
        }
    }

    /// Returns what it was asked since the last call.
    fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// Makes a folder with a model, and with queries.
fn world(test: &str) -> PathBuf {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), test);
    copy(&POLICY, &dir.join("mini"));
    let query = |i| Query {
        query_id: format!("{i:016x}"),
        subset: "helpful-base".into(),
        prompt: format!("\n\nHuman: Question {i}?\n\nAssistant:"),
    };
    let rows: Vec<Query> = (0..QUERIES).map(query).collect();
    write(
        &dir.join("queries.parquet"),
        &Provenance::new("test", "0"),
        &rows,
    );
    dir
}

/// Returns the command that asks the server at an address, by default for `mini`.
fn asking(dir: &Path, address: SocketAddr, more: &str) -> Command {
    let model = if more.contains("--model ") {
        ""
    } else {
        "--model mini"
    };
    let line = format!(
        "sample {model} --queries queries.parquet --samples {SAMPLES} --max-new-tokens \
         {TOKENS} --base-url http://{address}/v1 --timeout 5 --first-pause 0.01 --json {more}"
    );
    let mut command = command(dir, &line);
    command
        .env("OPENAI_API_KEY", KEY)
        .env("no_proxy", "127.0.0.1");
    command
}

/// Asks the server at an address. The key is nowhere.
fn ask(dir: &Path, address: SocketAddr, more: &str) -> Ran {
    let ran = finish(&mut asking(dir, address, more));
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(!(ran.stdout.clone() + &ran.stderr).contains(KEY));
    for file in fs::read_dir(dir).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(KEY.len()).any(|it| it == KEY.as_bytes()));
    }
    ran
}

/// Asks the server at an address, which must succeed, and returns the result.
#[track_caller]
fn succeed(dir: &Path, address: SocketAddr, more: &str) -> Value {
    let ran = ask(dir, address, more);
    assert_eq!(ran.status, Some(0), "{more}\n{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap_or_default()
}

fn rows(table: &Path) -> Vec<Response> {
    let rows = Reader::<Response>::open(table).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn what_a_server_draws_becomes_the_table_in_the_order_of_the_queries() {
    let dir = world("served");
    let server = Server::start(|request| (200, drawn(request)));
    let line = "--model-name m --temperature 0.7 --top-k 5 --top-p 0.9 --repetition-penalty 1.1 \
                --out samples.parquet";
    let found = succeed(&dir, server.address, line);
    let n = QUERIES * SAMPLES;
    assert_eq!(found["responses"], n);
    assert_eq!(found["server"]["asked"]["requests"], n);
    assert_eq!(found["server"]["without_log_prob"], 0);

    let asked = server.asked();
    let mut seeds: Vec<u64> = asked
        .iter()
        .map(|it| it["seed"].as_u64().unwrap())
        .collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!((asked.len(), seeds.len()), (n, n), "a seed for each sample");
    for request in &asked {
        for (name, value) in [
            ("model", json!("m")),
            ("temperature", json!(0.7)),
            ("top_k", json!(5)),
            ("top_p", json!(0.9)),
            ("repetition_penalty", json!(1.1)),
            ("max_tokens", json!(TOKENS)),
            ("stop_token_ids", json!([0])),
        ] {
            assert_eq!(request[name], value, "{name}");
        }
        let ids = request["prompt"].as_array().unwrap();
        assert!(ids.len() > 4 && ids.iter().all(Value::is_u64), "{ids:?}");
    }

    let table = dir.join("samples.parquet");
    let responses = rows(&table);
    for (row, at) in responses.iter().zip(0..) {
        let expected = (format!("{:016x}", at / SAMPLES), (at % SAMPLES) as i32);
        assert_eq!((row.query_id.clone(), row.sample), expected);
        let tokens = row.tokens.unwrap();
        match row.finish {
            Finish::Length => assert_eq!(tokens as usize, TOKENS),
            _ => assert_eq!(tokens, 4, "the end of text counts: {row:?}"),
        }
        assert_eq!(row.log_prob, Some(-0.5 * tokens as f32));
        assert_ne!(row.response, "not what the ids say");
    }
    assert_eq!(responses.len(), n);
    let cut = responses.iter().filter(|it| it.finish == Finish::Length);
    assert_eq!(found["length"], cut.count());

    // The second run keeps the table; without the table, the journal answers.
    let bytes = fs::read(&table).unwrap();
    succeed(&dir, server.address, line);
    fs::remove_file(&table).unwrap();
    let again = succeed(&dir, server.address, line);
    assert_eq!(again["server"]["asked"]["requests"], 0);
    assert_eq!(fs::read(&table).unwrap(), bytes);
    // However many are asked for at once.
    assert!(server.asked().is_empty());
    fs::remove_file(&table).unwrap();
    succeed(
        &dir,
        server.address,
        &format!("{line} --requests 1 --journal other.jsonl"),
    );
    assert_eq!(server.asked().len(), n);
    assert_eq!(fs::read(&table).unwrap(), bytes);
    // Another name may be another model.
    let other = ask(&dir, server.address, &line.replace("name m", "name other"));
    assert_eq!(other.status, Some(4), "{}", other.stderr);
    // Top-k 0 is sent as -1.
    succeed(&dir, server.address, "--top-k 0 --out all.parquet");
    let asked = server.asked();
    assert!(asked.iter().all(|it| it["top_k"] == -1), "{asked:?}");
    assert!(asked.iter().all(|it| it["model"] == "mini"), "{asked:?}");
}

/// Returns a table's provenance.
fn provenance(table: &Path) -> Provenance {
    apo_tables::provenance(table).unwrap().unwrap()
}

#[test]
fn a_model_is_known_by_its_weights_or_by_a_revision_that_stands_for_them() {
    let dir = world("served-weights");
    let n = QUERIES * SAMPLES;
    let server = Server::start(|request| (200, drawn(request)));
    // One that others made: nothing but its files tells what it is.
    fs::remove_file(dir.join("mini/apo.json")).unwrap();
    succeed(&dir, server.address, "--out weights.parquet");
    assert_eq!(server.asked().len(), n);

    // Trained further, and served by the same name.
    let weights = dir.join("mini/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let low = bytes.len() - 4;
    bytes[low] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let ran = ask(&dir, server.address, "--out weights.parquet");
    assert_eq!(ran.status, Some(4), "{}", ran.stderr);
    succeed(&dir, server.address, "--out weights.parquet --overwrite");
    assert_eq!(
        server.asked().len(),
        n,
        "the journal knows the other weights"
    );

    fs::remove_file(&weights).unwrap();
    let ran = ask(&dir, server.address, "--out none.parquet");
    is_refused(&dir, &ran, 3, &["model.safetensors", "--model-revision"]);
    assert!(server.asked().is_empty());
    for (revision, more) in [("1", ""), ("2", "--overwrite")] {
        let line = format!("--model-revision {revision} --out revised.parquet");
        if !more.is_empty() {
            let ran = ask(&dir, server.address, &line);
            assert_eq!(ran.status, Some(4), "{}", ran.stderr);
            assert!(ran.stderr.contains("model_revision"), "{}", ran.stderr);
        }
        succeed(&dir, server.address, &format!("{line} {more}"));
        assert_eq!(server.asked().len(), n, "revision {revision}");
        let made = provenance(&dir.join("revised.parquet"));
        assert_eq!(made.arguments["model_revision"], revision);
    }
}

#[test]
fn a_model_is_asked_for_as_it_was_named_and_no_absolute_path_is_recorded() {
    let dir = world("served-names");
    let server = Server::start(|request| (200, drawn(request)));
    let files = files_of(&dir.join("mini")).unwrap();
    let models = [("models/owner/policy".to_owned(), files)];
    let hub = Hub::serve(models.into(), |_| Reply::Well).unwrap();
    let ask_hub = |cache: &str, line: &str| {
        let mut command = asking(&dir, server.address, line);
        command
            .env("HF_ENDPOINT", hub.endpoint())
            .env("HF_HOME", dir.join(cache))
            .env("HF_HUB_OFFLINE", "0");
        for name in ["HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE"] {
            command.env_remove(name);
        }
        let ran = finish(&mut command);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        ran
    };
    // With a revision of the weights, these are not fetched; once they are there, it is the
    // same model.
    let revised = "--model owner/policy --model-revision 1 --out revised.parquet";
    ask_hub("small", revised);
    assert!(!server.asked().is_empty());
    assert_eq!(hub.count(&format!("{COMMIT}/model.safetensors")), 0);
    ask_hub("small", "--model owner/policy --out whole.parquet");
    assert_eq!(hub.count(&format!("{COMMIT}/model.safetensors")), 1);
    let again = ask_hub("small", revised);
    assert!(again.stdout.contains("up_to_date"), "{}", again.stdout);
    server.asked();
    for (model, name) in [
        ("owner/policy", "owner/policy"),
        ("owner/policy@main", "owner/policy"),
        ("owner/policy --model-name other", "other"),
    ] {
        ask_hub(
            "cache",
            &format!("--model {model} --out hub.parquet --overwrite"),
        );
        let asked = server.asked();
        assert!(asked.iter().all(|it| it["model"] == name), "{asked:?}");
        let made = provenance(&dir.join("hub.parquet"));
        assert_eq!(made.arguments["model_name"], name);
        assert_eq!(made.inputs["model"].name, format!("owner/policy@{COMMIT}"));
    }

    let model = dir.join("mini").display().to_string();
    succeed(
        &dir,
        server.address,
        &format!("--model {model} --out absolute.parquet"),
    );
    let asked = server.asked();
    assert!(asked.iter().all(|it| it["model"] == *model), "{asked:?}");
    let made = provenance(&dir.join("absolute.parquet"));
    assert_eq!(made.arguments["model_name"], "mini");
    // The same model in another place is the same.
    let elsewhere = dir.join("elsewhere/mini");
    copy(&dir.join("mini"), &elsewhere);
    let line = format!("--model {} --out absolute.parquet", elsewhere.display());
    let again = ask(&dir, server.address, &line);
    assert_eq!(again.status, Some(0), "{}", again.stderr);
    assert!(server.asked().is_empty());
}

#[test]
fn the_servers_log_probs_are_doubted_where_it_may_have_changed_them() {
    let dir = world("served-doubted");
    let server = Server::start(|request| (200, drawn(request)));
    for (options, is_doubted) in [
        ("--temperature 1", false),
        ("--temperature 0.7", true),
        ("--temperature 1 --top-k 5", true),
        ("--temperature 1 --repetition-penalty 1.1", true),
    ] {
        let line = format!("{options} --out doubted.parquet --overwrite");
        let ran = ask(&dir, server.address, &line);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        let warning = "each `log_prob` is the server's";
        assert_eq!(
            ran.stderr.contains(warning),
            is_doubted,
            "{options}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_request_may_ask_for_several_samples() {
    let dir = world("served-several");
    let server = Server::start(|request| (200, drawn(request)));
    succeed(
        &dir,
        server.address,
        "--samples-per-request 2 --out two.parquet",
    );
    let mut counts: Vec<u64> = server
        .asked()
        .iter()
        .map(|it| it["n"].as_u64().unwrap_or(1))
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [vec![1; QUERIES], vec![2; QUERIES]].concat());
    let responses = rows(&dir.join("two.parquet"));
    assert_eq!(responses.len(), QUERIES * SAMPLES);
    let greedy = ask(
        &dir,
        server.address,
        "--samples-per-request 2 --temperature 0 --out greedy.parquet",
    );
    assert_eq!(greedy.status, Some(2), "{}", greedy.stderr);
    assert!(server.asked().is_empty());
}

#[test]
fn a_run_that_was_killed_asks_only_for_what_is_missing() {
    let dir = world("served-killed");
    let server = Server::start(|request| {
        thread::sleep(Duration::from_millis(50));
        (200, drawn(request))
    });
    succeed(&dir, server.address, "--out whole.parquet");
    server.asked();
    let requests = 2;
    let line = format!("--requests {requests} --out killed.parquet");
    let journal = dir.join("killed.parquet.journal.jsonl");
    // Its first line names the format.
    let answers = || {
        let lines = fs::read_to_string(&journal).map(|it| it.lines().count());
        lines.unwrap_or(0).saturating_sub(1)
    };
    let mut command = asking(&dir, server.address, &line);
    let begun = || answers() >= 5;
    kill(start_command(&mut command, Duration::from_mins(1), begun));
    assert!(!dir.join("killed.parquet").exists());
    let known = answers();
    let n = QUERIES * SAMPLES;
    assert!(known < n, "it was to be killed before its end");
    let found = succeed(&dir, server.address, &line);
    assert_eq!(found["server"]["asked"]["requests"], n - known);
    // Only what was under way is asked for twice.
    assert!(server.asked().len() <= n + requests);
    assert_eq!(
        fs::read(dir.join("killed.parquet")).unwrap(),
        fs::read(dir.join("whole.parquet")).unwrap()
    );
}

#[test]
fn without_ids_the_text_is_the_response_and_without_an_answer_there_is_no_table() {
    let dir = world("served-plain");
    let is_ill = Arc::new(AtomicBool::new(true));
    let ill = Arc::clone(&is_ill);
    let server = Server::start(move |request| {
        if ill.load(Ordering::Relaxed) && request["seed"].as_u64().unwrap().is_multiple_of(2) {
            return (500, json!({ "error": { "message": "out of order" } }));
        }
        let choice = json!({ "text": " Rinse it.", "finish_reason": "stop" });
        let read = request["prompt"].as_array().unwrap().len();
        let usage = json!({ "prompt_tokens": read, "completion_tokens": 4 });
        (200, json!({ "choices": [choice], "usage": usage }))
    });
    let line = "--attempts 2 --requests 1 --out plain.parquet";
    let ran = ask(&dir, server.address, line);
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    let n = QUERIES * SAMPLES;
    for expected in [
        &format!("of {n} responses are missing"),
        "HTTP 500: out of order",
    ] {
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    assert!(!dir.join("plain.parquet").exists());
    let failed = server.asked();
    let failed = failed
        .iter()
        .filter(|it| it["seed"].as_u64().unwrap().is_multiple_of(2));
    let failed = failed.count() / 2; // two attempts
    is_ill.store(false, Ordering::Relaxed);
    let ran = ask(&dir, server.address, line);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert_eq!(server.asked().len(), failed);
    let warning = format!("{n} of {n} responses have no `log_prob`");
    assert!(ran.stderr.contains(&warning), "{}", ran.stderr);
    for row in rows(&dir.join("plain.parquet")) {
        let found = (row.response.as_str(), row.finish, row.tokens, row.log_prob);
        assert_eq!(found, ("Rinse it.", Finish::Stop, Some(4), None));
    }
}

/// What a server answers to a request.
type Answers = Box<dyn Fn(&Value) -> (u16, Value) + Send + Sync>;

/// Returns what a server answers that changes something in what it was asked for.
fn with(change: fn(&mut Value)) -> Answers {
    Box::new(move |request| {
        let mut answer = drawn(request);
        change(&mut answer);
        (200, answer)
    })
}

/// Returns a server's answer to every request.
fn always(status: u16, body: Value) -> Answers {
    Box::new(move |_| (status, body.clone()))
}

#[test]
fn a_server_that_cannot_do_it_is_told_at_once_and_nothing_is_written() {
    let dir = world("served-refused");
    let error = |message: &str| json!({ "error": { "message": message, "code": 400 } });
    let cases = [
        (
            always(404, json!({ "detail": "Not Found" })),
            1,
            &["HTTP 404", "check --base-url", "/completions"][..],
        ),
        (
            always(404, error("The model `mini` does not exist.")),
            1,
            &["The model `mini` does not exist.", "the model's name"],
        ),
        (
            always(401, error("bad key")),
            1,
            &["denied access", "OPENAI_API_KEY"],
        ),
        (
            with(|it| it["model"] = json!("base")),
            3,
            &["as the model `base`, not as `mini`"],
        ),
        (
            always(400, error("prompt must be a string")),
            1,
            &["prompt must be a string", "as token ids to /completions"],
        ),
        (
            always(422, json!({ "detail": [{ "msg": "Extra inputs: top_k" }] })),
            1,
            &["Extra inputs: top_k", "with the options of vLLM"],
        ),
        (
            always(
                400,
                error("logprobs of 1, which is greater than allowed: 0"),
            ),
            1,
            &["greater than allowed: 0"],
        ),
        (
            with(|it| it["usage"]["prompt_tokens"] = json!(3)),
            3,
            &["it read 3 tokens of a prompt of"],
        ),
        (
            with(|it| it["choices"] = json!([{ "message": { "content": "Hi." } }])),
            3,
            &["choices[0].text"],
        ),
        (
            with(|it| it["choices"] = json!([])),
            3,
            &["0 texts for a request, expected 1"],
        ),
        (
            with(|it| it["choices"][0]["token_ids"] = json!([5000])),
            3,
            &["it serves another model"],
        ),
        (
            with(|it| {
                it["choices"][0]["finish_reason"] = json!("length");
                it["usage"]["completion_tokens"] = json!(2);
            }),
            3,
            &["its context ended a text after 2 of 8 tokens"],
        ),
    ];
    for (answer, status, expected) in cases {
        let server = Server::start(answer);
        let ran = ask(&dir, server.address, "--requests 1 --out none.parquet");
        is_refused(&dir, &ran, status, expected);
        assert_eq!(server.asked().len(), 1, "{expected:?}");
        // Another case would find an answer there.
        fs::remove_file(dir.join("none.parquet.journal.jsonl")).unwrap();
    }
}

#[test]
fn where_nobody_listens_the_error_says_so() {
    let dir = world("served-down");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let line = "--attempts 2 --max-failures 2 --requests 1 --out none.parquet";
    let ran = ask(&dir, address.unwrap(), line);
    is_refused(
        &dir,
        &ran,
        1,
        &["2 requests in a row got no reply", "refused"],
    );
}

/// Checks that one error told what is expected, and that there is no table.
#[track_caller]
fn is_refused(dir: &Path, ran: &Ran, status: i32, expected: &[&str]) {
    let stderr = &ran.stderr;
    assert_eq!(ran.status, Some(status), "{expected:?}\n{stderr}");
    for part in expected {
        assert!(stderr.contains(part), "expected `{part}` in\n{stderr}");
    }
    assert_eq!(stderr.matches("sample: ").count(), 1, "{stderr}");
    assert!(ran.stdout.is_empty() && !dir.join("none.parquet").exists());
}

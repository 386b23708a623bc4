//! What other programs make of the directories that the stages write: `transformers` loads
//! them, with the same log-probs and rewards, and llama.cpp converts policies to GGUF and
//! continues prompts as `sample` does.
//!
//! `APO_PYTORCH` names a Python with PyTorch and `transformers`, `APO_LLAMA_CPP` one with
//! llama.cpp, and `APO_CONVERTER` the folder of llama.cpp's converter. `make test-peers`
//! brings and names them, `make test` names those that are there. Without them, the tests
//! say that they are skipped.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use apo_dialogue::Message;
use apo_tables::{Finish, Reader, Response};
use apo_tests::peers::peer;
use apo_tests::stages::{finish, folder, succeed, workspace};
use serde_json::{Value, json};

/// Architectures: the `model_type` and the class of policies.
const ARCHITECTURES: [(&str, &str); 7] = [
    ("llama", "LlamaForCausalLM"),
    ("mistral", "MistralForCausalLM"),
    ("qwen2", "Qwen2ForCausalLM"),
    ("qwen3", "Qwen3ForCausalLM"),
    ("smollm3", "SmolLM3ForCausalLM"),
    ("olmo2", "Olmo2ForCausalLM"),
    ("seed_oss", "SeedOssForCausalLM"),
];

/// How a policy of each method and a reward model come about, in the folder `M`.
const TRAINING: [&str; 8] = [
    "align sft --model M/base --from-scratch --pairs data/rm-pairs.parquet --batch 8 \
     --learning-rate 2e-3 --out M/sft",
    "sample --model M/sft --queries data/rm-queries.parquet --samples 2 --max-new-tokens 12 \
     --out M/samples.parquet",
    "rm-train --model M/sft --pairs data/rm-pairs.parquet --golden golden.parquet \
     --samples M/samples.parquet --batch 8 --learning-rate 1e-3 --recompute --out M/rm",
    "judge score --model M/rm --responses M/samples.parquet --limit 1024 --out M/scored.parquet",
    "judge score --model M/rm --responses golden.parquet --limit 1024 --out M/golden.parquet",
    "align rjs --model M/sft --responses M/scored.parquet --out M/rjs",
    "align rrhf --model M/sft --responses M/scored.parquet --out M/rrhf",
    "align dpo --model M/sft --responses M/scored.parquet --out M/dpo",
];

/// How a policy and a reward model come about that read dialogues by a chat template.
const TRAINING_ON_CHAT: [&str; 4] = [
    "align sft --model M/base --template chat --from-scratch --pairs data/rm-pairs.parquet \
     --batch 8 --learning-rate 2e-3 --out M/sft",
    "rm-train --model M/sft --pairs data/rm-pairs.parquet --batch 8 --learning-rate 1e-3 \
     --out M/rm",
    "judge log-probs --model M/sft --responses golden.parquet --out M/sft.parquet",
    "judge score --model M/rm --responses golden.parquet --limit 1024 --out M/golden.parquet",
];

/// How a policy whose tokenizer the converter knows continues prompts.
const CONTINUING: [&str; 2] = [
    "align sft --model M/base --from-scratch --pairs data/rm-pairs.parquet --batch 8 \
     --learning-rate 1e-3 --out M/policy",
    "sample --model M/policy --queries data/rm-queries.parquet --samples 1 --temperature 0 \
     --max-new-tokens 12 --out M/greedy.parquet",
];

/// Families of models in `fixtures/templates`: the architecture, the chat template, the
/// tokenizer, and whether the template renders a dialogue as prompt, response and end of
/// text, perhaps with more after it.
const FAMILIES: [(&str, &str, &str, bool); 8] = [
    ("llama", "llama-3.1", "bytes", true),
    ("llama", "zephyr", "legacy", true),
    ("mistral", "mistral", "legacy", false),
    ("qwen2", "chatml", "bytes", true),
    ("qwen3", "qwen3", "bytes", false),
    ("smollm3", "smollm3", "bytes", true),
    ("olmo2", "olmo-2", "bytes", true),
    ("llama", "gemma", "gemma", false),
];

/// Rows of each table that are compared.
const ROWS: usize = 12;

/// Returns a folder with tables of HH in `data/`, and its better responses.
fn tables(test: &str) -> PathBuf {
    let dir = folder(env!("CARGO_TARGET_TMPDIR"), test);
    let fixtures = workspace().join("fixtures");
    let hh = fixtures.join("hh").display().to_string();
    succeed(
        &dir,
        &format!("hh-split --hh {hh} --take 24 --take-test 8 --rm 16 --dev 4 --out data"),
    );
    succeed(
        &dir,
        "gold-collect --queries data/rm-queries.parquet --pairs data/rm-pairs.parquet --hh-best \
         --out golden.parquet",
    );
    dir
}

fn fixture(path: &str) -> Value {
    let path = workspace().join("fixtures").join(path);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Returns the config of a small model of an architecture, on the mini world's tokenizer.
fn config(model_type: &str) -> Value {
    let class = ARCHITECTURES.iter().find(|it| it.0 == model_type);
    let mut config = fixture("mini/config.json");
    config["model_type"] = json!(model_type);
    config["architectures"] = json!([class.unwrap().1]);
    match model_type {
        // Attention to all of the context.
        "mistral" => config["sliding_window"] = Value::Null,
        "qwen3" => config["head_dim"] = json!(48),
        // llama.cpp knows no tied ones.
        "olmo2" => config["tie_word_embeddings"] = json!(false),
        "seed_oss" => {
            config["attention_bias"] = json!(true);
            config["residual_dropout"] = json!(0.0);
        }
        _ => {}
    }
    config
}

/// Runs the line of a stage, which must succeed, for the folder `M`.
fn stage(dir: &Path, line: &str, model: &str) {
    succeed(dir, &line.replace(" M/", &format!(" {model}/")));
}

/// Writes the JSON files of a model directory.
fn write_base(dir: &Path, files: &[(&str, &Value)]) {
    fs::create_dir_all(dir).unwrap();
    for (name, value) in files {
        fs::write(dir.join(name), value.to_string()).unwrap();
    }
}

/// Returns the first rows of a table that `keeps` keeps, with the value that was computed.
fn rows(table: &Path, value: fn(&Response) -> Option<f32>, keeps: fn(&Response) -> bool) -> Value {
    let rows = Reader::<Response>::open(table).unwrap().map(Result::unwrap);
    let rows = rows.filter(keeps).take(ROWS).map(|row| {
        let turns = apo_hh::turns(&row.prompt);
        let messages: Vec<Message> = turns.iter().map(Message::from).collect();
        json!({
            "prompt": row.prompt, "messages": messages, "response": row.response,
            "complete": row.finish.is_complete(), "tokens": row.tokens,
            "value": value(&row).unwrap(),
        })
    });
    let rows: Vec<Value> = rows.collect();
    assert!(rows.len() > ROWS / 2, "{}: {rows:?}", table.display());
    json!(rows)
}

fn log_probs(table: &Path) -> Value {
    rows(table, |row| row.log_prob, |_| true)
}

fn rewards(table: &Path) -> Value {
    rows(table, |row| row.reward, |_| true)
}

/// Runs a script of `tests/peers` in a folder, which must succeed, and shows what it printed.
#[expect(clippy::print_stdout, reason = "the differences are worth seeing")]
fn python(python: &Path, dir: &Path, script: &str, arguments: &[&Path]) {
    let mut command = Command::new(python);
    command
        .current_dir(dir)
        .env("HF_HUB_OFFLINE", "1")
        .arg(workspace().join("tests/peers").join(script))
        .args(arguments);
    let ran = finish(&mut command);
    assert_eq!(ran.status, Some(0), "{}{}", ran.stdout, ran.stderr);
    print!("{}", ran.stdout);
}

/// Makes a policy of each method and a reward model of an architecture, and returns what
/// `transformers` is to find.
fn trained(dir: &Path, model_type: &str) -> Vec<Value> {
    write_base(
        &dir.join(model_type).join("base"),
        &[
            ("config.json", &config(model_type)),
            ("tokenizer.json", &fixture("mini/tokenizer.json")),
            (
                "tokenizer_config.json",
                &fixture("mini/tokenizer_config.json"),
            ),
        ],
    );
    for line in TRAINING {
        stage(dir, line, model_type);
    }
    let mut found = Vec::new();
    for policy in ["sft", "rjs", "rrhf", "dpo"] {
        let line = format!("judge log-probs --model M/{policy} --responses golden.parquet");
        stage(dir, &format!("{line} --out M/{policy}.parquet"), model_type);
        found.push(json!({
            "dir": format!("{model_type}/{policy}"), "head": "policy", "template": "hh",
            "rows": log_probs(&dir.join(model_type).join(format!("{policy}.parquet"))),
        }));
    }
    // Responses that ended, and responses that the limit cut off.
    for table in ["golden.parquet", "scored.parquet"] {
        found.push(json!({
            "dir": format!("{model_type}/rm"), "head": "reward", "template": "hh",
            "rows": rewards(&dir.join(model_type).join(table)),
        }));
    }
    found
}

/// Makes a policy and a reward model that read dialogues as a family's chat template
/// renders them, and returns what `transformers` is to find.
fn trained_on_chat(dir: &Path, family: (&str, &str, &str, bool)) -> Vec<Value> {
    let (model_type, name, kind, whole) = family;
    let families = fixture("templates/templates.json");
    let families = families["families"].as_array().unwrap();
    let family = families
        .iter()
        .find(|it| it["name"] == name && it["tokenizer"] == kind)
        .unwrap();
    let tokenizer = tokenizer(kind, family["added_tokens"].as_array().unwrap());
    let added = tokenizer["added_tokens"].as_array().unwrap();
    let mut named = family["named"].clone();
    let eos = added
        .iter()
        .find(|it| it["content"] == named["eos_token"])
        .unwrap();
    let model = format!("chat-{name}");
    let mut config = config(model_type);
    config["eos_token_id"] = eos["id"].clone();
    config["pad_token_id"] = Value::Null;
    let of_added = added.iter().map(|it| it["id"].as_u64().unwrap());
    let of_vocabulary = tokenizer["model"]["vocab"].as_object().unwrap().values();
    let ids = of_added.chain(of_vocabulary.map(|id| id.as_u64().unwrap()));
    config["vocab_size"] = json!(ids.max().unwrap() + 1);
    named["chat_template"] = family["template"].clone();
    named["tokenizer_class"] = json!("PreTrainedTokenizerFast");
    write_base(
        &dir.join(&model).join("base"),
        &[
            ("config.json", &config),
            ("tokenizer.json", &tokenizer),
            ("tokenizer_config.json", &named),
        ],
    );
    for line in TRAINING_ON_CHAT {
        stage(dir, line, &model);
    }
    let of = |file: &str| dir.join(&model).join(file);
    vec![
        json!({
            "dir": format!("{model}/sft"), "head": "policy", "template": "chat",
            "rows": log_probs(&of("sft.parquet")),
        }),
        json!({
            "dir": format!("{model}/rm"), "head": "reward", "template": "chat", "whole": whole,
            "rows": rewards(&of("golden.parquet")),
        }),
    ]
}

/// Returns a small tokenizer of `fixtures/templates`, with added tokens.
fn tokenizer(kind: &str, added: &[Value]) -> Value {
    let all = fixture("templates/tokenizers.json");
    let base = if kind == "bytes" { "bytes" } else { "spaces" };
    let mut made = all["bases"][base].clone();
    for (name, part) in all["variants"][kind].as_object().into_iter().flatten() {
        made[name] = part.clone();
    }
    let n = made["model"]["vocab"].as_object().unwrap().len();
    for (id, token) in (n..).zip(added) {
        let mut token = token.clone();
        token["id"] = json!(id);
        made["added_tokens"].as_array_mut().unwrap().push(token);
    }
    made
}

#[test]
fn transformers_loads_what_the_stages_write_and_computes_the_same() {
    let Some(pytorch) = peer("APO_PYTORCH", "Python with PyTorch") else {
        return;
    };
    let dir = tables("peers-transformers");
    let mut found = Vec::new();
    for (model_type, _) in ARCHITECTURES {
        found.extend(trained(&dir, model_type));
    }
    for family in FAMILIES {
        found.extend(trained_on_chat(&dir, family));
    }
    let cases = dir.join("cases.json");
    fs::write(&cases, json!(found).to_string()).unwrap();
    python(&pytorch, &dir, "in_transformers.py", &[&cases]);
}

/// The tokenizer is GPT-2's: the converter refuses those that it does not know.
#[test]
fn llama_cpp_converts_policies_and_continues_prompts_as_sample_does() {
    let programs = || {
        Some((
            peer("APO_PYTORCH", "Python with PyTorch")?,
            peer("APO_LLAMA_CPP", "Python with llama.cpp")?,
            peer("APO_CONVERTER", "folder of llama.cpp's converter")?,
        ))
    };
    let Some((pytorch, llama_cpp, converter)) = programs() else {
        return;
    };
    let dir = tables("peers-llama-cpp");
    let vocabulary = converter.join("models/ggml-vocab-gpt-2.gguf");
    let tokenizer = dir.join("tokenizer.json");
    python(
        &llama_cpp,
        &dir,
        "gpt2_tokenizer.py",
        &[&vocabulary, &tokenizer],
    );
    let tokenizer: Value = serde_json::from_slice(&fs::read(&tokenizer).unwrap()).unwrap();
    let named = json!({
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>",
    });
    let mut cases = Vec::new();
    for (model_type, _) in ARCHITECTURES {
        let mut config = config(model_type);
        config["vocab_size"] = json!(50257);
        config["eos_token_id"] = json!(50256);
        config["pad_token_id"] = Value::Null;
        write_base(
            &dir.join(model_type).join("base"),
            &[
                ("config.json", &config),
                ("tokenizer.json", &tokenizer),
                ("tokenizer_config.json", &named),
            ],
        );
        for line in CONTINUING {
            stage(&dir, line, model_type);
        }
        let gguf = format!("{model_type}.gguf");
        let mut convert = Command::new(&pytorch);
        convert
            .current_dir(&dir)
            .env("HF_HUB_OFFLINE", "1")
            .arg(converter.join("convert_hf_to_gguf.py"))
            .arg(format!("{model_type}/policy"))
            .args(["--outtype", "f32", "--outfile", &gguf]);
        let ran = finish(&mut convert);
        assert_eq!(ran.status, Some(0), "{model_type}: {}", ran.stderr);
        let greedy = dir.join(model_type).join("greedy.parquet");
        let rows = rows(
            &greedy,
            |row| row.log_prob,
            |row| row.finish == Finish::Length,
        );
        cases.push(json!({ "gguf": gguf, "rows": rows }));
    }
    let path = dir.join("cases.json");
    fs::write(&path, json!(cases).to_string()).unwrap();
    python(&llama_cpp, &dir, "in_llama_cpp.py", &[&path]);
}

//! What model directories hold is what is computed, or is refused by name.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use apo_decoder::{Head, ModelDirectory, Start, directory};
use common::directories::{WEIGHTS, changed, copied, folder, load, policy, refuses, set};
use common::safetensors::{Stored, taken};
use common::tiny;
use serde_json::json;

#[test]
fn what_is_no_model_directory_is_called_what_it_is() {
    let nowhere = folder("parent").join("absent");
    refuses(policy(&nowhere), "absent", &["absent", "no such folder"]);
    let path = tiny("base").join(WEIGHTS);
    refuses(
        policy(&path),
        "a file",
        &["it is a file, expected a model directory"],
    );

    let adapter = json!({"peft_type": "LORA", "base_model_name_or_path": "owner/base"});
    for whole in [true, false] {
        let dir = copied("adapter", "base");
        fs::write(dir.join("adapter_config.json"), adapter.to_string()).unwrap();
        fs::write(dir.join("adapter_model.safetensors"), "").unwrap();
        if !whole {
            fs::remove_file(dir.join(WEIGHTS)).unwrap();
            fs::remove_file(dir.join("config.json")).unwrap();
        }
        let named = ["PEFT adapter", "LORA", "owner/base", "merge_and_unload"];
        refuses(policy(&dir), "an adapter", &named);
        refuses(
            load(&dir, Head::Reward, Start::NewHead(1)),
            "an adapter",
            &named,
        );
    }
    for (file, named) in [
        ("pytorch_model.bin", "save_pretrained"),
        ("pytorch_model.bin.index.json", "save_pretrained"),
        ("consolidated.00.pth", "save_pretrained"),
        ("model.pt", "save_pretrained"),
        ("tf_model.h5", "save_pretrained"),
        ("model-q4_0.gguf", "GGUF"),
        ("consolidated.safetensors", "rename it"),
        ("value_head.safetensors", "value head"),
    ] {
        let dir = copied("weightless", "base");
        fs::rename(dir.join(WEIGHTS), dir.join(file)).unwrap();
        refuses(policy(&dir), file, &[WEIGHTS, file, named]);
        refuses(
            load(&dir, Head::Reward, Start::NewHead(1)),
            file,
            &[file, named],
        );
    }
    for (what, named) in [
        ("global_step500", "DeepSpeed"),
        ("zero_pp_rank_0_mp_rank_00_model_states.pt", "DeepSpeed"),
        ("zero_to_fp32.py", "DeepSpeed"),
        ("pytorch_model_fsdp_0", "FSDP"),
        ("__0_0.distcp", "FSDP"),
        ("mp_rank_00", "Megatron"),
        ("mp_rank_00_model_states.pt", "Megatron"),
        ("iter_0001000", "Megatron"),
        ("optimizer.pt", "the state of a training"),
        ("model.safetensors.incomplete", "incomplete download"),
        ("model.safetensors.part", "incomplete download"),
        ("abc.crdownload", "incomplete download"),
    ] {
        for config in [true, false] {
            let dir = copied("sharded-training", "base");
            fs::remove_file(dir.join(WEIGHTS)).unwrap();
            if !config {
                fs::remove_file(dir.join("config.json")).unwrap();
            }
            if what.contains('.') {
                fs::write(dir.join(what), "").unwrap();
            } else {
                fs::create_dir(dir.join(what)).unwrap();
            }
            refuses(policy(&dir), what, &[what, named]);
        }
    }
    for name in ["model.safetensors", "model-00001-of-00002.safetensors"] {
        let dir = copied("set-aside", "sharded");
        fs::copy(tiny("base").join(WEIGHTS), dir.join(WEIGHTS)).unwrap();
        fs::write(dir.join(format!("{name}.aria2")), "").unwrap();
        refuses(
            policy(&dir),
            name,
            &[name, ".aria2", "is incomplete: resume it"],
        );
    }
    let dir = folder("trainer");
    fs::create_dir(dir.join("checkpoint-500")).unwrap();
    refuses(
        policy(&dir),
        "a trainer's",
        &["config.json", "checkpoint-500"],
    );
    let dir = folder("cache");
    fs::create_dir(dir.join("snapshots")).unwrap();
    refuses(policy(&dir), "the cache", &["config.json", "snapshots"]);
}

#[test]
fn a_model_of_the_other_kind_is_called_what_it_is() {
    let score = |labels: usize| Stored {
        dtype: "F32".into(),
        shape: vec![labels, 32],
        bytes: vec![1; labels * 32 * 4],
    };
    let reward = |name: &str, labels| {
        changed(name, "base", |tensors| {
            taken(tensors, "lm_head.weight");
            tensors.push(("score.weight".into(), score(labels)));
        })
    };
    let dir = reward("reward", 1);
    load(&dir, Head::Reward, Start::Saved).unwrap();
    refuses(
        policy(&dir),
        "a reward model",
        &["it is a reward model, not a policy"],
    );
    let dir = reward("classifier", 2);
    let named = ["[2, 32]", "a classifier of 2 labels"];
    refuses(
        load(&dir, Head::Reward, Start::Saved),
        "a classifier",
        &named,
    );
    let found = load(&tiny("base"), Head::Reward, Start::Saved);
    refuses(
        found,
        "a policy",
        &["it is a policy, not a reward model", "rm-train"],
    );
    let dir = copied("value-head", "base");
    fs::write(dir.join("value_head.safetensors"), "of another program").unwrap();
    refuses(
        load(&dir, Head::Reward, Start::Saved),
        "a head in a file of its own",
        &["value_head"],
    );
    // The embedding of a tied config must not pass for a head.
    let dir = copied("named-reward", "llama3");
    let named = json!({"architectures": ["LlamaForSequenceClassification"]});
    set(&dir, "config.json", &named);
    refuses(policy(&dir), "a classifier's trunk", &["`architectures`"]);
    let dir = changed("head-and-score", "base", |tensors| {
        tensors.push(("score.weight".into(), score(1)));
    });
    load(&dir, Head::Reward, Start::Saved).unwrap();
    refuses(policy(&dir), "both heads", &["`score.weight`"]);
    for (kind, class) in [
        ("t5", "T5ForConditionalGeneration"),
        ("bert", "BertModel"),
        ("gemma2", "Gemma2ForCausalLM"),
    ] {
        let dir = copied("foreign", "base");
        set(
            &dir,
            "config.json",
            &json!({"model_type": kind, "architectures": [class]}),
        );
        refuses(policy(&dir), kind, &[kind, class, "only `llama`"]);
    }
}

#[test]
fn a_model_from_scratch_is_no_larger_than_the_machine() {
    // Each of them some 100 TB, which no machine of a reader has.
    for (name, size, settings) in [
        (
            "wide",
            "hidden_size",
            json!({"hidden_size": 1 << 24, "vocab_size": 1 << 18}),
        ),
        (
            "tall",
            "vocab_size",
            json!({"vocab_size": 1 << 24, "hidden_size": 1 << 19}),
        ),
        (
            "deep",
            "num_hidden_layers",
            json!({"num_hidden_layers": 4096, "intermediate_size": 1 << 24}),
        ),
    ] {
        let dir = copied(&format!("scratch-{name}"), "base");
        set(&dir, "config.json", &settings);
        let found = load(&dir, Head::LanguageModel, Start::Scratch(1));
        refuses(
            found,
            size,
            &["config.json", "parameters", "memory", "are free"],
        );
    }
    // A long context costs nothing.
    let dir = copied("scratch-long", "base");
    let long = json!({"max_position_embeddings": 4_000_000_000_u64});
    set(&dir, "config.json", &long);
    load(&dir, Head::LanguageModel, Start::Scratch(1)).unwrap();
}

#[test]
fn keys_that_nobody_knows_are_noted() {
    let dir = copied("unknown", "base");
    set(
        &dir,
        "config.json",
        &json!({"warp_factor": 9, "red\u{1b}": 1, "absent": null}),
    );
    let notes = ModelDirectory::open(&dir).unwrap().notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("warp_factor, red\\u{1b}"), "{notes:?}");
    assert!(
        ModelDirectory::open(&tiny("llama3"))
            .unwrap()
            .notes()
            .is_empty()
    );
}

#[test]
fn the_digest_of_a_model_is_that_of_what_stages_read() {
    let dir = copied("digest", "base");
    let digest = || directory::input(&dir).unwrap().digest;
    let first = digest();
    fs::create_dir_all(dir.join("onnx")).unwrap();
    for beside in [
        "README.md",
        ".gitattributes",
        "pytorch_model.bin",
        "onnx/config.json",
        // Where the weights are in one file, these are not read.
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
        "metrics.parquet",
    ] {
        fs::write(dir.join(beside), "{}").unwrap();
        assert_eq!(digest(), first, "{beside}");
    }
    let mut seen = vec![first];
    fs::create_dir_all(dir.join("additional_chat_templates")).unwrap();
    for read in [
        WEIGHTS,
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "additional_chat_templates/tools.jinja",
        "vocab.json",
        "merges.txt",
        "tokenizer.model",
    ] {
        fs::write(dir.join(read), "other").unwrap();
        let now = digest();
        assert!(!seen.contains(&now), "{read}");
        seen.push(now);
    }
    fs::remove_file(dir.join(WEIGHTS)).unwrap();
    let index = json!({"weight_map": {"a": "a.safetensors"}}).to_string();
    fs::write(dir.join("model.safetensors.index.json"), index).unwrap();
    let indexed = digest();
    fs::write(dir.join("b.safetensors"), "no part").unwrap();
    assert_eq!(digest(), indexed);
    fs::write(dir.join("a.safetensors"), "a part").unwrap();
    assert_ne!(digest(), indexed);
}

#[test]
fn a_folder_of_links_to_a_model_of_the_hub_is_named_as_that() {
    let cache = folder("linked");
    let snapshot = cache.join("models--owner--name/snapshots/0a1b");
    let policy = cache.join("policy");
    for dir in [&snapshot, &policy] {
        fs::create_dir_all(dir).unwrap();
    }
    let name = || directory::input(&policy).unwrap().name;
    for file in [WEIGHTS, "tokenizer.json"] {
        fs::write(snapshot.join(file), "").unwrap();
    }
    // A tokenizer alone does not make it that model.
    symlink(
        snapshot.join("tokenizer.json"),
        policy.join("tokenizer.json"),
    )
    .unwrap();
    assert_eq!(name(), "policy");
    symlink(snapshot.join(WEIGHTS), policy.join(WEIGHTS)).unwrap();
    assert_eq!(name(), "owner/name@0a1b");
}

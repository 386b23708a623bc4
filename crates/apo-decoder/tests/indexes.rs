//! An index and the files that it names are one model, or are refused by name.
#![expect(clippy::unwrap_used, reason = "a failed test may panic")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::directories::{copied, notes, policy, refuses};
use common::safetensors::{self, tensor};
use serde_json::{Value, json};

const INDEX: &str = "model.safetensors.index.json";
const FIRST: &str = "model-00001-of-00002.safetensors";
const SECOND: &str = "model-00002-of-00002.safetensors";
const NORM: &str = "model.norm.weight";

/// A copy of the model in two files whose index is changed.
fn indexed(name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let dir = copied(name, "sharded");
    let mut index: Value = serde_json::from_slice(&fs::read(dir.join(INDEX)).unwrap()).unwrap();
    change(&mut index);
    fs::write(dir.join(INDEX), index.to_string()).unwrap();
    dir
}

#[test]
fn an_index_leads_to_whole_files_in_its_own_folder() {
    for (i, place) in ["../x.safetensors", "/etc/passwd", "a/b", "", ".", ".."]
        .into_iter()
        .enumerate()
    {
        let dir = indexed(&format!("index-{i}"), |it| {
            it["weight_map"][NORM] = json!(place);
        });
        refuses(policy(&dir), place, &[INDEX, NORM, "in this folder"]);
    }
    let dir = indexed("index-number", |it| it["weight_map"][NORM] = json!(3));
    refuses(policy(&dir), "a number", &[INDEX, NORM, "3"]);
    let dir = indexed("index-empty", |it| it["weight_map"] = json!({}));
    refuses(policy(&dir), "empty", &[INDEX, "`weight_map`"]);
    let dir = indexed("index-none", |it| *it = json!([]));
    refuses(policy(&dir), "an array", &[INDEX, "an array"]);
    let dir = indexed("index-absent", |it| {
        it["weight_map"]["a.weight"] = json!(FIRST);
    });
    refuses(
        policy(&dir),
        "a tensor too many",
        &[INDEX, "`a.weight` is not in", FIRST],
    );
    let dir = copied("index-shards", "sharded");
    fs::remove_file(dir.join(FIRST)).unwrap();
    refuses(policy(&dir), "a missing file", &[FIRST, INDEX]);
    let dir = copied("shards-alone", "sharded");
    fs::remove_file(dir.join(INDEX)).unwrap();
    refuses(policy(&dir), "no index", &[FIRST, INDEX]);
    let dir = copied("index-pointer", "sharded");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    fs::write(dir.join(INDEX), pointer).unwrap();
    refuses(policy(&dir), "a pointer", &[INDEX, "git lfs pull"]);
}

#[test]
fn an_index_and_its_files_name_the_same_tensors() {
    let elsewhere = |name: &str, other: &str| {
        let dir = copied(name, "sharded");
        let page: Value = serde_json::from_slice(&fs::read(dir.join(INDEX)).unwrap()).unwrap();
        let from = page["weight_map"][NORM].as_str().unwrap();
        let to = if from == FIRST { SECOND } else { FIRST };
        let mut tensors = safetensors::read(&dir.join(from));
        let it = (other.to_owned(), tensor(&mut tensors, NORM).clone());
        let mut tensors = safetensors::read(&dir.join(to));
        tensors.push(it);
        safetensors::write(&dir.join(to), &tensors, &json!({"format": "pt"}));
        (dir, to.to_owned())
    };
    for (i, other) in ["model.layers.0.b.weight", "lm_head.bias"]
        .into_iter()
        .enumerate()
    {
        let (dir, to) = elsewhere(&format!("index-unnamed-{i}"), other);
        let named = [INDEX, other, "is not named", &to, "save it again"];
        refuses(policy(&dir), "a tensor that the index lacks", &named);
    }
    let (dir, to) = elsewhere("index-twice", NORM);
    let named = [INDEX, NORM, &to, "though the index has it in"];
    refuses(policy(&dir), "a tensor in two files", &named);
    let (dir, _) = elsewhere(
        "index-implied",
        "model.layers.0.self_attn.rotary_emb.inv_freq",
    );
    policy(&dir).unwrap();
    let dir = indexed("index-lacks", |it| {
        it["weight_map"].as_object_mut().unwrap().remove(NORM);
    });
    refuses(
        policy(&dir),
        "a tensor not named",
        &[INDEX, NORM, "is not named"],
    );
    let dir = indexed("index-swapped", |it| {
        let place = &mut it["weight_map"][NORM];
        *place = json!(if place == FIRST { SECOND } else { FIRST });
    });
    let named = [INDEX, NORM, "though the index has it in"];
    refuses(policy(&dir), "the other file", &named);
}

#[test]
fn an_index_that_contradicts_its_files_is_noted() {
    assert_eq!(
        notes(&copied("index-whole", "sharded")),
        Vec::<String>::new()
    );
    for (i, size) in [json!(12), json!(1e12), json!("many")]
        .into_iter()
        .enumerate()
    {
        let dir = indexed(&format!("index-size-{i}"), |it| {
            it["metadata"]["total_size"] = size.clone();
        });
        let found = notes(&dir);
        assert!(
            found.len() == 1 && found[0].contains("`total_size` is"),
            "{found:?}"
        );
    }
    let dir = indexed("index-size-float", |it| {
        let size = it["metadata"]["total_size"].as_f64().unwrap();
        it["metadata"]["total_size"] = json!(size);
    });
    assert_eq!(notes(&dir), Vec::<String>::new());
    let dir = indexed("index-none-size", |it| it["metadata"] = json!(null));
    assert_eq!(notes(&dir), Vec::<String>::new());
    let dir = copied("index-leftover", "sharded");
    fs::copy(
        dir.join(FIRST),
        dir.join("model-00003-of-00003.safetensors"),
    )
    .unwrap();
    let found = notes(&dir);
    assert!(
        found.len() == 1 && found[0].contains("model-00003-of-00003"),
        "{found:?}"
    );
    let dir = copied("index-beside", "base");
    fs::write(dir.join(INDEX), "{}").unwrap();
    let found = notes(&dir);
    assert!(
        found.len() == 1 && found[0].contains("beside it is not"),
        "{found:?}"
    );
}

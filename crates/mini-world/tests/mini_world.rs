//! The committed mini world is what its generator writes, and fits together.

use std::collections::BTreeMap;
use std::fs;

use apo_decoder::config::{Head, ModelConfig};
use apo_dialogue::{DialogueTokenizer, Template};
use mini_world::{fixtures, generator, journal};

#[test]
fn the_committed_files_are_what_the_generator_writes() {
    for (path, content) in fixtures::files(0.0).unwrap() {
        let at = fixtures::folder().join(&path);
        let stored = fs::read(&at).unwrap_or_else(|error| panic!("{}: {error}", at.display()));
        let same = fixtures::content(&path, &stored).unwrap() == content;
        assert!(
            same,
            "{} differs: run mini-world, commit what it writes",
            path.display()
        );
        if path.extension().is_some_and(|it| it == "gz") {
            // RFC 1952: bytes 4 to 7 are the time, 3 the flags (no name).
            assert_eq!(
                stored[3..8],
                [0; 5],
                "{} holds a time or a name",
                path.display()
            );
        }
    }
}

#[test]
fn generating_twice_gives_the_same_bytes() {
    assert_eq!(fixtures::files(0.0).unwrap(), fixtures::files(0.0).unwrap());
}

#[test]
fn the_policy_has_about_a_million_parameters_and_short_texts() {
    let dir = fixtures::folder().join("mini");
    let config = ModelConfig::read(&dir).unwrap();
    let n_parameters = config.n_parameters(Head::LanguageModel);
    assert!(
        (800_000..1_100_000).contains(&n_parameters),
        "{n_parameters}"
    );
    let tokenizer = DialogueTokenizer::load(&dir, Template::Hh).unwrap();
    assert_eq!(tokenizer.vocab_size(), config.vocab_size);
    assert!(config.vocab_size <= 1024);
    assert_eq!(config.eos_token_ids, [tokenizer.eos()]);

    let world = generator::generate(generator::SEED, 0.0);
    let golden = journal::golden(world.values().flat_map(|file| &file.pairs), generator::SEED);
    let mut lengths: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for pair in world.values().flat_map(|file| &file.pairs) {
        let prompt = tokenizer.encode_prompt(&pair.prompt, usize::MAX).unwrap();
        lengths.entry("prompt").or_default().push(prompt.len());
        for (name, text) in [("chosen", &pair.chosen), ("rejected", &pair.rejected)] {
            let response = tokenizer
                .encode_response(&prompt, text, usize::MAX)
                .unwrap();
            assert_eq!(tokenizer.decode_response(&response).unwrap(), *text);
            lengths.entry(name).or_default().push(response.len());
        }
    }
    for response in golden.iter().filter_map(journal::Golden::response) {
        let response = tokenizer
            .encode_response(&[], &response, usize::MAX)
            .unwrap();
        lengths.entry("golden").or_default().push(response.len());
    }
    for (name, most) in [
        ("prompt", 120),
        ("chosen", 70),
        ("rejected", 70),
        ("golden", 80),
    ] {
        let lengths = &lengths[name];
        let (sum, longest) = (
            lengths.iter().sum::<usize>(),
            *lengths.iter().max().unwrap(),
        );
        let mean = sum as f64 / lengths.len() as f64;
        println!(
            "{name}: {mean:.1} tokens, at most {longest}, {} texts",
            lengths.len()
        );
        assert!(
            longest <= most && mean <= most as f64 / 2.0,
            "{name}: {mean}, {longest}"
        );
    }
}

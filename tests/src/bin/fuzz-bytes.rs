//! Runs libFuzzer on the one of [`apo_tests::fuzz::TARGETS`] that `FUZZ_TARGET` names;
//! `pipelines/fuzz.sh` builds and runs it.
//!
//! libFuzzer keeps an input if it takes a new path through our crates or gets a new
//! kind of answer. So the errors of libraries guide the search too, although libraries
//! are built without counters.
#![no_main]
#![expect(
    unsafe_code,
    reason = "libFuzzer is C++, and finds counters by their section"
)]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};

use apo_tests::fuzz::{Target, mutate};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Letters of an answer that distinguish it from others.
const LETTERS: usize = 160;

/// One counter for each kind of answer; libFuzzer sets them to zero before each
/// input.
#[used]
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static ANSWERS: [AtomicU8; 1 << 12] = [const { AtomicU8::new(0) }; 1 << 12];

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    Target::named(&name).expect("FUZZ_TARGET names a target")
});

fuzz_target!(|bytes: &[u8]| {
    let answer = (TARGET.run)(bytes);
    let mut hasher = DefaultHasher::new();
    kind(&answer).hash(&mut hasher);
    let cell = hasher.finish() as usize % ANSWERS.len();
    ANSWERS[cell].store(1, Ordering::Relaxed);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut rng = ChaCha8Rng::seed_from_u64(seed.into());
    if rng.random_bool(0.5) {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut changed = mutate::mutate(&mut rng, TARGET.kind, &data[..size], &data[..size]);
    changed.truncate(max_size);
    data[..changed.len()].copy_from_slice(&changed);
    changed.len()
});

/// Returns an answer without what it quotes and counts.
fn kind(answer: &str) -> String {
    let unquoted = answer.split(['`', '"', '\'']).step_by(2);
    let letters = unquoted
        .flat_map(str::chars)
        .filter(char::is_ascii_alphabetic);
    letters.take(LETTERS).collect()
}

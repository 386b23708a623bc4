//! All files of the mini world.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};

use crate::generator::{self, Lines, SEED};
use crate::{journal, policy};

/// Returns the repository's `fixtures/`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// Returns every file by its path in `fixtures/`. Files whose name ends in `.gz` are
/// not compressed yet. `voice` is that of [`generator::generate`]; it is 0 in the
/// repository's files.
///
/// # Errors
///
/// When the tokenizer cannot be trained.
pub fn files(voice: f64) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let world = generator::generate(SEED, voice);
    let mut files = BTreeMap::new();
    for ((subset, name), file) in &world {
        let lines = file.lines.iter().flat_map(|line| [line.as_slice(), b"\n"]);
        let path = format!("hh/{subset}/{name}.jsonl.gz").into();
        files.insert(path, lines.flatten().copied().collect());
    }
    let queries = || {
        world
            .iter()
            .filter(|((_, name), _)| *name == "train")
            .map(|(_, file)| file)
    };
    let golden = journal::golden(queries().flat_map(|file| &file.pairs), SEED);
    for (name, text) in policy::files(texts(queries(), &golden).into_iter())? {
        files.insert(Path::new("mini").join(name), text.into_bytes());
    }
    files.insert("golden-journal.jsonl".into(), journal::lines(&golden));
    Ok(files)
}

/// Returns what the tokenizer learns from: the training texts.
fn texts<'a>(files: impl Iterator<Item = &'a Lines>, golden: &[journal::Golden]) -> Vec<String> {
    let mut texts = Vec::new();
    for pair in files.flat_map(|file| &file.pairs) {
        texts.push(format!("{} {}", pair.prompt, pair.chosen));
        texts.push(format!("{} {}", pair.prompt, pair.rejected));
    }
    texts.extend(golden.iter().flat_map(journal::Golden::texts));
    texts
}

/// Returns a file's bytes as they are stored: compressed if its name ends in `.gz`,
/// without time or system in the header.
///
/// # Errors
///
/// When compressing fails.
pub fn stored(path: &Path, content: &[u8]) -> Result<Vec<u8>> {
    if path.extension().is_none_or(|it| it != "gz") {
        return Ok(content.to_vec());
    }
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

/// Returns a stored file's content.
///
/// # Errors
///
/// When the name says gzip and the bytes are something else.
pub fn content(path: &Path, stored: &[u8]) -> Result<Vec<u8>> {
    if path.extension().is_none_or(|it| it != "gz") {
        return Ok(stored.to_vec());
    }
    let mut content = Vec::new();
    let mut decoder = MultiGzDecoder::new(stored);
    decoder
        .read_to_end(&mut content)
        .with_context(|| format!("cannot unpack {}", path.display()))?;
    Ok(content)
}

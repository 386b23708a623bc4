//! Finished responses on disk, their keys in memory.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use apo_stage::bad_input;
use apo_tables::{Finish, Provenance, Query, Reader, Response, Writer};
use serde::{Deserialize, Serialize};

use crate::Summary;

const FILE: &str = "finished.jsonl";

/// What is kept of a response; the rest stands in the queries.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    query_id: String,
    sample: i32,
    response: String,
    finish: String,
    tokens: i32,
    log_prob: f32,
}

/// The responses that are finished.
#[derive(Debug)]
pub struct Finished {
    path: PathBuf,
    file: File,
    end: u64,
    /// First byte and bytes, by query and sample.
    places: HashMap<(String, i32), (u64, usize)>,
    counts: HashMap<String, u64>,
    n_tokens: u64,
}

impl Finished {
    /// Opens the file of an earlier run, or begins one. A line that a kill cut
    /// short is dropped.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).read(true).write(true);
        let cannot = || format!("cannot write {}", path.display());
        let file = options.open(&path).with_context(cannot)?;
        let mut finished = Self {
            path: path.clone(),
            file,
            end: 0,
            places: HashMap::new(),
            counts: HashMap::new(),
            n_tokens: 0,
        };
        let mut reader = BufReader::new(File::open(&path).with_context(cannot)?);
        let mut text = Vec::new();
        while reader.read_until(b'\n', &mut text).with_context(cannot)? > 0 {
            match serde_json::from_slice::<Line>(&text) {
                Ok(line) if text.ends_with(b"\n") => finished.keep(&line, text.len()),
                _ => break,
            }
            text.clear();
        }
        finished.file.set_len(finished.end).with_context(cannot)?;
        finished.file.seek(SeekFrom::End(0)).with_context(cannot)?;
        Ok(finished)
    }

    fn keep(&mut self, line: &Line, n_bytes: usize) {
        let key = (line.query_id.clone(), line.sample);
        self.places.insert(key, (self.end, n_bytes));
        self.end += n_bytes as u64;
        *self.counts.entry(line.finish.clone()).or_default() += 1;
        self.n_tokens += line.tokens as u64;
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns query and sample of each.
    pub fn keys(&self) -> HashSet<(String, i32)> {
        self.places.keys().cloned().collect()
    }

    /// Appends a response.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub fn add(&mut self, response: &Response) -> Result<()> {
        let line = Line {
            query_id: response.query_id.clone(),
            sample: response.sample,
            response: response.response.clone(),
            finish: response.finish.to_string(),
            tokens: response.tokens.unwrap_or_default(),
            log_prob: response.log_prob.unwrap_or_default(),
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        let cannot = || format!("cannot write {}", self.path.display());
        self.file.write_all(&text).with_context(cannot)?;
        self.keep(&line, text.len());
        Ok(())
    }

    /// Returns what the responses are like.
    pub fn summary(&self) -> Summary {
        let count = |finish: Finish| self.counts.get(finish.as_str()).copied().unwrap_or(0);
        Summary {
            responses: self.len() as u64,
            stop: count(Finish::Stop),
            length: count(Finish::Length),
            turn: count(Finish::Turn),
            empty: count(Finish::Empty),
            mean_tokens: self.n_tokens as f64 / self.len().max(1) as f64,
            ..Summary::default()
        }
    }

    /// Writes the table: in the order of the queries, then of the samples.
    ///
    /// # Errors
    ///
    /// When a response is missing, or the disk is full.
    pub fn write_table(
        &mut self,
        queries: Reader<Query>,
        samples: usize,
        path: &Path,
        provenance: &Provenance,
    ) -> Result<()> {
        let mut writer = Writer::create(path, provenance)?;
        let mut seen = HashSet::new();
        for query in queries {
            let query = query?;
            if !seen.insert(query.query_id.clone()) {
                continue;
            }
            for sample in 0..samples as i32 {
                let line = self.read(&query.query_id, sample)?;
                writer.write(&Response {
                    query_id: query.query_id.clone(),
                    subset: query.subset.clone(),
                    prompt: query.prompt.clone(),
                    sample,
                    response: line.response,
                    origin: "policy".to_owned(),
                    finish: line.finish.parse().map_err(bad_input)?,
                    tokens: Some(line.tokens),
                    log_prob: Some(line.log_prob),
                    reward: None,
                })?;
            }
        }
        writer.finish()?;
        Ok(())
    }

    fn read(&mut self, query_id: &str, sample: i32) -> Result<Line> {
        let key = (query_id.to_owned(), sample);
        let &(at, n_bytes) = self.places.get(&key).with_context(|| {
            format!("sample {sample} of query {query_id} was not generated; is the table of queries changing?")
        })?;
        let mut text = vec![0; n_bytes];
        let cannot = || format!("cannot read {}", self.path.display());
        self.file.seek(SeekFrom::Start(at)).with_context(cannot)?;
        self.file.read_exact(&mut text).with_context(cannot)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

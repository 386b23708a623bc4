//! The stages over more and more rows, as a user runs them, with the mini world's policy.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use apo_decoder::{Head, ModelConfig};
use apo_dialogue::{DialogueTokenizer, Template};
use apo_stage::StageTime;
use apo_tables::{Reader, Response};
use bench::child::finish;
use bench::machine::Peaks;
use bench::rows::each_of_the_mini_world;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use mini_world::fixtures;
use serde_json::json;

/// Pairs beside the counted rows: as many for the test part as for the policy.
const BESIDE: usize = 100;

/// What a stage took, and the least time that its work takes, seconds.
#[derive(Clone, Debug)]
pub struct Timed {
    pub took: StageTime,
    pub floor: f64,
}

/// The stages that are shown, in their order.
pub const STAGES: [&str; 4] = ["hh-split", "rm-train", "sample", "judge score"];

/// A dialogue pair of the mini world, and the number of its tokens.
struct Dialogue {
    chosen: String,
    rejected: String,
    prompt_tokens: usize,
    response_tokens: [usize; 2],
}

/// Runs the stages over some counts of rows.
pub struct Stages {
    folder: PathBuf,
    /// Folder of the stages' programs.
    programs: PathBuf,
    dialogues: Vec<Dialogue>,
    config: ModelConfig,
    threads: usize,
}

impl Stages {
    /// Prepares to run stages on some threads, in a folder.
    ///
    /// # Errors
    ///
    /// When the mini world's files or this program's folder cannot be read.
    pub fn new(folder: &Path, threads: usize) -> Result<Self> {
        let mini = fixtures::folder().join("mini");
        let programs = std::env::current_exe().context("cannot find this program")?;
        let programs = programs.parent().context("a program is in a folder")?;
        Ok(Self {
            folder: folder.to_owned(),
            programs: programs.to_owned(),
            dialogues: dialogues(&mini)?,
            config: ModelConfig::read(&mini)?,
            threads,
        })
    }

    /// Runs each stage over `rows` rows; returns what each took, in their order, with the
    /// least time at these peaks.
    ///
    /// # Errors
    ///
    /// When a stage fails.
    pub fn run(&self, rows: usize, peaks: &Peaks) -> Result<[Timed; STAGES.len()]> {
        let dir = self.folder.join(rows.to_string());
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let [pairs, data, policy, rm, samples, scored] = [
            "pairs.jsonl.gz",
            "data",
            "policy",
            "rm",
            "samples.parquet",
            "scored.parquet",
        ]
        .map(|name| dir.join(name));
        self.write_pairs(&pairs, rows + 2 * BESIDE)?;
        let [rm_pairs, rm_queries] =
            ["rm-pairs.parquet", "rm-queries.parquet"].map(|name| data.join(name));

        let split = self.stage("hh-split", |it| {
            it.arg("--train").arg(&pairs);
            it.args(["--hold-out", &BESIDE.to_string(), "--dev", "0"]);
            it.args(["--rm", &rows.to_string()]).arg("--out").arg(&data);
        })?;
        self.stage("align", |it| {
            it.args(["sft", "--from-scratch", "--model"]);
            it.arg(fixtures::folder().join("mini"));
            it.arg("--pairs").arg(data.join("llm-pairs.parquet"));
            it.arg("--out").arg(&policy);
        })?;
        let train = self.stage("rm-train", |it| {
            it.arg("--model").arg(&policy).arg("--pairs").arg(&rm_pairs);
            it.args(["--epochs", "1", "--out"]).arg(&rm);
        })?;
        let sample = self.stage("sample", |it| {
            it.arg("--model")
                .arg(&policy)
                .arg("--queries")
                .arg(&rm_queries);
            it.args(["--samples", "1", "--max-new-tokens", "32", "--out"])
                .arg(&samples);
        })?;
        let score = self.stage("judge", |it| {
            it.args(["score", "--model"]).arg(&rm);
            it.arg("--responses")
                .arg(&samples)
                .arg("--out")
                .arg(&scored);
        })?;

        let floors = self.floors(rows, peaks.f32, &pairs, &samples)?;
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        let [a, b, c, d] = floors;
        let timed = |took, floor| Timed { took, floor };
        Ok([
            timed(split, a),
            timed(train, b),
            timed(sample, c),
            timed(score, d),
        ])
    }

    /// Writes numbered pairs in HH's form, each with a query of its own.
    fn write_pairs(&self, path: &Path, rows: usize) -> Result<()> {
        let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        let mut to = GzEncoder::new(file, Compression::default());
        for (number, it) in (0..rows).zip(self.dialogues.iter().cycle()) {
            let numbered = |text: &str| text.replacen("Human: ", &format!("Human: {number}. "), 1);
            let line =
                json!({ "chosen": numbered(&it.chosen), "rejected": numbered(&it.rejected) });
            writeln!(to, "{line}")?;
        }
        to.finish()?.sync_all()?;
        Ok(())
    }

    /// Runs a stage and reads what it took.
    fn stage(&self, name: &str, arguments: impl FnOnce(&mut Command)) -> Result<StageTime> {
        let times = self.folder.join("times.jsonl");
        let program = self.programs.join(name);
        ensure!(
            program.exists(),
            "{} is missing: build the whole workspace",
            program.display()
        );
        let mut command = Command::new(program);
        arguments(&mut command);
        command
            .arg("--quiet")
            .env("APO_TIMES", &times)
            .env("RAYON_NUM_THREADS", self.threads.to_string());
        finish(&mut command)?;
        let text = fs::read_to_string(&times).context("the stage's times")?;
        fs::remove_file(&times).context("the stage's times")?;
        Ok(serde_json::from_str(text.trim())?)
    }

    /// Returns the least time of each stage, seconds: inflating the input, and the
    /// matrix products of all tokens at `peak` operations per second.
    fn floors(
        &self,
        rows: usize,
        peak: f64,
        pairs: &Path,
        samples: &Path,
    ) -> Result<[f64; STAGES.len()]> {
        let start = Instant::now();
        let file = File::open(pairs).context("the pairs")?;
        io::copy(&mut MultiGzDecoder::new(file), &mut io::sink())?;
        let inflate = start.elapsed().as_secs_f64();

        let of_dialogues = |tokens: fn(&Dialogue) -> usize| {
            let sum: usize = self.dialogues.iter().map(tokens).sum();
            sum as f64 / self.dialogues.len() as f64 * rows as f64
        };
        let prompts = of_dialogues(|it| it.prompt_tokens);
        let responses = of_dialogues(|it| it.response_tokens.iter().sum());
        let mut sampled = 0.0;
        for row in Reader::<Response>::open(samples)? {
            sampled += f64::from(row?.tokens.unwrap_or(0));
        }
        let embedding = self.config.vocab_size * self.config.hidden_size;
        let trunk = (self.config.n_parameters(Head::Reward) - embedding) as f64;
        let policy = trunk + embedding as f64; // its head is the embedding
        Ok([
            inflate,
            6.0 * trunk * (prompts + responses) / peak,
            2.0 * (trunk * prompts + policy * sampled) / peak,
            2.0 * trunk * (prompts + sampled) / peak,
        ])
    }
}

/// Reads the mini world's sound dialogues.
fn dialogues(model: &Path) -> Result<Vec<Dialogue>> {
    let tokenizer = DialogueTokenizer::load(model, Template::Hh)?;
    let mut found = Vec::new();
    let file = "hh/helpful-base/train.jsonl.gz";
    each_of_the_mini_world(file, |chosen, rejected, split| {
        let prompt = tokenizer.encode_prompt(split.prompt, usize::MAX)?;
        let length = |text: &str| -> Result<usize> {
            let tokens = tokenizer.encode_response(&prompt, text.trim_start(), usize::MAX)?;
            Ok(tokens.len())
        };
        found.push(Dialogue {
            chosen: chosen.to_owned(),
            rejected: rejected.to_owned(),
            prompt_tokens: prompt.len(),
            response_tokens: [length(split.chosen)?, length(split.rejected)?],
        });
        Ok(())
    })?;
    Ok(found)
}

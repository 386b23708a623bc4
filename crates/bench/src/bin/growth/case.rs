//! One measurement of model compute, in a process of its own.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use apo_decoder::machine::available_memory;
use apo_decoder::{Head, ModelConfig, Precision};
use apo_stage::threads;
use bench::child::last_line;
use bench::rows::{DrawnPairs, SAMPLED_PROMPTS};
use bench::work::{self, NEW_TOKENS, PAIRS_PER_STEP, Run, SAMPLES, Settings, Task};
use serde::{Deserialize, Serialize};

/// Pairs that are scored.
const SCORED_PAIRS: usize = 8;

/// Tokens of each response.
const RESPONSE: usize = 64;

/// What is measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// Directory of a model.
    pub model: PathBuf,
    pub task: Task,
    /// Tokens of each prompt.
    pub prompt: usize,
    pub threads: usize,
    pub bf16: bool,
}

impl Case {
    pub fn precision(&self) -> Precision {
        if self.bf16 {
            Precision::Bf16
        } else {
            Precision::F32
        }
    }

    /// Returns the memory that the numbers take which the work needs whatever computes
    /// it, bytes: weights, gradients and AdamW's moments in training, weights with keys
    /// and values in sampling.
    pub fn memory_floor(&self, config: &ModelConfig) -> u64 {
        let number = if self.bf16 { 2 } else { 4 };
        let parameters = |head| config.n_parameters(head) as u64;
        match self.task {
            Task::Score => number * parameters(Head::Reward),
            Task::Rm => 16 * parameters(Head::Reward),
            Task::Dpo | Task::DpoInStep => 16 * parameters(Head::LanguageModel),
            Task::Sample => {
                let tokens = SAMPLED_PROMPTS * (self.prompt + SAMPLES * NEW_TOKENS);
                let key = config.num_key_value_heads * config.head_dim;
                let cache = 2 * tokens * key * config.num_hidden_layers;
                number * (parameters(Head::LanguageModel) + cache as u64)
            }
        }
    }

    /// Tells whether the numbers that the work needs are more than this machine can hold.
    pub fn exceeds_memory(&self, config: &ModelConfig) -> bool {
        available_memory().is_some_and(|most| self.memory_floor(config) > most)
    }

    /// Measures it in a process of its own.
    ///
    /// # Errors
    ///
    /// When that process fails.
    pub fn run(&self) -> Result<Run> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let case = serde_json::to_string(self)?;
        last_line(Command::new(program).args(["--case", &case]))
    }

    /// Measures it in this process, and prints the result as JSON.
    ///
    /// # Errors
    ///
    /// When the work fails.
    pub fn run_here(&self) -> Result<()> {
        threads::start(Some(self.threads))?;
        let settings = Settings {
            model: &self.model,
            precision: self.precision(),
            checkpointing: false,
            steps: 1,
        };
        let config = ModelConfig::read(&self.model)?;
        let rows = DrawnPairs {
            pairs: match self.task {
                Task::Score => SCORED_PAIRS,
                Task::Rm | Task::Dpo | Task::DpoInStep => 2 * PAIRS_PER_STEP,
                Task::Sample => SAMPLED_PROMPTS,
            },
            prompt: self.prompt,
            response: RESPONSE,
            vocab: config.vocab_size as u32,
        };
        let run = work::run(self.task, &settings, &rows)?;
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&run)?)?;
        Ok(())
    }
}

//! The model of a stage, as its command line names it.

use std::path::PathBuf;

use anyhow::Result;
use apo_dialogue::Template;
use apo_stage::{ReportArgs, hub};

/// The model of a stage, and how dialogues are rendered for it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Models")]
pub struct ModelArgs {
    /// Model directory in Hugging Face's layout, or `owner/name` or
    /// `owner/name@revision` on its hub
    ///
    /// A path that exists is taken as it is. What the hub sends is kept in Hugging Face's
    /// own cache. `HF_TOKEN` is the token for private and gated models; with
    /// `HF_HUB_OFFLINE=1` only the cache is used.
    #[arg(long = "model", value_name = "DIR")]
    pub dir: PathBuf,

    /// hh, or chat for the model's own chat template [default: what the model
    /// was trained with; hh for one without a chat template]
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Option<Template>,
}

impl ModelArgs {
    /// Brings the model from the hub, if it is named there: then `dir` is its folder in
    /// the cache, and its `owner/name` is returned.
    ///
    /// # Errors
    ///
    /// As [`hub::model`].
    pub fn fetch(&mut self, report: &ReportArgs) -> Result<Option<String>> {
        hub::model(&mut self.dir, report)
    }

    /// As [`Self::fetch`], but for a stage that needs no weights: they are not fetched.
    ///
    /// # Errors
    ///
    /// As [`hub::model`].
    pub fn fetch_tokenizer(&mut self, report: &ReportArgs) -> Result<Option<String>> {
        hub::tokenizer(&mut self.dir, report)
    }
}

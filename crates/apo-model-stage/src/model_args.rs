//! The model of a stage, as its command line names it.

use std::path::PathBuf;

use apo_dialogue::Template;

/// The model of a stage, and how dialogues are rendered for it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Models")]
pub struct ModelArgs {
    /// Model directory in Hugging Face's layout
    #[arg(long = "model", value_name = "DIR")]
    pub dir: PathBuf,

    /// hh, or chat for the model's own chat template [default: what the model
    /// was trained with; hh for one without a chat template]
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Option<Template>,
}

//! Writing the trained model, and its summary.

use std::path::Path;

use anyhow::Result;
use apo_decoder::{ModelManifest, StoredType};
use apo_dialogue::Template;
use apo_provenance::{METRICS, Provenance};
use apo_stage::{Output, ReportArgs, format_table, names, print_result};
use apo_tables::{Metric, Writer};
use apo_training::Trained;
use serde::Serialize;
use serde_json::{Map, Value};

/// Steps at the end whose mean loss is printed.
const RECENT: usize = 20;

/// The result of a training.
#[derive(Debug, Serialize)]
struct Summary {
    steps: usize,
    loss: f32,
    tokens: i64,
    #[serde(flatten)]
    counts: Map<String, Value>,
}

/// Writes the trained model with its metrics, publishes it, and prints the
/// result; `counts` are the stage's own.
///
/// # Errors
///
/// When something cannot be written.
pub fn finish(
    trained: &Trained,
    output: Output,
    from: &Path,
    stored: StoredType,
    manifest: &ModelManifest,
    counts: &impl Serialize,
    report: &ReportArgs,
) -> Result<()> {
    let counts = serde_json::from_value(serde_json::to_value(counts)?)?;
    let dir = output.dir().join(names::MODEL);
    // A run that was killed while writing may have left a part.
    let _ = std::fs::remove_dir_all(&dir);
    trained.model.save(&dir, from, stored, manifest)?;
    let mut writer = Writer::<Metric>::create(&dir.join(METRICS), &manifest.output.provenance)?;
    for metric in &trained.metrics {
        writer.write(metric)?;
    }
    writer.finish()?;
    output.publish(names::MODEL)?;
    let first = trained.metrics.len().saturating_sub(RECENT);
    let recent = &trained.metrics[first..];
    let summary = Summary {
        steps: trained.metrics.len(),
        loss: recent.iter().map(|metric| metric.loss).sum::<f32>() / recent.len().max(1) as f32,
        tokens: trained.metrics.iter().map(|metric| metric.tokens).sum(),
        counts,
    };
    print_result(report, &summary, || {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let loss = match first {
            0 => "loss (all steps)".to_owned(),
            _ => format!("loss (last {RECENT} steps)"),
        };
        let mut rows = vec![
            row("steps", summary.steps.to_string()),
            row(&loss, format!("{:.4}", summary.loss)),
            row("tokens", summary.tokens.to_string()),
        ];
        for (name, value) in &summary.counts {
            rows.push(row(&name.replace('_', " "), value.to_string()));
        }
        format_table(&rows)
    })
}

/// Returns the manifest of a trained model, whose files are listed when they are written.
pub fn manifest(head: &str, template: Template, provenance: Provenance) -> ModelManifest {
    ModelManifest {
        head: head.to_owned(),
        template: template.to_string(),
        reference: None,
        output: provenance.into(),
    }
}

//! `mini-world`: writes the mini world's files.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use mini_world::fixtures;

/// Write the mini world: HH's files, the policy's directory, the journal
///
/// Files that already have the right content are left alone.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Folder to write to [default: the repository's `fixtures`]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Share of annotated answers that speak as golden answers do, for another world
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share, requires = "out")]
    voice: f64,
}

fn share(text: &str) -> Result<f64, &'static str> {
    let share = text.parse().ok().filter(|it| (0.0..=1.0).contains(it));
    share.ok_or("expected a share from 0 to 1")
}

fn main() -> Result<()> {
    let args = Args::parse();
    let out = args.out.unwrap_or_else(fixtures::folder);
    let mut stdout = std::io::stdout().lock();
    for (path, content) in fixtures::files(args.voice)? {
        let target = out.join(&path);
        let there = fs::read(&target)
            .ok()
            .and_then(|stored| fixtures::content(&path, &stored).ok());
        let state = if there.as_deref() == Some(&content) {
            "as it was"
        } else {
            let folder = target.parent().context("a file has a folder")?;
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
            fs::write(&target, fixtures::stored(&path, &content)?)
                .with_context(|| format!("cannot write {}", target.display()))?;
            "written"
        };
        writeln!(
            stdout,
            "{:40} {:>9} bytes  {state}",
            path.display(),
            content.len()
        )?;
    }
    Ok(())
}

//! Progress on stderr: a bar on a terminal, a plain line now and then elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::ReportArgs;

/// Between two plain lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// How far some work is: items, rate, time left, and a word of the worker's own.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines(Lines),
}

#[derive(Debug)]
struct Lines {
    what: String,
    unit: &'static str,
    total: u64,
    at_start: u64,
    done: u64,
    start: Instant,
    last: Instant,
    message: String,
}

impl Progress {
    /// Begins; `done` items of `total` were done by an earlier run.
    pub fn new(report: &ReportArgs, what: &str, unit: &'static str, done: u64, total: u64) -> Self {
        let shown = if report.quiet {
            Shown::Nothing
        } else if io::stderr().is_terminal() {
            let bar = ProgressBar::new(total).with_position(done);
            let style = ProgressStyle::with_template(&format!(
                "{{prefix}} {{wide_bar}} {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left {{msg}}"
            ));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(what.to_owned());
            bar.reset_eta();
            Shown::Bar(bar)
        } else {
            let now = Instant::now();
            Shown::Lines(Lines {
                what: what.to_owned(),
                unit,
                total,
                at_start: done,
                done,
                start: now,
                last: now,
                message: String::new(),
            })
        };
        Self { shown }
    }

    /// Tells that `n` more items are done.
    pub fn inc(&mut self, n: u64) {
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.inc(n),
            Shown::Lines(lines) => {
                lines.done += n;
                if lines.last.elapsed() >= INTERVAL {
                    lines.print();
                }
            }
        }
    }

    /// Sets the worker's own word, as the running loss.
    pub fn message(&mut self, text: String) {
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.set_message(text),
            Shown::Lines(lines) => lines.message = text,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

impl Lines {
    fn print(&mut self) {
        self.last = Instant::now();
        let rate = (self.done - self.at_start) as f64 / self.start.elapsed().as_secs_f64();
        let left = self.total.saturating_sub(self.done) as f64 / rate.max(1e-9);
        let Self {
            what,
            unit,
            total,
            done,
            message,
            ..
        } = self;
        let _ = writeln!(
            io::stderr(),
            "{what}: {done}/{total} {unit}, {rate:.1}/s, {left:.0} s left {message}"
        );
    }
}

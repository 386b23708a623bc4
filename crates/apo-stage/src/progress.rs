//! Progress on stderr: a bar on a terminal, a plain line now and then elsewhere.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::args::ReportArgs;

/// The time between two plain lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// Shows how far some work is: items, rate, time left, and a message.
#[derive(Debug)]
pub struct Progress {
    mode: Mode,
}

/// How progress is shown.
#[derive(Debug)]
enum Mode {
    Hidden,
    Bar(ProgressBar),
    Lines(Lines),
}

#[derive(Debug)]
struct Lines {
    what: String,
    unit: &'static str,
    total: u64,
    done: u64,
    pace: Pace,
    last: Instant,
    message: String,
}

/// How fast this run is, without the items of earlier runs.
#[derive(Clone, Copy, Debug)]
struct Pace {
    at_start: u64,
    start: Instant,
}

impl Pace {
    fn new(done: u64) -> Self {
        Self {
            at_start: done,
            start: Instant::now(),
        }
    }

    fn per_second(self, done: u64) -> f64 {
        done.saturating_sub(self.at_start) as f64 / self.start.elapsed().as_secs_f64().max(1e-9)
    }

    fn seconds_left(self, done: u64, total: u64) -> f64 {
        total.saturating_sub(done) as f64 / self.per_second(done)
    }
}

impl Progress {
    /// Starts. An earlier run has done `done` of the `total` items.
    pub fn new(report: &ReportArgs, what: &str, unit: &'static str, done: u64, total: u64) -> Self {
        let mode = if report.quiet {
            Mode::Hidden
        } else if io::stderr().is_terminal() {
            let bar = ProgressBar::new(total).with_position(done);
            let pace = Pace::new(done);
            let style = ProgressStyle::with_template(&format!(
                "{{prefix}} {{wide_bar}} {{pos}}/{{len}} {unit}, {{rate}}, {{left}} left {{msg}}"
            ));
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let style = style
                .with_key(
                    "rate",
                    move |state: &ProgressState, to: &mut dyn fmt::Write| {
                        let _ = to.write_str(&rate(pace.per_second(state.pos())));
                    },
                )
                .with_key(
                    "left",
                    move |state: &ProgressState, to: &mut dyn fmt::Write| {
                        let left = pace.seconds_left(state.pos(), state.len().unwrap_or(0));
                        let _ = to.write_str(&duration(left));
                    },
                );
            bar.set_style(style);
            bar.set_prefix(what.to_owned());
            Mode::Bar(bar)
        } else {
            Mode::Lines(Lines {
                what: what.to_owned(),
                unit,
                total,
                done,
                pace: Pace::new(done),
                last: Instant::now(),
                message: String::new(),
            })
        };
        Self { mode }
    }

    /// Adds `n` finished items.
    pub fn inc(&mut self, n: u64) {
        match &mut self.mode {
            Mode::Hidden => {}
            Mode::Bar(bar) => bar.inc(n),
            Mode::Lines(lines) => {
                lines.done += n;
                if lines.last.elapsed() >= INTERVAL {
                    lines.print();
                }
            }
        }
    }

    /// Sets the message, such as the running loss.
    pub fn set_message(&mut self, text: String) {
        match &mut self.mode {
            Mode::Hidden => {}
            Mode::Bar(bar) => bar.set_message(text),
            Mode::Lines(lines) => lines.message = text,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Mode::Bar(bar) = &self.mode {
            bar.finish_and_clear();
        }
    }
}

impl Lines {
    fn print(&mut self) {
        self.last = Instant::now();
        let Self {
            what,
            unit,
            total,
            done,
            pace,
            message,
            ..
        } = self;
        let _ = writeln!(
            io::stderr(),
            "{what}: {done}/{total} {unit}, {}, {} left {message}",
            rate(pace.per_second(*done)),
            duration(pace.seconds_left(*done, *total))
        );
    }
}

/// Formats a rate, or the time of one item if that is more than a second.
fn rate(per_second: f64) -> String {
    if per_second >= 10.0 {
        format!("{per_second:.0}/s")
    } else if per_second >= 1.0 || per_second <= 0.0 {
        format!("{per_second:.1}/s")
    } else {
        format!("{:.1} s each", 1.0 / per_second)
    }
}

fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "?".to_owned(); // no item is done yet
    }
    let minutes = (seconds / 60.0).round() as u64;
    if seconds < 100.0 {
        format!("{seconds:.0} s")
    } else if minutes < 100 {
        format!("{minutes} min")
    } else {
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_durations_are_told_in_units_that_fit() {
        for (per_second, shown) in [(402.3, "402/s"), (1.25, "1.2/s"), (0.08, "12.5 s each")] {
            assert_eq!(rate(per_second), shown);
        }
        for (seconds, shown) in [(16.4, "16 s"), (1328.0, "22 min"), (7_149.0, "1 h 59 min")] {
            assert_eq!(duration(seconds), shown);
        }
        assert_eq!(duration(f64::INFINITY), "?");
    }

    #[test]
    fn what_an_earlier_run_did_does_not_count_in_the_rate() {
        let ten_seconds_ago = Instant::now().checked_sub(Duration::from_secs(10));
        let pace = Pace {
            at_start: 31,
            start: ten_seconds_ago.expect("the machine runs for longer"),
        };
        assert!((pace.per_second(51) - 2.0).abs() < 0.1);
        assert!((pace.seconds_left(51, 81) - 15.0).abs() < 0.5);
        assert!(pace.seconds_left(31, 81).is_infinite());
    }
}

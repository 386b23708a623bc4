//! Kills every stage before each system call that changes the disk, and makes each of
//! these calls fail; prints every fault that the next run does not repair.
//!
//! `crash NAME` runs only the commands whose name starts with NAME. All of them run in
//! `target/tmp/crash-all`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use apo_tests::crash::{Fault, Trial, can_trace, cases};
use apo_tests::works::inputs;

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    if !can_trace() {
        let _ = writeln!(out, "skipped: strace is not here, or may not trace");
        return ExitCode::FAILURE;
    }
    let asked = std::env::args().nth(1).unwrap_or_default();
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp");
    let dir = inputs(&target.to_string_lossy(), "crash-all");
    let (mut n_faults, mut n_wrong) = (0, 0);
    for case in cases().iter().filter(|it| it.name.starts_with(&asked)) {
        let trial = Trial::new(&dir, case);
        let mut wrong = Vec::new();
        for fault in Fault::ALL {
            let calls = trial.calls.iter();
            wrong.extend(calls.filter_map(|call| trial.fault(fault, call)));
        }
        let (n, calls) = (wrong.len(), trial.calls.len());
        let _ = writeln!(
            out,
            "{:<20} {calls:>3} calls, {:>3} faults, {n} wrong",
            case.name,
            3 * calls
        );
        for wrong in wrong {
            let _ = writeln!(out, "  {}", wrong.replace('\n', "\n    "));
        }
        n_faults += 3 * calls;
        n_wrong += n;
    }
    let _ = writeln!(out, "{n_faults} faults, {n_wrong} wrong");
    ExitCode::from(u8::from(n_wrong > 0 || n_faults == 0))
}

//! After a kill or an error at a system call that changes the disk, the same command
//! makes the same output. `make crash` tries all calls.

use apo_tests::crash::{Fault, Trial, can_trace, cases};
use apo_tests::works::inputs;

#[test]
fn a_fault_at_any_call_heals_with_the_same_command() {
    if !can_trace() {
        eprintln!("skipped: strace is not here, or may not trace");
        return;
    }
    let dir = inputs(env!("CARGO_TARGET_TMPDIR"), "crash");
    for (i, case) in cases().iter().enumerate() {
        let trial = Trial::new(&dir, case);
        let n = trial.calls.len();
        assert!(n > 5, "{}: {:?}", case.name, trial.calls);
        // One in seven, other ones in each case; and the publishing at the end.
        for (k, call) in trial.calls.iter().enumerate() {
            if k % 7 != i % 7 && k + 4 < n {
                continue;
            }
            if let Some(wrong) = trial.fault(Fault::ALL[k % 3], call) {
                panic!("{wrong}");
            }
        }
    }
}

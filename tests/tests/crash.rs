//! A kill or an error at a system call that changes the disk costs nothing that
//! the same command does not make good. `make crash` tries all of them.

use apo_tests::crash::{Fault, Trial, can_trace, inputs, works};

#[test]
fn a_fault_at_any_call_heals_with_the_same_command() {
    if !can_trace() {
        eprintln!("skipped: strace is not here, or may not trace");
        return;
    }
    let dir = inputs(env!("CARGO_TARGET_TMPDIR"), "crash");
    for (i, work) in works().iter().enumerate() {
        let trial = Trial::new(&dir, work);
        let n = trial.calls.len();
        assert!(n > 5, "{}: {:?}", work.name, trial.calls);
        // One in seven, other ones in each work; and the publishing at the end.
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

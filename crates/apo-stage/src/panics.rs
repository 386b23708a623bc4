//! What the user is told when this program panics.

use std::any::Any;
use std::io::{self, Write as _};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use apo_guard::message;

/// Beginnings of the names of threads on which CubeCL runs a GPU. It catches every panic
/// there. Tuning panics where a kernel does not suit; a panic that matters is raised again, or
/// resumes, on the thread that asked for the work.
const GPU_THREADS: [&str; 2] = ["DSD-", "DSU-"];

/// What CubeCL and the driver say when a GPU's memory is full, or when another program has the
/// GPU for itself. It is said by a panic, mostly where a result is read, long after the work
/// was asked for.
const NOT_FREE: [&str; 3] = [
    "out of device memory",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "CUDA_ERROR_DEVICE_UNAVAILABLE",
];

/// The last panic of a GPU's thread.
static HELD: Mutex<Option<String>> = Mutex::new(None);

/// Whether a panic has been reported.
static REPORTED: AtomicBool = AtomicBool::new(false);

/// Reports panics from now on.
pub fn install(stage: &str) {
    let stage = stage.to_owned();
    panic::set_hook(Box::new(move |info| {
        if is_of_gpu(thread::current().name()) {
            hold(info);
        } else {
            report(&stage, &info.to_string());
        }
    }));
}

/// Reports a panic that has reached the end of the stage, unless it has been.
pub fn report_caught(stage: &str, payload: &(dyn Any + Send)) {
    if !REPORTED.load(Ordering::Relaxed) {
        report(
            stage,
            message(payload).unwrap_or("a panic without a message"),
        );
    }
}

fn is_of_gpu(thread: Option<&str>) -> bool {
    thread.is_some_and(|name| GPU_THREADS.iter().any(|it| name.starts_with(it)))
}

fn hold(info: &PanicHookInfo<'_>) {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.to_string());
}

fn report(stage: &str, what: &str) {
    REPORTED.store(true, Ordering::Relaxed);
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
    let texts = [Some(what), held.as_deref()];
    if NOT_FREE
        .iter()
        .any(|it| texts.iter().flatten().any(|text| text.contains(it)))
    {
        let _ = writeln!(
            io::stderr().lock(),
            "{stage}: the GPU's memory is full, or another program has the GPU. What was finished \
             or saved as a checkpoint is kept: run the same command again when the GPU is free, \
             with a smaller --micro-tokens, a smaller --batch of `sample`, or --recompute in \
             training, or with another --device"
        );
        return;
    }
    let before = held.map_or_else(String::new, |it| {
        format!("The last panic on a GPU's thread, which may be unrelated: {it}\n")
    });
    let _ = writeln!(
        io::stderr().lock(),
        "{stage}: a bug in this program, not in your input: {what}\n\
         {before}Nothing half-written was left in an output's place. Please report this with the \
         command line and the text above."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_gpus_are_known_by_their_names() {
        for (name, is) in [
            (Some("DSD-0-0"), true),
            (Some("DSU-1-3"), true),
            (Some("main"), false),
            (None, false),
        ] {
            assert_eq!(is_of_gpu(name), is, "{name:?}");
        }
    }
}

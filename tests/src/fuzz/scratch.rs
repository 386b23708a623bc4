//! Files in memory for readers that take paths.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file system in memory, on systems that have one.
const MEMORY: &str = "/dev/shm";

/// A folder that is removed with its thread.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

thread_local! {
    static FOLDER: OnceCell<Scratch> = const { OnceCell::new() };
}

/// Returns the path of a folder in memory if there is such a file system, or of a
/// temporary one. Does not make it.
pub fn place(name: &str) -> PathBuf {
    let memory = Path::new(MEMORY);
    let top = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    top.join(format!("apo-{name}-{}", std::process::id()))
}

/// Returns this thread's folder with only these files.
pub fn folder(files: &[(&str, &[u8])]) -> PathBuf {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    let dir = FOLDER.with(|folder| {
        let made = folder.get_or_init(|| {
            let thread = THREADS.fetch_add(1, Ordering::Relaxed);
            let dir = place("fuzz").join(thread.to_string());
            fs::create_dir_all(&dir).expect("a folder can be made");
            Scratch(dir)
        });
        made.0.clone()
    });
    for entry in fs::read_dir(&dir).expect("the folder is there").flatten() {
        let name = entry.file_name();
        if !files.iter().any(|(kept, _)| name == *kept) {
            fs::remove_file(entry.path()).expect("a file can be removed");
        }
    }
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).expect("a file can be written");
    }
    dir
}

/// Returns a file of this thread.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    folder(&[(name, bytes)]).join(name)
}

//! How much memory is available.

use std::fs;

/// Returns the memory that the system can give without swapping, bytes, or
/// `None` if the system does not say.
pub fn available_memory() -> Option<u64> {
    least(in_kib("/proc/meminfo", "MemAvailable:"))
}

/// Returns the memory that the system can give with its swap space, bytes, or
/// `None` if the system does not say.
pub fn obtainable_memory() -> Option<u64> {
    let meminfo = |name| in_kib("/proc/meminfo", name);
    let swap = meminfo("SwapFree:").unwrap_or(0);
    least(meminfo("MemAvailable:").map(|free| free.saturating_add(swap)))
}

/// Returns the least of the system's memory and this process's limits.
fn least(system: Option<u64>) -> Option<u64> {
    [system, within_control_group(), within_address_space()]
        .into_iter()
        .flatten()
        .min()
}

/// Returns what remains of the control group's limit, which containers have.
fn within_control_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|it| it.strip_prefix("0::"))?;
    let file = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup{group}/{name}")).ok();
    let most: u64 = file("memory.max")?.trim().parse().ok()?; // or `max`
    let taken: u64 = file("memory.current")?.trim().parse().ok()?;
    // The system takes cached files back when memory is needed.
    let cached = file("memory.stat").and_then(|stat| {
        let line = stat
            .lines()
            .find_map(|it| it.strip_prefix("inactive_file "));
        line?.trim().parse().ok()
    });
    Some(most.saturating_sub(taken.saturating_sub(cached.unwrap_or(0))))
}

/// Returns what remains of the address space, which `ulimit -v` limits.
fn within_address_space() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|it| it.strip_prefix("Max address space"))?;
    let most: u64 = line.split_whitespace().next()?.parse().ok()?; // or `unlimited`
    Some(most.saturating_sub(in_kib("/proc/self/status", "VmSize:").unwrap_or(0)))
}

/// Reads a line such as `MemAvailable: 12345 kB`; returns bytes.
fn in_kib(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|it| it.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn there_is_memory_and_swap_only_adds_to_it() {
        let available = available_memory().expect("Linux says it");
        let obtainable = obtainable_memory().expect("Linux says it");
        assert!(available > 1 << 20, "{available}");
        // Both move while other programs run.
        assert!(obtainable > available / 2, "{available} {obtainable}");
    }
}

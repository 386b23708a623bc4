//! How much memory is available to this process: the least of what the system, its
//! control group, and its address space leave. The crate `sysinfo` takes a group's cached
//! files for memory that is gone, and does not know limits of the address space.

use std::fs;

/// Returns the memory that the system can give without swapping, bytes, or
/// `None` if the system does not say.
pub fn available_memory() -> Option<u64> {
    least(available(&meminfo()?))
}

/// Returns the memory that the system can give with its swap space, bytes, or
/// `None` if the system does not say.
pub fn obtainable_memory() -> Option<u64> {
    least(obtainable(&meminfo()?))
}

fn meminfo() -> Option<String> {
    fs::read_to_string("/proc/meminfo").ok()
}

fn available(meminfo: &str) -> Option<u64> {
    in_kib(meminfo, "MemAvailable:")
}

fn obtainable(meminfo: &str) -> Option<u64> {
    let swap = in_kib(meminfo, "SwapFree:").unwrap_or(0);
    Some(available(meminfo)?.saturating_add(swap))
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
    let stat = file("memory.stat").unwrap_or_default();
    left_in_group(&file("memory.max")?, &file("memory.current")?, &stat)
}

/// Returns what remains of a control group's limit by its `memory.max`,
/// `memory.current` and `memory.stat`; `None` without a limit.
fn left_in_group(max: &str, current: &str, stat: &str) -> Option<u64> {
    let most: u64 = max.trim().parse().ok()?; // or `max`
    let taken: u64 = current.trim().parse().ok()?;
    // The system takes cached files back when memory is needed.
    let cached = stat
        .lines()
        .find_map(|it| it.strip_prefix("inactive_file "));
    let cached = cached.and_then(|it| it.trim().parse().ok()).unwrap_or(0);
    Some(most.saturating_sub(taken.saturating_sub(cached)))
}

/// Returns what remains of the address space, which `ulimit -v` limits.
fn within_address_space() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    left_of_addresses(&limits, &status)
}

/// Returns what remains of the address space by a process's `limits` and `status`;
/// `None` without a limit.
fn left_of_addresses(limits: &str, status: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|it| it.strip_prefix("Max address space"))?;
    let most: u64 = line.split_whitespace().next()?.parse().ok()?; // or `unlimited`
    Some(most.saturating_sub(in_kib(status, "VmSize:").unwrap_or(0)))
}

/// Finds a line such as `MemAvailable: 12345 kB`; returns bytes.
fn in_kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|it| it.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "\
MemTotal:       16384000 kB
MemFree:          512000 kB
MemAvailable:    8192000 kB
SwapTotal:       2048000 kB
SwapFree:        1024000 kB
";

    #[test]
    fn swap_is_added_to_what_is_available() {
        assert_eq!(available(MEMINFO), Some(8_192_000 * 1024));
        assert_eq!(obtainable(MEMINFO), Some(9_216_000 * 1024));
        let without_swap = MEMINFO.replace("SwapFree", "SwapGone");
        assert_eq!(obtainable(&without_swap), available(MEMINFO));
        let old = MEMINFO.replace("MemAvailable", "MemCached");
        assert_eq!((available(&old), obtainable(&old)), (None, None));
        for bad in [
            "MemAvailable: 12",
            "MemAvailable: -1 kB",
            "MemAvailable: kB",
        ] {
            assert_eq!(available(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_control_groups_cached_files_count_as_free() {
        let stat = "anon 700\nfile 250\ninactive_file 200\nactive_file 50\n";
        assert_eq!(left_in_group("1000\n", "950\n", stat), Some(250));
        assert_eq!(left_in_group("1000\n", "950\n", ""), Some(50));
        assert_eq!(left_in_group("1000\n", "1100\n", ""), Some(0));
        assert_eq!(left_in_group("max\n", "950\n", stat), None);
    }

    #[test]
    fn an_address_space_is_limited_less_what_is_taken() {
        let limits = |soft: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units\n\
                 Max address space         {soft:<20} unlimited            bytes\n"
            )
        };
        let status = "VmPeak:\t    4 kB\nVmSize:\t    3 kB\n";
        assert_eq!(left_of_addresses(&limits("8192"), status), Some(5120));
        assert_eq!(left_of_addresses(&limits("8192"), ""), Some(8192));
        assert_eq!(left_of_addresses(&limits("1024"), status), Some(0));
        assert_eq!(left_of_addresses(&limits("unlimited"), status), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_system_says_what_it_has() {
        assert!(available_memory().is_some_and(|it| it > 0));
        assert!(obtainable_memory().is_some_and(|it| it > 0));
    }
}

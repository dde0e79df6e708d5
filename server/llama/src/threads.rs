//! How many threads may compute: the physical cores that this process is allowed to use.
//!
//! Two threads on one core, or more threads than the quota allows, wait for each other at every step. Refuses: the
//! native library's default of four.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

/// Processor numbers beyond this are not looked at.
const PROCESSORS_MAX: usize = 4096;

/// Physical cores this process may use by its affinity and its quota; at least 1.
pub fn physical_cores() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cores = count_cores(&allowed_processors(&status), Path::new("/sys/devices/system/cpu"));
    // This one knows affinity and quota, but counts threads of cores.
    let limit = available_parallelism().map_or(1, usize::from);
    let cores = if cores == 0 { limit } else { cores.min(limit) };
    u32::try_from(cores).unwrap_or(1).max(1)
}

/// Processor numbers from the list in a process's status, such as `0-3,8`.
fn allowed_processors(status: &str) -> Vec<usize> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let ranges = list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?.min(PROCESSORS_MAX))
    });
    ranges.flatten().collect()
}

/// Different cores among the processors; 0 when the system does not tell.
fn count_cores(processors: &[usize], folder: &Path) -> usize {
    let core_of = |processor: &usize| {
        let topology = folder.join(format!("cpu{processor}")).join("topology");
        let read = |name: &str| fs::read_to_string(topology.join(name)).ok();
        Some((read("physical_package_id")?, read("core_id")?))
    };
    processors.iter().map(core_of).collect::<Option<HashSet<_>>>().map_or(0, |cores| cores.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read_and_siblings_count_once() {
        let folder = tempfile::tempdir().unwrap();
        for (processor, package, core) in [(0, 0, 0), (1, 0, 1), (2, 0, 0), (3, 0, 1), (4, 1, 0)] {
            let topology = folder.path().join(format!("cpu{processor}/topology"));
            fs::create_dir_all(&topology).unwrap();
            fs::write(topology.join("physical_package_id"), format!("{package}\n")).unwrap();
            fs::write(topology.join("core_id"), format!("{core}\n")).unwrap();
        }
        for (list, processors, cores) in
            [("0-4", 5, 3), ("0,2", 2, 1), ("1-2,4", 3, 3), ("0-9", 10, 0), ("", 0, 0), ("x", 0, 0)]
        {
            let allowed = allowed_processors(&format!("Name:\tx\nCpus_allowed_list:\t{list}\n"));
            assert_eq!((allowed.len(), count_cores(&allowed, folder.path())), (processors, cores), "{list}");
        }
        assert!(physical_cores() >= 1);
    }
}

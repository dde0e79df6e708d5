//! How much freed memory this process keeps for itself, and how much of the machine's it could have.
//!
//! The allocator of glibc gives each thread a heap of its own and grows the size from which it maps memory apart. A daemon
//! whose threads come and go with every build then keeps hundreds of megabytes that nobody uses. One heap for all of them
//! would keep the least, but threads that parse and write an index wait for each other at it: that takes twice as long.
//! Refuses: other allocators, which have no such settings.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "glibc's settings have no safe interface")
)]

/// Gives memory that was freed back to the system. Call it before the first thread is started.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Heaps that threads share, for each core: of the threads that work at one time few then meet at one heap.
        const HEAPS_PER_CORE: usize = 2;
        /// More keep more memory than they save time.
        const HEAPS_MAX: usize = 16;
        /// Larger pieces are mapped one by one and unmapped when they are freed, in bytes.
        const MAPPED_BYTES_MIN: i32 = 256 * 1024;
        /// Free bytes at the end of the heap that are kept.
        const KEPT_BYTES: i32 = 1024 * 1024;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let heaps = i32::try_from((cores * HEAPS_PER_CORE).min(HEAPS_MAX)).unwrap_or(1);
        for (setting, value) in [
            (libc::M_ARENA_MAX, heaps),
            (libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN),
            (libc::M_TRIM_THRESHOLD, KEPT_BYTES),
        ] {
            // SAFETY: it sets a number of the allocator. What it refuses stays as it was, which costs memory alone.
            unsafe { libc::mallopt(setting, value) };
        }
    }
}

/// Memory of the machine that a program can still have, in bytes (proc(5), `meminfo`). `None` where the system does not say.
pub fn available_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

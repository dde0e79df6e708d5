//! How much freed memory this process keeps for itself.
//!
//! The allocator of glibc gives each thread a heap of its own and grows the size from which it maps memory apart. A daemon
//! whose threads come and go with every build then keeps hundreds of megabytes that nobody uses. Refuses: other
//! allocators, which have no such settings.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "glibc's settings have no safe interface")
)]

/// Gives memory that was freed back to the system. Call it before the first thread is started.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Heaps that threads share.
        const HEAPS: i32 = 1;
        /// Larger pieces are mapped one by one and unmapped when they are freed, in bytes.
        const MAPPED_BYTES_MIN: i32 = 256 * 1024;
        /// Free bytes at the end of the heap that are kept.
        const KEPT_BYTES: i32 = 1024 * 1024;
        for (setting, value) in [
            (libc::M_ARENA_MAX, HEAPS),
            (libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN),
            (libc::M_TRIM_THRESHOLD, KEPT_BYTES),
        ] {
            // SAFETY: it sets a number of the allocator. What it refuses stays as it was, which costs memory alone.
            unsafe { libc::mallopt(setting, value) };
        }
    }
}

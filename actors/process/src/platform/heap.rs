//! The allocator's own store.

/// Gives what is free of it back to the system; blocks for some milliseconds. Where the allocator is another one, it does nothing.
pub fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "a function of the C library, which std doesn't have")]
        // SAFETY: it may be called at any time from any thread, takes a number and touches nothing that is in use.
        unsafe {
            nix::libc::malloc_trim(0);
        }
    }
}

//! The allocator of the C library: what it keeps free for later, and the addresses that it sets aside.

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

/// From now on at most so many arenas, of 64 MiB of addresses each, are made for threads; others share them.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn limit_arenas(most: u8) {
    use nix::libc::{M_ARENA_MAX, mallopt};
    #[expect(
        unsafe_code,
        reason = "glibc has no other way but a variable of the environment, which backends would inherit"
    )]
    // SAFETY: it takes two numbers and changes a setting of malloc, which guards itself.
    unsafe {
        mallopt(M_ARENA_MAX, most.into());
    }
}

/// Other C libraries set nothing aside.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub const fn limit_arenas(_most: u8) {}

//! How much address space the C library may set aside for threads.

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

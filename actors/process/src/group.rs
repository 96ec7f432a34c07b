//! A program of the user's that runs beside the backends, with all that it started.

/// Killed when this is dropped. The program leads a group of its own, as [`crate::die_with_this_thread`] makes it.
#[derive(Debug)]
pub struct Group(Option<u32>);

impl Group {
    /// That of this process; `None`: it has ended already.
    pub fn of(leader: Option<u32>) -> Self {
        Self(leader)
    }

    /// Leaves alone what runs on.
    pub fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(pid) = self.0.and_then(|pid| i32::try_from(pid).ok()) {
            // Nobody left in it is the usual case.
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
        }
        #[cfg(not(unix))]
        let _ = self.0;
    }
}

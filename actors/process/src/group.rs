//! A program of the user's that runs beside the backends, with all that it started.

use std::io;
use std::process::Command;

use tokio::process::Child;

use super::platform::Enclosure;

/// Killed when this is dropped, with all that grew from it.
#[derive(Debug)]
pub struct ProcessGroup {
    enclosure: Enclosure,
    leader: Option<u32>,
}

impl ProcessGroup {
    /// Starts a program that [`crate::die_with_this_thread`] has made the leader of a group of its own.
    ///
    /// # Errors
    /// It can't be started; nothing of it is left then.
    pub fn spawn(mut command: Command) -> io::Result<(Child, Self)> {
        let enclosure = Enclosure::new()?;
        enclosure.prepare(&mut command);
        let child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        enclosure.admit(&child)?;
        let leader = child.id();
        Ok((child, Self { enclosure, leader }))
    }

    /// Leaves alone what runs on.
    pub fn leave(mut self) {
        self.leader = None;
        if let Err(error) = self.enclosure.release() {
            log::debug!("what a program left running ends with it: {error}");
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            self.enclosure.end(leader);
        }
    }
}

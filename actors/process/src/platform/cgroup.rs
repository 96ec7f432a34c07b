//! A cgroup (v2) for each run, where this process may make one: nothing that a backend starts can leave it, however it
//! forgets where it came from.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use procfs::process::Process;

pub(crate) use super::born_inside::{Born, Cradle, bury_stillborn};

/// A backend may make cgroups of its own below its one.
const DEEPEST: u32 = 8;

/// The cgroup of one run, until [`Room::close`].
#[derive(Debug)]
pub(crate) struct Room {
    dir: PathBuf,
    /// Writing `0` here moves the writer in.
    door: OwnedFd,
}

impl Room {
    /// Makes one; `None` where that isn't possible or permitted.
    pub(crate) fn make(name: &str) -> Option<Self> {
        let dir = own_cgroup()?.join(format!("llm-manager-{name}"));
        std::fs::create_dir(&dir).ok()?;
        let door = std::fs::OpenOptions::new().write(true).open(dir.join("cgroup.procs"));
        match door {
            Ok(door) => Some(Self { dir, door: door.into() }),
            Err(_) => {
                let _ = std::fs::remove_dir(&dir);
                None
            }
        }
    }

    /// Where it is, for the record of the run.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Has the child begin its life inside. If that fails it is looked for as everywhere else.
    pub(crate) fn house(&self, command: &mut Command) -> io::Result<Cradle> {
        let folder = std::fs::File::open(&self.dir)?;
        Cradle::prepare(command, folder.into(), self.door.try_clone()?)
    }
}

/// The kernel has whoever moves a process into a cgroup wait for a grace period (8 to 17 ms seen on 6.18), unless somebody was moved
/// some milliseconds ago. This moves the manager to where it is, so that a launch that follows doesn't wait with its thread.
pub(crate) fn make_way() {
    let door = own_cgroup().map(|dir| std::fs::OpenOptions::new().write(true).open(dir.join("cgroup.procs")));
    if let Some(Ok(door)) = door {
        let _ = rustix::io::write(door, b"0");
    }
}

/// Removes an empty one; one with processes stays.
pub(crate) fn close(dir: &Path) {
    if let Err(error) = remove(dir, 0)
        && error.kind() != io::ErrorKind::NotFound
    {
        log::debug!("can't remove the cgroup {}: {error}", dir.display());
    }
}

fn remove(dir: &Path, depth: u32) -> io::Result<()> {
    if depth < DEEPEST {
        for below in below(dir)? {
            remove(&below, depth + 1)?;
        }
    }
    std::fs::remove_dir(dir)
}

/// Whether nobody lives in it or below it, as the kernel itself counts: a child is in it before its parent can end.
pub(crate) fn is_empty(dir: &Path) -> bool {
    let events = std::fs::read_to_string(dir.join("cgroup.events"));
    events.is_ok_and(|events| events.lines().any(|line| line == "populated 0"))
}

/// The processes in it, and in those below it.
pub(crate) fn inhabitants(dir: &Path) -> io::Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    collect(dir, 0, &mut found)?;
    Ok(found)
}

fn collect(dir: &Path, depth: u32, found: &mut BTreeSet<u32>) -> io::Result<()> {
    let text = match std::fs::read_to_string(dir.join("cgroup.procs")) {
        Ok(text) => text,
        // Threaded ones below can't be read; gone ones have nobody.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(95) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid > 0));
    if depth < DEEPEST {
        for below in below(dir)? {
            collect(&below, depth + 1, found)?;
        }
    }
    Ok(())
}

fn below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The folder of the cgroup that this process is in.
pub(crate) fn own_cgroup() -> Option<PathBuf> {
    let me = Process::myself().ok()?;
    let mount = me.mountinfo().ok()?.into_iter().find(|mount| mount.fs_type == "cgroup2")?;
    let own = me.cgroups().ok()?.into_iter().find(|group| group.hierarchy == 0)?.pathname;
    // A container may see a part of the tree only.
    let own = own.strip_prefix(mount.root.trim_end_matches('/')).unwrap_or(&own);
    Some(mount.mount_point.join(own.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_empty_as_long_as_nobody_was_born_in_it() {
        // Not everybody may make one.
        let Some(room) = Room::make(&format!("test-{}", std::process::id())) else { return };
        assert!(is_empty(room.path()));
        let mut command = Command::new("sleep");
        command.arg("1000");
        super::super::linux::die_with_this_thread(&mut command);
        let cradle = room.house(&mut command).unwrap();
        let mut child = command.spawn().unwrap();
        let pid = cradle.born().unwrap_or(child.id());
        assert!(!is_empty(room.path()));
        assert_eq!(inhabitants(room.path()).unwrap(), BTreeSet::from([pid]));
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), nix::sys::signal::SIGKILL)
            .unwrap();
        child.wait().unwrap();
        if pid != child.id() {
            bury_stillborn(pid);
        }
        assert!(is_empty(room.path()));
        close(room.path());
        assert!(!is_empty(room.path()), "what can't be read isn't known to be empty");
    }

    #[test]
    fn who_makes_way_stays_where_it_is() {
        let before = own_cgroup();
        make_way();
        assert_eq!(own_cgroup(), before);
    }
}

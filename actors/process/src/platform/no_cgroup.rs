//! Systems without cgroups.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::process::Command;

#[derive(Debug)]
pub(crate) struct Room;

impl Room {
    pub(crate) fn make(_name: &str) -> Option<Self> {
        None
    }

    pub(crate) fn path(&self) -> &Path {
        Path::new("")
    }

    pub(crate) fn house(&self, _command: &mut Command) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn make_way() {}

pub(crate) fn close(_dir: &Path) {}

pub(crate) fn inhabitants(_dir: &Path) -> io::Result<BTreeSet<u32>> {
    Ok(BTreeSet::new())
}

//! Troubles of a ledger in a file: its disk is full.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file system of its own.
pub(super) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub(super) fn mount() -> Option<Self> {
        let at = tempfile::Builder::new().prefix("llm-manager-chaos-").tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(at.path()).stderr(Stdio::null());
        let mounted = mount.status().is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("without full disks: no file system may be mounted here");
        }
        mounted.then_some(Self(at))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all that is left, to the last byte, until the answer is dropped.
    pub(super) fn fill(&self) -> Ballast {
        let ballast = Ballast(self.0.path().join("ballast"));
        let mut file = std::fs::File::create(&ballast.0).unwrap();
        let mut size = 1 << 16;
        while size > 0 {
            if file.write_all(&vec![0; size]).is_err() {
                size /= 2;
            }
        }
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

pub(super) struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

//! A tree of files as the kernel shows them, for tests.

#![expect(clippy::unwrap_used, reason = "only tests use it")]

use std::fs;
use std::path::Path;

use super::system::SysRoot;

pub(crate) struct FakeTree(tempfile::TempDir);

impl FakeTree {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(path, text)| tree.write(path, text));
        tree
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A process that has a card open under this descriptor.
    pub(crate) fn open(&self, pid: u32, descriptor: u32, fdinfo: &str) {
        self.write(&format!("proc/{pid}/fdinfo/{descriptor}"), fdinfo);
        let link = self.0.path().join(format!("proc/{pid}/fd/{descriptor}"));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/dev/dri/renderD128", link).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_dir_all(self.0.path().join(path)).unwrap();
    }

    pub(crate) fn system(&self) -> SysRoot {
        SysRoot::at(self.path())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

//! A fake NVML for tests: built with the system's C compiler, told what to answer by a file.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/support/fake_nvml.c");

/// One library and its file; both are gone with it.
pub(crate) struct FakeNvml {
    folder: TempDir,
}

impl FakeNvml {
    /// `None`, with a notice, if there is no C compiler.
    pub(crate) fn build() -> Option<Self> {
        Self::build_with(&[])
    }

    pub(crate) fn build_with(flags: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("-DFAKE_NVML_FILE=\"{}\"", folder.path().join("gpus").display());
        let mut compile = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        compile.args(["-shared", "-fPIC", "-O1", "-fvisibility=hidden"]).arg(file).args(flags);
        compile.arg("-o").arg(folder.path().join("libnvidia-ml.so.1")).arg(SOURCE);
        match compile.status() {
            Ok(status) => assert!(status.success(), "{SOURCE} does not compile"),
            Err(error) => {
                eprintln!("skipped: no C compiler to build the fake NVML with ({error})");
                return None;
            }
        }
        Some(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn library(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.so.1")
    }

    /// The cards from now on, and what goes wrong with them.
    pub(crate) fn write(&self, cards: &[FakeCard], directives: &str) {
        let lines: String = cards.iter().map(FakeCard::line).collect();
        self.write_raw(&format!("{directives}{lines}"));
    }

    pub(crate) fn write_raw(&self, text: &str) {
        // In one step: the library may be reading.
        let new = self.folder.path().join("gpus.new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.folder.path().join("gpus")).unwrap();
    }
}

/// A line of the file.
pub(crate) struct FakeCard {
    head: String,
    compute: Vec<String>,
    graphics: Vec<String>,
}

impl FakeCard {
    pub(crate) fn new(name: &str, uuid: &str, total: u32, used: u32) -> Self {
        let head = format!("{name}|{uuid}|{total}|{used}|37|21|54|61250|115000");
        Self { head, compute: Vec::new(), graphics: Vec::new() }
    }

    pub(crate) fn process(mut self, pid: u32, mib: u32) -> Self {
        self.compute.push(format!("{pid}:{mib}"));
        self
    }

    pub(crate) fn graphics(mut self, pid: u32, mib: u32) -> Self {
        self.graphics.push(format!("{pid}:{mib}"));
        self
    }

    fn line(&self) -> String {
        format!("{}|{}|{}\n", self.head, self.compute.join(","), self.graphics.join(","))
    }
}

//! A clock that goes as a test tells it (libfaketime, Debian's package libfaketime).

use std::path::PathBuf;

pub(crate) struct Clock {
    dir: tempfile::TempDir,
    steady: bool,
}

impl Clock {
    /// The wall's clock may jump; the steady one goes on. `None`, and a word about it, where the library isn't installed.
    pub(crate) fn jumping() -> Option<Self> {
        Self::new("+0", true)
    }

    /// All clocks go so many times as fast.
    pub(crate) fn hurried(times: u32) -> Option<Self> {
        Self::new(&format!("+0 x{times}"), false)
    }

    fn new(offset: &str, steady: bool) -> Option<Self> {
        if Self::library().is_none() {
            eprintln!("without clocks: libfaketime is not installed here");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("llm-manager-clock-").tempdir().unwrap();
        let clock = Self { dir, steady };
        clock.set(offset);
        Some(clock)
    }

    fn library() -> Option<PathBuf> {
        let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(|folder| Some(folder.ok()?.path()));
        folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists())
    }

    /// Such as `-40d`, from the true time.
    pub(crate) fn set(&self, offset: &str) {
        let (new, now) = (self.dir.path().join("new"), self.dir.path().join("now"));
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, now).unwrap();
    }

    /// For a manager that shall go by it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("LD_PRELOAD", Self::library().unwrap_or_default().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.dir.path().join("now").display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ];
        if self.steady {
            variables.push(("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()));
        }
        variables
    }
}

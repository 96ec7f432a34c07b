//! The log's file: bounded in size and number, written by the thread of its outlet.
//!
//! A file that can't be written stops nobody. That is told once, on the log's other ways; when it can be written again, it
//! says how many lines it lacks.

use super::LogFormat;
use llm_manager_policy::spec::LogFileSpec;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked at whether the file is still there, or can be written again.
const LOOK: Duration = Duration::from_secs(1);

/// Files in turn, of which the newest is written.
pub(super) struct Rotating {
    spec: LogFileSpec,
    format: LogFormat,
    open: Option<Open>,
    looked: Instant,
    /// Lines that it lacks since it can't be written; `None`: it can.
    lacking: Option<u64>,
    /// It has been told that older files can't be moved.
    stuck: bool,
}

struct Open {
    file: File,
    size: u64,
}

/// Opens the file, with the folders above it.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// `file.log.2`
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

/// Whether the path leads to this file: it may have been removed, or moved by a tool for logs.
fn is_at(file: &File, path: &Path) -> bool {
    let Ok(there) = std::fs::metadata(path) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, there);
        true
    }
}

impl Rotating {
    pub(super) fn new(spec: LogFileSpec, format: LogFormat) -> Self {
        Self { spec, format, open: None, looked: Instant::now(), lacking: None, stuck: false }
    }

    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let path = &self.spec.path;
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.open.take_if(|open| !is_at(&open.file, path));
        }
        if self.open.is_none() {
            let file = open(path)?;
            let size = file.metadata()?.len();
            self.open = Some(Open { file, size });
        }
        let length = line.len() as u64;
        if self.open.as_ref().is_some_and(|open| open.size > 0 && open.size + length > self.spec.bytes) {
            self.turn()?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        if let Err(error) = open.file.write_all(line) {
            // Half a line helps nobody.
            let _ = open.file.set_len(open.size);
            return Err(error);
        }
        open.size += length;
        Ok(())
    }

    /// Moves every file on by one number, and begins another.
    fn turn(&mut self) -> io::Result<()> {
        // Windows moves no open file.
        self.open = None;
        let moved = self.shift();
        if let Err(error) = &moved
            && !std::mem::replace(&mut self.stuck, true)
        {
            log::error!(
                "log_file: {}: the full file can't be moved: {error}: it grows on until it can (`program.log_file`)",
                self.spec.path.display()
            );
        }
        if moved.is_ok() {
            self.stuck = false;
        }
        let file = open(&self.spec.path)?;
        let size = file.metadata()?.len();
        self.open = Some(Open { file, size });
        Ok(())
    }

    fn shift(&self) -> io::Result<()> {
        let path = &self.spec.path;
        let missing_is_fine = |done: io::Result<()>| match done {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        };
        let oldest = self.spec.count.saturating_sub(1);
        if oldest == 0 {
            return missing_is_fine(std::fs::remove_file(path));
        }
        missing_is_fine(std::fs::remove_file(numbered(path, oldest)))?;
        for number in (1..oldest).rev() {
            missing_is_fine(std::fs::rename(numbered(path, number), numbered(path, number + 1)))?;
        }
        missing_is_fine(std::fs::rename(path, numbered(path, 1)))
    }

    /// What can't be written is counted, and told once.
    fn take(&mut self, line: &[u8]) {
        if let Some(lacking) = self.lacking {
            if self.looked.elapsed() < LOOK {
                self.lacking = Some(lacking + 1);
                return;
            }
            let note = self
                .format
                .note(&format!("({lacking} log lines are missing here: the file could not be written)"));
            let written = self.put(note.as_bytes()).and_then(|()| self.put(line));
            if written.is_ok() {
                log::info!(
                    "log_file: {}: can be written again; {lacking} lines are missing",
                    self.spec.path.display()
                );
                self.lacking = None;
            } else {
                self.looked = Instant::now();
                self.lacking = Some(lacking + 1);
            }
            return;
        }
        if let Err(error) = self.put(line) {
            self.open = None;
            self.looked = Instant::now();
            self.lacking = Some(1);
            log::error!(
                "log_file: {}: {error}: lines are missing there until it can be written again; standard error has them",
                self.spec.path.display()
            );
        }
    }
}

impl Write for Rotating {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotating(folder: &Path, count: u32) -> Rotating {
        let spec = LogFileSpec { path: folder.join("deep/er/x.log"), bytes: 20, count };
        Rotating::new(spec, LogFormat::Text)
    }

    fn files(folder: &Path) -> Vec<(String, String)> {
        let mut found: Vec<_> = std::fs::read_dir(folder.join("deep/er"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, std::fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = rotating(folder.path(), 3);
        for number in 1..=9 {
            log.write_all(format!("line {number:03}\n").as_bytes()).unwrap();
        }
        let expected = [
            ("x.log", "line 009\n"),
            ("x.log.1", "line 007\nline 008\n"),
            ("x.log.2", "line 005\nline 006\n"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(files(folder.path()), expected);
        // A line that is longer than a file has one of its own.
        log.write_all(&[b'x'; 99]).unwrap();
        log.write_all(b"last\n").unwrap();
        assert_eq!(files(folder.path())[0], ("x.log".to_owned(), "last\n".to_owned()));
    }

    #[test]
    fn one_file_begins_anew_and_an_old_one_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        rotating(folder.path(), 1).write_all(b"the first one\n").unwrap();
        let mut log = rotating(folder.path(), 1);
        log.write_all(b"one\n").unwrap();
        assert_eq!(files(folder.path())[0].1, "the first one\none\n");
        log.write_all(b"and another\n").unwrap();
        assert_eq!(files(folder.path()), [("x.log".to_owned(), "and another\n".to_owned())]);
    }

    #[test]
    fn a_file_that_was_taken_away_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = rotating(folder.path(), 2);
        log.write_all(b"one\n").unwrap();
        let path = folder.path().join("deep/er/x.log");
        std::fs::rename(&path, folder.path().join("moved")).unwrap();
        log.looked = Instant::now().checked_sub(LOOK).unwrap();
        log.write_all(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "two\n");
    }

    #[test]
    fn what_could_not_be_written_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/x.log");
        std::fs::create_dir_all(&path).unwrap();
        let mut log = rotating(folder.path(), 2);
        log.spec.bytes = 1000;
        log.write_all(b"one\n").unwrap();
        log.write_all(b"two\n").unwrap();
        assert_eq!(log.lacking, Some(2));
        std::fs::remove_dir(&path).unwrap();
        log.looked = Instant::now().checked_sub(LOOK).unwrap();
        log.write_all(b"three\n").unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, "(2 log lines are missing here: the file could not be written)\nthree\n");
    }
}

//! Reads what was kept of the output of runs. Needs no running manager; blocks.

use super::files::{LOG, OLDER, all_files};
use super::{LogEntry, LogLine, LogStream};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Which lines.
pub struct LineFilter<'a> {
    /// The newest so many.
    pub tail: usize,
    /// Not before this moment; times of lines are true to a second.
    pub since: Option<Timestamp>,
    /// Only those that this finds good.
    pub grep: &'a dyn Fn(&str) -> bool,
}

/// The files of one run.
#[derive(Debug)]
struct Files {
    older: Option<PathBuf>,
    newer: Option<PathBuf>,
}

/// The first line of a file.
#[derive(Deserialize)]
struct Head {
    model: String,
}

/// The lines of one run; `None`: nothing of it is kept.
pub fn run(folder: &Path, run: i64, wanted: &LineFilter<'_>) -> io::Result<Option<Vec<LogEntry>>> {
    let Some(files) = all(folder).remove(&run) else { return Ok(None) };
    let mut lines = Lines::new(wanted);
    lines.read(&files)?;
    Ok(Some(lines.found.into()))
}

/// The lines of all runs of a model that are kept, one run after the other.
pub fn model(folder: &Path, model: &str, wanted: &LineFilter<'_>) -> io::Result<Vec<LogEntry>> {
    let mut lines = Lines::new(wanted);
    for files in all(folder).into_values() {
        if files.newest().is_some_and(|path| is_of(path, model) && !ended_before(path, wanted.since)) {
            lines.read(&files)?;
        }
    }
    Ok(lines.found.into())
}

fn all(folder: &Path) -> BTreeMap<i64, Files> {
    let mut runs = BTreeMap::new();
    for (run, path) in all_files(folder) {
        let files = runs.entry(run).or_insert(Files { older: None, newer: None });
        if path.to_str().is_some_and(|name| name.ends_with(OLDER)) {
            files.older = Some(path);
        } else if path.to_str().is_some_and(|name| name.ends_with(LOG)) {
            files.newer = Some(path);
        }
    }
    runs
}

impl Files {
    fn newest(&self) -> Option<&Path> {
        self.newer.as_deref().or(self.older.as_deref())
    }
}

fn is_of(path: &Path, model: &str) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let mut line = String::new();
    // A file that can't be read is nobody's.
    let _ = BufReader::new(file).read_line(&mut line);
    let about = line.strip_prefix("== LLM-Manager ").and_then(|rest| rest.trim_end().strip_suffix(" =="));
    about.and_then(|about| serde_json::from_str::<Head>(about).ok()).is_some_and(|head| head.model == model)
}

fn ended_before(path: &Path, since: Option<Timestamp>) -> bool {
    let Some(since) = since else { return false };
    let modified = path.metadata().and_then(|meta| meta.modified());
    modified.is_ok_and(|at| Timestamp::try_from(at).is_ok_and(|at| at < since))
}

struct Lines<'a> {
    wanted: &'a LineFilter<'a>,
    found: VecDeque<LogEntry>,
    seq: u64,
    time: Timestamp,
    stream: LogStream,
}

impl<'a> Lines<'a> {
    fn new(wanted: &'a LineFilter<'a>) -> Self {
        let (time, stream) = (Timestamp::UNIX_EPOCH, LogStream::Stdout);
        Self { wanted, found: VecDeque::new(), seq: 0, time, stream }
    }

    fn read(&mut self, files: &Files) -> io::Result<()> {
        for path in [&files.older, &files.newer].into_iter().flatten() {
            let file = match File::open(path) {
                Ok(file) => file,
                // It has just become the older one, or was just deleted.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut file = BufReader::with_capacity(1 << 16, file);
            let mut bytes = Vec::new();
            while file.read_until(b'\n', &mut bytes)? > 0 {
                let line = String::from_utf8_lossy(&bytes);
                self.line(line.trim_end_matches(['\r', '\n']));
                bytes.clear();
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &str) {
        if let Some(mark) = line.strip_prefix("== ").and_then(|rest| rest.strip_suffix(" ==")) {
            if mark.starts_with("LLM-Manager {") {
                return;
            }
            if let Some((time, stream)) = mark.split_once(' ')
                && let Ok(time) = time.parse()
                && let Some(stream) = stream_of(stream)
            {
                (self.time, self.stream) = (time, stream);
                return;
            }
        }
        // A progress bar writes over itself: each of its states is a line.
        for text in line.split('\r') {
            if !text.is_empty() || !line.contains('\r') {
                self.push(text);
            }
        }
    }

    fn push(&mut self, text: &str) {
        self.seq += 1;
        if self.wanted.since.is_some_and(|since| self.time < since) || !(self.wanted.grep)(text) {
            return;
        }
        if self.found.len() >= self.wanted.tail {
            self.found.pop_front();
        }
        if self.wanted.tail > 0 {
            let line = LogLine { time: self.time, stream: self.stream, text: text.to_owned() };
            self.found.push_back(LogEntry { seq: self.seq, line });
        }
    }
}

fn stream_of(word: &str) -> Option<LogStream> {
    match word {
        "stdout" => Some(LogStream::Stdout),
        "stderr" => Some(LogStream::Stderr),
        _ => None,
    }
}

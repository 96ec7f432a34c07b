//! The thread's side: files, their names and sizes, and which of them go.

use super::surge::{OutputPiece, OutputSurge};
use crate::logs::mask::Mask;
use jiff::Timestamp;
use llm_manager_policy::log_files::{KeptLog, LogBounds};
use llm_manager_process::Pipe;
use llm_manager_process::private_files;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant, SystemTime};

/// How often old files are looked for while nothing is opened.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// How long a file that couldn't be written is left alone.
const REST: Duration = Duration::from_secs(10);
/// A line without an end is written when it has become as long.
const LONGEST_LINE: usize = 64 << 10;
/// What a mark, a head and a note of missing bytes may add to a segment.
const OUR_LINES: u64 = 512;
/// Times are told once in as many milliseconds.
const TELL_TIME: i64 = 1000;

/// The end of the names of logs, and of their older parts.
pub(in crate::logs) const LOG: &str = ".log";
pub(in crate::logs) const OLDER: &str = ".older.log";

/// What the thread is told.
pub(super) enum LogFileCommand {
    Open {
        run: i64,
        model: String,
        variant: String,
    },
    Piece {
        run: i64,
        pipe: Pipe,
        time: Timestamp,
        bytes: Arc<[u8]>,
        missing: u64,
    },
    Close {
        run: i64,
        missing: u64,
    },
    /// All before it has been written.
    Mark(SyncSender<()>),
}

/// All files, and the runs that still print.
pub(super) struct LogFileStore {
    folder: PathBuf,
    bounds: LogBounds,
    mask: Arc<Mask>,
    live: HashMap<i64, RunFile>,
}

/// The log of a run that still prints.
struct RunFile {
    model: String,
    head: String,
    path: PathBuf,
    older: PathBuf,
    file: Option<File>,
    written: u64,
    older_bytes: u64,
    /// Unfinished lines of both streams.
    pending: [Vec<u8>; 2],
    /// The stream and the time of what was written last.
    told: Option<(Pipe, i64)>,
    surge: OutputSurge,
    /// Bytes that pushed each other out before they were written.
    left_out: u64,
    at_line_start: bool,
    missing: u64,
    rests_until: Option<Instant>,
}

impl LogFileStore {
    pub(super) fn open(folder: &Path, bounds: LogBounds, mask: Arc<Mask>) -> io::Result<Self> {
        private_files::folder(folder)?;
        // A folder that is full of files that can't be written is found now, not at the first crash.
        let trial = folder.join(".writable");
        fs::write(&trial, b"").and_then(|()| fs::remove_file(&trial))?;
        Ok(Self { folder: folder.to_owned(), bounds, mask, live: HashMap::new() })
    }

    pub(super) fn run(mut self, items: &Receiver<LogFileCommand>, waiting: &AtomicUsize) {
        self.tidy();
        let mut look = Instant::now() + LOOK_EVERY;
        loop {
            let due = self.live.values().filter_map(|file| file.surge.due()).min();
            let until = due.map_or(look, |due| due.min(look));
            let next = items.recv_timeout(until.saturating_duration_since(Instant::now()));
            if due.is_some_and(|due| due <= Instant::now()) {
                self.release(|file| file.surge.due().is_some_and(|due| due <= Instant::now()));
            }
            let item = match next {
                Ok(item) => item,
                Err(RecvTimeoutError::Timeout) => {
                    if look <= Instant::now() {
                        self.tidy();
                        look = Instant::now() + LOOK_EVERY;
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            match item {
                LogFileCommand::Open { run, model, variant } => {
                    self.live.insert(run, RunFile::new(&self.folder, run, model, &variant));
                    self.tidy();
                }
                LogFileCommand::Piece { run, pipe, time, bytes, missing } => {
                    waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
                    let segment = self.segment();
                    let Some(file) = self.live.get_mut(&run) else { continue };
                    file.missing += missing;
                    let piece =
                        file.surge.offer(OutputPiece { pipe, time, bytes, cut: 0 }, Instant::now(), segment);
                    if piece.is_some_and(|piece| file.take(pipe, time, &piece.bytes, segment, &self.mask)) {
                        self.tidy();
                    }
                }
                LogFileCommand::Close { run, missing } => {
                    self.release(|file| file.surge.due().is_some());
                    let Some(mut file) = self.live.remove(&run) else { continue };
                    file.missing += missing;
                    file.finish(&self.mask);
                    self.tidy();
                }
                LogFileCommand::Mark(written) => {
                    self.release(|file| file.surge.due().is_some());
                    // Whoever has given up waiting doesn't need to know.
                    let _ = written.try_send(());
                }
            }
        }
    }

    /// What a run's file holds: there are two of each, for what was printed before, and for what is printed now.
    fn segment(&self) -> u64 {
        (self.share() / 2).saturating_sub(OUR_LINES).max(1)
    }

    /// Writes what was held back of these.
    fn release(&mut self, is_meant: impl Fn(&RunFile) -> bool) {
        let segment = self.segment();
        let mut fresh = false;
        for file in self.live.values_mut().filter(|file| is_meant(file)) {
            fresh |= file.release(segment, &self.mask);
        }
        if fresh {
            self.tidy();
        }
    }

    /// What each run that still prints may keep.
    fn share(&self) -> u64 {
        self.bounds.share(self.live.len())
    }

    /// Deletes what is too old or too much. Runs that still print count with all that they may come to.
    fn tidy(&self) {
        let live = |run: &i64| KeptLog { run: *run, bytes: self.share(), age: 0, live: true };
        let mut kept: HashMap<i64, (KeptLog, Vec<PathBuf>)> =
            self.live.keys().map(|run| (*run, (live(run), Vec::new()))).collect();
        for (run, path) in files(&self.folder) {
            let Ok(meta) = path.metadata() else { continue };
            let age = meta.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            let age = age.unwrap_or_default().as_secs();
            let (kept, paths) =
                kept.entry(run).or_insert((KeptLog { run, bytes: 0, age, live: false }, Vec::new()));
            if kept.live {
                continue;
            }
            kept.bytes += meta.len();
            kept.age = kept.age.min(age);
            paths.push(path);
        }
        let all: Vec<KeptLog> = kept.values().map(|(kept, _)| *kept).collect();
        for run in self.bounds.too_much(&all) {
            for path in kept.get(&run).map_or(&[][..], |(_, paths)| paths) {
                if let Err(error) = fs::remove_file(path) {
                    log::warn!("logs: {} can't be deleted: {error}", path.display());
                }
            }
        }
    }
}

impl RunFile {
    fn new(folder: &Path, run: i64, model: String, variant: &str) -> Self {
        let safe =
            |letter: char| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
        let name: String = model.chars().map(safe).take(60).collect();
        let about = serde_json::json!({"run": run, "model": model, "variant": variant});
        let head = format!("== LLM-Manager {about} ==\n");
        Self {
            path: folder.join(format!("{run}_{name}{LOG}")),
            older: folder.join(format!("{run}_{name}{OLDER}")),
            model,
            head,
            file: None,
            written: 0,
            older_bytes: 0,
            pending: [Vec::new(), Vec::new()],
            told: None,
            surge: OutputSurge::new(Instant::now()),
            left_out: 0,
            at_line_start: true,
            missing: 0,
            rests_until: None,
        }
    }

    /// Writes what was held back; true: there is a new file.
    fn release(&mut self, segment: u64, mask: &Mask) -> bool {
        let (left_out, held) = self.surge.release(Instant::now());
        let mut cut = [left_out > 0; 2];
        if left_out > 0 {
            self.left_out += left_out;
            for pending in &mut self.pending {
                self.left_out += pending.len() as u64;
                pending.clear();
            }
        }
        let mut fresh = false;
        for piece in held {
            let OutputPiece { pipe, time, .. } = piece;
            let mut rest = piece.rest();
            if std::mem::take(&mut cut[slot(pipe)]) {
                // What is left of the line that was cut is no line.
                let end = memchr::memchr2(b'\n', b'\r', rest).map_or(rest.len(), |end| end + 1);
                self.left_out += end as u64;
                rest = &rest[end..];
            }
            fresh |= self.take(pipe, time, rest, segment, mask);
        }
        fresh
    }

    /// Writes all whole lines; true: there is a new file.
    fn take(&mut self, pipe: Pipe, time: Timestamp, bytes: &[u8], segment: u64, mask: &Mask) -> bool {
        let pending = &mut self.pending[slot(pipe)];
        let whole = memchr::memrchr2(b'\n', b'\r', bytes).map_or(0, |end| end + 1);
        let (now, later) = bytes.split_at(whole);
        let mut line = Vec::new();
        let mut rest = now;
        if !pending.is_empty() && whole > 0 {
            // The line that was begun earlier, and only that one, is put together.
            let end = memchr::memchr2(b'\n', b'\r', now).map_or(now.len(), |end| end + 1);
            line = std::mem::take(pending);
            line.extend_from_slice(&now[..end]);
            rest = &now[end..];
        }
        pending.extend_from_slice(later);
        if pending.len() > LONGEST_LINE && line.is_empty() && rest.is_empty() {
            let cut = pending.len() - mask.overlap().min(pending.len());
            let kept = pending.split_off(cut);
            line = std::mem::replace(pending, kept);
        }
        let mut fresh = false;
        for part in [line.as_slice(), rest] {
            if !part.is_empty() {
                fresh |= self.write(pipe, time, &mask.hide(part), segment);
            }
        }
        fresh
    }

    fn write(&mut self, pipe: Pipe, time: Timestamp, bytes: &[u8], segment: u64) -> bool {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            self.missing += bytes.len() as u64;
            return false;
        }
        let (mut fresh, mut rest) = (false, bytes);
        while !rest.is_empty() {
            // A piece that is larger than a segment is cut, so that the bound is one.
            let room = usize::try_from(segment).unwrap_or(usize::MAX).max(1);
            let (part, next) = rest.split_at(rest.len().min(room));
            match self.try_write(pipe, time, part, segment) {
                Ok(new) => fresh |= new,
                Err(error) => {
                    if self.rests_until.is_none() {
                        let path = self.path.display();
                        log::warn!(
                            "models/{}: its log {path} can't be written: {error}; its output stays in memory, and the \
                             file is tried again every {} s",
                            self.model,
                            REST.as_secs()
                        );
                    }
                    self.file = None;
                    self.missing += rest.len() as u64;
                    self.rests_until = Some(Instant::now() + REST);
                    return fresh;
                }
            }
            rest = next;
        }
        self.rests_until = None;
        fresh
    }

    fn try_write(&mut self, pipe: Pipe, time: Timestamp, bytes: &[u8], segment: u64) -> io::Result<bool> {
        let mut fresh = false;
        if self.written > 0 && self.written + bytes.len() as u64 > segment {
            // The name first: the file that goes on is always the one without `older`.
            self.file = None;
            fs::rename(&self.path, &self.older)?;
            self.older_bytes = self.written;
            self.written = 0;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut file = private_file(&self.path)?;
                if self.written == 0 {
                    file.write_all(self.head.as_bytes())?;
                    self.written = self.head.len() as u64;
                }
                self.told = None;
                self.at_line_start = true;
                fresh = true;
                none.insert(file)
            }
        };
        let now = time.as_millisecond();
        if self.missing > 0 {
            let line = format!("== {} bytes are missing here: the disk was too slow ==\n", self.missing);
            file.write_all(line.as_bytes())?;
            self.written += line.len() as u64;
            self.missing = 0;
            self.told = None;
        }
        if self.left_out > 0 {
            let line = format!("== {} bytes are left out here: no more is kept ==\n", self.left_out);
            file.write_all(line.as_bytes())?;
            self.written += line.len() as u64;
            self.left_out = 0;
            self.told = None;
        }
        let same = |(stream, at): &(Pipe, i64)| *stream == pipe && now - at < TELL_TIME && *at <= now;
        if !self.told.as_ref().is_some_and(same) {
            let end = if self.at_line_start { "" } else { "\n" };
            let line = format!("{end}== {time:.3} {} ==\n", name(pipe));
            file.write_all(line.as_bytes())?;
            self.written += line.len() as u64;
            self.told = Some((pipe, now));
        }
        file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        self.at_line_start = bytes.last().is_some_and(|last| matches!(last, b'\n' | b'\r'));
        Ok(fresh)
    }

    /// Lines without an end are written as they are.
    fn finish(&mut self, mask: &Mask) {
        for pipe in [Pipe::Stdout, Pipe::Stderr] {
            let mut line = std::mem::take(&mut self.pending[slot(pipe)]);
            if !line.is_empty() {
                line.push(b'\n');
                self.write(pipe, Timestamp::now(), &mask.hide(&line), u64::MAX);
            }
        }
        if self.missing > 0 && self.file.is_some() {
            let line = format!("== {} bytes are missing here: the disk was too slow ==\n", self.missing);
            // The last words of a log that has gaps anyway.
            let _ = self.file.as_mut().map(|file| file.write_all(line.as_bytes()));
        }
    }
}

fn slot(pipe: Pipe) -> usize {
    match pipe {
        Pipe::Stdout => 0,
        Pipe::Stderr => 1,
    }
}

pub(in crate::logs) fn name(pipe: Pipe) -> &'static str {
    match pipe {
        Pipe::Stdout => "stdout",
        Pipe::Stderr => "stderr",
    }
}

/// Every file of a run in the folder, with the number of its run.
pub(in crate::logs) fn files(folder: &Path) -> Vec<(i64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name();
        let (run, rest) = name.to_str()?.split_once('_')?;
        rest.ends_with(LOG).then(|| Some((run.parse().ok()?, entry.path())))?
    });
    named.collect()
}

/// What backends print may be private.
fn private_file(path: &Path) -> io::Result<File> {
    private_files::file().create(true).append(true).open(path)
}

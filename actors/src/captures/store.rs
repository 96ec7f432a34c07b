//! The thread's side: one file for each request that is kept. Its first line is the head as JSON, then come both bodies.

use super::capture::{Capture, CaptureHead, CaptureSelection};
use super::draft::{CaptureCommand, CaptureCounters, CaptureDraft};
use crate::logs::mask::Mask;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use llm_manager_ledger::{Micros, now_us};
use llm_manager_policy::capture::{self, CaptureBounds, KeptCapture};
use llm_manager_process::private_files;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// So many are kept at most.
const MOST: usize = 10_000;
/// How long the thread sleeps at most: clocks are set.
const LONGEST_REST: Duration = Duration::from_secs(600);
const SHORTEST_REST: Duration = Duration::from_millis(10);
/// The end of the names of files.
const ENDING: &str = ".capture";

/// Beginning of the request, and a number that tells those of one moment apart.
type Place = (Micros, u64);

/// All that are kept.
pub(super) struct CaptureStore {
    folder: PathBuf,
    bounds: CaptureBounds,
    mask: Arc<Mask>,
    shared: Arc<CaptureCounters>,
    /// The oldest first.
    all: BTreeMap<Place, Entry>,
    next: u64,
}

struct Entry {
    request_id: String,
    model: String,
    bytes: u64,
}

impl CaptureStore {
    pub(super) fn new(
        folder: PathBuf,
        bounds: CaptureBounds,
        mask: Arc<Mask>,
        shared: Arc<CaptureCounters>,
    ) -> Self {
        Self { folder, bounds, mask, shared, all: BTreeMap::new(), next: 0 }
    }

    pub(super) fn run(mut self, orders: &Receiver<CaptureCommand>) {
        if let Err(error) = self.find() {
            log::warn!(
                "captures: {}: {error}: what is in it is neither shown nor deleted",
                self.folder.display()
            );
        }
        loop {
            self.tidy();
            match orders.recv_timeout(self.rest()) {
                Ok(order) => self.obey(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn obey(&mut self, order: CaptureCommand) {
        match order {
            CaptureCommand::Keep(draft) => {
                if let Err(error) = self.keep(&draft) {
                    self.shared.miss(&format!("{}: {error}", self.folder.display()));
                }
            }
            // Whoever has gone away needs no answer.
            CaptureCommand::Read(id, started, reply) => drop(reply.send(self.read(&id, started))),
            CaptureCommand::Known(mut wanted, reply) => {
                let all = self.all.iter();
                let kept: HashSet<(&str, Micros)> =
                    all.map(|((started, _), entry)| (entry.request_id.as_str(), *started)).collect();
                wanted.retain(|(id, started)| kept.contains(&(id.as_str(), *started)));
                drop(reply.send(wanted));
            }
            CaptureCommand::Forget(which, reply) => {
                let is_one = |entry: &Entry| match &which {
                    CaptureSelection::Request(id) => entry.request_id == *id,
                    CaptureSelection::Models(names) => names.contains(&entry.model),
                };
                let places: Vec<Place> =
                    self.all.iter().filter(|(_, entry)| is_one(entry)).map(|(place, _)| *place).collect();
                places.iter().for_each(|place| self.delete(*place));
                let _ = reply.send(places.len());
            }
            CaptureCommand::Bounds(bounds) => self.bounds = bounds,
            CaptureCommand::Mark(reply) => {
                let _ = reply.send(());
            }
        }
        self.shared.files.store(self.all.len(), Ordering::Relaxed);
    }

    /// What a former manager has left.
    fn find(&mut self) -> io::Result<()> {
        let found = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        for file in found {
            let path = file?.path();
            let Some(place) = place_of(&path) else { continue };
            match head(&path) {
                Ok((head, bytes)) => {
                    self.next = self.next.max(place.1 + 1);
                    self.add(place, Entry { request_id: head.request_id, model: head.model, bytes });
                }
                Err(error) => {
                    log::warn!("captures: {} is deleted: {error}", path.display());
                    remove(&path);
                }
            }
        }
        Ok(())
    }

    fn path(&self, (started, number): Place) -> PathBuf {
        self.folder.join(format!("{started:016x}-{number:08x}{ENDING}"))
    }

    fn add(&mut self, place: Place, entry: Entry) {
        self.shared.bytes.fetch_add(entry.bytes, Ordering::Relaxed);
        self.all.insert(place, entry);
        self.shared.files.store(self.all.len(), Ordering::Relaxed);
    }

    fn keep(&mut self, draft: &CaptureDraft) -> io::Result<()> {
        private_files::folder(&self.folder)?;
        let (request, answer) = (self.mask.hide(&draft.request), self.mask.hide(&draft.answer));
        let mut head = draft.head.clone();
        (head.request.kept, head.answer.kept) = (request.len(), answer.len());
        let line = serde_json::to_vec(&head)?;
        let line = self.mask.hide(&line);
        let place = (head.started_us.max(0), self.next);
        self.next += 1;
        let path = self.path(place);
        let parts = [&*line, b"\n", &*request, &*answer];
        let written = private_files::file().write(true).create_new(true).open(&path);
        let written = written.and_then(|mut file| parts.iter().try_for_each(|part| file.write_all(part)));
        if let Err(error) = written {
            remove(&path);
            return Err(error);
        }
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        self.add(place, Entry { request_id: head.request_id, model: head.model, bytes });
        Ok(())
    }

    fn read(&self, id: &str, started: Option<Micros>) -> Option<Capture> {
        let mut newest_first = self.all.iter().rev();
        let (place, _) = newest_first.find(|((began, _), entry)| {
            entry.request_id == id && started.is_none_or(|started| started == *began)
        })?;
        let kept = KeptCapture { started_us: place.0, bytes: 0 };
        match whole(&self.path(*place)) {
            Ok((head, request, answer)) => {
                Some(Capture { head, request, answer, due_us: capture::due_us(kept, &self.bounds) })
            }
            Err(error) => {
                log::warn!("captures: {}: {error}", self.path(*place).display());
                None
            }
        }
    }

    fn delete(&mut self, place: Place) {
        let Some(entry) = self.all.remove(&place) else { return };
        self.shared.bytes.fetch_sub(entry.bytes, Ordering::Relaxed);
        remove(&self.path(place));
    }

    fn oldest_first(&self) -> impl Iterator<Item = KeptCapture> + Clone {
        self.all
            .iter()
            .map(|((started_us, _), entry)| KeptCapture { started_us: *started_us, bytes: entry.bytes })
    }

    fn tidy(&mut self) {
        let doomed = capture::doomed(self.oldest_first(), now_us(), MOST, &self.bounds);
        let places: Vec<Place> = self.all.keys().take(doomed).copied().collect();
        places.into_iter().for_each(|place| self.delete(place));
        self.shared.files.store(self.all.len(), Ordering::Relaxed);
    }

    /// Until the oldest one is due.
    fn rest(&self) -> Duration {
        let Some(oldest) = self.oldest_first().next() else { return LONGEST_REST };
        let left = capture::due_us(oldest, &self.bounds).saturating_sub(now_us());
        Duration::from_micros(u64::try_from(left).unwrap_or(0)).clamp(SHORTEST_REST, LONGEST_REST)
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log::error!("captures: {} can't be deleted: {error}", path.display());
        }
        _ => {}
    }
}

/// The place that a file's name tells; `None`: it is none of ours.
fn place_of(path: &Path) -> Option<Place> {
    let (started, number) = path.file_name()?.to_str()?.strip_suffix(ENDING)?.split_once('-')?;
    Some((Micros::from_str_radix(started, 16).ok()?, u64::from_str_radix(number, 16).ok()?))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// The head of a file that is whole, and the size of the file.
fn head(path: &Path) -> io::Result<(CaptureHead, u64)> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut line = Vec::new();
    BufReader::new(file).read_until(b'\n', &mut line)?;
    let head: CaptureHead = serde_json::from_slice(&line)?;
    let whole = (line.len() + head.request.kept + head.answer.kept) as u64;
    if whole == bytes { Ok((head, bytes)) } else { Err(broken("it is not whole")) }
}

/// The head and both bodies.
fn whole(path: &Path) -> io::Result<(CaptureHead, Vec<u8>, Vec<u8>)> {
    let bytes = fs::read(path)?;
    let end = memchr::memchr(b'\n', &bytes).ok_or_else(|| broken("it has no head"))?;
    let (line, bodies) = bytes.split_at(end);
    let head: CaptureHead = serde_json::from_slice(line)?;
    let bodies = bodies.get(1..).unwrap_or_default();
    let (request, answer) =
        bodies.split_at_checked(head.request.kept).ok_or_else(|| broken("it is not whole"))?;
    let (request, answer) = (request.to_vec(), answer.to_vec());
    Ok((head, request, answer))
}

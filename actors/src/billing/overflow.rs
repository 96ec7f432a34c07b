//! The overflow file: where rows go that the database cannot take now. One thread owns it.
//!
//! Each line is a checksum and an event as JSON, with a line break before it, so that a line that was torn
//! (a full disk, a crash) spoils no other. Some room is reserved beside it, which a disk that is full gives back: rows of the
//! first minutes of a full disk are kept. To be played back, the file is renamed to a segment; nobody
//! appends to segments.

use super::lost_events::LostEvents;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use llm_manager_ledger::LedgerEvent;
use llm_manager_policy::system::no_thread;
use llm_manager_process::private_files;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Orders that may wait for the thread.
const ORDERS: usize = 16_384;
/// Events that are held while even the file cannot be written.
const HELD: usize = 65_536;
/// So many bytes must fit on the disk before it counts as not full any more.
const ROOM: usize = 1 << 20;
/// What is reserved for the file: some thousand rows.
const RESERVE: usize = 1 << 20;
/// Events of one write.
const BATCH: usize = 1000;
/// After a write that failed, rows are held without another try for so long at least, and for so many times what the try took: what is held
/// becomes much on a full disk, and a try for each row that comes would leave no time to take the rows.
const PAUSE: Duration = Duration::from_millis(50);
const TIMES_TRY: u32 = 10;

enum Order {
    One(LedgerEvent),
    Many(Arc<Vec<LedgerEvent>>, oneshot::Sender<Result<(), String>>),
    Segments(Sender<Result<Vec<PathBuf>, String>>),
    Finish(oneshot::Sender<LostEvents>),
    Room(oneshot::Sender<Result<(), String>>),
}

/// The way to the thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct Overflow {
    orders: Sender<Order>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// There may be something to play back.
    dirty: AtomicBool,
    lost_requests: AtomicU64,
    lost_entries: AtomicU64,
    spilled: AtomicU64,
}

impl Overflow {
    /// Starts the thread; it ends with the last handle.
    pub(super) fn start(path: PathBuf) -> io::Result<Self> {
        let (orders, inbox) = bounded(ORDERS);
        let shared = Arc::new(Shared::default());
        let left_over = path.exists() || !segments(&path)?.is_empty();
        shared.dirty.store(left_over, Ordering::Relaxed);
        let owner = Owner::new(path, Arc::clone(&shared));
        std::thread::Builder::new()
            .name("ledger-overflow".into())
            .spawn(move || owner.run(&inbox))
            .map_err(|error| io::Error::new(error.kind(), no_thread(&error)))?;
        Ok(Self { orders, shared })
    }

    /// Hands over one event without waiting.
    pub(super) fn one(&self, event: LedgerEvent) {
        if let Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) =
            self.orders.try_send(Order::One(event))
            && let Order::One(event) = order
        {
            self.shared.lose(LostEvents::of([&event]), "it is too much at once");
        }
    }

    /// Has events written, and answers when they are on the disk. Doesn't block.
    pub(super) fn many(&self, events: &Arc<Vec<LedgerEvent>>) -> oneshot::Receiver<Result<(), String>> {
        let (reply, answer) = oneshot::channel();
        if let Err(error) = self.orders.try_send(Order::Many(Arc::clone(events), reply)) {
            let why = match error {
                TrySendError::Full(_) => "its thread does not keep up",
                TrySendError::Disconnected(_) => "its thread has ended",
            };
            if let (Order::Many(_, reply), why) = (error.into_inner(), why) {
                let _ = reply.send(Err(why.to_owned()));
            }
        }
        answer
    }

    /// Whether there is room for a little more than a row, beside the file.
    pub(super) fn room(&self) -> oneshot::Receiver<Result<(), String>> {
        let (reply, answer) = oneshot::channel();
        // A thread that doesn't keep up drops the question, and that is an answer, too.
        let _ = self.orders.try_send(Order::Room(reply));
        answer
    }

    /// The last try for what could not be written so far; answers what that leaves in memory alone.
    pub(super) fn finish(&self) -> oneshot::Receiver<LostEvents> {
        let (reply, answer) = oneshot::channel();
        // Nobody there: nothing is held either.
        let _ = self.orders.try_send(Order::Finish(reply));
        answer
    }

    /// Events that are lost for good.
    pub(super) fn lose(&self, lost: LostEvents, why: &str) {
        if !lost.is_none() {
            self.shared.lose(lost, why);
        }
    }

    /// Files to be played back, oldest first; from now on nothing is added to them. Blocks.
    pub(super) fn segments(&self) -> Result<Vec<PathBuf>, String> {
        let (reply, answer) = bounded(1);
        let gone = |_| "the thread of the overflow file has ended".to_owned();
        self.orders.send(Order::Segments(reply)).map_err(|_| gone(()))?;
        answer.recv().map_err(|_| gone(()))?
    }

    /// True when there may be something to play back.
    pub(super) fn is_dirty(&self) -> bool {
        self.shared.dirty.load(Ordering::Relaxed)
    }

    /// What could be written nowhere.
    pub(super) fn lost(&self) -> LostEvents {
        self.shared.lost()
    }

    /// Events that went through the file.
    pub(super) fn spilled(&self) -> u64 {
        self.shared.spilled.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lost(&self) -> LostEvents {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LostEvents { requests: get(&self.lost_requests), entries: get(&self.lost_entries) }
    }

    fn lose(&self, lost: LostEvents, why: &str) {
        let before = self.lost_requests.fetch_add(lost.requests, Ordering::Relaxed)
            + self.lost_entries.fetch_add(lost.entries, Ordering::Relaxed);
        let now = before + lost.requests + lost.entries;
        // One line for the first, then one for each doubling.
        if before == 0 || now.ilog2() > before.ilog2() {
            log::error!("billing: lost so far: {} ({why})", self.lost());
        }
    }
}

struct Owner {
    path: PathBuf,
    file: Option<File>,
    held: VecDeque<LedgerEvent>,
    /// The last write of what is held, if it failed.
    failure: Option<Failure>,
    shared: Arc<Shared>,
}

struct Failure {
    retry_at: Instant,
    why: String,
}

impl Owner {
    fn new(path: PathBuf, shared: Arc<Shared>) -> Self {
        Self { path, file: None, held: VecDeque::new(), failure: None, shared }
    }

    fn run(mut self, inbox: &Receiver<Order>) {
        if let Err(error) = self.reserve() {
            let path = self.reserve_path();
            log::debug!("billing: {}: {error}; nothing is reserved for the overflow file", path.display());
        }
        let mut next = inbox.recv().ok();
        while let Some(order) = next.take() {
            match order {
                Order::One(event) => {
                    self.held.push_back(event);
                    // Those behind it go along.
                    while self.held.len() < BATCH {
                        match inbox.try_recv() {
                            Ok(Order::One(event)) => self.held.push_back(event),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.write_held_if_due();
                }
                Order::Many(events, reply) => {
                    let done = self.append(events.iter()).map_err(|error| error.to_string());
                    let _ = reply.send(done);
                }
                Order::Finish(reply) => {
                    self.write_held();
                    let _ = reply.send(LostEvents::of(&self.held));
                    self.held.clear();
                }
                Order::Room(reply) => {
                    let _ = reply.send(self.room().map_err(|error| error.to_string()));
                }
                Order::Segments(reply) => {
                    let _ = reply.send(self.cut().map_err(|error| error.to_string()));
                }
            }
            if next.is_none() {
                next = inbox.recv().ok();
            }
        }
        self.write_held();
    }

    fn write_held_if_due(&mut self) {
        match &self.failure {
            Some(failure) if Instant::now() < failure.retry_at => self.lose_excess(),
            _ => self.write_held(),
        }
    }

    fn write_held(&mut self) {
        let (held, began) = (std::mem::take(&mut self.held), Instant::now());
        let written = self.append(held.iter());
        self.failure = written.err().map(|error| Failure {
            retry_at: Instant::now() + (began.elapsed() * TIMES_TRY).max(PAUSE),
            why: format!("{}: {error}", self.path.display()),
        });
        if self.failure.is_some() {
            self.held = held;
            self.lose_excess();
        }
    }

    /// More than this isn't held.
    fn lose_excess(&mut self) {
        let excess = self.held.len().saturating_sub(HELD);
        if let Some(failure) = self.failure.as_ref().filter(|_| excess > 0) {
            let lost = LostEvents::of(&self.held.drain(..excess).collect::<Vec<_>>());
            self.shared.lose(lost, &failure.why);
        }
    }

    fn append<'a>(&mut self, events: impl Iterator<Item = &'a LedgerEvent>) -> io::Result<()> {
        let mut text = Vec::new();
        let mut count = 0;
        for event in events {
            write_line(&mut text, event)?;
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        self.shared.dirty.store(true, Ordering::Relaxed);
        match self.write(&text) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull && self.give_reserve_back() => {
                self.write(&text)?;
            }
            written => written?,
        }
        self.shared.spilled.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let mut file = match self.file.take() {
            // Somebody has taken it away: a row in a file without a name is lost.
            Some(file) if is_named(&file, &self.path) => file,
            _ => self.open()?,
        };
        let before = file.metadata()?.len();
        if let Err(error) = file.write_all(text).and_then(|()| file.sync_data()) {
            // A full disk gets back what it took of it.
            let _ = file.set_len(before);
            return Err(error);
        }
        self.file = Some(file);
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        let open = || private_files::file().append(true).create(true).open(&self.path);
        match (open(), self.path.parent()) {
            // Its folder was moved away: rows are better kept in a new one than in memory alone.
            (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder)?;
                open()
            }
            (opened, _) => opened,
        }
    }

    fn reserve_path(&self) -> PathBuf {
        self.path.with_extension("reserve")
    }

    /// Reserves room, unless it is.
    fn reserve(&self) -> io::Result<()> {
        let path = self.reserve_path();
        if fs::metadata(&path).is_ok_and(|meta| meta.len() == RESERVE as u64) {
            return Ok(());
        }
        // What there is of one that isn't whole is of no use.
        fill(&path, RESERVE).inspect_err(|_| drop(fs::remove_file(&path)))
    }

    /// False: there was none any more.
    fn give_reserve_back(&self) -> bool {
        fs::remove_file(self.reserve_path()).is_ok()
    }

    /// A disk that is full takes a row now and then, where another file has just become shorter.
    fn room(&self) -> io::Result<()> {
        let trial = with_suffix(&self.path, ".room");
        // Beside the reserve, or a disk that gets it back would take turns with itself.
        let written = fill(&trial, ROOM).and_then(|()| self.reserve());
        let removed = fs::remove_file(&trial);
        written.and(removed)
    }

    /// Makes a segment of the file.
    fn cut(&mut self) -> io::Result<Vec<PathBuf>> {
        self.write_held();
        self.file = None;
        let mut all = segments(&self.path)?;
        if self.path.exists() {
            let number = all.last().and_then(|last| number_of(&self.path, last)).unwrap_or(0) + 1;
            let segment = with_suffix(&self.path, &format!(".{number:08}"));
            fs::rename(&self.path, &segment)?;
            all.push(segment);
        }
        self.shared.dirty.store(!self.held.is_empty(), Ordering::Relaxed);
        Ok(all)
    }
}

/// Makes a file that takes so much of the disk.
fn fill(path: &Path, bytes: usize) -> io::Result<()> {
    let mut file = private_files::file().write(true).create(true).truncate(true).open(path)?;
    file.write_all(&vec![0; bytes])?;
    file.sync_data()
}

#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |meta: &fs::Metadata| (meta.dev(), meta.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(one), Ok(other)) if number(&one) == number(&other))
}

#[cfg(not(unix))]
fn is_named(_: &File, path: &Path) -> bool {
    path.exists()
}

/// The path with something after it.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn number_of(path: &Path, segment: &Path) -> Option<u64> {
    let name = segment.file_name()?.to_str()?;
    name.strip_prefix(path.file_name()?.to_str()?)?.strip_prefix('.')?.parse().ok()
}

fn segments(path: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let segment = folder.join(entry?.file_name());
        if number_of(path, &segment).is_some() {
            found.push(segment);
        }
    }
    found.sort();
    Ok(found)
}

/// FNV-1a: it tells a torn line from a whole one, no more.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn write_line(into: &mut Vec<u8>, event: &LedgerEvent) -> io::Result<()> {
    let json = serde_json::to_vec(event)?;
    write!(into, "\n{:016x} ", checksum(&json))?;
    into.extend_from_slice(&json);
    into.push(b'\n');
    Ok(())
}

/// `None`: the line is damaged.
pub(super) fn read_line(line: &[u8]) -> Option<LedgerEvent> {
    let (sum, json) = line.split_at_checked(16)?;
    let json = json.strip_prefix(b" ")?;
    let sum = u64::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    if sum != checksum(json) {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_manager_ledger::{RequestRow, Sender};

    /// What a version before senders has written, and what this one writes.
    #[test]
    fn rows_of_an_older_version_are_read() {
        let old = r#"{"Request":{"key":7,"request_id":"r","labels":{"model":"m","variant":"gpu","mode":"Chat","endpoint":"/v1/chat/completions","api_key":"","currency":""},"started_us":1,"duration_us":2,"queue_us":0,"first_byte_us":1,"status":200,"outcome":"ok","tokens":{"input":1,"cached":null,"cache_write":null,"output":2,"reasoning":null},"usage_source":"backend","cost":null,"pricing":"no_plan","plan_id":null,"run_id":null,"replayed":false,"error":null}}"#;
        let line = format!("{:016x} {old}", checksum(old.as_bytes()));
        let Some(LedgerEvent::Request(row)) = read_line(line.as_bytes()) else { panic!("{line}") };
        assert_eq!((row.request_id.as_str(), row.status, row.sender.clone()), ("r", 200, None));
        // A row without a sender is written as it was: the older version would read it, too.
        let mut bytes = Vec::new();
        write_line(&mut bytes, &LedgerEvent::Request(row)).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap().trim(), line);
        let sender = Some(Sender::shared(Some([192, 0, 2, 7].into()), "curl/8.5", "alias", true));
        let new = LedgerEvent::Request(Box::new(RequestRow { sender, ..RequestRow::default() }));
        let mut bytes = Vec::new();
        write_line(&mut bytes, &new).unwrap();
        assert_eq!(read_line(bytes.trim_ascii()), Some(new));
    }

    /// Each try would write all that is held, which becomes more with each row.
    #[test]
    fn a_write_that_failed_is_not_tried_again_for_each_row() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("folder");
        fs::write(&folder, "in its way").unwrap();
        let mut owner = Owner::new(folder.join("ledger.db.overflow"), Arc::default());
        let retry_at = |owner: &Owner| owner.failure.as_ref().map(|failure| failure.retry_at);
        let take = |owner: &mut Owner| {
            owner.held.push_back(LedgerEvent::Request(Box::default()));
            owner.write_held_if_due();
        };
        take(&mut owner);
        let later = Instant::now() + Duration::from_secs(60);
        assert!(retry_at(&owner).is_some());
        owner.failure.as_mut().unwrap().retry_at = later;
        for _ in 0..10 {
            take(&mut owner);
        }
        assert_eq!((owner.held.len(), retry_at(&owner)), (11, Some(later)));
        owner.held.resize(HELD + 3, LedgerEvent::Request(Box::default()));
        take(&mut owner);
        assert_eq!(
            (owner.held.len(), owner.shared.lost().requests),
            (HELD, 4),
            "what is held is bounded meanwhile"
        );
        // Once it may be tried, and can be written, all is.
        fs::remove_file(&folder).unwrap();
        owner.failure.as_mut().unwrap().retry_at = Instant::now();
        take(&mut owner);
        assert_eq!((owner.held.len(), retry_at(&owner)), (0, None));
        assert_eq!(owner.shared.spilled.load(Ordering::Relaxed), HELD as u64 + 1);
    }
}

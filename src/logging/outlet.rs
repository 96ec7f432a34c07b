//! Standard error, or a file, written by a thread of its own: a reader that doesn't read, or a slow disk, can stop that
//! thread, and nobody else.
//!
//! The queue before it has a bound. While it is full lines are lost; they are counted, and the next line that gets
//! through says how many.

use llm_manager_policy::system::no_thread;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Lines that may wait.
const LINES: usize = 4096;
/// Bytes that may wait.
const BYTES: usize = 4 << 20;

enum Item {
    Line(Vec<u8>),
    /// All lines before it have been written.
    Mark(SyncSender<()>),
}

#[derive(Default)]
struct Counts {
    waiting: AtomicUsize,
    lost: AtomicU64,
}

/// The way to the thread; clones share it. Writing never blocks and never fails.
#[derive(Clone)]
pub(super) struct LogWriter {
    queue: SyncSender<Item>,
    counts: Arc<Counts>,
}

impl LogWriter {
    /// Starts the thread that writes to `target`. `note` words how many lines are missing.
    pub(super) fn start(
        target: impl Write + Send + 'static,
        note: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, items) = sync_channel(LINES);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&items, &shared, target, note))
            .map_err(|error| io::Error::new(error.kind(), no_thread(&error)))?;
        Ok(Self { queue, counts })
    }

    /// Hands a line over, or counts it as lost.
    pub(super) fn hand_over(&self, line: Vec<u8>) {
        let size = line.len();
        if self.counts.waiting.fetch_add(size, Ordering::Relaxed) + size > BYTES
            || self.queue.try_send(Item::Line(line)).is_err()
        {
            self.counts.waiting.fetch_sub(size, Ordering::Relaxed);
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was handed over has been written, but not for longer than `limit`.
    pub(super) fn drain(&self, limit: Duration) {
        let (written, reached) = sync_channel(1);
        match self.queue.try_send(Item::Mark(written)) {
            // Full or gone: there is nobody to wait for.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            Ok(()) => {
                let _ = reached.recv_timeout(limit);
            }
        }
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.hand_over(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(items: &Receiver<Item>, counts: &Counts, mut target: impl Write, note: impl Fn(u64) -> String) {
    // Where standard error is gone, the exit code and `/api/logs` must do.
    while let Ok(item) = items.recv() {
        match item {
            Item::Line(line) => {
                counts.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                let _ = target.write_all(&line);
            }
            Item::Mark(written) => {
                let _ = written.try_send(());
            }
        }
        let lost = counts.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = target.write_all(note(lost).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn note(lost: u64) -> String {
        format!("({lost} lines are missing)\n")
    }

    /// Takes what was permitted, then blocks.
    struct Gate {
        permits: std::sync::mpsc::Receiver<()>,
        written: std::sync::mpsc::Sender<String>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.permits.recv().map_err(io::Error::other)?;
            self.written.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_loses_lines_and_is_told_how_many() {
        let (permit, permits) = channel();
        let (written, lines) = channel();
        let mut outlet = LogWriter::start(Gate { permits, written }, note).unwrap();
        // One line may be in the thread's hands, the others wait; the last ones find no room.
        let sent = LINES + 50;
        for number in 0..sent {
            outlet.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        outlet.drain(Duration::from_millis(1));
        (0..=sent).for_each(|_| permit.send(()).unwrap());
        let mut got = 0;
        let lost: usize = loop {
            let line = lines.recv_timeout(Duration::from_secs(20)).unwrap();
            match line.strip_prefix('(') {
                Some(note) => break note.split(' ').next().unwrap().parse().unwrap(),
                None => got += 1,
            }
        };
        // The note came after the first line; what waited then follows it.
        permit.send(()).ok();
        while got + lost < sent {
            lines.recv_timeout(Duration::from_secs(20)).unwrap();
            got += 1;
        }
        assert!((49..=50).contains(&lost), "{lost} of {sent}");
    }

    #[test]
    fn large_lines_count_by_their_size() {
        let (permit, permits) = channel();
        let (written, lines) = channel();
        let mut outlet = LogWriter::start(Gate { permits, written }, note).unwrap();
        for _ in 0..12 {
            outlet.write_all(&vec![b'x'; 1 << 20]).unwrap();
        }
        (0..20).for_each(|_| permit.send(()).unwrap());
        let note = std::iter::from_fn(|| lines.recv_timeout(Duration::from_secs(20)).ok())
            .find(|line| line.starts_with('('))
            .unwrap();
        let lost: usize = note[1..].split(' ').next().unwrap().parse().unwrap();
        assert!((7..=8).contains(&lost), "{note}");
    }

    #[test]
    fn draining_waits_for_what_was_handed_over() {
        let (written, lines) = channel();
        let (permit, permits) = channel();
        let mut outlet = LogWriter::start(Gate { permits, written }, note).unwrap();
        outlet.write_all(b"the last words\n").unwrap();
        (0..4).for_each(|_| permit.send(()).unwrap());
        outlet.drain(Duration::from_secs(20));
        assert!(lines.try_recv().unwrap().starts_with("the last words"));
    }
}

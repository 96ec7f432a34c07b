//! LogHub: keeps the newest lines of every backend and of the manager itself, and feeds those who follow.
//!
//! Each source has a ring that is bounded in lines and in bytes; the oldest lines go first. A follower that
//! falls behind by more than `FOLLOWER_LAG` lines misses the oldest of them and is told so by its channel.

pub mod files;
pub mod mask;
pub mod read;

use crate::ActorRef;
use actix::{Actor, Context, Handler, Message, MessageResult};
use files::LogFiles;
use futures_util::future::LocalBoxFuture;
use llm_manager_process::{Keeper, LaunchOrder, OutputSink, Pipe};
use mask::Mask;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// The source name of the manager's own log; no model can have it.
pub const MANAGER: &str = "";

const RING_LINES: usize = 20_000;
const RING_BYTES: usize = 4 << 20;
const FOLLOWER_LAG: usize = 4096;
/// Whoever has asked for lines may still be looking at them.
const LOOKED: Duration = Duration::from_secs(300);

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl From<Pipe> for LogStream {
    fn from(pipe: Pipe) -> Self {
        match pipe {
            Pipe::Stdout => Self::Stdout,
            Pipe::Stderr => Self::Stderr,
        }
    }
}

/// One line.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// When it was read.
    pub time: jiff::Timestamp,
    /// Where it came from.
    pub stream: LogStream,
    /// The line without its end.
    pub text: String,
}

/// A line with its place in the log of its source.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Counts the lines of the source from 1.
    pub seq: u64,
    pub line: LogLine,
}

/// Lines of one source, in order. Sent by the readers of a backend's output and by the manager's logger.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Append {
    /// A model's name, or `MANAGER`.
    pub source: Arc<str>,
    /// What it printed.
    pub lines: Vec<LogLine>,
}

/// Asks for the newest lines of a source; answers also a channel of the lines to come.
#[derive(Message)]
#[rtype(result = "Followed")]
pub struct Follow {
    /// A model's name, or `MANAGER`.
    pub source: Arc<str>,
    /// How many lines at the most.
    pub tail: usize,
}

/// Whether somebody follows a source, or has asked for its lines a short time ago.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct IsWanted(pub Arc<str>);

/// The answer to `Follow`: nothing is missing between the two parts, and nothing is in both.
pub struct Followed {
    /// The newest lines so far, oldest first.
    pub lines: Vec<Arc<LogEntry>>,
    /// The lines to come.
    pub next: broadcast::Receiver<Arc<LogEntry>>,
}

struct Ring {
    entries: VecDeque<Arc<LogEntry>>,
    bytes: usize,
    last_seq: u64,
    followers: broadcast::Sender<Arc<LogEntry>>,
    /// When somebody last asked for lines.
    asked: Option<Instant>,
}

impl Ring {
    fn new() -> Self {
        let (followers, _) = broadcast::channel(FOLLOWER_LAG);
        Self { entries: VecDeque::new(), bytes: 0, last_seq: 0, followers, asked: None }
    }

    fn push(&mut self, line: LogLine) {
        self.last_seq += 1;
        self.bytes += line.text.len();
        let entry = Arc::new(LogEntry { seq: self.last_seq, line });
        self.entries.push_back(Arc::clone(&entry));
        while self.entries.len() > RING_LINES || (self.bytes > RING_BYTES && self.entries.len() > 1) {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.line.text.len();
        }
        // Nobody follows: that is not an error.
        let _ = self.followers.send(entry);
    }

    fn tail(&self, count: usize) -> Vec<Arc<LogEntry>> {
        let skip = self.entries.len().saturating_sub(count);
        self.entries.iter().skip(skip).cloned().collect()
    }
}

/// The actor.
#[derive(Default)]
pub struct LogHub {
    rings: HashMap<Arc<str>, Ring>,
}

impl Actor for LogHub {
    type Context = Context<Self>;
}

impl Handler<Append> for LogHub {
    type Result = ();

    fn handle(&mut self, append: Append, _: &mut Context<Self>) {
        let ring = self.rings.entry(append.source).or_insert_with(Ring::new);
        for line in append.lines {
            ring.push(line);
        }
    }
}

impl Handler<Follow> for LogHub {
    type Result = MessageResult<Follow>;

    fn handle(&mut self, follow: Follow, _: &mut Context<Self>) -> Self::Result {
        let ring = self.rings.entry(follow.source).or_insert_with(Ring::new);
        ring.asked = Some(Instant::now());
        MessageResult(Followed { lines: ring.tail(follow.tail), next: ring.followers.subscribe() })
    }
}

impl Handler<IsWanted> for LogHub {
    type Result = bool;

    fn handle(&mut self, IsWanted(source): IsWanted, _: &mut Context<Self>) -> bool {
        let wanted = |ring: &Ring| {
            let asked = ring.asked.is_some_and(|asked| asked.elapsed() < LOOKED);
            asked || ring.followers.receiver_count() > 0
        };
        self.rings.get(&source).is_some_and(wanted)
    }
}

/// Brings the output of backends to the LogHub, and to their files.
pub struct HubSink {
    /// Keeps the newest lines.
    pub hub: ActorRef<LogHub>,
    /// Keeps all of it, if anything does.
    pub files: Option<LogFiles>,
    /// Of several managers, each has files of its own.
    pub has_own_files: bool,
    /// Hides secrets.
    pub mask: Arc<Mask>,
}

impl OutputSink for HubSink {
    fn mask(&self, line: &mut String) {
        self.mask.hide_in(line);
    }

    fn is_wanted(&self, model: &Arc<str>) -> LocalBoxFuture<'static, bool> {
        let (addr, model) = (self.hub.addr(), Arc::clone(model));
        Box::pin(async move {
            match addr {
                Some(addr) => addr.send(IsWanted(model)).await.unwrap_or_default(),
                None => false,
            }
        })
    }

    fn keep(&self, order: &LaunchOrder) -> Option<Rc<dyn Keeper>> {
        let log = self.files.as_ref()?.open(order.run, &order.model, &order.variant);
        Some(Rc::new(log))
    }

    fn has_what_was_kept(&self) -> bool {
        !self.has_own_files
    }

    fn take(&self, model: &Arc<str>, pipe: Pipe, lines: Vec<String>) -> LocalBoxFuture<'static, ()> {
        let Some(addr) = self.hub.addr() else { return Box::pin(async {}) };
        let (time, stream) = (jiff::Timestamp::now(), pipe.into());
        let lines = lines.into_iter().map(|text| LogLine { time, stream, text }).collect();
        let append = Append { source: Arc::clone(model), lines };
        Box::pin(async move {
            // A hub that has crashed meanwhile has lost its ring anyway.
            let _ = addr.send(append).await;
        })
    }
}

/// A line of the manager's own log.
pub fn manager_line(text: String) -> LogLine {
    LogLine { time: jiff::Timestamp::now(), stream: LogStream::Stderr, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_go_when_the_ring_is_full() {
        let mut ring = Ring::new();
        for number in 0..RING_LINES + 5 {
            ring.push(manager_line(format!("{number}")));
        }
        assert_eq!(ring.entries.len(), RING_LINES);
        assert_eq!(ring.tail(1).first().map(|entry| entry.seq), Some(RING_LINES as u64 + 5));
        assert_eq!(ring.entries.front().map(|entry| entry.seq), Some(6));
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let mut ring = Ring::new();
        for _ in 0..10 {
            ring.push(manager_line("x".repeat(RING_BYTES / 4)));
        }
        assert_eq!(ring.entries.len(), 4);
        assert_eq!(ring.bytes, RING_BYTES);
    }
}

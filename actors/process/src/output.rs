//! Reads what a backend writes: a backend that can't write stands still, so a reader never stops reading.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;
use tokio::time::sleep;

use super::flood::OutputFlood;
use super::line_splitter::{OutputLine, Splitter};
use super::platform;
use super::{Keeper, LaunchOrder, OutputSink, Pipe, Tail};

/// Lines that are kept for messages.
const TAIL_LINES: usize = 20;
/// A line without an end is shown after this much silence: a prompt, a bar without a return.
const PARTIAL_AFTER: Duration = Duration::from_millis(500);
/// When nothing of the tree is left, a stranger holds the pipe open; this much silence ends the reading.
const SILENCE_AFTER_END: Duration = Duration::from_millis(200);
/// And this many bytes: a pipe never holds more, so the rest isn't the tree's.
const BYTES_AFTER_END: usize = 1024 * 1024;
const BUFFER: usize = 64 * 1024;
/// How long a flood may gather in a pipe that holds much: to be woken for each piece costs more than to read it.
const GATHER: Duration = Duration::from_millis(4);
/// A pipe in which as much has gathered is read on at once, so that nobody who writes has to wait.
const GATHERED: usize = platform::WIDE / 2;

/// Keeps the newest lines of both streams.
pub(super) struct TailWriter {
    sender: watch::Sender<Tail>,
    /// The newest line came from this stream and a terminal would write over it.
    overwrite: Cell<Option<Pipe>>,
}

impl TailWriter {
    pub(super) fn new() -> Self {
        Self { sender: watch::Sender::new(Tail::default()), overwrite: Cell::new(None) }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Tail> {
        self.sender.subscribe()
    }

    pub(super) fn last_lines(&self) -> Vec<String> {
        self.sender.borrow().lines.iter().cloned().collect()
    }

    fn push(&self, stream: Pipe, lines: &[OutputLine]) {
        self.sender.send_modify(|tail| {
            for line in lines {
                tail.seen += 1;
                if line.text.trim().is_empty() {
                    continue;
                }
                // A progress bar takes one line of the tail, not all of them.
                if self.overwrite.get() == Some(stream) {
                    tail.lines.pop_back();
                } else if tail.lines.len() == TAIL_LINES {
                    tail.lines.pop_front();
                }
                tail.lines.push_back(line.text.clone());
                self.overwrite.set(line.overwritten.then_some(stream));
            }
        });
    }
}

/// Where the lines of one run go.
#[derive(Clone)]
pub(super) struct RunOutput {
    pub(super) model: Arc<str>,
    pub(super) sink: Rc<dyn OutputSink>,
    pub(super) tail: Rc<TailWriter>,
    /// Keeps all of it for later.
    pub(super) keeper: Option<Rc<dyn Keeper>>,
    /// True when nothing of the process tree is left.
    pub(super) tree_gone: watch::Receiver<bool>,
}

impl RunOutput {
    /// Reads a stream to its end. `widen` has the pipe hold `WIDE` bytes, if it can.
    pub(super) async fn drain<R: AsyncRead + Unpin>(
        mut self,
        stream: Pipe,
        mut pipe: R,
        widen: fn(&R) -> bool,
    ) {
        let mut wide = None;
        let mut found = 0;
        let mut splitter = Splitter::default();
        let mut buffer = vec![0; BUFFER];
        let mut after_end = 0;
        let mut flood = OutputFlood::default();
        while after_end < BYTES_AFTER_END {
            let mut lines = Vec::new();
            let read = tokio::select! {
                biased;
                read = pipe.read(&mut buffer) => read,
                () = flood.ebbs() => {
                    flood.release(&mut splitter, &mut lines);
                    self.publish(stream, lines).await;
                    continue;
                }
                () = sleep(PARTIAL_AFTER), if splitter.has_partial() => {
                    lines.extend(splitter.take_partial());
                    self.publish(stream, lines).await;
                    continue;
                }
                () = silence_after_end(&mut self.tree_gone) => break,
            };
            match read {
                Ok(0) => break,
                Ok(count) => {
                    if *self.tree_gone.borrow() {
                        after_end += count;
                    }
                    let mut gathers = false;
                    if let Some(keeper) = &self.keeper {
                        let bytes: Arc<[u8]> = Arc::from(&buffer[..count]);
                        keeper.keep(stream, Arc::clone(&bytes));
                        if !flood.takes(&bytes) {
                            splitter.feed(&bytes, &mut lines);
                        } else {
                            found += count;
                            if flood.is_due() {
                                flood.release(&mut splitter, &mut lines);
                            }
                            let is_empty = count < buffer.len();
                            let is_wide = *wide.get_or_insert_with(|| widen(&pipe));
                            gathers = is_empty && std::mem::take(&mut found) < GATHERED && is_wide;
                            if is_wide {
                                buffer.resize(GATHERED, 0);
                            }
                        }
                    } else {
                        splitter.feed(&buffer[..count], &mut lines);
                    }
                    self.publish(stream, lines).await;
                    if gathers {
                        sleep(GATHER).await;
                    }
                }
                Err(error) => {
                    log::warn!("models/{}: its output can't be read any further: {error}", self.model);
                    break;
                }
            }
        }
        let mut lines = Vec::new();
        flood.release(&mut splitter, &mut lines);
        lines.extend(splitter.take_partial());
        self.publish(stream, lines).await;
    }

    async fn publish(&self, stream: Pipe, mut lines: Vec<OutputLine>) {
        if lines.is_empty() {
            return;
        }
        lines.iter_mut().for_each(|line| self.sink.mask(&mut line.text));
        self.tail.push(stream, &lines);
        let lines = lines.into_iter().map(|line| line.text).collect();
        self.sink.take(&self.model, stream, lines).await;
    }
}

/// The output of a run that is no process of this machine: what its place hands on.
pub struct FarOutput {
    outlet: RunOutput,
    over: watch::Sender<bool>,
}

/// So many bytes of what comes next an earlier manager has kept for later: they are shown, and not kept again.
#[derive(Clone, Debug, Default)]
pub struct AlreadyKept(Arc<AtomicU64>);

impl AlreadyKept {
    /// So many more, told before they are handed on.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The part of a piece that isn't kept yet.
    fn new_of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let again = self.0.load(Ordering::Relaxed).min(bytes.len() as u64);
        self.0.fetch_sub(again, Ordering::Relaxed);
        usize::try_from(again).ok().and_then(|again| bytes.get(again..)).unwrap_or_default()
    }
}

/// Keeps what isn't kept yet.
struct KeepsNew {
    keeper: Rc<dyn Keeper>,
    again: AlreadyKept,
}

impl Keeper for KeepsNew {
    fn keep(&self, pipe: Pipe, bytes: Arc<[u8]>) {
        let new = self.again.new_of(&bytes);
        if new.len() == bytes.len() {
            self.keeper.keep(pipe, bytes);
        } else if !new.is_empty() {
            self.keeper.keep(pipe, Arc::from(new));
        }
    }
}

impl FarOutput {
    /// For the run of this order. Whoever reads what it prints says what of it is there `again`.
    pub fn new(order: &LaunchOrder, sink: &Rc<dyn OutputSink>, again: AlreadyKept) -> Self {
        let over = watch::Sender::new(false);
        let keeps_new = |keeper| -> Rc<dyn Keeper> {
            if sink.has_what_was_kept() { Rc::new(KeepsNew { keeper, again }) } else { keeper }
        };
        let outlet = RunOutput {
            model: Arc::from(order.model.as_str()),
            keeper: sink.keep(order).map(keeps_new),
            sink: Rc::clone(sink),
            tail: Rc::new(TailWriter::new()),
            tree_gone: over.subscribe(),
        };
        Self { outlet, over }
    }

    /// The newest lines, as they come.
    pub fn tail(&self) -> watch::Receiver<Tail> {
        self.outlet.tail.subscribe()
    }

    /// The newest lines.
    pub fn last_lines(&self) -> Vec<String> {
        self.outlet.tail.last_lines()
    }

    /// Reads a stream to its end, which the one who writes it has to bring about.
    pub fn drain<R: AsyncRead + Unpin + 'static>(&self, pipe: R) -> impl Future<Output = ()> + 'static {
        let (outlet, over) = (self.outlet.clone(), self.over.clone());
        async move {
            outlet.drain(Pipe::Stdout, pipe, |_| false).await;
            drop(over);
        }
    }
}

async fn silence_after_end(tree_gone: &mut watch::Receiver<bool>) {
    // The sender is gone only together with the run, so an error means the same.
    let _ = tree_gone.wait_for(|gone| *gone).await;
    sleep(SILENCE_AFTER_END).await;
}

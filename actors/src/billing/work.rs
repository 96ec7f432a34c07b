//! What is done at the database, off the async threads: one piece of work at a time.

use super::handle::{Batch, Core};
use super::jobs::LedgerJob;
use super::replay::{Replay, ReplayStep};
use llm_manager_ledger::{BatchResult, JobProgress, LedgerEvent, StoreError, Writer};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// One piece of work.
pub(super) enum Work {
    /// Writes a batch into the ledger.
    Write(Arc<Batch>),
    /// Plays back some of the overflow file.
    Replay(Replay),
    /// A step of a job.
    Job(LedgerJob),
    /// The last piece of all.
    Close,
}

/// What comes back from it.
pub(super) struct WorkResult {
    /// The job or the replay, if it is not finished.
    pub(super) again: Option<Work>,
    /// Why the ledger could not be written.
    pub(super) trouble: Option<StoreError>,
    /// Rows have reached the ledger, so it can be written.
    pub(super) proved: bool,
}

/// What the hand of the database has before it.
pub(super) struct DatabaseWorker {
    pub(super) core: Arc<Core>,
    /// The connection, unless it has to be opened anew.
    pub(super) writer: Option<Writer>,
    /// Set when nobody waits for this hand any more.
    pub(super) given_up: Arc<AtomicBool>,
    /// What was written last: should the file turn out to be gone, it is written again.
    recent: VecDeque<(Instant, Arc<Vec<LedgerEvent>>)>,
}

/// How long rows are remembered after they were written: a heartbeat, and what it takes.
const REMEMBERED: Duration = Duration::from_secs(6);
/// Rows that are remembered at most.
const MOST_REMEMBERED: usize = 8192;

impl DatabaseWorker {
    pub(super) fn new(core: Arc<Core>, given_up: Arc<AtomicBool>) -> Self {
        Self { core, writer: None, given_up, recent: VecDeque::new() }
    }

    /// Does a piece of work. Blocks.
    pub(super) fn perform(&mut self, work: Work) -> WorkResult {
        let mut done = WorkResult { again: None, trouble: None, proved: false };
        let result = match work {
            Work::Write(batch) => self.write(&batch).map(|()| done.proved = true),
            Work::Replay(replay) => self.replay(&mut done, replay),
            Work::Job(job) => self.job(&mut done, job),
            Work::Close => self.close(),
        };
        if let Err(error) = result {
            if matches!(error, StoreError::Lost(_)) {
                self.part();
            }
            let no_fault = match error {
                StoreError::Locked(_) | StoreError::Refused(_) | StoreError::Conflict(_) => true,
                // The last connection takes the journal with it, and on a full disk there is no room for another's.
                StoreError::Full(_) => self.writer.as_mut().is_some_and(Writer::is_sound),
                _ => false,
            };
            if !no_fault {
                self.writer = None;
            }
            self.core.counters.failures.fetch_add(1, Ordering::Relaxed);
            done.proved = false;
            done.trouble = Some(error);
        }
        done
    }

    fn writer(&mut self) -> Result<&mut Writer, StoreError> {
        let writer = match self.writer.take().or_else(|| self.core.spare.try_recv().ok()) {
            Some(writer) => writer,
            None => self.open()?,
        };
        Ok(self.writer.insert(writer.until(Arc::clone(&self.given_up))))
    }

    fn open(&self) -> Result<Writer, StoreError> {
        let core = &self.core;
        let mut writer = Writer::open_held(&core.location, core.eye.as_ref(), core.company)?;
        let run = core.program_run.load(Ordering::Relaxed);
        if let Some(run) = writer.register(run, core.started_us, &core.version)? {
            log::warn!("billing: rows now go into another ledger: {}", core.location);
            core.program_run.store(run, Ordering::Relaxed);
            core.load_prices(&mut writer)?;
        }
        Ok(writer)
    }

    /// The file isn't the ledger any more.
    fn part(&mut self) {
        self.core.reader.renew();
        if let Some(kept) = self.writer.take().and_then(Writer::part) {
            log::warn!(
                "billing: the journal of the file that was overwritten is now {}: it has the newest rows of that file, and is \
                 read with it alone",
                kept.display()
            );
        }
        self.write_again();
        self.core.reader.renew_and_wait();
    }

    /// What was written a moment ago goes into the overflow file.
    fn write_again(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        let events: Vec<LedgerEvent> = recent.into_iter().flat_map(|(_, events)| events.to_vec()).collect();
        if events.is_empty() {
            return;
        }
        let count = events.len();
        match self.core.overflow.many(&Arc::new(events)).blocking_recv() {
            Ok(Ok(())) => {
                log::warn!(
                    "billing: the last {count} rows are written again: they may have been lost with the file"
                )
            }
            _ => log::error!("billing: the last {count} rows may have been lost with the file"),
        }
    }

    fn count(&self, written: BatchResult) {
        let counters = &self.core.counters;
        counters.written.fetch_add(written.requests as u64, Ordering::Relaxed);
        counters.duplicates.fetch_add(written.duplicates as u64, Ordering::Relaxed);
    }

    fn write(&mut self, batch: &Arc<Batch>) -> Result<(), StoreError> {
        // Set before the try: if this breaks off, the next one has to look whether it was written.
        let tried = batch.tried.swap(true, Ordering::AcqRel);
        let written = self.writer()?.write(&batch.events, tried)?;
        self.count(written);
        self.core.batch_done(batch);
        self.remember(&batch.events);
        Ok(())
    }

    fn remember(&mut self, events: &Arc<Vec<LedgerEvent>>) {
        if self.core.eye.is_none() || events.is_empty() {
            return;
        }
        let now = Instant::now();
        self.recent.push_back((now, Arc::clone(events)));
        let mut rows: usize = self.recent.iter().map(|(_, events)| events.len()).sum();
        while let Some((at, events)) = self.recent.front() {
            if rows <= MOST_REMEMBERED && now.duration_since(*at) <= REMEMBERED {
                break;
            }
            rows -= events.len();
            self.recent.pop_front();
        }
    }

    fn replay(&mut self, done: &mut WorkResult, mut replay: Replay) -> Result<(), StoreError> {
        let core = Arc::clone(&self.core);
        let stepped = self.writer().and_then(|writer| replay.step(&core, writer));
        let ReplayStep { events, written, step } = match stepped {
            Ok(stepped) => stepped,
            Err(error) => {
                done.again = Some(Work::Replay(replay));
                return Err(error);
            }
        };
        self.count(written);
        self.remember(&events);
        core.counters.replayed.fetch_add(written.requests as u64, Ordering::Relaxed);
        // Rows that were there already don't prove that others can be written.
        done.proved = written.requests > 0;
        if step == JobProgress::More {
            done.again = Some(Work::Replay(replay));
        }
        Ok(())
    }

    fn job(&mut self, done: &mut WorkResult, job: LedgerJob) -> Result<(), StoreError> {
        let core = Arc::clone(&self.core);
        let stepped = match self.writer() {
            Ok(writer) => job.step(writer, &core),
            Err(error) => job.failed(error),
        };
        match stepped {
            Ok(next) => {
                done.again = next.map(Work::Job);
                Ok(())
            }
            Err((error, next)) => {
                done.again = next.map(Work::Job);
                Err(error)
            }
        }
    }

    /// All rows are somewhere safe.
    fn close(&mut self) -> Result<(), StoreError> {
        let (run, now) = (self.core.program_run.load(Ordering::Relaxed), self.core.alive_us());
        let writer = self.writer()?;
        writer.end_program(run, now)?;
        writer.checkpoint()?;
        self.writer = None;
        Ok(())
    }
}

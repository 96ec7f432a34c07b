//! `Ledger`: the handle through which everything is recorded, and what must outlive the actor.

use super::borrowed_run::BorrowedRun;
use super::lost_events::LostEvents;
use super::overflow::Overflow;
use super::prices::Prices;
use arc_swap::{ArcSwap, ArcSwapOption};
use crossbeam_channel::{Receiver, Sender, TrySendError};
use llm_manager_ledger::{
    AuditRow, Company, FolderLock, Heartbeat, KeySource, LedgerEvent, LedgerFileHandle, LedgerReader,
    Location, Micros, RequestRow, StoreError, Writer, now_us,
};
use llm_manager_policy::pricing::{self, Cost, Currency, Money};
use llm_manager_policy::spec::Electricity;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Rows of one transaction at most.
pub(super) const BATCH: usize = 1000;

/// How long the last rows may take on their way into the overflow file.
const LAST_SPILL: Duration = Duration::from_secs(1);

/// Records requests and runs without ever waiting. Cheap to clone.
#[derive(Clone)]
pub struct Ledger(pub(super) Arc<Core>);

/// Events that are being written: they stay here until they are safe somewhere.
pub(super) struct Batch {
    pub(super) events: Arc<Vec<LedgerEvent>>,
    /// A try has failed, so some of it may be in the ledger already.
    pub(super) tried: AtomicBool,
}

/// What outlives the actor.
pub(super) struct Core {
    pub(super) location: Location,
    pub(super) company: Company,
    /// Runs that another manager records, or has begun to, by the number that they have here.
    pub(super) lent: ArcSwap<BTreeMap<i64, BorrowedRun>>,
    pub(super) version: String,
    /// This run of the manager in the ledger; another one if another file took the ledger's place.
    pub(super) program_run: AtomicI64,
    pub(super) started_us: Micros,
    pub(super) started: Instant,
    /// Steady time until the last sign of life in the ledger, in microseconds.
    pub(super) beaten_us: AtomicU64,
    /// Runs that are open, with their start by both clocks.
    pub(super) open_runs: ArcSwap<BTreeMap<i64, (Micros, Instant)>>,
    /// Sees whether the file is still the ledger.
    pub(super) eye: Option<Arc<LedgerFileHandle>>,
    /// A connection for whoever writes next: the one that has opened the ledger.
    pub(super) spare: Receiver<Writer>,
    pub(super) spares: Sender<Writer>,
    /// The folder is this manager's alone.
    pub(super) hold: ArcSwapOption<FolderLock>,
    pub(super) reader: LedgerReader,
    pub(super) put: Sender<LedgerEvent>,
    pub(super) take: Receiver<LedgerEvent>,
    pub(super) wake: Notify,
    /// The actor has been woken and has not looked since.
    pub(super) woken: AtomicBool,
    pub(super) in_flight: ArcSwapOption<Batch>,
    pub(super) overflow: Overflow,
    pub(super) overflow_path: PathBuf,
    pub(super) prices: ArcSwap<Prices>,
    pub(super) keys: KeySource,
    pub(super) last_run: AtomicI64,
    pub(super) closed: AtomicBool,
    pub(super) alarm: AtomicBool,
    pub(super) counters: Counters,
    pub(super) last_error: ArcSwapOption<String>,
    pub(super) state: AtomicU8,
    pub(super) records: bool,
    pub(super) electricity: ArcSwapOption<Electricity>,
    /// Days that rows are kept; `u32::MAX`: for good.
    pub(super) retention_days: AtomicU32,
}

#[derive(Default)]
pub(super) struct Counters {
    /// Events that were handed over.
    pub(super) pushed: AtomicU64,
    /// Events that are safe in the ledger or in the overflow file, or lost for good.
    pub(super) done: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) duplicates: AtomicU64,
    pub(super) replayed: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) unrecorded: AtomicU64,
}

/// What the actor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum LedgerState {
    Idle,
    Flushing,
    Backoff,
    Closed,
}

impl LedgerState {
    fn text(number: u8) -> &'static str {
        match number {
            0 => "idle",
            1 => "flushing",
            2 => "backoff",
            _ => "closed",
        }
    }
}

/// How the recording is going; for metrics and the tree of supervision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerStatus {
    /// `idle`, `flushing`, `backoff` or `closed`.
    pub state: &'static str,
    /// Events that wait in the queue.
    pub queued: usize,
    /// Events that the queue holds.
    pub capacity: usize,
    /// True from half full on, until it is nearly empty again.
    pub alarm: bool,
    /// Requests that were written by this process.
    pub written: u64,
    /// Requests that were in the ledger already when they were to be written again.
    pub duplicates: u64,
    /// Events that went into the overflow file.
    pub spilled: u64,
    /// Requests that were played back from it.
    pub replayed: u64,
    /// Requests that could be kept nowhere.
    pub lost: u64,
    /// Other entries (of runs, of the audit) that could be kept nowhere.
    pub lost_entries: u64,
    /// Events that the database did not take; they are in the file of the rejected.
    pub rejected: u64,
    /// Batches that could not be written at once.
    pub failures: u64,
    /// Requests that reached a backend and whose tokens nobody knows.
    pub usage_unrecorded: u64,
    /// Rows wait in the overflow file.
    pub waits_in_overflow: bool,
    /// The last trouble, while it lasts.
    pub last_error: Option<String>,
}

impl Ledger {
    /// False when `LLM_MANAGER_RECORDING=off` is in the environment: requests leave no trace, so that a measurement
    /// can show what recording costs.
    pub fn records(&self) -> bool {
        self.0.records
    }

    /// Records a request that has ended: prices it, and hands it over. Never waits.
    pub fn record(&self, row: impl Into<Box<RequestRow>>) {
        let core = &self.0;
        let mut row = row.into();
        row.bound();
        row.key = core.keys.next(row.ended_us());
        core.prices.load().price(&mut row);
        if row.unrecorded() {
            core.counters.unrecorded.fetch_add(1, Ordering::Relaxed);
        }
        self.push(LedgerEvent::Request(row));
    }

    /// Records who did what. Never waits.
    pub fn audit(&self, row: AuditRow) {
        let at_us = now_us();
        let key = self.0.keys.next(at_us);
        self.push(LedgerEvent::Audit(Box::new(AuditRow { key, at_us, ..row })));
    }

    /// A run has begun: it gets heartbeats.
    pub(super) fn run_opened(&self, id: i64, start: Micros, since: Instant) {
        self.0.open_runs.rcu(|runs| {
            let mut runs = BTreeMap::clone(runs);
            runs.insert(id, (start, since));
            runs
        });
    }

    /// A run has ended: no heartbeat any more.
    pub(super) fn run_ended(&self, id: i64) {
        self.0.open_runs.rcu(|runs| {
            let mut runs = BTreeMap::clone(runs);
            runs.remove(&id);
            runs
        });
    }

    /// What this much electricity costs, in the ledger's unit of money, and its currency.
    pub(super) fn electricity(&self, millijoules: u64) -> Option<(i64, Arc<str>)> {
        let Electricity { per_kwh, currency } = self.0.electricity.load().as_deref().copied()?;
        let money = pricing::electricity(millijoules, per_kwh).and_then(Money::as_i64);
        Some((money.unwrap_or(i64::MAX), currency.as_str().into()))
    }

    /// From now on rows are kept for this long, and electricity costs this much.
    pub fn reconfigure(&self, retention_days: u32, electricity: Option<Electricity>) {
        self.0.retention_days.store(retention_days, Ordering::Relaxed);
        self.0.electricity.store(electricity.map(Arc::new));
    }

    /// What so many tokens of a model cost now, and in which currency; `None`: nothing, or nobody knows.
    pub fn price_of(&self, model: &str, tokens: pricing::Tokens) -> Option<(Money, Currency)> {
        let prices = self.0.prices.load();
        let plan = prices.at(model, now_us())?.plan.as_ref()?;
        match plan.cost(tokens) {
            Ok(Cost::Priced(parts)) => Some((parts.total, plan.currency())),
            _ => None,
        }
    }

    /// The most that so much input can cost now, with up to so much output.
    pub fn price_up_to(&self, model: &str, input: u64, output: u64) -> Option<(Money, Currency)> {
        let prices = self.0.prices.load();
        let plan = prices.at(model, now_us())?.plan.as_ref()?;
        Some((plan.most(input, output)?, plan.currency()))
    }

    /// The prices in force, as they are now.
    pub fn prices(&self) -> Arc<Prices> {
        self.0.prices.load_full()
    }

    /// For reports.
    pub fn reader(&self) -> &LedgerReader {
        &self.0.reader
    }

    /// When this run of the manager began; for the totals of the session.
    pub fn session_start(&self) -> Micros {
        self.0.started_us
    }

    /// How it is going.
    pub fn status(&self) -> LedgerStatus {
        let core = &self.0;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LedgerStatus {
            state: LedgerState::text(core.state.load(Ordering::Relaxed)),
            queued: core.take.len(),
            capacity: core.take.capacity().unwrap_or(0),
            alarm: core.alarm.load(Ordering::Relaxed),
            written: get(&core.counters.written),
            duplicates: get(&core.counters.duplicates),
            spilled: core.overflow.spilled(),
            replayed: get(&core.counters.replayed),
            lost: core.overflow.lost().requests,
            lost_entries: core.overflow.lost().entries,
            rejected: get(&core.counters.rejected),
            failures: get(&core.counters.failures),
            usage_unrecorded: get(&core.counters.unrecorded),
            waits_in_overflow: core.overflow.is_dirty(),
            last_error: core.last_error.load().as_deref().cloned(),
        }
    }

    /// What is in memory alone goes into the overflow file; nothing is taken for the ledger any more. Doesn't wait
    /// for the ledger.
    pub async fn spill_all(&self) {
        let core = &self.0;
        core.closed.store(true, Ordering::Release);
        while let Some(batch) = core.next_batch() {
            let spilled = actix_rt::time::timeout(LAST_SPILL, core.overflow.many(&batch.events)).await;
            if !matches!(spilled, Ok(Ok(Ok(())))) {
                core.overflow.lose(
                    LostEvents::of(&*batch.events),
                    "the overflow file could not be written at the end",
                );
            }
            core.batch_done(&batch);
        }
        core.hold.store(None);
    }

    pub(super) fn push(&self, event: LedgerEvent) {
        let core = &self.0;
        core.counters.pushed.fetch_add(1, Ordering::AcqRel);
        match core.put.try_send(event) {
            Ok(()) => core.after_push(),
            Err(TrySendError::Full(event) | TrySendError::Disconnected(event)) => core.spill_one(event),
        }
    }
}

/// A time by the wall's clock at the start, and by a steady one since.
fn steady_us(start: Micros, since: Instant) -> Micros {
    start.saturating_add(i64::try_from(since.elapsed().as_micros()).unwrap_or(i64::MAX))
}

impl Core {
    /// Until when the manager has lived, whatever the wall's clock did meanwhile.
    pub(super) fn alive_us(&self) -> Micros {
        steady_us(self.started_us, self.started)
    }

    /// A sign of life of the manager and of its own runs.
    pub(super) fn beat(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let elapsed = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let passed = elapsed.saturating_sub(self.beaten_us.load(Ordering::Relaxed));
        let open = self.open_runs.load();
        writer.heartbeat(&Heartbeat {
            program_run: self.program_run.load(Ordering::Relaxed),
            alive_us: self.alive_us(),
            runs: open
                .iter()
                .filter_map(|(id, (start, since))| Some((self.recorded_as(*id)?, steady_us(*start, *since))))
                .collect(),
            wall_us: now_us(),
            passed: Duration::from_micros(passed),
        })?;
        self.beaten_us.store(elapsed, Ordering::Relaxed);
        Ok(())
    }

    fn after_push(&self) {
        let queued = self.take.len();
        let capacity = self.take.capacity().unwrap_or(usize::MAX);
        if queued > capacity / 2 && !self.alarm.swap(true, Ordering::Relaxed) {
            log::error!("billing: the ledger does not keep up: {queued} of {capacity} rows wait for it");
        }
        if self.closed.load(Ordering::Acquire) {
            // Nobody will take them from the queue any more.
            while let Ok(event) = self.take.try_recv() {
                self.spill_one(event);
            }
        } else if self.is_first_since_a_look() || queued == BATCH {
            self.wake.notify_one();
        }
    }

    /// Looks before it writes: all threads that serve write here.
    fn is_first_since_a_look(&self) -> bool {
        !self.woken.load(Ordering::Acquire) && !self.woken.swap(true, Ordering::AcqRel)
    }

    fn spill_one(&self, event: LedgerEvent) {
        self.overflow.one(event);
        self.counters.done.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes the next batch from the queue, unless one is still being written.
    pub(super) fn next_batch(&self) -> Option<Arc<Batch>> {
        if let Some(batch) = self.in_flight.load_full() {
            return Some(batch);
        }
        self.woken.store(false, Ordering::Release);
        let events: Vec<LedgerEvent> = self.take.try_iter().take(BATCH).collect();
        if self.take.len() < self.take.capacity().unwrap_or(0) / 4
            && self.alarm.swap(false, Ordering::Relaxed)
        {
            log::warn!("billing: the ledger has caught up");
        }
        if events.is_empty() {
            return None;
        }
        let batch = Arc::new(Batch { events: Arc::new(events), tried: AtomicBool::new(false) });
        self.in_flight.store(Some(Arc::clone(&batch)));
        Some(batch)
    }

    /// The batch is safe. Counted once, even if a crashed actor's last work and its successor both bring it
    /// home.
    pub(super) fn batch_done(&self, batch: &Arc<Batch>) {
        let before = self.in_flight.compare_and_swap(batch, None);
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, batch)) {
            self.counters.done.fetch_add(batch.events.len() as u64, Ordering::AcqRel);
        }
    }

    /// Makes the plans in the ledger those by which requests are priced. Blocks.
    pub(super) fn load_prices(&self, writer: &mut Writer) -> Result<(), StoreError> {
        self.prices.store(Arc::new(Prices::new(writer.plans()?)));
        Ok(())
    }

    pub(super) fn set_state(&self, state: LedgerState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }
}

//! A life of a backend, held by whoever owns the backend: opened when it is started, closed when it ends.

use super::borrowed_run::BorrowedRun;
use super::handle::{Core, Ledger};
use llm_manager_ledger::{Energy, LedgerEvent, Micros, Parking, RunRow, now_us};
use llm_manager_policy::ending::EndCause;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often the energy of a running backend is recorded.
const TELL_ENERGY: Duration = Duration::from_secs(10);

/// A backend that was started.
pub struct RunStart {
    /// The model's name.
    pub model: Arc<str>,
    /// Its launch configuration.
    pub variant: Arc<str>,
    /// As `next_run` has given it.
    pub id: i64,
    /// When it was first wanted.
    pub queued_us: Micros,
    /// It is paid from its start on, not from ready on.
    pub bill_loading: bool,
    /// Who began it, kind and name: `local:alice`.
    pub started_by: Arc<str>,
}

/// How a run ended.
pub struct RunEnd {
    /// The backend's exit, in words.
    pub exit: String,
    /// Why.
    pub cause: EndCause,
    /// Of an evicted one: the model that needed its memory.
    pub evicted_for: Option<Arc<str>>,
    /// Who ended it, if somebody or a rule did.
    pub ended_by: Option<Arc<str>>,
}

/// An open run, in the ledger. Dropping it closes it, too.
pub struct OpenRun {
    ledger: Ledger,
    row: RunRow,
    started: Instant,
    told: Instant,
}

impl Ledger {
    /// The number of the next run; later ones are larger.
    pub fn next_run(&self) -> i64 {
        let now = now_us();
        // Microseconds, but no two the same.
        let next = |last: i64| Some(now.max(last + 1));
        let last = self.0.last_run.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(0);
        now.max(last + 1)
    }

    /// Opens a run: a backend was started.
    pub fn run_started(&self, run: RunStart) -> OpenRun {
        let now = now_us();
        let row = RunRow {
            id: run.id,
            model: run.model,
            variant: run.variant,
            queued_us: Some(run.queued_us.min(now)),
            started_us: now,
            heartbeat_us: now,
            bill_loading: run.bill_loading,
            started_by: Some(run.started_by.to_string()),
            ..RunRow::default()
        };
        let at = Instant::now();
        self.run_opened(row.id, row.started_us, at);
        let mut run = OpenRun { ledger: self.clone(), row, started: at, told: at };
        run.tell();
        run
    }
}

impl OpenRun {
    /// The number by which requests refer to it.
    pub fn id(&self) -> i64 {
        self.ledger.number_of(self.row.id)
    }

    /// It has become ready.
    pub fn ready(&mut self) {
        let now = self.now();
        self.row.heartbeat_us = now;
        self.row.ready_us.get_or_insert(now);
        self.tell();
    }

    /// It is parked from now on.
    pub fn parked(&mut self) {
        if self.row.parked.iter().all(|parking| parking.to_us.is_some()) {
            let now = self.now();
            self.row.heartbeat_us = now;
            // Those before were told with their ends.
            self.row.parked = vec![Parking { from_us: now, to_us: None }];
            self.tell();
        }
    }

    /// It is parked no more.
    pub fn unparked(&mut self) {
        let now = self.now();
        if let Some(parking) = self.row.parked.iter_mut().find(|parking| parking.to_us.is_none()) {
            parking.to_us = Some(now);
            self.row.heartbeat_us = now;
            self.tell();
        }
    }

    /// It has drawn this much more from the socket.
    pub fn drew(&mut self, millijoules: u64) {
        let before = self.row.energy.as_ref().map_or(0, |energy| energy.millijoules);
        let all = before.saturating_add(i64::try_from(millijoules).unwrap_or(i64::MAX));
        let cost = self.ledger.electricity(all.cast_unsigned());
        self.row.energy = Some(Energy { millijoules: all, cost });
        // A manager that is killed loses the energy of the last seconds, not that of the whole run.
        if self.told.elapsed() >= TELL_ENERGY {
            self.row.heartbeat_us = self.now();
            self.tell();
        }
    }

    /// It has ended.
    pub fn ended(mut self, end: RunEnd) {
        self.row.cause = Some(end.cause.text().to_owned());
        self.row.evicted_for = end.evicted_for.map(|model| model.to_string());
        self.row.ended_by = end.ended_by.map(|by| by.to_string());
        self.close(end.exit);
    }

    fn close(&mut self, reason: String) {
        if self.row.ended_us.is_none() {
            let now = self.now();
            self.row.heartbeat_us = now;
            self.row.ended_us = Some(now);
            self.row.end_reason = Some(reason);
            self.ledger.run_ended(self.row.id);
            self.tell();
        }
    }

    /// By the wall clock at the start and a steady one since: its length is true whatever the clock does.
    fn now(&self) -> Micros {
        let elapsed = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.row.started_us.saturating_add(elapsed)
    }

    fn tell(&mut self) {
        self.told = Instant::now();
        if let Some(row) = self.ledger.as_recorded(&self.row) {
            self.ledger.push(LedgerEvent::Run(Box::new(row)));
        }
    }
}

impl Drop for OpenRun {
    fn drop(&mut self) {
        if self.row.ended_us.is_none() {
            self.row.cause = Some("actor_crashed".to_owned());
        }
        self.close("its owner has crashed".to_owned());
        self.ledger.forget_lent(self.row.id);
    }
}

impl Ledger {
    /// The run with this number is another manager's, which records it by `theirs`, if that is known.
    pub fn lend(&self, own: i64, theirs: Option<i64>) {
        self.note(own, |lent| BorrowedRun { theirs: theirs.or(lent.theirs), ours: false });
    }

    /// The run with this number is this manager's from now on, and goes on in the row that it has.
    pub fn take_over(&self, own: i64) {
        // One that nobody else has recorded is an ordinary one.
        if self.0.lent.load().contains_key(&own) {
            self.note(own, |lent| BorrowedRun { ours: true, ..lent });
        }
    }

    fn note(&self, own: i64, change: impl Fn(BorrowedRun) -> BorrowedRun) {
        self.0.lent.rcu(|lent| {
            let mut lent = BTreeMap::clone(lent);
            let entry = lent.entry(own).or_default();
            *entry = change(*entry);
            lent
        });
    }

    pub(super) fn forget_lent(&self, own: i64) {
        if self.0.lent.load().contains_key(&own) {
            self.0.lent.rcu(|lent| {
                let mut lent = BTreeMap::clone(lent);
                lent.remove(&own);
                lent
            });
        }
    }

    /// The number that a run has in the ledger.
    pub(super) fn number_of(&self, own: i64) -> i64 {
        self.0.lent.load().get(&own).and_then(|lent| lent.theirs).unwrap_or(own)
    }

    /// What is recorded of it; `None`: somebody else does that.
    pub(super) fn as_recorded(&self, row: &RunRow) -> Option<RunRow> {
        let lent = self.0.lent.load();
        let Some(lent) = lent.get(&row.id) else { return Some(row.clone()) };
        if !lent.ours {
            return None;
        }
        let Some(id) = lent.theirs else { return Some(row.clone()) };
        // When it became ready stands there already.
        Some(RunRow { id, ready_us: None, ..row.clone() })
    }

    /// The numbers in the ledger of all runs that are open here, whoever records them.
    pub fn open_runs(&self) -> Vec<i64> {
        self.0.open_runs.load().keys().map(|own| self.number_of(*own)).collect()
    }
}

impl Core {
    /// The number in the ledger of a run of this manager's own.
    pub(super) fn recorded_as(&self, own: i64) -> Option<i64> {
        match self.lent.load().get(&own) {
            None => Some(own),
            Some(lent) => lent.ours.then(|| lent.theirs.unwrap_or(own)),
        }
    }
}

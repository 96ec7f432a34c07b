//! How rows get from memory to somewhere safe: into the ledger, or, while that is slow or can't be written, into the
//! overflow file.
//!
//! Two hands work side by side. The database's hand does one piece of work at a time, and it may hang: a frozen
//! server, a cut network. The overflow's hand takes over whatever waits behind it. So no row is in memory alone for
//! much longer than a tenth of a second, whatever the database does.

use crate::lifecycle::Moment;
use std::time::Duration;

/// Work at the database that lasts this many times the usual is overdue.
const TIMES_USUAL: u32 = 4;
const SHORTEST_PATIENCE: Duration = Duration::from_millis(50);
const LONGEST_PATIENCE: Duration = Duration::from_millis(500);
/// So long must everything have gone well until the ledger counts as well again. Longer than the longest pause between
/// two tries: a disk that is full takes a few rows now and then.
const PROBATION: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a batch usually takes, and how long it is waited for before its rows go into the overflow file as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    usual: Duration,
}

impl Patience {
    /// A batch was written in this time. A database far away is not taken for a frozen one: patience grows.
    pub fn learn(&mut self, took: Duration) {
        self.usual = (self.usual * 7 + took.min(LONGEST_PATIENCE)) / 8;
    }

    /// From when on work at the database is overdue.
    pub fn limit(&self) -> Duration {
        (self.usual * TIMES_USUAL).clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE)
    }
}

/// Trouble with the ledger, from its first failure until it counts as well again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerHealth {
    /// The last failure of the present trouble.
    failed: Option<Moment>,
    /// Rows were written since.
    written: bool,
    retry_at: Moment,
    pause: Duration,
}

impl LedgerHealth {
    /// The ledger could not be written. True for the first failure of a trouble: it is worth a line in the log.
    pub fn fail(&mut self, now: Moment) -> bool {
        let first = self.failed.is_none();
        self.pause = if first { FIRST_PAUSE } else { (self.pause * 2).min(LONGEST_PAUSE) };
        self.failed = Some(now);
        self.written = false;
        self.retry_at = now + self.pause;
        first
    }

    /// Rows have reached the ledger. Nothing else proves that it can be written: a full disk still takes a heartbeat.
    pub fn write(&mut self) {
        self.written = true;
        self.pause = FIRST_PAUSE;
    }

    /// Everything has gone well for long enough.
    pub fn seems_over(&self, now: Moment) -> bool {
        self.written && self.failed.is_some_and(|failed| now >= failed + PROBATION)
    }

    /// It only seemed so: the disk that was full has no room yet. The time begins anew, without a pause.
    pub fn doubt(&mut self, now: Moment) {
        self.failed = self.failed.and(Some(now));
        self.written = false;
    }

    /// True once when a trouble is over.
    pub fn is_over(&mut self, now: Moment) -> bool {
        let over = self.seems_over(now);
        if over {
            *self = Self::default();
        }
        over
    }

    /// Rows take the way around.
    pub fn is_troubled(&self) -> bool {
        self.failed.is_some()
    }

    /// How long until the ledger may be tried again.
    pub fn rest(&self, now: Moment) -> Option<Duration> {
        self.failed.and(self.retry_at.checked_sub(now)).filter(|rest| !rest.is_zero())
    }
}

/// What is seen when the next step is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Rows wait, and have waited for others long enough.
    pub due: bool,
    /// The database's hand is working.
    pub busy: bool,
    /// It has been for longer than usual.
    pub overdue: bool,
    /// The last try has failed, and its pause isn't over.
    pub resting: bool,
    /// The ledger doesn't count as well.
    pub troubled: bool,
    /// The overflow's hand is working.
    pub spilling: bool,
    /// The overflow file could not be written either, a moment ago.
    pub spill_failed: bool,
    /// There may be something to play back.
    pub dirty: bool,
    /// Jobs wait.
    pub jobs: bool,
    /// Rows were written last, so a job may have its turn.
    pub job_next: bool,
    /// This is the end: rows first, then the ledger is closed.
    pub closing: bool,
    /// At the end, the rows that wait were tried in the ledger, in vain.
    pub tried: bool,
}

/// Work for the database's hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// The rows that wait.
    Write,
    /// A step of playing back the overflow file.
    Replay,
    /// A step of the next job.
    Job,
    /// The last piece of all.
    Close,
}

/// What each hand does next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextWork {
    /// The database's.
    pub database: Option<WorkKind>,
    /// The overflow's: it writes the rows that wait.
    pub spill: bool,
}

/// Chooses.
pub fn choose(view: &View) -> NextWork {
    let slow = view.troubled || view.resting || view.busy && view.overdue;
    let spill = view.due && slow && !view.spilling && !view.spill_failed;
    NextWork { database: if view.busy { None } else { database(view, spill) }, spill }
}

fn database(view: &View, spill: bool) -> Option<WorkKind> {
    if view.closing {
        if !view.due && !view.spilling {
            return Some(WorkKind::Close);
        }
        let well = !view.troubled && !view.resting;
        // When the overflow file takes nothing, the ledger may take something after all.
        let last_try = view.spill_failed && !view.tried;
        return (view.due && !view.spilling && !spill && (well || last_try)).then_some(WorkKind::Write);
    }
    if view.resting {
        return None;
    }
    if view.troubled {
        // By rows that are safe already, if there are any: the others must not wait for the outcome.
        return if view.dirty {
            Some(WorkKind::Replay)
        } else if view.due && !spill && !view.spilling {
            Some(WorkKind::Write)
        } else {
            view.jobs.then_some(WorkKind::Job)
        };
    }
    if view.due && !view.spilling && (!view.job_next || !view.jobs) {
        return Some(WorkKind::Write);
    }
    if view.jobs {
        return Some(WorkKind::Job);
    }
    view.dirty.then_some(WorkKind::Replay)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = View> {
        (0..1_u32 << 12).map(|bits| {
            let bit = |nth: u32| bits & 1 << nth != 0;
            View {
                due: bit(0),
                busy: bit(1),
                overdue: bit(2),
                resting: bit(3),
                troubled: bit(4),
                spilling: bit(5),
                spill_failed: bit(6),
                dirty: bit(7),
                jobs: bit(8),
                job_next: bit(9),
                closing: bit(10),
                tried: bit(11),
            }
        })
    }

    #[test]
    fn rows_never_wait_for_a_database_that_is_slow() {
        for view in all().filter(|view| view.due && !view.spilling && !view.spill_failed) {
            if view.troubled || view.resting || view.busy && view.overdue {
                assert!(choose(&view).spill, "{view:?}");
            }
        }
    }

    #[test]
    fn rows_that_wait_are_always_in_somebodys_hands_or_a_pause_runs() {
        for view in all().filter(|view| view.due) {
            let next = choose(&view);
            let in_hand = next.spill || view.spilling || view.busy || next.database.is_some();
            let pause = view.resting || view.spill_failed;
            assert!(in_hand || pause, "{view:?}");
        }
    }

    #[test]
    fn each_hand_does_one_thing_at_a_time() {
        for view in all() {
            let next = choose(&view);
            assert!(!view.busy || next.database.is_none(), "{view:?}");
            assert!(!view.spilling || !next.spill, "{view:?}");
            let both = next.spill && next.database == Some(WorkKind::Write);
            let again = view.spilling && next.database == Some(WorkKind::Write);
            assert!(!both && !again, "the same rows twice: {view:?}");
        }
    }

    #[test]
    fn the_ledger_is_closed_after_the_last_row_only() {
        for view in all() {
            let closes = choose(&view).database == Some(WorkKind::Close);
            assert_eq!(closes, view.closing && !view.busy && !view.due && !view.spilling, "{view:?}");
        }
    }

    /// Rows that can't be put into the overflow file are tried with the ledger once more, however it is.
    #[test]
    fn at_the_end_a_ledger_in_trouble_gets_a_row_as_the_last_way_out_only() {
        for view in all().filter(|view| view.closing && view.due && !view.busy && !view.spilling) {
            let well = !view.troubled && !view.resting;
            let last_way_out = view.spill_failed && !view.tried;
            let writes = choose(&view).database == Some(WorkKind::Write);
            assert_eq!(writes, well || last_way_out, "{view:?}");
        }
    }

    #[test]
    fn a_well_ledger_takes_turns() {
        let view = View { due: true, jobs: true, dirty: true, ..View::default() };
        assert_eq!(choose(&view).database, Some(WorkKind::Write));
        assert_eq!(choose(&View { job_next: true, ..view }).database, Some(WorkKind::Job));
        assert_eq!(choose(&View { due: false, jobs: false, ..view }).database, Some(WorkKind::Replay));
        assert_eq!(choose(&View::default()), NextWork::default());
    }

    #[test]
    fn trouble_is_told_once_and_is_over_once() {
        let at = Duration::from_secs;
        let mut health = LedgerHealth::default();
        assert!(health.fail(at(1)));
        assert!(!health.fail(at(2)));
        assert!(health.rest(at(2)).is_some() && health.is_troubled());
        assert!(!health.is_over(at(100)), "nothing was written since");
        health.write();
        assert!(!health.is_over(at(11)));
        // A full disk that has taken a few rows.
        assert!(!health.fail(at(12)));
        health.write();
        assert!(!health.is_over(at(21)));
        assert!(health.is_over(at(22)));
        assert!(!health.is_over(at(23)) && !health.is_troubled() && health.rest(at(23)).is_none());
    }

    #[test]
    fn a_full_disk_that_takes_a_few_rows_is_no_recovery() {
        let at = Duration::from_secs;
        let mut health = LedgerHealth::default();
        health.doubt(at(0));
        assert!(!health.is_troubled(), "there is nothing to doubt");
        health.fail(at(1));
        health.write();
        assert!(health.seems_over(at(11)));
        health.doubt(at(11));
        assert!(health.is_troubled() && health.rest(at(11)).is_none());
        assert!(!health.is_over(at(100)), "nothing was written since");
        health.write();
        assert!(!health.is_over(at(20)) && health.is_over(at(21)));
    }

    #[test]
    fn pauses_grow_to_their_limit() {
        let mut health = LedgerHealth::default();
        let mut now = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            health.fail(now);
            pauses.push(health.rest(now).unwrap().as_millis());
            now += Duration::from_secs(10);
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn patience_follows_the_database() {
        let mut patience = Patience::default();
        assert_eq!(patience.limit(), SHORTEST_PATIENCE);
        for _ in 0..100 {
            patience.learn(Duration::from_millis(60));
        }
        assert!(patience.limit() > Duration::from_millis(230), "{patience:?}");
        patience.learn(Duration::from_secs(100));
        assert!(patience.limit() <= LONGEST_PATIENCE, "{patience:?}");
        for _ in 0..100 {
            patience.learn(Duration::from_millis(2));
        }
        assert_eq!(patience.limit(), SHORTEST_PATIENCE);
    }
}

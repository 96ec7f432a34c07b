//! Every cell of the table in `lifecycle`: each phase, each event, with and without waiters and leases.
//! A row that does not name `waiting` or `leases` is checked with none and with one. `every_cell_has_a_row`
//! fails when a phase or an event is added without rows for it.

#[path = "support/cells.rs"]
mod cells;
#[path = "support/retire_rows.rs"]
mod retire_rows;
#[path = "support/sleep_rows.rs"]
mod sleep_rows;

use Effect::*;
use Event::{Evict, LeaseFreed, Restart, Start};
use cells::{ALL_EVENTS, ALL_PHASES, kind_of_event, kind_of_phase};
use llm_manager_policy::lifecycle::{
    Effect, Ending, Event, Limits, Moment, Phase, Refusal, State, StopCause, StopUrgency, View, step,
};
use llm_manager_policy::restart::STABLE_RUN;
use retire_rows::retirement;
use sleep_rows::*;
use std::collections::BTreeSet;
use std::time::Duration;

const NOW: Moment = Duration::from_secs(1000);
const EPOCH: u64 = 7;
const ALIVE: Duration = seconds(900);
const LIMITS: Limits = Limits {
    start_timeout: seconds(60),
    stop_timeout: seconds(10),
    gone_timeout: seconds(5),
    drain_timeout: seconds(30),
    alive_time: Some(ALIVE),
    queue_timeout: seconds(120),
    park_timeout: seconds(20),
    wake_timeout: seconds(40),
    keep_parked: Some(seconds(3600)),
};

const DENIED: Event = Event::Denied { epoch: EPOCH };
const GONE: Event = Event::Gone { epoch: EPOCH };
const OUT_OF_MEMORY: Event = Event::OutOfMemory { epoch: EPOCH };
const UNREACHABLE: Event = Event::Unreachable { epoch: EPOCH };
const BROKEN: Event = Event::Broken { epoch: EPOCH };
const HUNG: Event = Event::Hung { epoch: EPOCH };
const DOUBTED: Event = Event::Doubted { epoch: EPOCH };
const CHECK_FAILED: Event = Event::CheckFailed { epoch: EPOCH };
/// What becomes known of a backend that serves.
const SIGNS: [Event; 3] = [HUNG, DOUBTED, CHECK_FAILED];
const LAUNCHED: Event = Event::Launched { epoch: EPOCH };
const QUEUED_THERE: Event = Event::Queued { epoch: EPOCH };
const PLACED: Event = Event::Placed { epoch: EPOCH };
const PROBE_REFUSED: Event = Event::ProbeRefused { epoch: EPOCH };
const PROBE_SUCCEEDED: Event = Event::ProbeSucceeded { epoch: EPOCH };
const RESERVED: Event = Event::Reserved { epoch: EPOCH };
const PARKED: Event = Event::Parked { epoch: EPOCH };
const PARK_REFUSED: Event = Event::ParkRefused { epoch: EPOCH };
const PARK_FAILED: Event = Event::ParkFailed { epoch: EPOCH };
const WOKEN: Event = Event::Woken { epoch: EPOCH };
const WAKE_FAILED: Event = Event::WakeFailed { epoch: EPOCH };
/// News of a backend that sleeps, or should.
const NEWS_OF_SLEEP: [Event; 5] = [PARKED, PARK_REFUSED, PARK_FAILED, WOKEN, WAKE_FAILED];
const STOPS: [Event; 3] =
    [Event::Stop(StopUrgency::Drain), Event::Stop(StopUrgency::Now), Event::Stop(StopUrgency::Kill)];

const QUEUED: Phase = Phase::Queued { deadline: after(5) };
const STARTING: Phase = Phase::Starting { deadline: after(5) };
const READY: Phase = Phase::Ready { since: NOW.saturating_sub(seconds(20)) };
const DRAINING: Phase = drains(Some(after(5)), StopCause::Operator);
const YIELDING: Phase = drains(None, StopCause::Evicted);
const RENEWING: Phase = drains(None, StopCause::Restart);
const FAILED: Phase = Phase::Failed { retry_at: after(1) };
const FAILED_LONG: Phase = Phase::Failed { retry_at: after(3) };
/// The first phase of a new life.
const NEW_LIFE: Phase = Phase::Queued { deadline: after(120) };
/// The phase after a failure, the second in a row.
const RETRY: Phase = Phase::Failed { retry_at: after(2) };

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn after(more: u64) -> Moment {
    NOW.saturating_add(seconds(more))
}

fn drains_for(cause: StopCause) -> Phase {
    drains(Some(after(30)), cause)
}

const fn drains(deadline: Option<Moment>, cause: StopCause) -> Phase {
    Phase::Draining { deadline, cause }
}

fn stopping(cause: StopCause) -> Phase {
    Phase::Stopping { ending: Ending::Asked(after(5)), cause }
}

/// Just killed.
fn killed(cause: StopCause) -> Phase {
    Phase::Stopping { ending: Ending::Killed(after(5)), cause }
}

fn stuck(cause: StopCause) -> Phase {
    Phase::Stopping { ending: Ending::Stuck, cause }
}

/// Its first process has died.
fn breaks(cause: StopCause) -> Phase {
    stopping(cause)
}

/// Just asked to end.
fn ends(cause: StopCause) -> Phase {
    Phase::Stopping { ending: Ending::Asked(after(10)), cause }
}

fn refuse_failed(retry_after: u64) -> Effect {
    RefuseWaiters(Refusal::Failed { retry_after: seconds(retry_after) })
}

const REFUSE_STOPPED: Effect = RefuseWaiters(Refusal::Stopped);

/// One or more cells, and what follows there.
#[derive(Clone, Debug)]
struct Row {
    phase: Phase,
    event: Event,
    waiting: Vec<usize>,
    leases: Vec<u32>,
    unused_for: Duration,
    alive_time: Option<Duration>,
    may_park: bool,
    failures: u32,
    failures_after: u32,
    expected: Phase,
    effects: Vec<Effect>,
}

fn row(phase: &Phase, event: Event, expected: &Phase, effects: impl Into<Vec<Effect>>) -> Row {
    Row {
        phase: phase.clone(),
        event,
        waiting: vec![0, 1],
        leases: vec![0, 1],
        unused_for: Duration::ZERO,
        alive_time: Some(ALIVE),
        may_park: false,
        failures: 1,
        failures_after: 1,
        expected: expected.clone(),
        effects: effects.into(),
    }
}

fn ignored(phase: &Phase, events: &[Event]) -> Vec<Row> {
    events.iter().map(|event| row(phase, *event, phase, [])).collect()
}

impl Row {
    fn waiting(mut self, waiting: usize) -> Self {
        self.waiting = vec![waiting];
        self
    }

    fn leases(mut self, leases: u32) -> Self {
        self.leases = vec![leases];
        self
    }

    fn unused_for(mut self, unused_for: Duration) -> Self {
        self.unused_for = unused_for;
        self
    }

    fn never_idle(mut self) -> Self {
        self.alive_time = None;
        self
    }

    fn may_park(mut self) -> Self {
        self.may_park = true;
        self
    }

    /// Failures in a row after the event; there was one before it.
    fn failures(mut self, after: u32) -> Self {
        self.failures_after = after;
        self
    }

    fn check(&self) {
        for (waiting, leases) in self.cells() {
            check(self, waiting, leases);
        }
    }

    fn cells(&self) -> impl Iterator<Item = (usize, u32)> {
        self.waiting.iter().flat_map(|waiting| self.leases.iter().map(|leases| (*waiting, *leases)))
    }
}

/// The one place that calls `step`.
fn check(row: &Row, waiting: usize, leases: u32) {
    let state = State { phase: row.phase.clone(), epoch: EPOCH, failures: row.failures };
    let view = View { now: NOW, waiting, leases, unused_since: NOW - row.unused_for, may_park: row.may_park };
    let step = step(&state, row.event, &view, &Limits { alive_time: row.alive_time, ..LIMITS });
    let begins = row.expected == NEW_LIFE;
    let epoch = EPOCH + u64::from(begins);
    let expected = State { phase: row.expected.clone(), epoch, failures: row.failures_after };
    assert_eq!(
        (&step.state, &step.effects),
        (&expected, &row.effects),
        "{waiting} waiting, {leases} leases, {row:?}"
    );
}

fn from_stopped() -> Vec<Row> {
    let at = &Phase::Stopped;
    let mut rows = ignored(
        at,
        &[
            Evict,
            Event::Yield,
            Event::Stay,
            Event::Renew,
            RESERVED,
            DENIED,
            LAUNCHED,
            QUEUED_THERE,
            PLACED,
            PROBE_SUCCEEDED,
            PROBE_REFUSED,
            GONE,
            OUT_OF_MEMORY,
            UNREACHABLE,
            Event::Closed(StopCause::Idle),
            Event::InUse(StopCause::Idle),
            LeaseFreed,
            Event::Deadline,
        ],
    );
    let begin = [ArmTimer(after(120)), Reserve];
    rows.push(row(at, Event::Acquire, &NEW_LIFE, begin).waiting(1));
    rows.push(row(at, Event::Acquire, at, []).waiting(0));
    rows.push(row(at, Start, &NEW_LIFE, begin));
    rows.push(row(at, Restart, &NEW_LIFE, begin));
    for stop in STOPS {
        rows.push(row(at, stop, at, [REFUSE_STOPPED]).waiting(1));
        rows.push(row(at, stop, at, []).waiting(0));
    }
    rows
}

fn from_queued() -> Vec<Row> {
    let at = &QUEUED;
    let due = &Phase::Queued { deadline: NOW };
    let mut rows = ignored(
        at,
        &[
            Event::Acquire,
            Start,
            Restart,
            Evict,
            Event::Yield,
            Event::Stay,
            LAUNCHED,
            QUEUED_THERE,
            PLACED,
            PROBE_SUCCEEDED,
            PROBE_REFUSED,
            GONE,
            OUT_OF_MEMORY,
            UNREACHABLE,
            Event::Closed(StopCause::Idle),
            Event::InUse(StopCause::Idle),
            LeaseFreed,
        ],
    );
    let refused = [ReturnReservation, RefuseWaiters(Refusal::NoMemory), DisarmTimer];
    rows.push(row(at, RESERVED, &Phase::Starting { deadline: after(60) }, [Launch, ArmTimer(after(60))]));
    rows.push(row(at, DENIED, &Phase::Stopped, refused));
    rows.push(row(at, Event::Deadline, at, [ArmTimer(after(5))]));
    rows.push(row(due, Event::Deadline, &Phase::Stopped, refused));
    for stop in STOPS {
        rows.push(row(at, stop, &Phase::Stopped, [ReturnReservation, REFUSE_STOPPED, DisarmTimer]));
    }
    let again = [ReturnReservation, ArmTimer(after(120)), Reserve];
    rows.push(row(at, Event::Renew, &NEW_LIFE, again).waiting(1));
    rows.push(row(at, Event::Renew, &Phase::Stopped, [ReturnReservation, DisarmTimer]).waiting(0));
    rows
}

fn from_starting() -> Vec<Row> {
    let at = &STARTING;
    let due = &Phase::Starting { deadline: NOW };
    let calm = [Event::Closed(StopCause::Idle), Event::InUse(StopCause::Idle), LeaseFreed, Event::Stay];
    let mut rows = ignored(at, &[&[Event::Acquire, Start, RESERVED, DENIED][..], &calm].concat());
    let open = &Phase::Ready { since: NOW };
    let end = [Terminate, ArmTimer(after(10))];
    rows.push(row(at, LAUNCHED, at, [Probe]));
    // The time until it has a place is no part of its start_timeout.
    rows.push(row(at, QUEUED_THERE, at, [DisarmTimer]));
    let anew = Phase::Starting { deadline: after(60) };
    rows.push(row(at, PLACED, &anew, [ArmTimer(after(60)), Probe]));
    rows.push(row(at, PROBE_SUCCEEDED, open, [OpenGate, GrantWaiters, ArmTimer(NOW + ALIVE)]));
    rows.push(row(at, PROBE_SUCCEEDED, open, [OpenGate, GrantWaiters, DisarmTimer]).never_idle());
    let refused = [refuse_failed(2), Terminate, ArmTimer(after(10))];
    rows.push(row(at, PROBE_REFUSED, &ends(StopCause::ProbeRefused), refused).failures(2));
    rows.push(row(at, Event::Deadline, at, [ArmTimer(after(5))]));
    let late = [RefuseWaiters(Refusal::StartTimeout), Terminate, ArmTimer(after(10))];
    rows.push(row(due, Event::Deadline, &ends(StopCause::StartTimeout), late).failures(2));
    rows.push(row(at, GONE, &RETRY, [ReturnReservation, refuse_failed(2), DisarmTimer]).failures(2));
    for stop in &STOPS[..2] {
        let effects = [REFUSE_STOPPED, Terminate, ArmTimer(after(10))];
        rows.push(row(at, *stop, &ends(StopCause::Operator), effects));
    }
    rows.push(row(at, STOPS[2], &killed(StopCause::Operator), [REFUSE_STOPPED, Kill, ArmTimer(after(5))]));
    rows.push(row(at, Restart, &ends(StopCause::Operator), end));
    rows.push(row(at, Event::Renew, &ends(StopCause::Restart), end));
    for event in [Evict, Event::Yield] {
        rows.push(row(at, event, &ends(StopCause::Evicted), end).waiting(0));
        rows.push(row(at, event, at, [RefuseEviction]).waiting(1));
    }
    // The next variant is tried at once, and that is no failure yet.
    for event in [OUT_OF_MEMORY, UNREACHABLE] {
        rows.push(row(at, event, &NEW_LIFE, [ReturnReservation, ArmTimer(after(120)), Reserve]));
    }
    rows
}

fn from_ready() -> Vec<Row> {
    let at = &READY;
    let stable = &Phase::Ready { since: NOW - STABLE_RUN };
    let mut rows = ignored(
        at,
        &[RESERVED, DENIED, LAUNCHED, QUEUED_THERE, PLACED, PROBE_SUCCEEDED, PROBE_REFUSED, Event::Stay],
    );
    for event in [Event::Acquire, Start, LeaseFreed] {
        rows.push(row(at, event, at, [GrantWaiters]));
    }

    rows.push(row(at, Event::Deadline, at, [ArmTimer(NOW + ALIVE)]).leases(1).unused_for(ALIVE));
    rows.push(row(at, Event::Deadline, at, [ArmTimer(NOW + ALIVE)]).waiting(1).unused_for(ALIVE));
    let idle = row(at, Event::Deadline, at, [CloseIfUnused(StopCause::Idle)]);
    rows.push(idle.leases(0).waiting(0).unused_for(ALIVE));
    let used = row(at, Event::Deadline, at, [ArmTimer(after(1))]);
    rows.push(used.leases(0).waiting(0).unused_for(ALIVE - seconds(1)));
    rows.push(row(at, Event::Deadline, at, []).never_idle().unused_for(ALIVE));

    rows.push(row(at, Evict, at, [CloseIfUnused(StopCause::Evicted)]).leases(0).waiting(0));
    rows.push(row(at, Evict, at, [RefuseEviction]).leases(1));
    rows.push(row(at, Evict, at, [RefuseEviction]).waiting(1));
    rows.push(row(at, Event::Yield, &YIELDING, [DisarmTimer, CloseGate]));
    rows.push(row(at, Event::Renew, &RENEWING, [DisarmTimer, CloseGate]));
    let asked = Event::InUse(StopCause::Evicted);
    rows.push(row(at, asked, at, [ArmTimer(NOW + ALIVE), RefuseEviction]));
    rows.push(row(at, asked, at, [DisarmTimer, RefuseEviction]).never_idle());
    rows.push(row(at, Event::InUse(StopCause::Idle), at, [ArmTimer(NOW + ALIVE)]));
    rows.push(row(at, Event::InUse(StopCause::Idle), at, [DisarmTimer]).never_idle());
    for cause in [StopCause::Idle, StopCause::Evicted] {
        rows.push(row(at, Event::Closed(cause), &ends(cause), [Terminate, ArmTimer(after(10))]));
    }

    // Who is inside is only known when the gate is closed: a drain looks no earlier.
    let drains = &drains_for(StopCause::Operator);
    rows.push(row(at, STOPS[0], drains, [CloseGate, REFUSE_STOPPED, ArmTimer(after(30))]));
    let restarts = &drains_for(StopCause::Restart);
    rows.push(row(at, Restart, restarts, [CloseGate, ArmTimer(after(30))]));
    let now = [CloseGate, REFUSE_STOPPED, BreakLeases, Terminate, ArmTimer(after(10))];
    rows.push(row(at, STOPS[1], &ends(StopCause::Operator), now));
    let kill = [CloseGate, REFUSE_STOPPED, BreakLeases, Kill, ArmTimer(after(5))];
    rows.push(row(at, STOPS[2], &killed(StopCause::Operator), kill));

    let crash = [CloseGate, BreakLeases, ReturnReservation];
    // Another variant may serve at once, and nothing has failed.
    let again = [&crash[..], &[ArmTimer(after(120)), Reserve]].concat();
    rows.push(row(at, UNREACHABLE, &NEW_LIFE, again).waiting(1));
    let rest = [&crash[..], &[DisarmTimer]].concat();
    rows.push(row(at, UNREACHABLE, &Phase::Stopped, rest).waiting(0));
    let refused = [&crash[..], &[refuse_failed(2), DisarmTimer]].concat();
    for event in [GONE, OUT_OF_MEMORY] {
        let again = [&crash[..], &[ArmTimer(after(2))]].concat();
        rows.push(row(at, event, &RETRY, again).waiting(1).failures(2));
        rows.push(row(at, event, &RETRY, refused.clone()).waiting(0).failures(2));
    }
    // After a stable run it counts as the first failure.
    let first = &Phase::Failed { retry_at: after(1) };
    rows.push(row(stable, GONE, first, [&crash[..], &[ArmTimer(after(1))]].concat()).waiting(1));
    let third = row(
        at,
        GONE,
        &Phase::Failed { retry_at: after(4) },
        [&crash[..], &[refuse_failed(4), DisarmTimer]].concat(),
    );
    rows.push(Row { failures: 2, ..third.failures(3) });
    // One that hangs gets no time to be asked again; its running answers may end first.
    rows.push(row(at, DOUBTED, at, [Check]));
    for (event, cause) in [(HUNG, StopCause::Hung), (CHECK_FAILED, StopCause::Unwell)] {
        let effects = [CloseGate, ArmTimer(after(30))];
        rows.push(row(at, event, &drains_for(cause), effects).failures(2));
        rows.push(row(stable, event, &drains_for(cause), effects).failures(1));
    }
    let dies = [CloseGate, BreakLeases, ArmTimer(after(5))];
    rows.push(row(at, BROKEN, &breaks(StopCause::Crashed), dies).failures(2));
    // A stable run is forgiven however it ends.
    let close = [Terminate, ArmTimer(after(10))];
    rows.push(row(stable, Event::Closed(StopCause::Idle), &ends(StopCause::Idle), close).failures(0));
    rows.push(row(stable, Restart, restarts, [CloseGate, ArmTimer(after(30))]).failures(0));
    rows
}

fn from_draining() -> Vec<Row> {
    let at = &DRAINING;
    let due = &drains(Some(NOW), StopCause::Operator);
    let end = [Terminate, ArmTimer(after(10))];
    let broken = [BreakLeases, Terminate, ArmTimer(after(10))];
    let mut rows = ignored(
        at,
        &[
            Event::Acquire,
            Start,
            Restart,
            Evict,
            Event::Yield,
            Event::Stay,
            Event::Renew,
            RESERVED,
            DENIED,
            LAUNCHED,
            QUEUED_THERE,
            PLACED,
            PROBE_SUCCEEDED,
            PROBE_REFUSED,
            Event::Closed(StopCause::Idle),
            Event::InUse(StopCause::Idle),
        ],
    );
    rows.push(row(at, LeaseFreed, &ends(StopCause::Operator), end).leases(0));
    rows.push(row(at, LeaseFreed, at, []).leases(1));
    rows.push(row(at, Event::Deadline, at, [ArmTimer(after(5))]));
    rows.push(row(due, Event::Deadline, &ends(StopCause::Operator), broken));
    for stop in &STOPS[..2] {
        let effects = [&[REFUSE_STOPPED][..], &broken].concat();
        rows.push(row(at, *stop, &ends(StopCause::Operator), effects));
    }
    let kill = [REFUSE_STOPPED, BreakLeases, Kill, ArmTimer(after(5))];
    rows.push(row(at, STOPS[2], &killed(StopCause::Operator), kill));
    let again = [BreakLeases, ReturnReservation, ArmTimer(after(120)), Reserve];
    for event in [GONE, OUT_OF_MEMORY, UNREACHABLE] {
        rows.push(row(at, event, &NEW_LIFE, again).waiting(1));
        rows.push(row(at, event, &Phase::Stopped, [BreakLeases, ReturnReservation, DisarmTimer]).waiting(0));
    }
    // The first stop after a restart is not a second one: it keeps the time that the answers have.
    let restarting = &drains(Some(after(5)), StopCause::Restart);
    rows.push(row(restarting, STOPS[0], at, [REFUSE_STOPPED, ArmTimer(after(5))]));
    rows.push(row(restarting, LeaseFreed, &ends(StopCause::Restart), end).leases(0));
    rows.push(row(at, BROKEN, &breaks(StopCause::Operator), [BreakLeases, ArmTimer(after(5))]));
    for cause in [StopCause::Hung, StopCause::Unwell] {
        let at = &drains(Some(after(5)), cause);
        rows.push(row(at, LeaseFreed, &ends(cause), end).leases(0));
        rows.push(row(at, BROKEN, &breaks(cause), [BreakLeases, ArmTimer(after(5))]));
        let retry = &Phase::Failed { retry_at: after(1) };
        let gone = [BreakLeases, ReturnReservation];
        rows.push(row(at, GONE, retry, [&gone[..], &[ArmTimer(after(1))]].concat()).waiting(1));
        rows.push(row(at, GONE, retry, [&gone[..], &[refuse_failed(1), DisarmTimer]].concat()).waiting(0));
        for start in [Start, Restart] {
            rows.push(row(at, start, &drains(Some(after(5)), StopCause::Restart), []));
        }
        rows.push(row(at, STOPS[0], &DRAINING, [REFUSE_STOPPED, ArmTimer(after(5))]).failures(0));
        let broken = [&[REFUSE_STOPPED][..], &broken].concat();
        rows.push(row(at, STOPS[1], &ends(StopCause::Operator), broken).failures(0));
    }
    // Who yields may take as long as the answers need, until an operator says otherwise.
    rows.push(row(&YIELDING, LeaseFreed, &ends(StopCause::Evicted), end).leases(0));
    rows.push(row(&YIELDING, LeaseFreed, &YIELDING, []).leases(1));
    rows.push(row(
        &YIELDING,
        Event::Stay,
        &Phase::Ready { since: NOW },
        [ReopenGate, GrantWaiters, ArmTimer(NOW + ALIVE)],
    ));
    rows.push(row(&YIELDING, Event::Deadline, &YIELDING, []));
    rows.push(row(&YIELDING, Event::Renew, &RENEWING, []));
    rows.extend(ignored(&RENEWING, &[Event::Renew, Event::Stay, Event::Yield, Event::Deadline, Restart]));
    rows.push(row(
        &RENEWING,
        STOPS[0],
        &drains_for(StopCause::Operator),
        [REFUSE_STOPPED, ArmTimer(after(30))],
    ));
    rows.push(row(
        &YIELDING,
        STOPS[0],
        &drains(Some(after(30)), StopCause::Operator),
        [REFUSE_STOPPED, ArmTimer(after(30))],
    ));
    rows.push(row(
        &YIELDING,
        STOPS[1],
        &ends(StopCause::Operator),
        [&[REFUSE_STOPPED][..], &broken].concat(),
    ));
    rows
}

fn from_stopping() -> Vec<Row> {
    let mut rows = Vec::new();
    for cause in [
        StopCause::Idle,
        StopCause::Operator,
        StopCause::Restart,
        StopCause::Evicted,
        StopCause::StartTimeout,
        StopCause::ProbeRefused,
        StopCause::Crashed,
        StopCause::Hung,
        StopCause::Unwell,
        StopCause::Park,
        StopCause::Renewed,
        StopCause::Lost,
        StopCause::Taken,
    ] {
        let failure = !([StopCause::Idle, StopCause::Operator, StopCause::Restart, StopCause::Evicted]
            .contains(&cause)
            || [StopCause::Park, StopCause::Renewed, StopCause::Lost, StopCause::Taken].contains(&cause));
        for at in &[stopping(cause), killed(cause), stuck(cause)] {
            let is_stuck = *at == stuck(cause);
            let hopeless = [refuse_failed(5)];
            rows.push(row(at, Event::Acquire, at, if is_stuck { &hopeless[..] } else { &[] }));
            let events = [
                Evict,
                Event::Yield,
                Event::Stay,
                RESERVED,
                DENIED,
                LAUNCHED,
                QUEUED_THERE,
                PLACED,
                PROBE_SUCCEEDED,
                PROBE_REFUSED,
                Event::Closed(StopCause::Idle),
                Event::InUse(StopCause::Idle),
                LeaseFreed,
            ];
            rows.extend(ignored(at, &events));
            // An operator's word ends the backoff that would follow.
            let ending = if let Phase::Stopping { ending, .. } = at { *ending } else { Ending::Stuck };
            let operated = &Phase::Stopping { ending, cause: StopCause::Operator };
            let failures = u32::from(!failure);
            let kill = [REFUSE_STOPPED, Kill, ArmTimer(after(5))];
            for stop in &STOPS[..2] {
                // What could not be ended is tried once more, and whoever asked hears of it in time.
                let again = row(at, *stop, &killed(StopCause::Operator), kill).failures(failures);
                let asked = row(at, *stop, operated, [REFUSE_STOPPED]).failures(failures);
                rows.push(if is_stuck { again } else { asked });
            }
            rows.push(row(at, STOPS[2], &killed(StopCause::Operator), kill).failures(failures));
            for start in [Start, Restart] {
                let waits = row(at, start, if failure { operated } else { at }, []);
                rows.push(if is_stuck { row(at, start, at, hopeless) } else { waits });
            }
            let renewed = if failure && !is_stuck { operated } else { at };
            rows.push(row(at, Event::Renew, renewed, []));
            if failure {
                let retry = &Phase::Failed { retry_at: after(1) };
                for event in [GONE, OUT_OF_MEMORY, UNREACHABLE] {
                    rows.push(row(at, event, retry, [ReturnReservation, ArmTimer(after(1))]).waiting(1));
                    let refused = [ReturnReservation, refuse_failed(1), DisarmTimer];
                    rows.push(row(at, event, retry, refused).waiting(0));
                }
                let long = Phase::Failed { retry_at: after(4) };
                let long = row(at, GONE, &long, [ReturnReservation, refuse_failed(4), DisarmTimer]);
                rows.push(Row { failures: 3, ..long.failures(3) });
            } else {
                let again = [ReturnReservation, ArmTimer(after(120)), Reserve];
                for event in [GONE, OUT_OF_MEMORY, UNREACHABLE] {
                    rows.push(row(at, event, &NEW_LIFE, again).waiting(1));
                    rows.push(row(at, event, &Phase::Stopped, [ReturnReservation, DisarmTimer]).waiting(0));
                }
            }
        }
        let due = &Phase::Stopping { ending: Ending::Asked(NOW), cause };
        rows.push(row(due, Event::Deadline, &killed(cause), [Kill, ArmTimer(after(5))]));
        rows.push(row(&stopping(cause), Event::Deadline, &stopping(cause), [ArmTimer(after(5))]));
        let due = &Phase::Stopping { ending: Ending::Killed(NOW), cause };
        rows.push(row(due, Event::Deadline, &stuck(cause), [ReportStuck, refuse_failed(5)]));
        rows.push(row(&killed(cause), Event::Deadline, &killed(cause), [ArmTimer(after(5))]));
        rows.push(row(&stuck(cause), Event::Deadline, &stuck(cause), []));
    }
    rows
}

fn from_failed() -> Vec<Row> {
    let at = &FAILED;
    let due = &Phase::Failed { retry_at: NOW };
    let mut rows = ignored(
        at,
        &[
            Evict,
            Event::Yield,
            Event::Stay,
            RESERVED,
            DENIED,
            LAUNCHED,
            QUEUED_THERE,
            PLACED,
            PROBE_SUCCEEDED,
            PROBE_REFUSED,
            GONE,
            OUT_OF_MEMORY,
            UNREACHABLE,
            Event::Closed(StopCause::Idle),
            Event::InUse(StopCause::Idle),
            LeaseFreed,
        ],
    );
    let begin = [ArmTimer(after(120)), Reserve];
    rows.push(row(at, Event::Acquire, at, [ArmTimer(after(1))]).waiting(1));
    rows.push(row(&FAILED_LONG, Event::Acquire, &FAILED_LONG, [refuse_failed(3), DisarmTimer]).waiting(1));
    rows.push(row(due, Event::Acquire, &NEW_LIFE, begin).waiting(1));
    rows.push(row(at, Event::Deadline, at, [ArmTimer(after(1))]));
    rows.push(row(due, Event::Deadline, &NEW_LIFE, begin).waiting(1));
    rows.push(row(due, Event::Deadline, due, []).waiting(0));
    for at in [at, due, &FAILED_LONG] {
        rows.push(row(at, Event::Acquire, at, []).waiting(0));
        rows.push(row(at, Start, &NEW_LIFE, begin));
        rows.push(row(at, Restart, &NEW_LIFE, begin));
        rows.push(row(at, Event::Renew, &NEW_LIFE, begin).waiting(1).failures(0));
        rows.push(row(at, Event::Renew, &Phase::Stopped, [DisarmTimer]).waiting(0).failures(0));
        for stop in STOPS {
            rows.push(row(at, stop, &Phase::Stopped, [REFUSE_STOPPED, DisarmTimer]).failures(0));
        }
    }
    rows
}

/// Signs of a backend that doesn't serve change nothing, nor does the death of one that isn't there.
fn signs_without_a_service() -> Vec<Row> {
    let idle = [Phase::Stopped, QUEUED, FAILED];
    let rows = idle.iter().flat_map(|at| ignored(at, &[HUNG, DOUBTED, CHECK_FAILED, BROKEN]));
    let leaving = [stopping(StopCause::Idle), killed(StopCause::Operator), stuck(StopCause::Crashed)];
    let rows = rows.chain(leaving.iter().flat_map(|at| ignored(at, &[HUNG, DOUBTED, CHECK_FAILED, BROKEN])));
    // A start that fails is told when nothing is left of it: it may have lacked memory.
    let rows = rows.chain(ignored(&STARTING, &[HUNG, DOUBTED, CHECK_FAILED, BROKEN]));
    rows.chain(ignored(&DRAINING, &SIGNS)).collect()
}

fn table() -> Vec<Row> {
    [
        ways_to_sleep(),
        from_parking(),
        from_parked(),
        from_waking(),
        sleep_without_a_sleeper(),
        signs_without_a_service(),
        retirement(),
        from_stopped(),
        from_queued(),
        from_starting(),
        from_ready(),
        from_draining(),
        from_stopping(),
        from_failed(),
    ]
    .concat()
}

#[test]
fn every_row_holds() {
    table().iter().for_each(Row::check);
}

#[test]
fn every_cell_has_a_row() {
    let covered: BTreeSet<_> = table()
        .iter()
        .flat_map(|row| {
            let kinds = (kind_of_phase(&row.phase), kind_of_event(row.event));
            row.cells().map(|(waiting, leases)| (kinds, waiting, leases)).collect::<Vec<_>>()
        })
        .collect();
    let all: BTreeSet<_> = ALL_PHASES
        .iter()
        .flat_map(|phase| ALL_EVENTS.iter().map(|event| (*phase, *event)))
        .flat_map(|kinds| [(kinds, 0, 0), (kinds, 0, 1), (kinds, 1, 0), (kinds, 1, 1)])
        .collect();
    assert_eq!(all.difference(&covered).collect::<Vec<_>>(), Vec::<&((&str, &str), usize, u32)>::new());
    assert_eq!(covered.difference(&all).collect::<Vec<_>>(), Vec::<&((&str, &str), usize, u32)>::new());
}

#[test]
fn news_of_a_former_life_changes_nothing() {
    for old in [0, EPOCH - 1, EPOCH + 1, u64::MAX] {
        let late = [
            Event::Reserved { epoch: old },
            Event::Denied { epoch: old },
            Event::Launched { epoch: old },
            Event::Queued { epoch: old },
            Event::Placed { epoch: old },
            Event::ProbeSucceeded { epoch: old },
            Event::ProbeRefused { epoch: old },
            Event::Broken { epoch: old },
            Event::Hung { epoch: old },
            Event::Doubted { epoch: old },
            Event::CheckFailed { epoch: old },
            Event::Gone { epoch: old },
            Event::OutOfMemory { epoch: old },
            Event::Unreachable { epoch: old },
            Event::Parked { epoch: old },
            Event::ParkRefused { epoch: old },
            Event::ParkFailed { epoch: old },
            Event::Woken { epoch: old },
            Event::WakeFailed { epoch: old },
        ];
        for phase in table().iter().map(|row| &row.phase) {
            ignored(phase, &late).iter().for_each(Row::check);
        }
    }
}

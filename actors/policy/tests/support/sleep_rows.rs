//! The rows of models that sleep.

use super::*;

pub(super) const TO_SLEEP: Phase = Phase::Parking { deadline: after(5), cause: StopCause::Evicted };
pub(super) const ASLEEP: Phase = Phase::Parked { until: Some(after(5)) };
pub(super) const WAITS_TO_WAKE: Phase = Phase::Waking { deadline: after(5), granted: false };
pub(super) const WAKES: Phase = Phase::Waking { deadline: after(5), granted: true };

/// Who goes parks if that may be; whoever wants a fresh one, or none, gets no sleeping one.
pub(super) fn ways_to_sleep() -> Vec<Row> {
    let mut rows = Vec::new();
    let goes_to_sleep = [Park, ArmTimer(after(20))];
    let to_sleep = |cause| Phase::Parking { deadline: after(20), cause };
    for cause in [StopCause::Idle, StopCause::Evicted] {
        rows.push(row(&READY, Event::Closed(cause), &to_sleep(cause), goes_to_sleep).may_park());
    }
    let yields = row(&YIELDING, LeaseFreed, &to_sleep(StopCause::Evicted), goes_to_sleep);
    rows.push(yields.leases(0).may_park());
    let ordered = &drains(None, StopCause::Park);
    rows.push(row(&READY, Event::Park, ordered, [DisarmTimer, CloseGate]).may_park());
    rows.push(row(&READY, Event::Park, &READY, []));
    rows.push(row(ordered, LeaseFreed, &to_sleep(StopCause::Park), goes_to_sleep).leases(0).may_park());
    rows.push(row(ordered, LeaseFreed, &ends(StopCause::Park), [Terminate, ArmTimer(after(10))]).leases(0));
    for at in [&YIELDING, ordered] {
        for fresh in [Restart, Event::Renew] {
            rows.push(row(at, fresh, &RENEWING, []));
        }
    }
    for cause in [StopCause::Operator, StopCause::Restart] {
        let at = &drains(Some(after(5)), cause);
        let end = [Terminate, ArmTimer(after(10))];
        rows.push(row(at, LeaseFreed, &ends(cause), end).leases(0).may_park());
    }
    rows
}

pub(super) fn from_parking() -> Vec<Row> {
    let at = &TO_SLEEP;
    let due = &Phase::Parking { deadline: NOW, cause: StopCause::Idle };
    let end = [Terminate, ArmTimer(after(10))];
    let mut rows = ignored(
        at,
        &[Event::Acquire, Start, Evict, Event::Yield, Event::Stay, Event::Park, Event::Abandoned],
    );
    rows.extend(ignored(at, &[RESERVED, DENIED, LAUNCHED, PROBE_SUCCEEDED, PROBE_REFUSED, LeaseFreed]));
    rows.extend(ignored(at, &[QUEUED_THERE, PLACED]));
    rows.extend(ignored(at, &[WOKEN, WAKE_FAILED, HUNG, DOUBTED, CHECK_FAILED]));
    rows.extend(ignored(at, &[Event::Closed(StopCause::Idle), Event::InUse(StopCause::Idle)]));
    let asleep = &Phase::Parked { until: Some(after(3600)) };
    rows.push(row(at, PARKED, asleep, [ReturnAwake, ArmTimer(after(3600))]).waiting(0));
    let wakes = &Phase::Waking { deadline: after(120), granted: false };
    rows.push(row(at, PARKED, wakes, [ReturnAwake, ArmTimer(after(120)), ReserveAwake]).waiting(1));
    let on = [RefuseEviction, ReopenGate, GrantWaiters, ArmTimer(NOW + ALIVE)];
    rows.push(row(at, PARK_REFUSED, &Phase::Ready { since: NOW }, on));
    rows.push(row(at, PARK_FAILED, &ends(StopCause::Evicted), end));
    rows.push(row(at, Event::Deadline, at, [ArmTimer(after(5))]));
    rows.push(row(due, Event::Deadline, &ends(StopCause::Idle), end));
    rows.extend(ends_of_sleep(at, &[]));
    rows
}

pub(super) fn from_parked() -> Vec<Row> {
    let at = &ASLEEP;
    let end = [Terminate, ArmTimer(after(10))];
    let mut rows = ignored(at, &[Event::Stay, Event::Park, Event::Abandoned, RESERVED, DENIED, LAUNCHED]);
    rows.extend(ignored(at, &[PROBE_SUCCEEDED, PROBE_REFUSED, LeaseFreed, HUNG, DOUBTED, CHECK_FAILED]));
    rows.extend(ignored(at, &[Event::Closed(StopCause::Idle), Event::InUse(StopCause::Idle)]));
    rows.extend(ignored(at, &NEWS_OF_SLEEP));
    rows.extend(ignored(at, &[QUEUED_THERE, PLACED]));
    let wakes = &Phase::Waking { deadline: after(120), granted: false };
    let wake = [ArmTimer(after(120)), ReserveAwake];
    rows.push(row(at, Event::Acquire, wakes, wake).waiting(1));
    rows.push(row(at, Event::Acquire, at, []).waiting(0));
    rows.push(row(at, Start, wakes, wake));
    for event in [Evict, Event::Yield] {
        rows.push(row(at, event, &ends(StopCause::Evicted), end));
    }
    rows.push(row(at, Event::Deadline, at, [ArmTimer(after(5))]));
    let due = &Phase::Parked { until: Some(NOW) };
    rows.push(row(due, Event::Deadline, &ends(StopCause::Idle), end));
    let for_ever = &Phase::Parked { until: None };
    rows.push(row(for_ever, Event::Deadline, for_ever, []));
    rows.extend(ends_of_sleep(at, &[]));
    rows
}

pub(super) fn from_waking() -> Vec<Row> {
    let (at, due) = (&WAITS_TO_WAKE, &Phase::Waking { deadline: NOW, granted: false });
    let end = [Terminate, ArmTimer(after(10))];
    let end_unanswered = [&[ReturnAwake][..], &end].concat();
    let asleep = &Phase::Parked { until: Some(after(3600)) };
    let rest = ArmTimer(after(3600));
    let mut rows = Vec::new();
    for at in [at, &WAKES] {
        let calm =
            [Event::Acquire, Start, Event::Stay, Event::Park, LAUNCHED, PROBE_SUCCEEDED, PROBE_REFUSED];
        rows.extend(ignored(at, &calm));
        rows.extend(ignored(at, &[QUEUED_THERE, PLACED]));
        rows.extend(ignored(
            at,
            &[LeaseFreed, HUNG, DOUBTED, CHECK_FAILED, PARKED, PARK_REFUSED, PARK_FAILED],
        ));
        rows.extend(ignored(at, &[Event::Closed(StopCause::Idle), Event::InUse(StopCause::Idle)]));
        rows.push(row(at, Event::Abandoned, at, []).waiting(1));
        rows.push(row(at, Event::Deadline, at, [ArmTimer(after(5))]));
    }
    let granted = &Phase::Waking { deadline: after(40), granted: true };
    rows.push(row(at, RESERVED, granted, [Wake, ArmTimer(after(40))]));
    let denied = RefuseWaiters(Refusal::NoMemory);
    rows.push(row(at, DENIED, asleep, [denied, rest]));
    rows.push(row(due, Event::Deadline, asleep, [ReturnAwake, denied, rest]));
    rows.push(row(at, Event::Abandoned, asleep, [ReturnAwake, rest]).waiting(0));
    for event in [Evict, Event::Yield] {
        rows.push(row(at, event, &ends(StopCause::Evicted), end_unanswered.clone()));
    }
    rows.push(row(at, WOKEN, at, []));
    rows.push(row(at, WAKE_FAILED, &ends(StopCause::Lost), end_unanswered));
    rows.extend(ends_of_sleep(at, &[ReturnAwake]));

    let (at, due) = (&WAKES, &Phase::Waking { deadline: NOW, granted: true });
    rows.extend(ignored(at, &[RESERVED, DENIED]));
    for event in [Evict, Event::Yield] {
        rows.push(row(at, event, at, [RefuseEviction]));
    }
    rows.push(row(at, Event::Abandoned, at, []).waiting(0));
    let on = [ReopenGate, GrantWaiters, ArmTimer(NOW + ALIVE)];
    rows.push(row(at, WOKEN, &Phase::Ready { since: NOW }, on));
    // Who waits gets a cold start, and no error.
    rows.push(row(at, WAKE_FAILED, &ends(StopCause::Lost), end));
    rows.push(row(due, Event::Deadline, &ends(StopCause::Lost), end));
    rows.extend(ends_of_sleep(at, &[]));
    rows
}

/// However a backend ends that sleeps: it is no failure, and whoever waits gets the next life.
pub(super) fn ends_of_sleep(at: &Phase, first: &[Effect]) -> Vec<Row> {
    let then = |effects: &[Effect]| [first, effects].concat();
    let mut rows = Vec::new();
    for stop in &STOPS[..2] {
        let effects = then(&[REFUSE_STOPPED, Terminate, ArmTimer(after(10))]);
        rows.push(row(at, *stop, &ends(StopCause::Operator), effects));
    }
    let kill = then(&[REFUSE_STOPPED, Kill, ArmTimer(after(5))]);
    rows.push(row(at, STOPS[2], &killed(StopCause::Operator), kill));
    for fresh in [Restart, Event::Renew] {
        rows.push(row(at, fresh, &ends(StopCause::Restart), then(&[Terminate, ArmTimer(after(10))])));
    }
    rows.push(row(at, BROKEN, &breaks(StopCause::Lost), then(&[ArmTimer(after(5))])));
    let again = then(&[ReturnReservation, ArmTimer(after(120)), Reserve]);
    for event in [GONE, OUT_OF_MEMORY, UNREACHABLE] {
        rows.push(row(at, event, &NEW_LIFE, again.clone()).waiting(1));
        rows.push(row(at, event, &Phase::Stopped, then(&[ReturnReservation, DisarmTimer])).waiting(0));
    }
    rows
}

/// Where nothing sleeps there is nothing to be heard of it.
pub(super) fn sleep_without_a_sleeper() -> Vec<Row> {
    let phases = [
        Phase::Stopped,
        QUEUED,
        STARTING,
        READY,
        DRAINING,
        YIELDING,
        stopping(StopCause::Lost),
        killed(StopCause::Park),
        FAILED,
    ];
    let events = [&NEWS_OF_SLEEP[..], &[Event::Abandoned]].concat();
    let rows = phases.iter().flat_map(|at| ignored(at, &events));
    let parks = phases.iter().filter(|at| **at != READY);
    rows.chain(parks.flat_map(|at| ignored(at, &[Event::Park]))).collect()
}

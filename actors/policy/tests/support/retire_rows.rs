//! The rows of models whose place will be over soon, or is being taken away.

use super::*;

/// Its job will be over soon, and another one serves.
const RETIRING: Phase = drains(None, StopCause::Renewed);

/// Only who serves can be replaced. Who retires takes as long as the answers need; it never sleeps, and begins anew for those who
/// still wait.
pub(super) fn retirement() -> Vec<Row> {
    let idle = [Phase::Stopped, QUEUED, STARTING, DRAINING, YIELDING, stopping(StopCause::Idle), FAILED];
    let asleep = [TO_SLEEP, ASLEEP, WAITS_TO_WAKE, WAKES];
    let mut rows: Vec<Row> =
        idle.iter().chain(&asleep).flat_map(|at| ignored(at, &[Event::Retire])).collect();
    rows.push(row(&READY, Event::Retire, &RETIRING, [DisarmTimer, CloseGate]));
    let end = [Terminate, ArmTimer(after(10))];
    rows.push(row(&RETIRING, LeaseFreed, &ends(StopCause::Renewed), end).leases(0).may_park());
    rows.push(row(&RETIRING, LeaseFreed, &RETIRING, []).leases(1));
    rows.extend(ignored(&RETIRING, &[Event::Deadline, Event::Stay, Event::Yield, Event::Retire, Start]));
    let again = [BreakLeases, ReturnReservation, ArmTimer(after(120)), Reserve];
    rows.push(row(&RETIRING, GONE, &NEW_LIFE, again).waiting(1));
    let operated = [REFUSE_STOPPED, ArmTimer(after(30))];
    rows.push(row(&RETIRING, STOPS[0], &drains_for(StopCause::Operator), operated));
    rows.extend(taken_away());
    rows
}

const TAKEN: Event = Event::Taken { epoch: EPOCH };
/// Somebody deletes its Pod.
const LEAVES: Phase = drains(None, StopCause::Taken);

/// At once nobody is let in any more. Running answers may take as long as the place lasts; whoever waits gets the next life.
fn taken_away() -> Vec<Row> {
    let idle = [Phase::Stopped, QUEUED, DRAINING, RENEWING, stopping(StopCause::Idle), FAILED];
    let asleep = [TO_SLEEP, ASLEEP, WAITS_TO_WAKE, WAKES];
    let mut rows: Vec<Row> = idle.iter().chain(&asleep).flat_map(|at| ignored(at, &[TAKEN])).collect();
    let end = [Terminate, ArmTimer(after(10))];
    rows.extend(ignored(&READY, &[Event::Taken { epoch: EPOCH - 1 }]));
    rows.push(row(&STARTING, TAKEN, &ends(StopCause::Taken), end));
    rows.push(row(&READY, TAKEN, &LEAVES, [DisarmTimer, CloseGate]));
    // What was to sleep, or might have served on, does neither.
    for was in [StopCause::Evicted, StopCause::Park] {
        rows.push(row(&drains(None, was), TAKEN, &LEAVES, []));
    }
    rows.push(row(&LEAVES, LeaseFreed, &ends(StopCause::Taken), end).leases(0).may_park());
    rows.push(row(&LEAVES, LeaseFreed, &LEAVES, []).leases(1));
    let unmoved =
        [Event::Acquire, Event::Deadline, Event::Stay, Event::Yield, Event::Retire, TAKEN, Start, Restart];
    rows.extend(ignored(&LEAVES, &unmoved));
    for event in [GONE, UNREACHABLE] {
        let again = [BreakLeases, ReturnReservation, ArmTimer(after(120)), Reserve];
        rows.push(row(&LEAVES, event, &NEW_LIFE, again).waiting(1));
        let rest = [BreakLeases, ReturnReservation, DisarmTimer];
        rows.push(row(&LEAVES, event, &Phase::Stopped, rest).waiting(0));
    }
    let operated = [REFUSE_STOPPED, ArmTimer(after(30))];
    rows.push(row(&LEAVES, STOPS[0], &drains_for(StopCause::Operator), operated));
    rows
}

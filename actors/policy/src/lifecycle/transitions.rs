//! The transitions of which the table is made: how a life begins, drains, parks and ends.

use super::types::{
    Effect, Ending, Limits, Moment, Phase, Refusal, State, Step, StopCause, StopUrgency, View,
};
use crate::restart::backoff;
use std::time::Duration;

/// How long a request waits for the next try of a failed model rather than being refused at once.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// What a crashed backend leaves behind has at most this long to clean up.
const CRASH_GRACE: Duration = Duration::from_secs(5);
/// How long after it was killed something may be left of a backend on this machine.
pub const GONE_HERE: Duration = Duration::from_secs(5);
/// When those who are refused because of a backend that can't be ended may ask again.
pub(super) const STUCK_PAUSE: Duration = Duration::from_secs(5);

/// How long what a crashed backend leaves behind may clean up.
pub fn crash_grace(stop_timeout: Duration) -> Duration {
    stop_timeout.min(CRASH_GRACE)
}

/// Begins a life: the memory first.
pub(super) fn new_life(state: &State, view: &View, limits: &Limits, mut effects: Vec<Effect>) -> Step {
    let deadline = view.now.saturating_add(limits.queue_timeout);
    effects.extend([Effect::ArmTimer(deadline), Effect::Reserve]);
    let next = State { epoch: state.epoch.wrapping_add(1), ..state.clone() };
    go(&next, Phase::Queued { deadline }, effects)
}

/// Ends a life whose process is gone; whoever waits gets the next one.
pub(super) fn next_life_or_rest(
    state: &State,
    view: &View,
    limits: &Limits,
    mut effects: Vec<Effect>,
) -> Step {
    effects.push(Effect::ReturnReservation);
    if view.waiting > 0 {
        return new_life(state, view, limits, effects);
    }
    effects.push(Effect::DisarmTimer);
    go(state, Phase::Stopped, effects)
}

pub(super) fn failed_once_more(state: &State) -> State {
    State { failures: state.failures.saturating_add(1), ..state.clone() }
}

/// Ends a life that has failed.
pub(super) fn await_retry(state: &State, view: &View, effects: Vec<Effect>) -> Step {
    await_retry_at(state, view.now.saturating_add(backoff(state.failures)), view, effects)
}

/// Whoever waits goes on waiting if the next try is near, and is refused otherwise.
pub(super) fn await_retry_at(state: &State, retry_at: Moment, view: &View, mut effects: Vec<Effect>) -> Step {
    let retry_after = retry_at.saturating_sub(view.now);
    if view.waiting > 0 && retry_after <= PATIENCE {
        effects.push(Effect::ArmTimer(retry_at));
    } else {
        effects.extend([Effect::RefuseWaiters(Refusal::Failed { retry_after }), Effect::DisarmTimer]);
    }
    go(state, Phase::Failed { retry_at }, effects)
}

/// Ends the service; the process lives on until the running answers have ended. How many are inside is only
/// known once the gate is closed; `LeaseFreed` tells of the last.
pub(super) fn drain(
    state: &State,
    cause: StopCause,
    view: &View,
    limits: &Limits,
    mut effects: Vec<Effect>,
) -> Step {
    let deadline = view.now.saturating_add(limits.drain_timeout);
    effects.push(Effect::ArmTimer(deadline));
    go(state, Phase::Draining { deadline: Some(deadline), cause }, effects)
}

/// Asks the process to end, and sees to it that it does.
pub(super) fn stop_process(
    state: &State,
    cause: StopCause,
    urgency: StopUrgency,
    view: &View,
    limits: &Limits,
    mut effects: Vec<Effect>,
) -> Step {
    if urgency == StopUrgency::Kill {
        return kill(state, cause, view, limits, effects);
    }
    let kill_at = view.now.saturating_add(limits.stop_timeout);
    effects.extend([Effect::Terminate, Effect::ArmTimer(kill_at)]);
    go(state, Phase::Stopping { ending: Ending::Asked(kill_at), cause }, effects)
}

/// Goes, with nobody inside: parked if that may be, for a reason that doesn't want the process gone.
pub(super) fn leave(state: &State, cause: StopCause, view: &View, limits: &Limits) -> Step {
    if !view.may_park || !cause.allows_parking() {
        return stop_process(state, cause, StopUrgency::Now, view, limits, Vec::new());
    }
    let deadline = view.now.saturating_add(limits.park_timeout);
    go(state, Phase::Parking { deadline, cause }, [Effect::Park, Effect::ArmTimer(deadline)])
}

/// Ends the process tree, and looks again a little later whether that has helped.
pub(super) fn kill(
    state: &State,
    cause: StopCause,
    view: &View,
    limits: &Limits,
    mut effects: Vec<Effect>,
) -> Step {
    // Those who wait for one that has failed are told so soon, wherever it is.
    let patience = if cause.is_failure() { GONE_HERE.min(limits.gone_timeout) } else { limits.gone_timeout };
    let gone_by = view.now.saturating_add(patience);
    effects.extend([Effect::Kill, Effect::ArmTimer(gone_by)]);
    go(state, Phase::Stopping { ending: Ending::Killed(gone_by), cause }, effects)
}

/// The first process is gone; the rest was asked to end by the one who noticed, and may clean up.
pub(super) fn broken(
    state: &State,
    cause: StopCause,
    view: &View,
    limits: &Limits,
    mut effects: Vec<Effect>,
) -> Step {
    let kill_at = view.now.saturating_add(crash_grace(limits.stop_timeout));
    effects.push(Effect::ArmTimer(kill_at));
    go(state, Phase::Stopping { ending: Ending::Asked(kill_at), cause }, effects)
}

/// What failed is an operator's business from now on; their word counts, not the backoff.
pub(super) fn pardoned(state: &State, cause: StopCause) -> State {
    State { failures: if cause.is_failure() { 0 } else { state.failures }, ..state.clone() }
}

/// A busy gate can't be unused before a whole `alive_time` has passed.
pub(super) fn idle_timer(used: Moment, limits: &Limits) -> Effect {
    match limits.alive_time {
        Some(alive_time) => Effect::ArmTimer(used.saturating_add(alive_time)),
        None => Effect::DisarmTimer,
    }
}

pub(super) fn stay(state: &State, effects: impl Into<Vec<Effect>>) -> Step {
    Step { state: state.clone(), effects: effects.into() }
}

pub(super) fn go(state: &State, phase: Phase, effects: impl Into<Vec<Effect>>) -> Step {
    Step { state: State { phase, ..state.clone() }, effects: effects.into() }
}

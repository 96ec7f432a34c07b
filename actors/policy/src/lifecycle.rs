//! The life of one model's backend: what follows from what, without doing any of it.
//!
//! `step(state, event, view, limits)` answers the next state and the effects to carry out in order. The Model actor
//! carries them out. Read `Phase` first, then `step`, whose match is the table of ARCHITECTURE.md.
//!
//! Promises that the callers keep: every `Effect::Launch` is followed by exactly one `Event::Gone` of the
//! same epoch, sent when no process of that launch is left; `Effect::Reserve` by at most one `Reserved` or
//! `Denied`, and `ReturnReservation` reaches the scheduler after the `Reserve` that it takes back; the view is
//! looked at before the event is decided, and nothing holds the gate still meanwhile.

mod park;
mod transitions;
mod types;

pub use transitions::{GONE_HERE, PATIENCE, crash_grace};
pub use types::{
    Effect, Ending, Event, Limits, Moment, Phase, Refusal, State, Step, StopCause, StopUrgency, View,
};

use crate::restart::{STABLE_RUN, backoff};
use transitions::{
    STUCK_PAUSE, await_retry, await_retry_at, broken, drain, failed_once_more, go, idle_timer, kill, leave,
    new_life, next_life_or_rest, pardoned, stay, stop_process,
};

/// The table: what follows from `event` in `state`.
pub fn step(state: &State, event: Event, view: &View, limits: &Limits) -> Step {
    if epoch_of(event).is_some_and(|epoch| epoch != state.epoch) {
        return stay(state, []);
    }
    if event == Event::Deadline
        && let Some(due) = state.phase.due().filter(|due| *due > view.now)
    {
        return stay(state, [Effect::ArmTimer(due)]);
    }
    let event = match event {
        // Once it has served, or is on its way out, the reason makes no difference.
        Event::OutOfMemory { epoch } if !matches!(state.phase, Phase::Starting { .. }) => {
            Event::Gone { epoch }
        }
        Event::Unreachable { epoch }
            if !matches!(state.phase, Phase::Starting { .. } | Phase::Ready { .. }) =>
        {
            Event::Gone { epoch }
        }
        event => event,
    };
    match &state.phase {
        Phase::Stopped => stopped(state, event, view, limits),
        Phase::Queued { .. } => queued(state, event, view, limits),
        Phase::Starting { .. } => starting(state, event, view, limits),
        Phase::Ready { since } => ready(state, *since, event, view, limits),
        Phase::Draining { deadline, cause } => draining(state, *deadline, *cause, event, view, limits),
        Phase::Stopping { ending, cause } => stopping(state, *ending, *cause, event, view, limits),
        Phase::Failed { retry_at } => failed(state, *retry_at, event, view, limits),
        Phase::Parking { cause, .. } => park::parking(state, *cause, event, view, limits),
        Phase::Parked { .. } => park::parked(state, event, view, limits),
        Phase::Waking { granted, .. } => park::waking(state, *granted, event, view, limits),
    }
}

fn stopped(state: &State, event: Event, view: &View, limits: &Limits) -> Step {
    match event {
        // Whoever asked may have left before the question was read.
        Event::Acquire if view.waiting == 0 => stay(state, []),
        Event::Acquire | Event::Start | Event::Restart => new_life(state, view, limits, Vec::new()),
        Event::Stop(_) if view.waiting > 0 => stay(state, [Effect::RefuseWaiters(Refusal::Stopped)]),
        _ => stay(state, []),
    }
}

fn queued(state: &State, event: Event, view: &View, limits: &Limits) -> Step {
    match event {
        Event::Reserved { .. } => {
            let deadline = view.now.saturating_add(limits.start_timeout);
            go(state, Phase::Starting { deadline }, [Effect::Launch, Effect::ArmTimer(deadline)])
        }
        Event::Denied { .. } | Event::Deadline => {
            let refuse = Effect::RefuseWaiters(Refusal::NoMemory);
            go(state, Phase::Stopped, [Effect::ReturnReservation, refuse, Effect::DisarmTimer])
        }
        Event::Stop(_) => {
            let refuse = Effect::RefuseWaiters(Refusal::Stopped);
            go(state, Phase::Stopped, [Effect::ReturnReservation, refuse, Effect::DisarmTimer])
        }
        // What was demanded is what the model wanted before.
        Event::Renew => next_life_or_rest(state, view, limits, Vec::new()),
        _ => stay(state, []),
    }
}

fn starting(state: &State, event: Event, view: &View, limits: &Limits) -> Step {
    match event {
        Event::Launched { .. } => stay(state, [Effect::Probe]),
        // How long it waits for a place is the business of whoever gives it one.
        Event::Queued { .. } => stay(state, [Effect::DisarmTimer]),
        Event::Placed { .. } => {
            let deadline = view.now.saturating_add(limits.start_timeout);
            go(state, Phase::Starting { deadline }, [Effect::ArmTimer(deadline), Effect::Probe])
        }
        Event::ProbeSucceeded { .. } => {
            let mut effects = vec![Effect::OpenGate, Effect::GrantWaiters];
            effects.push(idle_timer(view.now, limits));
            go(state, Phase::Ready { since: view.now }, effects)
        }
        Event::ProbeRefused { .. } => {
            let next = failed_once_more(state);
            let refuse = Effect::RefuseWaiters(Refusal::Failed { retry_after: backoff(next.failures) });
            stop_process(&next, StopCause::ProbeRefused, StopUrgency::Now, view, limits, vec![refuse])
        }
        Event::Deadline => {
            let refuse = Effect::RefuseWaiters(Refusal::StartTimeout);
            let next = failed_once_more(state);
            stop_process(&next, StopCause::StartTimeout, StopUrgency::Now, view, limits, vec![refuse])
        }
        Event::Gone { .. } => {
            let next = failed_once_more(state);
            let retry_after = backoff(next.failures);
            let refuse = Effect::RefuseWaiters(Refusal::Failed { retry_after });
            let phase = Phase::Failed { retry_at: view.now.saturating_add(retry_after) };
            go(&next, phase, [Effect::ReturnReservation, refuse, Effect::DisarmTimer])
        }
        // The scheduler knows which variant that was, and denies when there is no other.
        Event::OutOfMemory { .. } | Event::Unreachable { .. } => {
            new_life(state, view, limits, vec![Effect::ReturnReservation])
        }
        Event::Stop(urgency) => {
            let refuse = Effect::RefuseWaiters(Refusal::Stopped);
            stop_process(state, StopCause::Operator, urgency, view, limits, vec![refuse])
        }
        Event::Restart => {
            stop_process(state, StopCause::Operator, StopUrgency::Now, view, limits, Vec::new())
        }
        Event::Renew => stop_process(state, StopCause::Restart, StopUrgency::Now, view, limits, Vec::new()),
        // It would be ready for nobody; whoever waits gets the next one.
        Event::Taken { .. } => {
            stop_process(state, StopCause::Taken, StopUrgency::Now, view, limits, Vec::new())
        }
        Event::Evict | Event::Yield if view.waiting == 0 => {
            stop_process(state, StopCause::Evicted, StopUrgency::Now, view, limits, Vec::new())
        }
        Event::Evict | Event::Yield => stay(state, [Effect::RefuseEviction]),
        _ => stay(state, []),
    }
}

fn ready(state: &State, since: Moment, event: Event, view: &View, limits: &Limits) -> Step {
    let forgiven = State { failures: 0, ..state.clone() };
    let stable = view.now.saturating_sub(since) >= STABLE_RUN;
    let state = if stable { &forgiven } else { state };
    match event {
        Event::Acquire | Event::Start | Event::LeaseFreed => stay(state, [Effect::GrantWaiters]),
        Event::Deadline => match limits.alive_time {
            Some(_) if view.leases > 0 || view.waiting > 0 => stay(state, [idle_timer(view.now, limits)]),
            Some(alive_time) if view.now < view.unused_since.saturating_add(alive_time) => {
                stay(state, [idle_timer(view.unused_since, limits)])
            }
            Some(_) => stay(state, [Effect::CloseIfUnused(StopCause::Idle)]),
            None => stay(state, []),
        },
        Event::Evict if view.leases == 0 && view.waiting == 0 => {
            stay(state, [Effect::CloseIfUnused(StopCause::Evicted)])
        }
        Event::Evict => stay(state, [Effect::RefuseEviction]),
        Event::Yield => {
            let phase = Phase::Draining { deadline: None, cause: StopCause::Evicted };
            go(state, phase, [Effect::DisarmTimer, Effect::CloseGate])
        }
        // Running answers take as long as they need.
        Event::Renew => {
            let phase = Phase::Draining { deadline: None, cause: StopCause::Restart };
            go(state, phase, [Effect::DisarmTimer, Effect::CloseGate])
        }
        // They may take as long as the place lasts, which nobody here decides.
        Event::Retire => {
            let phase = Phase::Draining { deadline: None, cause: StopCause::Renewed };
            go(state, phase, [Effect::DisarmTimer, Effect::CloseGate])
        }
        Event::Taken { .. } => {
            let phase = Phase::Draining { deadline: None, cause: StopCause::Taken };
            go(state, phase, [Effect::DisarmTimer, Effect::CloseGate])
        }
        Event::Closed(cause) => leave(state, cause, view, limits),
        // Running answers take as long as they need; who may not be parked is told so by its actor.
        Event::Park if view.may_park => {
            let phase = Phase::Draining { deadline: None, cause: StopCause::Park };
            go(state, phase, [Effect::DisarmTimer, Effect::CloseGate])
        }
        Event::InUse(StopCause::Evicted) => {
            stay(state, [idle_timer(view.now, limits), Effect::RefuseEviction])
        }
        Event::InUse(_) => stay(state, [idle_timer(view.now, limits)]),
        Event::Stop(urgency) => {
            let effects = vec![Effect::CloseGate, Effect::RefuseWaiters(Refusal::Stopped)];
            if urgency == StopUrgency::Drain {
                return drain(state, StopCause::Operator, view, limits, effects);
            }
            let effects = [effects, vec![Effect::BreakLeases]].concat();
            stop_process(state, StopCause::Operator, urgency, view, limits, effects)
        }
        Event::Restart => drain(state, StopCause::Restart, view, limits, vec![Effect::CloseGate]),
        Event::Doubted { .. } => stay(state, [Effect::Check]),
        // Answers that still run may end; those that hang are broken off with the drain.
        Event::Hung { .. } => {
            drain(&failed_once_more(state), StopCause::Hung, view, limits, vec![Effect::CloseGate])
        }
        Event::CheckFailed { .. } => {
            drain(&failed_once_more(state), StopCause::Unwell, view, limits, vec![Effect::CloseGate])
        }
        Event::Broken { .. } => {
            let effects = vec![Effect::CloseGate, Effect::BreakLeases];
            broken(&failed_once_more(state), StopCause::Crashed, view, limits, effects)
        }
        Event::Gone { .. } => {
            let effects = vec![Effect::CloseGate, Effect::BreakLeases, Effect::ReturnReservation];
            await_retry(&failed_once_more(state), view, effects)
        }
        // Not its failure: another variant may serve those who come, and this one later.
        Event::Unreachable { .. } => {
            next_life_or_rest(state, view, limits, vec![Effect::CloseGate, Effect::BreakLeases])
        }
        _ => stay(state, []),
    }
}

fn draining(
    state: &State,
    deadline: Option<Moment>,
    cause: StopCause,
    event: Event,
    view: &View,
    limits: &Limits,
) -> Step {
    match event {
        Event::LeaseFreed if view.leases == 0 => leave(state, cause, view, limits),
        Event::Deadline if deadline.is_some() => {
            stop_process(state, cause, StopUrgency::Now, view, limits, vec![Effect::BreakLeases])
        }
        Event::Stay if cause == StopCause::Evicted => {
            let effects = [Effect::ReopenGate, Effect::GrantWaiters, idle_timer(view.now, limits)];
            go(state, Phase::Ready { since: view.now }, effects)
        }
        // What it would serve on with, or be woken as, is not what is wanted any more.
        Event::Renew | Event::Restart if matches!(cause, StopCause::Evicted | StopCause::Park) => {
            go(state, Phase::Draining { deadline, cause: StopCause::Restart }, [])
        }
        // It can't serve on, nor sleep.
        Event::Taken { .. } if matches!(cause, StopCause::Evicted | StopCause::Park) => {
            go(state, Phase::Draining { deadline, cause: StopCause::Taken }, [])
        }
        // Only a second stop is in a hurry; a restart or a yield has not been one.
        Event::Stop(StopUrgency::Drain) if cause != StopCause::Operator => {
            let refuse = Effect::RefuseWaiters(Refusal::Stopped);
            let deadline = deadline.unwrap_or(view.now.saturating_add(limits.drain_timeout));
            let phase = Phase::Draining { deadline: Some(deadline), cause: StopCause::Operator };
            go(&pardoned(state, cause), phase, [refuse, Effect::ArmTimer(deadline)])
        }
        Event::Stop(urgency) => {
            // Whoever asks a second time does not want to wait for the answers that are still running.
            let effects = vec![Effect::RefuseWaiters(Refusal::Stopped), Effect::BreakLeases];
            let urgency = urgency.max(StopUrgency::Now);
            stop_process(&pardoned(state, cause), StopCause::Operator, urgency, view, limits, effects)
        }
        // An operator who says "start" has seen the failure; the backoff is not for them.
        Event::Start | Event::Restart if cause.is_failure() => {
            go(state, Phase::Draining { deadline, cause: StopCause::Restart }, [])
        }
        Event::Broken { .. } => broken(state, cause, view, limits, vec![Effect::BreakLeases]),
        Event::Gone { .. } if cause.is_failure() => {
            await_retry(state, view, vec![Effect::BreakLeases, Effect::ReturnReservation])
        }
        Event::Gone { .. } => next_life_or_rest(state, view, limits, vec![Effect::BreakLeases]),
        _ => stay(state, []),
    }
}

fn stopping(
    state: &State,
    ending: Ending,
    cause: StopCause,
    event: Event,
    view: &View,
    limits: &Limits,
) -> Step {
    match event {
        Event::Stop(urgency) => {
            let next = pardoned(state, cause);
            let refuse = Effect::RefuseWaiters(Refusal::Stopped);
            let cause = StopCause::Operator;
            if urgency == StopUrgency::Kill || ending == Ending::Stuck {
                return kill(&next, cause, view, limits, vec![refuse]);
            }
            go(&next, Phase::Stopping { ending, cause }, [refuse])
        }
        // Nobody can say when it will be gone.
        Event::Acquire | Event::Start | Event::Restart if ending == Ending::Stuck => {
            stay(state, [Effect::RefuseWaiters(Refusal::Failed { retry_after: STUCK_PAUSE })])
        }
        Event::Start | Event::Restart | Event::Renew if cause.is_failure() && ending != Ending::Stuck => {
            go(state, Phase::Stopping { ending, cause: StopCause::Operator }, [])
        }
        Event::Deadline => match ending {
            Ending::Asked(_) => kill(state, cause, view, limits, Vec::new()),
            Ending::Killed(_) => {
                let refuse = Effect::RefuseWaiters(Refusal::Failed { retry_after: STUCK_PAUSE });
                go(state, Phase::Stopping { ending: Ending::Stuck, cause }, [Effect::ReportStuck, refuse])
            }
            Ending::Stuck => stay(state, []),
        },
        Event::Gone { .. } if cause.is_failure() => await_retry(state, view, vec![Effect::ReturnReservation]),
        Event::Gone { .. } => next_life_or_rest(state, view, limits, Vec::new()),
        _ => stay(state, []),
    }
}

fn failed(state: &State, retry_at: Moment, event: Event, view: &View, limits: &Limits) -> Step {
    match event {
        Event::Acquire | Event::Deadline if view.waiting == 0 => stay(state, []),
        Event::Acquire if retry_at > view.now => await_retry_at(state, retry_at, view, Vec::new()),
        Event::Acquire | Event::Deadline => new_life(state, view, limits, Vec::new()),
        // An operator who says "start" has seen the failure; the backoff is not for them.
        Event::Start | Event::Restart => new_life(state, view, limits, Vec::new()),
        // What failed was the former launch.
        Event::Renew => {
            let next = State { failures: 0, ..state.clone() };
            if view.waiting > 0 {
                return new_life(&next, view, limits, Vec::new());
            }
            go(&next, Phase::Stopped, [Effect::DisarmTimer])
        }
        Event::Stop(_) => {
            let next = State { failures: 0, ..state.clone() };
            go(&next, Phase::Stopped, [Effect::RefuseWaiters(Refusal::Stopped), Effect::DisarmTimer])
        }
        _ => stay(state, []),
    }
}

fn epoch_of(event: Event) -> Option<u64> {
    match event {
        Event::Reserved { epoch }
        | Event::Denied { epoch }
        | Event::Launched { epoch }
        | Event::Queued { epoch }
        | Event::Placed { epoch }
        | Event::ProbeSucceeded { epoch }
        | Event::ProbeRefused { epoch }
        | Event::Broken { epoch }
        | Event::Taken { epoch }
        | Event::Hung { epoch }
        | Event::Doubted { epoch }
        | Event::CheckFailed { epoch }
        | Event::Gone { epoch }
        | Event::OutOfMemory { epoch }
        | Event::Unreachable { epoch }
        | Event::Parked { epoch }
        | Event::ParkRefused { epoch }
        | Event::ParkFailed { epoch }
        | Event::Woken { epoch }
        | Event::WakeFailed { epoch } => Some(epoch),
        _ => None,
    }
}

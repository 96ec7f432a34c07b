//! A backend that gives its memory up and lives on: on its way to sleep, asleep, and on its way back.
//!
//! Whatever goes wrong here ends in a stop, and for those who wait in a start: nobody is refused who would not have been
//! refused by a model that is stopped when it is idle. None of it counts as a failure of the backend.

use super::transitions::{broken, go, idle_timer, next_life_or_rest, stay, stop_process};
use super::types::{Effect, Event, Limits, Phase, Refusal, State, Step, StopCause, StopUrgency, View};

pub(super) fn parking(state: &State, cause: StopCause, event: Event, view: &View, limits: &Limits) -> Step {
    match event {
        // Who came meanwhile waits behind those for whom it went.
        Event::Parked { .. } if view.waiting > 0 => wake(state, view, limits, vec![Effect::ReturnAwake]),
        Event::Parked { .. } => rest(state, view, limits, vec![Effect::ReturnAwake]),
        // Who has asked it to go meanwhile is answered at last.
        Event::ParkRefused { .. } => serve_again(state, view, limits, vec![Effect::RefuseEviction]),
        Event::ParkFailed { .. } | Event::Deadline => {
            stop_process(state, cause, StopUrgency::Now, view, limits, Vec::new())
        }
        event => end(state, event, view, limits, Vec::new()),
    }
}

pub(super) fn parked(state: &State, event: Event, view: &View, limits: &Limits) -> Step {
    match event {
        Event::Acquire if view.waiting == 0 => stay(state, []),
        Event::Acquire | Event::Start => wake(state, view, limits, Vec::new()),
        Event::Evict | Event::Yield => {
            stop_process(state, StopCause::Evicted, StopUrgency::Now, view, limits, Vec::new())
        }
        Event::Deadline if state.phase.due().is_some() => {
            stop_process(state, StopCause::Idle, StopUrgency::Now, view, limits, Vec::new())
        }
        event => end(state, event, view, limits, Vec::new()),
    }
}

pub(super) fn waking(state: &State, granted: bool, event: Event, view: &View, limits: &Limits) -> Step {
    // The demand for what it needs awake, as long as nobody has answered it.
    let take_back = if granted { Vec::new() } else { vec![Effect::ReturnAwake] };
    match event {
        Event::Reserved { .. } if !granted => {
            let deadline = view.now.saturating_add(limits.wake_timeout);
            let phase = Phase::Waking { deadline, granted: true };
            go(state, phase, [Effect::Wake, Effect::ArmTimer(deadline)])
        }
        // It costs little to stay as it is: a cold start would have been denied, too.
        Event::Denied { .. } if !granted => {
            rest(state, view, limits, vec![Effect::RefuseWaiters(Refusal::NoMemory)])
        }
        Event::Deadline if !granted => {
            let refuse = Effect::RefuseWaiters(Refusal::NoMemory);
            rest(state, view, limits, vec![Effect::ReturnAwake, refuse])
        }
        // Who wanted it has gone before it had its memory.
        Event::Abandoned if !granted && view.waiting == 0 => rest(state, view, limits, take_back),
        // It may be in the way of one that came before it: whoever waits gets a cold start then.
        Event::Evict | Event::Yield if !granted => {
            stop_process(state, StopCause::Evicted, StopUrgency::Now, view, limits, take_back)
        }
        // Somebody waits for it.
        Event::Evict | Event::Yield => stay(state, [Effect::RefuseEviction]),
        Event::Woken { .. } if granted => serve_again(state, view, limits, Vec::new()),
        Event::WakeFailed { .. } | Event::Deadline => {
            stop_process(state, StopCause::Lost, StopUrgency::Now, view, limits, take_back)
        }
        event => end(state, event, view, limits, take_back),
    }
}

/// What ends a backend in any of these phases.
fn end(state: &State, event: Event, view: &View, limits: &Limits, mut effects: Vec<Effect>) -> Step {
    match event {
        Event::Stop(urgency) => {
            effects.push(Effect::RefuseWaiters(Refusal::Stopped));
            stop_process(state, StopCause::Operator, urgency, view, limits, effects)
        }
        // A fresh one is wanted, and this one is not.
        Event::Restart | Event::Renew => {
            stop_process(state, StopCause::Restart, StopUrgency::Now, view, limits, effects)
        }
        Event::Broken { .. } => broken(state, StopCause::Lost, view, limits, effects),
        Event::Gone { .. } => next_life_or_rest(state, view, limits, effects),
        _ => stay(state, []),
    }
}

/// Asks for what it needs awake.
fn wake(state: &State, view: &View, limits: &Limits, mut effects: Vec<Effect>) -> Step {
    let deadline = view.now.saturating_add(limits.queue_timeout);
    effects.extend([Effect::ArmTimer(deadline), Effect::ReserveAwake]);
    go(state, Phase::Waking { deadline, granted: false }, effects)
}

/// Sleeps, for a time.
fn rest(state: &State, view: &View, limits: &Limits, mut effects: Vec<Effect>) -> Step {
    let until = limits.keep_parked.map(|time| view.now.saturating_add(time));
    effects.push(until.map_or(Effect::DisarmTimer, Effect::ArmTimer));
    go(state, Phase::Parked { until }, effects)
}

fn serve_again(state: &State, view: &View, limits: &Limits, mut effects: Vec<Effect>) -> Step {
    effects.extend([Effect::ReopenGate, Effect::GrantWaiters, idle_timer(view.now, limits)]);
    go(state, Phase::Ready { since: view.now }, effects)
}

//! Replicas: how many backends serve a model, which of them gets the next request, and which of them stay when they are idle.
//!
//! The first replica is started as the only one of a model is: by a request, by an operator, by `auto_start`. This decides
//! about the others, with the model's front looking at all of them (the view) before every step.
//!
//! - *One more* when somebody has waited for `scale_up_after` since the line began, or since a replica was last begun or came up: what
//!   one more changes is seen before another follows. Only one is on its way at a time. It takes what memory is free, and makes
//!   no other model go: a second copy is a comfort, and whoever goes pays for it with a start.
//! - *As many as `min`* while the model runs, without anybody waiting. They follow when one is ready, so that a launch that
//!   fails does so once.
//! - *One fewer* by the replica's own idle timer. The first `min` of those that run are told to stay, so their number never falls
//!   below `min` for being idle. As requests go to the first of those that are equally busy, it is the last that become idle.
//! - A start that was refused for want of memory is not tried again for a while (`PAUSE`), one that has failed as long as the
//!   replica's own backoff says. The others go on serving.
//! - *A successor* for each whose place, such as a job, will be over soon (`renewal`): beside `max`, for the time in which there are both.

mod renewal;
mod types;

pub use types::{
    Effect, Event, LAST_CALL, LONGEST_PAUSE, MOST, PAUSE, RELOOK, ReplicaState, Replicas, ScaleReason, State,
    Step, Term, View, name,
};

use crate::gate::Word;
use crate::lifecycle::Moment;
use types::{RefusedStart, free_seat};

/// What follows from an event.
pub fn step(state: &State, event: Event, view: &View<'_>, rules: &Replicas) -> Step {
    let mut next = state.clone();
    let now = view.now;
    let count = |is: fn(ReplicaState) -> bool| view.stands.iter().filter(|stand| is(**stand)).count();
    let (ready, rising) = (count(|one| one == ReplicaState::Ready), count(|one| one == ReplicaState::Rising));
    next.refused.retain(|refused| view.stands.get(refused.replica) != Some(&ReplicaState::Ready));
    match event {
        Event::Look => {}
        Event::Wanted => next.stopped = false,
        Event::Stopped => next.stopped = true,
        Event::Refused { replica, retry_after } => {
            let of = |refused: &RefusedStart| refused.replica == replica;
            let before = next.refused.iter().copied().find(of);
            next.refused.retain(|refused| !of(refused));
            next.successors.retain(|pair| pair.new != replica);
            let before = before.unwrap_or(RefusedStart { replica, times: 0, until: now });
            next.refused.push(before.once_more(replica, now, retry_after));
        }
    }
    if ready > next.ready {
        next.grown = Some(now);
    }
    next.ready = ready;
    if view.waits_since.is_some() && event != Event::Stopped {
        next.stopped = false;
    }
    let mut effects = release(&mut next, view, rules);
    let mut look_at = renewal::turn(&mut next, view, rules, &mut effects);
    let begun = effects.iter().any(|effect| matches!(effect, Effect::More { .. }));
    if ready == 0 && rising == 0 {
        if view.waits_since.is_some() && !next.stopped {
            effects.push(Effect::First);
        }
    } else if ready > 0 && !next.stopped && !begun {
        // One that is being replaced and its successor count as one.
        let alive = ready + rising - next.successors.len().min(ready);
        look_at.extend(grow(&mut next, view, rules, alive, rising > 0, &mut effects));
    }
    effects.extend(look_at.into_iter().min().map(Effect::LookAt));
    Step { state: next, effects, kept: kept(view.stands, rules) }
}

/// Ends those that a smaller `max` leaves no place for, each once.
fn release(next: &mut State, view: &View<'_>, rules: &Replicas) -> Vec<Effect> {
    next.released.retain(|one| view.stands.get(*one).is_some_and(|stand| *stand != ReplicaState::Down));
    let alive = |(_, stand): &(usize, &ReplicaState)| stand.is_alive();
    let beyond = view.stands.iter().enumerate().skip(rules.seats()).filter(alive).map(|(one, _)| one);
    let too_many: Vec<usize> = renewal::surplus(next, view, rules).into_iter().chain(beyond).collect();
    let too_many: Vec<usize> = too_many.into_iter().filter(|one| !next.released.contains(one)).collect();
    next.released.extend(&too_many);
    too_many.into_iter().map(Effect::Release).collect()
}

/// One more, if there are too few or somebody has waited long enough; when there may be one, if that is only later.
fn grow(
    next: &mut State,
    view: &View<'_>,
    rules: &Replicas,
    alive: usize,
    rises: bool,
    effects: &mut Vec<Effect>,
) -> Option<Moment> {
    let now = view.now;
    let most = usize::try_from(rules.max).unwrap_or(usize::MAX);
    let least = usize::try_from(rules.min).unwrap_or(usize::MAX).min(most);
    let few = alive < least;
    let (Some((free_at, replica)), false) = (free_seat(next, view, rules), rises || alive >= most) else {
        return None;
    };
    let since = view.waits_since.map(|since| since.max(next.grown.unwrap_or_default()));
    let due = if few { Some(now) } else { since.map(|since| since.saturating_add(rules.scale_up_after)) };
    let due = due.map(|due| due.max(free_at))?;
    if due > now {
        return Some(due);
    }
    debug_assert!(
        view.stands.get(replica).is_some_and(|stand| stand.may_start(now)),
        "{replica} can't start"
    );
    next.grown = Some(now);
    let waited = view.waits_since.filter(|_| !few).map(|since| now.saturating_sub(since));
    effects.push(Effect::More { replica, why: waited.map_or(ScaleReason::Few, ScaleReason::Waited) });
    None
}

/// The first of those that serve or will, as many as `min`.
fn kept(stands: &[ReplicaState], rules: &Replicas) -> Vec<bool> {
    let mut left = rules.min;
    let stays = |stand: &ReplicaState| {
        let stays = stand.is_alive() && left > 0;
        left -= u32::from(stays);
        stays
    };
    stands.iter().map(stays).collect()
}

/// Which door is tried next: of those that let people in and haven't refused, the one with the fewest inside, and of equals the
/// first. `refused` has a bit for each that has.
pub fn least_busy(words: impl IntoIterator<Item = Word>, refused: u64) -> Option<usize> {
    let open = words.into_iter().enumerate().filter(|(one, word)| {
        let bit = u32::try_from(*one).ok().and_then(|one| 1_u64.checked_shl(one)).unwrap_or(u64::MAX);
        word.is_open() && refused & bit == 0
    });
    open.min_by_key(|(one, word)| (word.leases(), *one)).map(|(one, _)| one)
}

//! Renewal: a backend whose place will be over at a known time, such as a job with a time limit, is replaced before.
//!
//! - From `renew_at` on it has a successor: one that rises anyway, or one that is begun for it. It serves until that one is ready, then it
//!   retires: it lets nobody in, and its running answers end.
//! - One that nobody has used in all its life isn't worth a successor, unless it is kept for its own sake. That may change: it is looked
//!   at again every `RELOOK`.
//! - From `last_call` on it retires in any case. Who comes then waits for the successor, rather than being cut off with the place.
//!
//! A successor that was refused or has failed is tried again as any start is, and retires nobody.

use super::types::{
    Effect, RELOOK, ReplicaState, Replicas, ScaleReason, State, Succession, Term, View, free_seat,
};
use crate::lifecycle::Moment;

/// Sees to successors; answers when to look again.
pub(super) fn turn(
    next: &mut State,
    view: &View<'_>,
    rules: &Replicas,
    effects: &mut Vec<Effect>,
) -> Vec<Moment> {
    let now = view.now;
    let stand = |one: usize| view.stands.get(one).copied();
    // One whose start was refused or has failed succeeds nobody.
    next.successors.retain(|pair| {
        stand(pair.old) == Some(ReplicaState::Ready) && stand(pair.new).is_some_and(ReplicaState::is_alive)
    });
    let serves = |(one, term): (usize, &Option<Term>)| {
        let term = (*term)?;
        (stand(one) == Some(ReplicaState::Ready)).then_some((one, term))
    };
    let mut look_at = Vec::new();
    for (old, term) in view.terms.iter().enumerate().filter_map(serves) {
        let new = next.successors.iter().find(|pair| pair.old == old).map(|pair| pair.new);
        if new.and_then(stand) == Some(ReplicaState::Ready) || term.last_call <= now {
            effects.push(Effect::Retire(old));
            continue;
        }
        look_at.push(term.last_call);
        if term.renew_at > now {
            look_at.push(term.renew_at);
        } else if !term.wanted {
            look_at.push(now.saturating_add(RELOOK).min(term.last_call));
        } else if new.is_none() && !next.stopped {
            look_at.extend(succeed(next, view, rules, old, effects));
        }
    }
    look_at
}

/// Those that are too many for `max` in seats that are there for successors: an earlier manager may have left one and its successor, or
/// `max` became smaller. The places that are over first go. While one of them is on its way, nobody does.
pub(super) fn surplus(next: &State, view: &View<'_>, rules: &Replicas) -> Vec<usize> {
    let paired = |one: &usize| next.successors.iter().any(|pair| pair.old == *one || pair.new == *one);
    let seats = view.stands.iter().enumerate().take(rules.seats());
    let alive = seats.filter(|(_, stand)| stand.is_alive()).map(|(one, _)| one);
    let mut single: Vec<usize> = alive.filter(|one| !paired(one)).collect();
    let room = usize::try_from(rules.max.max(1)).unwrap_or(usize::MAX).saturating_sub(next.successors.len());
    let rises = |one: &usize| view.stands.get(*one) == Some(&ReplicaState::Rising);
    if single.len() <= room || single.iter().any(rises) {
        return Vec::new();
    }
    let over = |one: usize| view.terms.get(one).copied().flatten().map_or(Moment::MAX, |term| term.last_call);
    single.sort_by_key(|one| std::cmp::Reverse(over(*one)));
    let mut surplus = single.split_off(room);
    surplus.sort_unstable();
    surplus
}

/// Finds a successor, or begins one; answers when that is possible, if only later.
fn succeed(
    next: &mut State,
    view: &View<'_>,
    rules: &Replicas,
    old: usize,
    effects: &mut Vec<Effect>,
) -> Option<Moment> {
    let rises = |new: &usize| {
        let taken = next.successors.iter().any(|pair| pair.new == *new);
        !taken && view.stands.get(*new) == Some(&ReplicaState::Rising)
    };
    if let Some(new) = (0..view.stands.len()).find(rises) {
        next.successors.push(Succession { old, new });
        return None;
    }
    let (free_at, new) = free_seat(next, view, rules)?;
    if free_at > view.now {
        return Some(free_at);
    }
    next.grown = Some(view.now);
    next.successors.push(Succession { old, new });
    effects.push(Effect::More { replica: new, why: ScaleReason::Succeeds(old) });
    None
}

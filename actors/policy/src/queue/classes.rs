//! Classes: which demand for memory goes first, and against whom a model keeps what it has.
//!
//! **Order.** The highest class goes first, within a class the one that came first. A demand has the highest class of those who wait
//! for its model; `auto_start` alone counts as the lowest.
//!
//! **Hold.** For an asker of a lower class than those who use a model, it keeps its memory while it is busy with them, and
//! for a while after the last of them has left (with `auto`; a fixed `min_hold` counts from then, too):
//!
//! ```text
//! guard(V, D) = 9/8 x swap(V, D) for each class between the two      counted from the last use by the higher class
//! ```
//!
//! For an asker of a higher class than all who have lately used it, a model goes without the stay of `pace`, and when it is busy after 1 s:
//! its running answers end first, as ever. Those two make up for each other: a model that was turned out too early by
//! 9/16 of a swap is followed by one that stays at least twice as long, class by class, so that with equal loads the bound on loading
//! of `pace` holds for the sum of them, but for what age makes up for.
//!
//! **Age.** A demand that has waited for [`AGE`], or half of `queue_timeout` if that is less, is passed by nobody any more, and
//! no class is above it. So nobody starves:
//!
//! ```text
//! wait(D)  <=  AGE + the bound on waiting of pace, for those who came before D
//! ```
//!
//! A model has one demand at a time, and a new one is younger: so those who came before are at most all other models, once
//! each. `tests/queue_model.rs` looks at every state of two models of different classes, with a `queue_timeout` that leaves no
//! room beside that bound; `tests/queue_pace.rs` plays random ones.

use super::{Ahead, State, View, Waiting, pace};
use crate::lifecycle::Moment;
use crate::placement::{
    DemandPriority, HoldTime, ModelName, PlacementSettings, Resident, Tenure, UserClasses,
};
use crate::spec::Class;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

/// When a demand is passed by nobody any more.
pub const AGE: Duration = Duration::from_secs(120);

/// How long a demand may be passed.
pub fn age(settings: &PlacementSettings) -> Duration {
    AGE.min(settings.queue_timeout / 2)
}

/// Whether nobody passes it any more.
pub(super) fn is_of_age(waiting: &Waiting, now: Moment, settings: &PlacementSettings) -> bool {
    now >= waiting.since.saturating_add(age(settings))
}

/// Who asks, as those see it who are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    class: Class,
    /// The highest class that has no right before it.
    rank: Class,
}

impl Asker {
    pub(super) fn of(waiting: &Waiting, now: Moment, settings: &PlacementSettings) -> Self {
        let class = class(waiting);
        // Age makes it nobody's superior.
        let rank = if is_of_age(waiting, now, settings) { Class::Interactive } else { class };
        Self { class, rank }
    }
}

fn class(waiting: &Waiting) -> Class {
    match waiting.urgency {
        DemandPriority::Wanted(class) => class,
        DemandPriority::Boot => Class::Batch,
    }
}

/// Puts those who wait in the order in which they are served.
pub(super) fn sort(state: &mut State, now: Moment, settings: &PlacementSettings) {
    let rank = |waiting: &Waiting| {
        let is_of_age = is_of_age(waiting, now, settings);
        (Reverse(is_of_age), Reverse((!is_of_age).then(|| class(waiting))), waiting.since)
    };
    state.waiting.sort_by_key(rank);
}

/// Who would get memory before this model if it were wanted now, the first one first.
pub fn ahead(state: &State, view: &View<'_>, model: &ModelName) -> Vec<Ahead> {
    let waits = state.waiting.iter().find(|one| one.model == *model).cloned();
    let asker = waits.unwrap_or_else(|| Waiting::new(model, 0, &Arc::default(), None, view.now));
    let ahead = in_front(state, &asker, view.now, view.settings).into_iter();
    let told = |one: Waiting| Ahead {
        waited: view.now.saturating_sub(one.since),
        model: one.model,
        urgency: one.urgency,
    };
    ahead.map(told).collect()
}

/// Those who wait and go before this one, which may or may not be among them.
pub(super) fn in_front(
    state: &State,
    asker: &Waiting,
    now: Moment,
    settings: &PlacementSettings,
) -> Vec<Waiting> {
    let others = state.waiting.iter().filter(|one| one.model != asker.model);
    let waiting = others.chain([asker]).cloned().collect();
    let mut line = State { waiting, ..State::default() };
    sort(&mut line, now, settings);
    line.waiting.into_iter().take_while(|one| one.model != asker.model).collect()
}

/// What those who use a model are to an asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Towards {
    /// Some of them are above it, or were until not long ago; it ends at that moment, or when they have left.
    Above(Option<Moment>),
    /// The rules of `pace` hold.
    Level,
    /// All of them are below it.
    Below,
}

/// What a swap costs, and how long it binds.
#[derive(Clone, Copy, Debug)]
struct Terms {
    setting: HoldTime,
    resident: Duration,
    asker: Duration,
}

impl Terms {
    fn dwell(self) -> Duration {
        match self.setting {
            HoldTime::Auto => pace::dwell(self.resident, self.asker),
            HoldTime::Fixed(time) => time,
        }
    }

    fn guard(self, between: usize) -> Duration {
        match self.setting {
            HoldTime::Auto => self.dwell().saturating_mul(2 * u32::try_from(between).unwrap_or(1)),
            HoldTime::Fixed(time) => time,
        }
    }

    fn towards(self, users: UserClasses, asker: Asker, now: Moment) -> Towards {
        let Asker { class: own, rank } = asker;
        if users.now > Some(rank) {
            return Towards::Above(None);
        }
        let left = Class::ALL.into_iter().zip(users.left).filter_map(|(class, left)| Some((class, left?)));
        let guarded = left.clone().filter(|(class, _)| *class > rank);
        let guarded =
            guarded.map(|(class, left)| left.saturating_add(self.guard(class as usize - rank as usize)));
        if let Some(until) = guarded.max().filter(|until| now < *until) {
            return Towards::Above(Some(until));
        }
        let recent = left.filter(|(class, left)| *class >= own && now < left.saturating_add(self.dwell()));
        let is_used = users.now.is_some() || users.left.iter().any(Option::is_some);
        if is_used && users.now < Some(own) && recent.count() == 0 { Towards::Below } else { Towards::Level }
    }
}

/// Changes how long a model keeps its memory, where it and its asker are of different classes. `load`: the asker's.
pub(super) fn weigh(
    one: &mut Resident,
    tenure: Tenure,
    asker: Asker,
    load: Duration,
    now: Moment,
    settings: &PlacementSettings,
) {
    let terms = Terms { setting: settings.min_hold, resident: tenure.load, asker: load };
    match terms.towards(one.users, asker, now) {
        Towards::Above(until) => {
            one.guarded_until = until;
            // It is not told to finish as long as they are there.
            one.patience = one.patience.filter(|_| until.is_some());
        }
        Towards::Level => {}
        Towards::Below => {
            if settings.min_hold == HoldTime::Auto {
                one.kept_until = None;
            }
            if settings.max_hold == HoldTime::Auto {
                one.patience = Some(pace::LEAST_BUSY);
            }
        }
    }
}

/// How long a model that goes for an asker had to stay: what is more is left to its successor.
pub(super) fn due(users: UserClasses, tenure: Tenure, asker: Asker, load: Duration) -> Duration {
    let terms = Terms { setting: HoldTime::Auto, resident: tenure.load, asker: load };
    let left = Class::ALL.into_iter().zip(users.left).filter(|(_, left)| left.is_some());
    let above = left.map(|(class, _)| class).filter(|class| *class > asker.rank).max();
    above.map_or(terms.dwell(), |above| terms.guard(above as usize - asker.rank as usize))
}

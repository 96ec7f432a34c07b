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

use crate::gate::Word;
use crate::lifecycle::Moment;
use std::time::Duration;

/// A start that was refused is tried again after this time at the earliest, and after twice as long each further time ...
pub const PAUSE: Duration = Duration::from_secs(10);
/// ... up to this.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// As many as one model may have.
pub const MOST: u32 = 64;

/// `replicas:` of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// So many stay while the model runs, idle or not.
    pub min: u32,
    /// There are never more.
    pub max: u32,
    /// One more is started when somebody has waited for so long.
    pub scale_up_after: Duration,
}

impl Replicas {
    /// What a model has that says nothing of them.
    pub const ONE: Self = Self { min: 0, max: 1, scale_up_after: Duration::from_secs(5) };
}

/// The name of a further replica, the first one being called as its model; `number` counts from 1.
pub fn name(model: &str, number: usize) -> String {
    if number <= 1 { model.to_owned() } else { format!("{model}#{number}") }
}

/// What a replica does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stand {
    /// Nothing: it is stopped, or parked.
    Down,
    /// Its last start, or its last run, has failed; it may be tried again then.
    Failed {
        /// When.
        retry_at: Moment,
    },
    /// It waits for memory, is being started, or wakes.
    Rising,
    /// It serves.
    Ready,
    /// It is on its way out, or to sleep.
    Leaving,
}

impl Stand {
    /// It serves, or will.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Rising | Self::Ready)
    }

    /// It could be started now.
    fn may_start(self, now: Moment) -> bool {
        match self {
            Self::Down => true,
            Self::Failed { retry_at } => retry_at <= now,
            Self::Rising | Self::Ready | Self::Leaving => false,
        }
    }
}

/// What a model's front remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// An operator has stopped the model, and nobody has wanted it since.
    stopped: bool,
    /// So many were ready when it last looked.
    ready: usize,
    /// When a further one was last begun, or came up.
    grown: Option<Moment>,
    /// Of those whose start was refused, until it is ready again.
    refused: Vec<Refused>,
    /// Those that have been told to end because there are too many.
    released: Vec<usize>,
}

/// A start that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Refused {
    replica: usize,
    /// So often in a row, as far as it makes a difference.
    times: u32,
    /// It is not tried again before.
    until: Moment,
}

impl Refused {
    fn once_more(self, replica: usize, now: Moment, retry_after: Duration) -> Self {
        let pause = PAUSE.saturating_mul(1 << self.times).min(LONGEST_PAUSE);
        let until = now.saturating_add(pause.max(retry_after));
        Self { replica, times: (self.times + 1).min(3), until }
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Something of what the view shows may have changed.
    Look,
    /// An operator wants the model to run.
    Wanted,
    /// An operator wants it to be stopped; each of its replicas is told so.
    Stopped,
    /// The start of this replica was refused.
    Refused {
        /// Its position.
        replica: usize,
        /// It may be tried again after this time.
        retry_after: Duration,
    },
}

/// The world at one moment.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The time.
    pub now: Moment,
    /// Since when the one who has waited longest has waited; `None`: nobody waits.
    pub waits_since: Option<Moment>,
    /// All replicas, the first one first.
    pub stands: &'a [Stand],
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// None serves or is about to: the first one has to, as the only one of a model would.
    First,
    /// Start this one, if there is room for it.
    More {
        /// Its position.
        replica: usize,
        /// Somebody has waited for so long; `None`: there are fewer than `min`.
        waited: Option<Duration>,
    },
    /// There are more than `max`: this one ends when its running answers have ended.
    Release(usize),
    /// Look again then.
    LookAt(Moment),
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it remembers from now on.
    pub state: State,
    /// What to do, in order.
    pub effects: Vec<Effect>,
    /// Which of them stay when they are idle.
    pub kept: Vec<bool>,
}

/// What follows from an event.
pub fn step(state: &State, event: Event, view: &View<'_>, rules: &Replicas) -> Step {
    let mut next = state.clone();
    let now = view.now;
    let count = |is: fn(Stand) -> bool| view.stands.iter().filter(|stand| is(**stand)).count();
    let (ready, rising) = (count(|one| one == Stand::Ready), count(|one| one == Stand::Rising));
    next.refused.retain(|refused| view.stands.get(refused.replica) != Some(&Stand::Ready));
    match event {
        Event::Look => {}
        Event::Wanted => next.stopped = false,
        Event::Stopped => next.stopped = true,
        Event::Refused { replica, retry_after } => {
            let of = |refused: &Refused| refused.replica == replica;
            let before = next.refused.iter().copied().find(of);
            next.refused.retain(|refused| !of(refused));
            let before = before.unwrap_or(Refused { replica, times: 0, until: now });
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
    if ready == 0 && rising == 0 {
        if view.waits_since.is_some() && !next.stopped {
            effects.push(Effect::First);
        }
    } else if ready > 0 && !next.stopped {
        grow(&mut next, view, rules, ready + rising, rising > 0, &mut effects);
    }
    Step { state: next, effects, kept: kept(view.stands, rules) }
}

/// Ends those that a smaller `max` leaves no place for, each once.
fn release(next: &mut State, view: &View<'_>, rules: &Replicas) -> Vec<Effect> {
    next.released.retain(|one| view.stands.get(*one).is_some_and(|stand| *stand != Stand::Down));
    let most = usize::try_from(rules.max.max(1)).unwrap_or(usize::MAX);
    let many = view.stands.iter().enumerate().skip(most).filter(|(_, stand)| stand.is_alive());
    let too_many: Vec<usize> = many.map(|(one, _)| one).filter(|one| !next.released.contains(one)).collect();
    next.released.extend(&too_many);
    too_many.into_iter().map(Effect::Release).collect()
}

/// One more, if there are too few or somebody has waited long enough.
fn grow(
    next: &mut State,
    view: &View<'_>,
    rules: &Replicas,
    alive: usize,
    rises: bool,
    effects: &mut Vec<Effect>,
) {
    let now = view.now;
    let most = usize::try_from(rules.max).unwrap_or(usize::MAX);
    let least = usize::try_from(rules.min).unwrap_or(usize::MAX).min(most);
    let paused = |one: usize| next.refused.iter().find(|refused| refused.replica == one).map(|one| one.until);
    let few = alive < least;
    // What it could be begun with, and when: the earliest, and the first of those.
    let free = view.stands.iter().enumerate().take(most).filter_map(|(one, stand)| {
        let until = match stand {
            Stand::Failed { retry_at } => *retry_at,
            Stand::Down => Moment::ZERO,
            Stand::Rising | Stand::Ready | Stand::Leaving => return None,
        };
        Some((until.max(paused(one).unwrap_or_default()), one))
    });
    let (Some((free_at, replica)), false) = (free.min_by_key(|(at, one)| ((*at).max(now), *one)), rises)
    else {
        return;
    };
    let since = view.waits_since.map(|since| since.max(next.grown.unwrap_or_default()));
    let due = if few { Some(now) } else { since.map(|since| since.saturating_add(rules.scale_up_after)) };
    let Some(due) = due.map(|due| due.max(free_at)) else { return };
    if due > now {
        effects.push(Effect::LookAt(due));
        return;
    }
    debug_assert!(
        view.stands.get(replica).is_some_and(|stand| stand.may_start(now)),
        "{replica} can't start"
    );
    next.grown = Some(now);
    let waited = view.waits_since.filter(|_| !few).map(|since| now.saturating_sub(since));
    effects.push(Effect::More { replica, waited });
}

/// The first of those that serve or will, as many as `min`.
fn kept(stands: &[Stand], rules: &Replicas) -> Vec<bool> {
    let mut left = rules.min;
    let stays = |stand: &Stand| {
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

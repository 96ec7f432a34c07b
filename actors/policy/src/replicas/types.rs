//! The types of replicas: what a model's front sees, remembers and does.

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
    /// So many may be there beside `max` for a while: successors of those whose place will be over soon.
    pub spare: u32,
}

impl Replicas {
    /// What a model has that says nothing of them.
    pub const ONE: Self = Self { min: 0, max: 1, scale_up_after: Duration::from_secs(5), spare: 0 };

    /// How many actors a model has for its backends.
    pub fn seats(&self) -> usize {
        usize::try_from(self.max.max(1).saturating_add(self.spare)).unwrap_or(usize::MAX)
    }
}

/// The name of a further replica, the first one being called as its model; `number` counts from 1.
pub fn name(model: &str, number: usize) -> String {
    if number <= 1 { model.to_owned() } else { format!("{model}#{number}") }
}

/// What a replica does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplicaState {
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

impl ReplicaState {
    /// It serves, or will.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Rising | Self::Ready)
    }

    /// It could be started now.
    pub(super) fn may_start(self, now: Moment) -> bool {
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
    pub(super) stopped: bool,
    /// So many were ready when it last looked.
    pub(super) ready: usize,
    /// When a further one was last begun, or came up.
    pub(super) grown: Option<Moment>,
    /// Of those whose start was refused, until it is ready again.
    pub(super) refused: Vec<RefusedStart>,
    /// Those that have been told to end because there are too many.
    pub(super) released: Vec<usize>,
    /// Of those whose place will be over soon: each with its successor.
    pub(super) successors: Vec<Succession>,
}

/// A replica whose place will be over soon, and the one that comes in its stead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Succession {
    pub(super) old: usize,
    pub(super) new: usize,
}

/// A start that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RefusedStart {
    pub(super) replica: usize,
    /// So often in a row, as far as it makes a difference.
    pub(super) times: u32,
    /// It is not tried again before.
    pub(super) until: Moment,
}

impl RefusedStart {
    pub(super) fn once_more(self, replica: usize, now: Moment, retry_after: Duration) -> Self {
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
    pub stands: &'a [ReplicaState],
    /// When the place of each of them is over; nothing is known of those that are missing here.
    pub terms: &'a [Option<Term>],
}

/// For what one more is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScaleReason {
    /// There are fewer than `min`.
    Few,
    /// Somebody has waited for so long.
    Waited(Duration),
    /// The place of this one will be over soon.
    Succeeds(usize),
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
        /// For what.
        why: ScaleReason,
    },
    /// Its place will be over soon: this one lets nobody in any more, and ends when its running answers have ended.
    Retire(usize),
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

/// The longest time before its end in which a backend lets nobody in, whether it has a successor or not ...
pub const LAST_CALL: Duration = Duration::from_secs(30);
/// ... which is this part of the time that a successor has.
const PART: u32 = 10;
/// A backend that would have had a successor, had somebody used it, is looked at again after this time.
pub const RELOOK: Duration = Duration::from_secs(10);

/// When a backend's place is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// From then on it has a successor.
    pub renew_at: Moment,
    /// From then on it lets nobody in any more.
    pub last_call: Moment,
    /// It is worth a successor.
    pub wanted: bool,
}

impl Term {
    /// Of a backend that is ready since `ready`, in a place that is over at `ends`, with a successor `before` that.
    ///
    /// However short the place is, it is kept for a quarter of that time: otherwise each successor would need one at once.
    pub fn new(ready: Moment, ends: Moment, before: Duration, wanted: bool) -> Self {
        let whole = ends.saturating_sub(ready);
        let renew_at = ends.saturating_sub(before).max(ready.saturating_add(whole / 4));
        let last_call =
            ends.saturating_sub((ends.saturating_sub(renew_at) / PART).min(LAST_CALL)).max(renew_at);
        Self { renew_at, last_call, wanted }
    }
}

/// What one more could be begun with, and when: the earliest, and the first of those.
pub(super) fn free_seat(next: &State, view: &View<'_>, rules: &Replicas) -> Option<(Moment, usize)> {
    let paused = |one: usize| next.refused.iter().find(|refused| refused.replica == one).map(|one| one.until);
    let free = view.stands.iter().enumerate().take(rules.seats()).filter_map(|(one, stand)| {
        let until = match stand {
            ReplicaState::Failed { retry_at } => *retry_at,
            ReplicaState::Down => Moment::ZERO,
            ReplicaState::Rising | ReplicaState::Ready | ReplicaState::Leaving => return None,
        };
        let taken = next.successors.iter().any(|pair| pair.new == one);
        (!taken).then_some((until.max(paused(one).unwrap_or_default()), one))
    });
    free.min_by_key(|(at, one)| ((*at).max(view.now), *one))
}

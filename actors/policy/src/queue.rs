//! Who gets memory, and when: the Scheduler's state machine.
//!
//! `step(state, event, view)` answers the next state and the effects to carry out, as `lifecycle` does for one
//! model; `placement` decides about each demand. The Scheduler actor looks at the models (the view) before
//! every step and carries the effects out.
//!
//! - Demands are looked at by class (`classes`), and within one in the order of their arrival. One that has to wait *claims* the memory that any of
//!   its variants could use: those behind it see that as taken, so a small one overtakes only where the claim
//!   leaves room, and delays nobody.
//! - Victims are asked, not ordered: a model that has become busy meanwhile refuses, and is left alone.
//! - Steady traffic doesn't hold memory for ever: a busy model in the way of a demand that has waited for
//!   `max_hold` while it was ready is asked to yield, which closes it to newcomers until its running answers
//!   have ended. Those newcomers wait, and come after the one that it yields to. When nobody waits for its memory any
//!   more (the one who asked has been refused, has left, or was given other memory), the yield is withdrawn.
//! - An idle model goes at once, unless models compete for its memory: then it stays for a while (`pace`), so that
//!   loading takes a bounded share of the time.
//! - Memory of a process that has ended counts as taken until a device shows it free (three quarters of it, or no
//!   more in use than before the start and a quarter of it), or `settle` has passed. On a device that doesn't tell
//!   what is in use it is free at once: there is nothing to wait for.
//! - A device may be shared with other programs: when they take of what is kept free for them, idle models go, and
//!   while an operator has paused it, all of them do, the busy ones when their answers have ended.
//! - One that can sleep is asked to sleep where that frees enough. What it holds asleep stays reserved, RAM included;
//!   to wake it demands the rest, in its turn (`park`).
//! - Every demand ends in one `Grant` or one `Deny`, at the latest after `queue_timeout`.
//!
//! Promises that the callers keep: every `AskEvict` is followed by the model's leaving (to be seen in the view,
//! then `Returned`) or by `EvictRefused`; every `Grant` by exactly one `Returned` of the same epoch, sent when
//! no process of that life is left; the Scheduler's mailbox keeps the order of each model's messages.

pub mod classes;
mod held;
mod memory;
pub mod pace;
mod park;
mod round;
mod steps;
mod way;

pub use classes::ahead;
pub use park::may_park;
pub use steps::{explain, step};

use crate::devices::{DeviceId, DeviceSnapshot};
use crate::lifecycle::Moment;
use crate::placement::{
    DemandPriority, DeviceAllocation, Explanation, HeldPart, ModelName, Never, ParkedMemory,
    PlacementSettings, ResidentState, UserClasses, Variant,
};
use crate::spec::Class;
use pace::Account;
use std::sync::Arc;
use std::time::Duration;

/// While somebody waits, the models and the devices are looked at this often.
pub const POLL: Duration = Duration::from_millis(250);
/// ... and this often while it is for a busy model to become idle: nobody tells of that.
pub const BUSY_POLL: Duration = Duration::from_millis(25);
/// ... or for a device to show that memory is free.
pub const SETTLE_POLL: Duration = Duration::from_millis(10);
/// A snapshot this much older than a demand will do for it.
pub const FRESH: Duration = Duration::from_millis(100);
/// One that is older than that by less than this does to see who has to go; the memory is looked at again then.
pub const RECENT: Duration = Duration::from_millis(1500);
/// How long a demand waits for a newer snapshot before the old one has to do.
pub const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(1);
/// How long a model that was asked to go is taken for one that goes, though it doesn't show yet.
pub const ANSWER_TIME: Duration = Duration::from_secs(5);
/// After this time a variant that ran out of memory is tried again even if nothing has changed.
pub const RETRY_VARIANT: Duration = Duration::from_secs(300);
/// So much more free memory counts as a change, in MiB.
pub const CHANGE_MIB: u64 = 256;

/// All that the Scheduler remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// Demands, in the order in which they were last looked at.
    pub waiting: Vec<Waiting>,
    /// Reservations, in the order in which they were made.
    pub holds: Vec<Hold>,
    /// Starts that ran out of memory, and addresses that don't answer.
    pub failed: Vec<FailedStart>,
    /// What models that went for others left over, by device.
    pub accounts: Vec<Account>,
    /// After a restart of the Scheduler: no decision before that moment, or before all models have said what
    /// they hold.
    pub quiet_until: Option<Moment>,
}

impl State {
    /// A Scheduler that has been restarted while models run.
    pub fn restarted(quiet_until: Moment) -> Self {
        Self { quiet_until: Some(quiet_until), ..Self::default() }
    }
}

/// A demand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Waiting {
    pub model: ModelName,
    /// Its life.
    pub epoch: u64,
    /// How, in order of priority.
    pub variants: Arc<[Variant]>,
    /// Since when.
    pub since: Moment,
    /// Since when somebody who may not be stopped has been in the way.
    pub blocked_since: Option<Moment>,
    /// From launch to ready, as measured before.
    pub load: Option<Duration>,
    /// MiB of its best variant on all devices.
    pub mib: u64,
    /// Who wants it.
    pub urgency: DemandPriority,
    /// `overlap: true`.
    pub overlap: bool,
    /// It sleeps, and wants what it needs awake.
    pub wakes: bool,
    /// Others have wanted the same memory while it waited.
    pub rivals: bool,
    /// The first model that goes for it was asked to then.
    pub victims_asked: Option<Moment>,
    /// The last process of a model that went for it ended then.
    pub victims_gone: Option<Moment>,
}

/// A demand that goes before another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ahead {
    /// Whose.
    pub model: ModelName,
    /// Who wants it.
    pub urgency: DemandPriority,
    /// For how long.
    pub waited: Duration,
}

/// A reservation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// Whose.
    pub model: ModelName,
    /// Of which life.
    pub epoch: u64,
    /// As which variant.
    pub variant: Arc<str>,
    /// Where and how much; `actual` as the devices last said.
    pub parts: Vec<HeldPart>,
    /// Memory in use on each of its devices when it was reserved.
    pub used_before: Vec<Option<u64>>,
    /// What has been asked of it.
    pub stage: Stage,
    /// Whether it sleeps.
    pub doze: Doze,
    /// When it was granted; `None`: not known, after a restart of the Scheduler.
    pub granted: Option<Moment>,
    /// When it became ready, if it has been seen so.
    pub ready: Option<Moment>,
    /// Its load: that of this life once it is ready, before that as measured or guessed.
    pub load: Duration,
    /// Others wanted the same memory while it waited or loaded.
    pub rivals: bool,
    /// How much shorter it may stay because of what its predecessor left over.
    pub credit: Duration,
}

/// How far a model's way to sleep has come. `parts` of its reservation are what it holds meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Doze {
    /// Nobody thinks of it.
    #[default]
    Awake,
    /// It has been asked to.
    Asked,
    /// It would, as soon as there is room for what it holds then.
    Wants,
    /// It is on its way, and holds what it needs awake and asleep.
    Going {
        /// What it needs awake.
        awake: Vec<HeldPart>,
    },
    /// It sleeps.
    Down {
        /// What it needs awake.
        awake: Vec<HeldPart>,
    },
}

/// What the Scheduler knows of a reservation besides what the view shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Nothing.
    Kept,
    /// It has been asked to go.
    Asked {
        /// When.
        at: Moment,
        /// Memory in use on each of its devices then.
        used: Vec<Option<u64>>,
        /// For whom.
        in_favour_of: ModelName,
    },
    /// It is busy, and has been asked to let nobody in any more.
    Yielding {
        /// Memory in use on each of its devices then.
        used: Vec<Option<u64>>,
        /// For whom.
        in_favour_of: ModelName,
    },
    /// It has refused to.
    Refused {
        /// It is not asked again before.
        until: Moment,
    },
    /// Its process is gone.
    Gone {
        /// Since when.
        since: Moment,
        /// Memory in use on each of its devices before.
        used: Vec<Option<u64>>,
    },
}

/// A start that ran out of memory, or an address that doesn't answer: the variant is not tried again until something
/// changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FailedStart {
    /// Whose.
    pub model: ModelName,
    /// As which variant.
    pub variant: Arc<str>,
    /// When.
    pub at: Moment,
    /// Its devices, and the memory in use on each before the start.
    pub devices: Vec<(DeviceId, Option<u64>)>,
    /// Why its address counts as offline; `None`: it ran out of memory.
    pub offline: Option<Arc<str>>,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A model wants to run.
    Demand {
        model: ModelName,
        /// The life that it wants to begin.
        epoch: u64,
        /// How, in order of priority.
        variants: Arc<[Variant]>,
        /// From launch to ready, as measured; `None`: guessed from its size.
        load: Option<Duration>,
        /// Who wants it. The same life may demand again, with another urgency, and keeps its place.
        urgency: DemandPriority,
        /// `overlap: true`.
        overlap: bool,
    },
    /// It does not want to any more, or it has ended: the demand or the reservation is taken back.
    Returned {
        model: ModelName,
        /// Which life.
        epoch: u64,
        /// There was a process, so the device may show its memory for a while.
        ran: bool,
    },
    /// A start failed for lack of memory; `Returned` follows.
    StartFailed {
        model: ModelName,
        /// Which life.
        epoch: u64,
        /// Its output or its end said so.
        out_of_memory: bool,
    },
    /// Nothing is heard of a variant at its address; `Returned` follows.
    Unreachable {
        /// Whose.
        model: ModelName,
        /// Which life.
        epoch: u64,
        why: Arc<str>,
    },
    /// A model says what it holds, after a restart of the Scheduler.
    Holds {
        model: ModelName,
        /// Which life.
        epoch: u64,
        /// As which variant.
        variant: Arc<str>,
        /// Where and how much.
        assignment: Vec<DeviceAllocation>,
    },
    /// A model would sleep, as soon as there is room for what it holds then. Answered by `LetPark`.
    Parking {
        model: ModelName,
        /// Which life.
        epoch: u64,
    },
    /// A model sleeps, or goes on sleeping: what it wanted awake is taken back.
    Asleep {
        model: ModelName,
        /// Which life.
        epoch: u64,
    },
    /// One that goes on serving: it has not fallen asleep.
    StaysAwake {
        model: ModelName,
        /// Which life.
        epoch: u64,
    },
    /// A model that sleeps wants what it needs awake. Answered by `GrantWake` or `Deny`.
    Wake {
        model: ModelName,
        /// Which life.
        epoch: u64,
        /// For whom; for `DemandPriority::Boot` nobody has to go.
        urgency: DemandPriority,
    },
    /// All models have said what they hold.
    AllAnnounced,
    /// A model could not go: it has become busy.
    EvictRefused {
        model: ModelName,
        /// Which life.
        epoch: u64,
    },
    /// A model has become ready, idle or busy: look again.
    Changed,
    /// The view has a new snapshot.
    SnapshotTaken,
    /// The timer fired.
    Timer,
}

/// What to do, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The memory is reserved: start.
    Grant {
        model: ModelName,
        /// Which life.
        epoch: u64,
        /// Position among the demand's variants.
        variant: usize,
        /// Where.
        assignment: Vec<DeviceAllocation>,
        /// Why this variant, in numbers.
        explanation: Box<Explanation>,
        /// When those that went for it were gone, and when their memory was free; `None`: nobody had to go.
        made_room: Option<MadeRoom>,
    },
    /// There will be no memory.
    Deny {
        model: ModelName,
        /// Which life.
        epoch: u64,
        /// Why.
        denial: Denial,
        /// In numbers.
        explanation: Box<Explanation>,
    },
    /// The memory that it needs awake is reserved: wake.
    GrantWake {
        model: ModelName,
        /// Which life.
        epoch: u64,
    },
    /// The answer to one that would sleep.
    LetPark {
        model: ModelName,
        /// Which life.
        epoch: u64,
        /// There is room for what it holds then; otherwise it has to end.
        go: bool,
    },
    /// Ask a model to go if it is idle.
    AskEvict {
        model: ModelName,
        /// Which life.
        epoch: u64,
        /// For whom.
        in_favour_of: ModelName,
        /// It is enough that it sleeps.
        park: bool,
    },
    /// Ask a busy model to let nobody in any more, to end what runs, and to go.
    AskYield {
        model: ModelName,
        /// Which life.
        epoch: u64,
        /// For whom.
        in_favour_of: ModelName,
        /// It is enough that it sleeps.
        park: bool,
    },
    /// Nobody waits any more for what a model was asked to yield: it may go on.
    WithdrawYield {
        model: ModelName,
        /// Which life.
        epoch: u64,
    },
    /// Ask the DeviceMonitor for a new snapshot of these devices, soon.
    AskSnapshot(Vec<DeviceId>),
    /// Send `Timer` at that moment, instead of any earlier order.
    ArmTimer(Moment),
    /// Send no `Timer`.
    DisarmTimer,
}

/// When memory came free for a demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MadeRoom {
    /// The last process of those that went had ended.
    pub victims_gone: Moment,
    /// Their memory was believed to be free.
    pub memory_free: Moment,
}

/// Why a demand is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// It has waited for `queue_timeout`.
    Timeout,
    /// Waiting would not help.
    Never(Never),
}

/// A model as the Scheduler sees it before a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedModel {
    pub model: ModelName,
    /// Its present life.
    pub epoch: u64,
    /// What it does; not `Settling` and not `First`, which the Scheduler knows itself.
    pub standing: ResidentState,
    /// `pinned: true`.
    pub pinned: bool,
    /// In its hours of `keep_warm`: its own class.
    pub warm: Option<Class>,
    /// From launch to ready, as measured.
    pub reload: Option<Duration>,
    /// Of which classes those are who use it.
    pub users: UserClasses,
    /// How it sleeps or could; `None`: it has no way to, or is on its way out.
    pub sleep: Option<ParkedMemory>,
    /// What the devices say that its processes use, in MiB; a device that doesn't say is not here.
    pub actual: Vec<(DeviceId, u64)>,
}

/// What the Scheduler sees at the moment of the event.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The time.
    pub now: Moment,
    /// The newest snapshot.
    pub snapshot: &'a DeviceSnapshot,
    /// The models that have a life.
    pub models: &'a [ObservedModel],
    /// What the user wants.
    pub settings: &'a PlacementSettings,
}

/// What follows from an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is to be remembered.
    pub state: State,
    /// What is to be done, in order.
    pub effects: Vec<Effect>,
}

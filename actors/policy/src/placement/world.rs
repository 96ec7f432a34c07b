//! What a decision depends on, and what it can be.

use crate::devices::{BadRequirement, DeviceId, DeviceSnapshot, Requirement};
use crate::lifecycle::Moment;
use crate::spec::{Class, HoldTime, VariantSpec};
use std::sync::Arc;
use std::time::Duration;

/// A model's name.
pub type ModelName = Arc<str>;

/// What the user wants of placement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlacementSettings {
    /// Whether a better variant is worth an eviction.
    pub prefer: Prefer,
    /// How long a model that has become ready keeps its memory, busy or idle.
    pub min_hold: HoldTime,
    /// How long busy models may keep another one waiting before they are told to finish.
    pub max_hold: HoldTime,
    /// Longest wait for memory.
    pub queue_timeout: Duration,
    /// How long after a process's end its memory is waited for to show as free.
    pub settle: Duration,
}

impl Default for PlacementSettings {
    fn default() -> Self {
        Self {
            prefer: Prefer::Best,
            min_hold: HoldTime::Auto,
            max_hold: HoldTime::Auto,
            queue_timeout: Duration::from_secs(300),
            settle: Duration::from_secs(5),
        }
    }
}

/// Which of two variants is taken when the better one needs an eviction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Prefer {
    /// The better one.
    #[default]
    Best,
    /// The one that leaves everybody where they are.
    Resident,
}

/// Memory wanted on what one entry of `required_devices` means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Need {
    /// Which devices.
    pub requirement: Requirement,
    /// MiB on each of them; 0: it only has to be online.
    pub mib: u64,
}

/// One launch configuration, as far as placement is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Its key in the configuration.
    pub name: Arc<str>,
    /// All of them at once, each on a device of its own.
    pub needs: Vec<Need>,
}

impl Variant {
    /// The needs of a variant of the configuration. `measured` answers for an entry whose amount is not
    /// declared; `memory_mb: auto` is that, and a plain omission is `|_| None`.
    pub fn of(spec: &VariantSpec, measured: impl Fn(&str) -> Option<u64>) -> Result<Self, BadRequirement> {
        let need = |text: &String| {
            let declared = spec.memory_mb.get(text).copied();
            let mib = declared.or_else(|| measured(text)).unwrap_or(0);
            Ok(Need { requirement: Requirement::parse(text)?, mib })
        };
        let needs = spec.required_devices.iter().map(need).collect::<Result<_, _>>()?;
        Ok(Self { name: spec.name.as_str().into(), needs })
    }
}

/// A model that wants to run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Demand {
    pub model: ModelName,
    /// How, in order of priority.
    pub variants: Arc<[Variant]>,
    /// Positions of variants that ran out of memory when they were last tried.
    pub excluded: Vec<usize>,
    /// Positions of variants whose address doesn't answer, and why.
    pub offline: Vec<(usize, Arc<str>)>,
    /// Who wants it: decides whether others have to go for it.
    pub urgency: DemandPriority,
    /// `overlap: true`: it may be started while memory of ended processes is still being given back.
    pub overlap: bool,
}

impl Demand {
    /// Why the address of the variant at this position counts as offline, if it does.
    pub(super) fn offline(&self, variant: usize) -> Option<&Arc<str>> {
        self.offline.iter().find(|(at, _)| *at == variant).map(|(_, why)| why)
    }

    /// A request's, before anything has failed.
    pub fn new(model: ModelName, variants: Arc<[Variant]>) -> Self {
        Self {
            model,
            variants,
            excluded: Vec::new(),
            offline: Vec::new(),
            urgency: DemandPriority::default(),
            overlap: false,
        }
    }
}

/// Who wants a model to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DemandPriority {
    /// `auto_start`, and nobody else: nobody has to go for it.
    Boot,
    /// Requests, of which this is the highest class, or an operator.
    Wanted(Class),
}

impl DemandPriority {
    /// Whether it goes before what has this class, by class alone: age makes nobody's class higher.
    pub(super) fn is_above(self, own: Class) -> bool {
        matches!(self, Self::Wanted(class) if class > own)
    }
}

impl Default for DemandPriority {
    fn default() -> Self {
        Self::Wanted(Class::default())
    }
}

/// A model that occupies memory, or is about to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resident {
    pub model: ModelName,
    /// Where and how much.
    pub parts: Vec<HeldPart>,
    /// Whether it could be stopped.
    pub standing: ResidentState,
    /// `pinned: true`: it is never stopped for another.
    pub pinned: bool,
    /// In its hours of `keep_warm`: it is stopped only for a higher class than this, its own.
    pub warm: Option<Class>,
    /// From launch to ready, as measured; `None`: guessed from its size.
    pub reload: Option<Duration>,
    /// How it may sleep instead of ending, or sleeps; `None`: it can't, or there is no room for what it would hold then.
    pub sleep: Option<ParkedMemory>,
    /// It has been told to sleep: what it holds then stays.
    pub dozes: bool,
    /// What the Scheduler knows of its stay.
    pub tenure: Option<Tenure>,
    /// Of which classes those are who use it.
    pub users: UserClasses,
    /// It is not stopped for the asker before that moment, though it is idle.
    pub kept_until: Option<Moment>,
    /// Nor before that one, busy or idle: a higher class than the asker's has just used it.
    pub guarded_until: Option<Moment>,
    /// How long it may keep the asker waiting while it is busy; `None`: for ever.
    pub patience: Option<Duration>,
}

impl Resident {
    /// A model with these parts that is just being started.
    pub fn new(model: ModelName, parts: Vec<HeldPart>) -> Self {
        Self {
            model,
            parts,
            standing: ResidentState::Starting { wanted: true, since: Moment::ZERO },
            pinned: false,
            warm: None,
            reload: None,
            sleep: None,
            dozes: false,
            tenure: None,
            users: UserClasses::default(),
            kept_until: None,
            guarded_until: None,
            patience: None,
        }
    }
}

/// How a model sleeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParkedMemory {
    /// How long a wake takes: as measured, or guessed.
    pub wake: Duration,
    /// MiB that it holds asleep, RAM included.
    pub holds: Vec<(DeviceId, u64)>,
}

impl ParkedMemory {
    /// MiB that it holds asleep on this device.
    pub fn on(&self, device: &DeviceId) -> u64 {
        self.holds.iter().filter(|(on, _)| on == device).map(|(_, mib)| mib).sum()
    }
}

/// What decides how long a model may stay while others want its memory; see `queue::pace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tenure {
    /// How long its load took, or will take.
    pub load: Duration,
    /// MiB that it holds on all devices.
    pub mib: u64,
    /// How much shorter it may stay because of what its predecessor left over.
    pub credit: Duration,
    /// Others wanted the same memory while it waited or loaded.
    pub rivals: bool,
}

/// Of which class those are who use a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UserClasses {
    /// The highest of those whom it answers, and of those who wait for it.
    pub now: Option<Class>,
    /// When the last one of each left, in the order of `Class::ALL`.
    pub left: [Option<Moment>; Class::ALL.len()],
}

/// A model's memory on one device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeldPart {
    /// Which.
    pub device: DeviceId,
    /// MiB reserved.
    pub mib: u64,
    /// MiB that the device says its processes use; `None`: it doesn't say.
    pub actual: Option<u64>,
    /// What `unexplained` said of the device when this was reserved: what came since is taken for its own,
    /// until the device says better.
    pub unexplained_before: Option<i64>,
}

/// What a model that holds memory does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResidentState {
    /// It loads; stopped for another only if nobody waits for it.
    Starting {
        /// Somebody waits for it.
        wanted: bool,
        /// Since when.
        since: Moment,
    },
    /// It serves.
    Ready {
        /// Since when.
        since: Moment,
        /// It has leases, or requests wait for one.
        busy: bool,
        /// When the last lease came back.
        idle_since: Moment,
    },
    /// It sleeps: it may be stopped for another.
    Parked {
        /// Since when.
        since: Moment,
        /// Somebody waits for it.
        wanted: bool,
        /// When its last lease came back.
        idle_since: Moment,
    },
    /// It has been told to go, or to sleep.
    Leaving {
        /// Since when it was ready, if it came so far.
        ready: Option<Moment>,
    },
    /// Its process is gone and the device doesn't show it yet.
    Settling,
    /// It doesn't run yet: the memory that somebody who came first waits for.
    First,
}

/// Everything that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The time.
    pub now: Moment,
    /// The devices.
    pub snapshot: &'a DeviceSnapshot,
    /// Who holds what.
    pub held: &'a [Resident],
    /// What the user wants.
    pub settings: &'a PlacementSettings,
    /// The snapshot is older than the question: what it shows and nobody explains is taken for our own as far as it
    /// can be, so that nobody goes who needn't.
    pub dated: bool,
}

/// One device of an assignment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceAllocation {
    /// The entry of `required_devices` that it meets.
    pub requirement: Arc<str>,
    pub device: DeviceId,
    /// MiB to reserve on it.
    pub mib: u64,
}

/// Why somebody who is in the way can't be stopped now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockReason {
    /// Leases, or requests that wait for one.
    Busy,
    /// It is being started for somebody.
    Starting,
    /// It has not had its memory for long enough, see `min_hold`.
    Young {
        /// When it has.
        until: Moment,
        /// How long that is from now.
        left: Duration,
    },
    /// A higher class than the asker's has just used it.
    Guarded {
        /// Until when it is kept for them.
        until: Moment,
        /// How long that is from now.
        left: Duration,
    },
    /// It is on its way out.
    Leaving,
    /// Its process is gone, its memory not yet.
    Settling,
    /// It waits too, and came first.
    First,
    /// The user said so.
    Pinned,
    /// Its hours of `keep_warm` last, and the asker's class isn't higher than its own.
    Warm,
    /// It is the asker, which sleeps, and keeps what it holds.
    Itself,
}

/// Somebody who is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Blocker {
    pub model: ModelName,
    pub why: BlockReason,
}

/// Why a model can't be had however long one waits; what says most about a remedy comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Never {
    /// No variant's address answers.
    Unreachable,
    /// No variant's devices are all online.
    NoDevice,
    /// They are, but none has the memory, even without all models that may be stopped.
    NoMemory,
    /// Others would have to go, and nothing but `auto_start` wants it.
    NotForBoot,
    /// Every variant that would fit ran out of memory when it was last tried.
    OutOfMemory,
    /// An operator has paused a device that every variant would need.
    Paused,
}

/// What to do about a demand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Start it there.
    Fits {
        /// Position among the demand's variants.
        variant: usize,
        /// Where.
        assignment: Vec<DeviceAllocation>,
    },
    /// Stop the victims, then start it there.
    Evict {
        /// Position among the demand's variants.
        variant: usize,
        /// Where.
        assignment: Vec<DeviceAllocation>,
        /// Idle, sufficient, none of them dispensable.
        victims: Vec<ModelName>,
        /// Those of them for whom it is enough to sleep.
        parks: Vec<ModelName>,
        /// See `eviction_cost`.
        cost: u64,
    },
    /// Wait for the blockers.
    Wait {
        /// Position among the demand's variants of the one to wait for.
        variant: usize,
        /// Where it would go.
        assignment: Vec<DeviceAllocation>,
        /// For whom.
        blockers: Vec<Blocker>,
    },
    /// Refuse it.
    Never {
        /// Why.
        reason: Never,
    },
}

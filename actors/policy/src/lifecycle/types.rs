//! The types of a life: phases, events, effects.

use std::time::Duration;

/// A moment, measured from any fixed origin.
pub type Moment = Duration;

/// Where a model is in its life; each variant carries only what that phase has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// No process, and none wanted.
    Stopped,
    /// Waits for memory.
    Queued {
        /// When the wait is given up.
        deadline: Moment,
    },
    /// A process is being launched or loads; requests wait.
    Starting {
        /// When the start is given up.
        deadline: Moment,
    },
    /// The gate is open.
    Ready {
        /// Since when.
        since: Moment,
    },
    /// The gate is closed; running answers end in their own time.
    Draining {
        /// When they are broken off; `None`: they may take as long as they need.
        deadline: Option<Moment>,
        /// Why the service ends.
        cause: StopCause,
    },
    /// The process has been asked to end.
    Stopping {
        /// How far its end has come.
        ending: Ending,
        /// Why it stops.
        cause: StopCause,
    },
    /// The last start or run failed.
    Failed {
        /// When the next try is allowed.
        retry_at: Moment,
    },
    /// The gate is closed; the backend is on its way to sleep.
    Parking {
        /// When that is given up, and it is stopped instead.
        deadline: Moment,
        /// Why it goes.
        cause: StopCause,
    },
    /// It sleeps: its process lives, most of its memory is free.
    Parked {
        /// When it is stopped for good; `None`: never.
        until: Option<Moment>,
    },
    /// Somebody wants a backend that sleeps.
    Waking {
        /// When that is given up.
        deadline: Moment,
        /// It has its memory, and is being woken; before that it waits for it.
        granted: bool,
    },
}

/// How far the end of a process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It was asked to end, and is killed at that time.
    Asked(Moment),
    /// It was killed; at that time nothing of it should be left.
    Killed(Moment),
    /// Something is left that can't be ended from here, such as a container that holds the port.
    Stuck,
}

/// Why a backend is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopCause {
    /// Nobody has used it for its `alive_time`.
    Idle,
    /// An operator, or the end of the program.
    Operator,
    /// An operator who wants a fresh one, or a configuration that launches it otherwise.
    Restart,
    /// Another model needs its memory.
    Evicted,
    /// It was not ready in time.
    StartTimeout,
    /// Its probe can't succeed.
    ProbeRefused,
    /// Its first process died while it served; the rest of its tree is asked to end.
    Crashed,
    /// It gave no answer to several requests in a row.
    Hung,
    /// It served errors or no connection, and failed its probe then.
    Unwell,
    /// An operator wants it parked.
    Park,
    /// Its place, a job for example, will be over soon, and another backend of its model serves or is about to.
    Renewed,
    /// It died while it was parked, or could not be woken.
    Lost,
    /// Whoever gave it its place takes it away: a Pod that somebody deletes.
    Taken,
}

impl StopCause {
    /// Whether the backend, not somebody's will, is the cause.
    pub fn is_failure(self) -> bool {
        match self {
            Self::StartTimeout | Self::ProbeRefused | Self::Crashed | Self::Hung | Self::Unwell => true,
            Self::Idle | Self::Operator | Self::Restart | Self::Evicted => false,
            Self::Park | Self::Renewed | Self::Lost | Self::Taken => false,
        }
    }

    /// Whether a backend that goes for this reason may sleep instead of ending.
    pub(super) fn allows_parking(self) -> bool {
        matches!(self, Self::Idle | Self::Evicted | Self::Park)
    }
}

impl Phase {
    /// Whether what is left of a crash is being ended.
    pub fn is_crash(&self) -> bool {
        matches!(self, Phase::Stopping { cause: StopCause::Crashed, .. })
    }

    /// When the phase ends by itself, or may.
    pub(super) fn due(&self) -> Option<Moment> {
        match self {
            Phase::Queued { deadline } | Phase::Starting { deadline } => Some(*deadline),
            Phase::Draining { deadline, .. } => *deadline,
            Phase::Stopping { ending: Ending::Asked(at) | Ending::Killed(at), .. } => Some(*at),
            Phase::Stopping { ending: Ending::Stuck, .. } => None,
            Phase::Failed { retry_at } => Some(*retry_at),
            Phase::Parking { deadline, .. } | Phase::Waking { deadline, .. } => Some(*deadline),
            Phase::Parked { until } => *until,
            Phase::Stopped | Phase::Ready { .. } => None,
        }
    }
}

/// How much of a hurry a stop is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StopUrgency {
    /// Running answers may end first.
    Drain,
    /// Running answers are broken off.
    Now,
    /// The process tree is killed at once.
    Kill,
}

/// All that a model remembers from one event to the next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Where it is.
    pub phase: Phase,
    /// Counts its lives; late news of a former one changes nothing.
    pub epoch: u64,
    /// Failures since the last stable run.
    pub failures: u32,
}

impl State {
    /// A model that has never run.
    pub fn new() -> Self {
        Self { phase: Phase::Stopped, epoch: 0, failures: 0 }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A request waits for a lease (it is in `View::waiting` already).
    Acquire,
    /// An operator wants it running (and waits, as a request does).
    Start,
    /// An operator wants it stopped; those who wait are refused.
    Stop(StopUrgency),
    /// An operator wants a fresh backend (and waits for it).
    Restart,
    /// The configuration says now how to launch it otherwise: a fresh backend, once the running answers have ended.
    Renew,
    /// Its place will be over soon: let nobody in any more, and go when the running answers have ended.
    Retire,
    /// Another model wants its memory: go if nobody is there.
    Evict,
    /// Another model has waited long for its memory: let nobody in any more, and go when the running answers
    /// have ended.
    Yield,
    /// Nobody waits any more for the memory that a `Yield` was about.
    Stay,
    /// The scheduler has reserved its memory.
    Reserved {
        /// The life that asked for it.
        epoch: u64,
    },
    /// The scheduler can't.
    Denied {
        /// The life that asked for it.
        epoch: u64,
    },
    /// The process runs.
    Launched {
        /// Its life.
        epoch: u64,
    },
    /// What was launched waits for its place: a cluster is full, for example.
    Queued {
        /// Its life.
        epoch: u64,
    },
    /// What had to wait for its place has got one.
    Placed {
        /// Its life.
        epoch: u64,
    },
    /// The backend serves.
    ProbeSucceeded {
        /// Its life.
        epoch: u64,
    },
    /// The backend will never serve.
    ProbeRefused {
        /// Its life.
        epoch: u64,
    },
    /// Its first process has died by itself, and the rest of its tree is being ended; `Gone` follows.
    Broken {
        /// Its life.
        epoch: u64,
    },
    /// Whoever gave it its place takes it away, and it has a last moment for running answers; `Gone` or `Unreachable` follows.
    Taken {
        /// Its life.
        epoch: u64,
    },
    /// It gave no answer to several requests in a row.
    Hung {
        /// Its life.
        epoch: u64,
    },
    /// It answers with errors, or refuses connections.
    Doubted {
        /// Its life.
        epoch: u64,
    },
    /// `Effect::Check` has failed.
    CheckFailed {
        /// Its life.
        epoch: u64,
    },
    /// No process of that life is left.
    Gone {
        /// Its life.
        epoch: u64,
    },
    /// The same, and it has failed for lack of memory: worth trying as another variant at once.
    OutOfMemory {
        /// Its life.
        epoch: u64,
    },
    /// The same, and it went because nothing is heard of it at its place any more: worth trying as another variant at once.
    Unreachable {
        /// Its life.
        epoch: u64,
    },
    /// An operator wants it parked, once its running answers have ended.
    Park,
    /// Nobody waits for it any more.
    Abandoned,
    /// It sleeps.
    Parked {
        /// Its life.
        epoch: u64,
    },
    /// It says that it has work: it goes on serving.
    ParkRefused {
        /// Its life.
        epoch: u64,
    },
    /// It can't be sent to sleep.
    ParkFailed {
        /// Its life.
        epoch: u64,
    },
    /// It serves again.
    Woken {
        /// Its life.
        epoch: u64,
    },
    /// It can't be woken, or will never have the memory for it where it is.
    WakeFailed {
        /// Its life.
        epoch: u64,
    },
    /// `Effect::CloseIfUnused` found the gate unused and closed it.
    Closed(StopCause),
    /// `Effect::CloseIfUnused` found the gate in use.
    InUse(StopCause),
    /// A lease came back while the gate was watched, or `Effect::CloseGate` found nobody inside.
    LeaseFreed,
    /// The timer fired.
    Deadline,
}

impl Event {
    /// Whether it says that nothing of this life is left.
    pub fn ends(self, life: u64) -> bool {
        match self {
            Self::Gone { epoch } | Self::OutOfMemory { epoch } | Self::Unreachable { epoch } => epoch == life,
            _ => false,
        }
    }
}

/// What to do, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Ask the scheduler for memory.
    Reserve,
    /// Give the memory back, or stop waiting for it.
    ReturnReservation,
    /// Ask the scheduler for what a parked backend needs awake; answered as `Reserve` is.
    ReserveAwake,
    /// Keep only what it holds asleep: give the rest back, or stop waiting for it.
    ReturnAwake,
    /// Send the backend to sleep; `Parked`, `ParkRefused` or `ParkFailed` follows.
    Park,
    /// Wake it; `Woken` or `WakeFailed` follows.
    Wake,
    /// Launch the process of the present epoch.
    Launch,
    /// Probe it until it serves.
    Probe,
    /// Probe it while it serves; `CheckFailed` follows if it fails.
    Check,
    /// Let requests in.
    OpenGate,
    /// Let nobody in any more; `LeaseFreed` follows at once if nobody is inside.
    CloseGate,
    /// Let requests in again, of the same life.
    ReopenGate,
    /// Close the gate if nobody has used it since the view was taken; answer `Closed` or `InUse` at once.
    CloseIfUnused(StopCause),
    /// Break running answers off.
    BreakLeases,
    /// Give leases to those who wait, as far as they may have them.
    GrantWaiters,
    /// Refuse those who wait.
    RefuseWaiters(Refusal),
    /// Tell the scheduler that it doesn't go for another model now; it may be asked again.
    RefuseEviction,
    /// Ask the process tree to end; gives up a launch in progress.
    Terminate,
    /// End the process tree.
    Kill,
    /// Tell those who wait for its end that it doesn't come.
    ReportStuck,
    /// Send `Deadline` at that moment, instead of any earlier order.
    ArmTimer(Moment),
    /// Send no `Deadline`.
    DisarmTimer,
}

/// Why those who wait are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// An operator stopped the model.
    Stopped,
    /// The backend failed; worth trying again after this time.
    Failed {
        /// From now.
        retry_after: Duration,
    },
    /// The backend was not ready in time.
    StartTimeout,
    /// No memory.
    NoMemory,
}

/// Limits of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// From launch to ready.
    pub start_timeout: Duration,
    /// From SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
    /// From SIGKILL until what is left of it is an operator's business; of one that has failed at most `GONE_HERE`.
    pub gone_timeout: Duration,
    /// From the wish to stop to breaking answers off.
    pub drain_timeout: Duration,
    /// Time without a lease until it is stopped.
    pub alive_time: Option<Duration>,
    /// Longest wait for memory.
    pub queue_timeout: Duration,
    /// From the wish to park it until it sleeps.
    pub park_timeout: Duration,
    /// From its memory to being awake.
    pub wake_timeout: Duration,
    /// How long it sleeps until it is stopped; `None`: for ever.
    pub keep_parked: Option<Duration>,
}

/// What the actor sees at the moment of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The time.
    pub now: Moment,
    /// Those who wait and are still there.
    pub waiting: usize,
    /// Leases held.
    pub leases: u32,
    /// When the last lease came back, or the gate opened.
    pub unused_since: Moment,
    /// If it has to go, it may sleep instead of ending: there is a way, and room for what it holds then.
    pub may_park: bool,
}

/// What follows from an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where the model is now.
    pub state: State,
    /// What to do, in order.
    pub effects: Vec<Effect>,
}

//! The agreement of Models and the Scheduler about memory: every message that one tells the other.
//!
//! Neither waits for the other, and neither is named here: a Model reaches the Scheduler by a [`MemoryLink`], the
//! Scheduler reaches a Model by its handle. Each `Granted` is followed by one `Returned` of the same epoch.

use actix::{Actor, Context, Handler, Message};
use llm_manager_policy::placement::{DemandPriority, DeviceAllocation};
use llm_manager_policy::queue::MadeRoom;
use llm_manager_policy::spec::ModelSpec;
use std::sync::Arc;
use std::time::Duration;

use crate::actor_ref::{ActorRef, tell};

/// How a Model finds whoever looks after memory; empty: nobody does, and there is memory for everything.
#[derive(Clone, Default)]
pub struct MemoryLink(Option<Arc<dyn Fn(MemoryNotice) + Send + Sync>>);

impl MemoryLink {
    /// A link to this actor, wherever it is after a restart.
    pub fn to<A>(keeper: ActorRef<A>) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<MemoryNotice>,
    {
        Self(Some(Arc::new(move |notice| {
            // One that is down will ask everybody what they hold when it is back.
            if let Some(addr) = keeper.addr() {
                tell(&addr, notice);
            }
        })))
    }

    /// True if memory is looked after.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Tells it something.
    pub fn tell(&self, notice: MemoryNotice) {
        if let Some(tell) = &self.0 {
            tell(notice);
        }
    }
}

/// What a Model tells the Scheduler.
#[derive(Message)]
#[rtype(result = "()")]
pub enum MemoryNotice {
    /// It wants to run. Answered with `Granted` or `Denied`.
    Demand {
        /// Who, with the variants among which to choose.
        spec: Arc<ModelSpec>,
        /// The life that it wants to begin.
        epoch: u64,
        /// Who wants it. The same life may demand again when that changes.
        urgency: DemandPriority,
    },
    /// A demand is taken back, or a life has ended.
    Returned {
        model: Arc<str>,
        /// Which life.
        epoch: u64,
        /// There was a process.
        ran: bool,
        /// It ended for lack of memory before it was ready.
        out_of_memory: bool,
        /// Nothing was heard of it at its address, and why.
        unreachable: Option<Arc<str>>,
    },
    /// What it holds, after the Scheduler has been restarted.
    Holds {
        model: Arc<str>,
        /// What; `None`: nothing.
        holding: Option<Holding>,
    },
    /// It would sleep. Answered with `LetPark`.
    Parking {
        model: Arc<str>,
        /// Which life.
        epoch: u64,
    },
    /// It sleeps, or goes on sleeping: what it wanted awake is taken back.
    Asleep {
        model: Arc<str>,
        /// Which life.
        epoch: u64,
        /// How long the last wake of this life took, if there was one.
        woke_in: Option<Duration>,
    },
    /// It was on its way to sleep, and goes on serving.
    StaysAwake {
        model: Arc<str>,
        /// Which life.
        epoch: u64,
    },
    /// It sleeps, and wants what it needs awake. Answered with `WakeGranted` or `Denied`.
    Wake {
        model: Arc<str>,
        /// Which life.
        epoch: u64,
        /// For whom: nobody has to go for a further replica.
        urgency: DemandPriority,
        /// Counts the wakes of a model: an answer to a former one changes nothing.
        turn: u64,
    },
    /// It was asked to go, and is busy.
    EvictRefused {
        model: Arc<str>,
        /// Which life.
        epoch: u64,
    },
    /// It has become ready or idle: those who wait may be served.
    Changed,
}

/// One life's reservation.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Which life.
    pub epoch: u64,
    /// As which variant.
    pub variant: Arc<str>,
    /// Where and how much.
    pub assignment: Vec<DeviceAllocation>,
}

/// The memory is reserved: start.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Granted {
    /// The life that asked for it.
    pub(crate) epoch: u64,
    /// Position among the model's variants.
    pub(crate) variant: usize,
    /// What was reserved.
    pub(crate) holding: Holding,
    /// Variables that tell the backend which cards it may see.
    pub(crate) visible: Vec<(String, String)>,
    /// Why this variant, in a sentence.
    pub(crate) why: Arc<str>,
    /// When those that went for it were gone, and when their memory was free; `None`: nobody had to go.
    pub(crate) made_room: Option<MadeRoom>,
}

/// There will be no memory.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Denied {
    /// The life that asked for it.
    pub(crate) epoch: u64,
    /// In a sentence.
    pub(crate) why: Arc<str>,
    /// When there may be some, where that is known.
    pub(crate) retry_after: Option<Duration>,
    /// Of a wake: which one.
    pub(crate) turn: Option<u64>,
    /// Waiting would not help.
    pub(crate) never: bool,
}

/// The memory that it needs awake is reserved: wake.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct WakeGranted {
    /// Its life.
    pub(crate) epoch: u64,
    /// Which of its wakes.
    pub(crate) turn: u64,
}

/// The answer to one that would sleep.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LetPark {
    /// The life that is meant.
    pub(crate) epoch: u64,
    /// There is room for what it holds then; otherwise it has to end.
    pub(crate) go: bool,
}

/// Go if nobody is there; `EvictRefused` is told back otherwise.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Evict {
    /// The life that is meant.
    pub(crate) epoch: u64,
    /// The model that needs the memory.
    pub(crate) in_favour_of: Arc<str>,
    /// It is enough that it sleeps.
    pub(crate) park: bool,
}

/// Let nobody in any more, and go when the running answers have ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Yield {
    /// The life that is meant.
    pub(crate) epoch: u64,
    /// The model that needs the memory.
    pub(crate) in_favour_of: Arc<str>,
    /// It is enough that it sleeps.
    pub(crate) park: bool,
}

/// The reason of a `Yield` is gone: let requests in again. Told by the Scheduler.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct CancelYield {
    /// The life that is meant.
    pub(crate) epoch: u64,
}

/// The present life has drawn this much more from the socket. Told by the Scheduler at each look at the devices.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct MemoryDrawn {
    /// The life that is meant.
    pub(crate) epoch: u64,
    /// How much, since the last time.
    pub(crate) millijoules: u64,
}

/// Say what you hold and what you want. Told by a Scheduler that has been restarted.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Announce;

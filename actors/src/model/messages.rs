//! What can be asked of a Model, and how it says no.

use super::lease::Lease;
use crate::scheduler::Holding;
use actix::Message;
use llm_manager_policy::lifecycle::Urgency;
use llm_manager_policy::queue::MadeRoom;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Asks for a lease. Sent by `ModelHandle::lease` when the gate does not let it in; answered when the
/// backend is ready, or with a refusal.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Acquire {
    pub(super) answer: oneshot::Sender<Result<Lease, Refused>>,
}

/// An operator's order. Answered when it is done, or with a refusal.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Operate {
    /// What to do.
    pub verb: Verb,
    /// Who wants to hear of the end; `None`: nobody, and the order stands all the same.
    pub answer: Option<oneshot::Sender<Result<(), Refused>>>,
}

/// What an operator may order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Make it ready.
    Start,
    /// Make it stopped, and refuse those who wait.
    Stop(Urgency),
    /// Make it ready with a fresh backend.
    Restart,
}

/// The memory is reserved: start. Told by the Scheduler.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Granted {
    /// The life that asked for it.
    pub(crate) epoch: u64,
    /// Position among the model's variants.
    pub(crate) variant: usize,
    /// What was reserved.
    pub(crate) holding: Holding,
    /// UUIDs of the NVIDIA cards in it.
    pub(crate) cuda: Vec<String>,
    /// Why this variant, in a sentence.
    pub(crate) why: Arc<str>,
    /// When those that went for it were gone, and when their memory was free; `None`: nobody had to go.
    pub(crate) made_room: Option<MadeRoom>,
}

/// There will be no memory. Told by the Scheduler.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Denied {
    /// The life that asked for it.
    pub(crate) epoch: u64,
    /// In a sentence.
    pub(crate) why: Arc<str>,
}

/// Go if nobody is there; `EvictRefused` is told back otherwise. Told by the Scheduler.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Evict {
    /// The life that is meant.
    pub(crate) epoch: u64,
    /// The model that needs the memory.
    pub(crate) in_favour_of: Arc<str>,
}

/// Let nobody in any more, and go when the running answers have ended. Told by the Scheduler.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Yield {
    /// The life that is meant.
    pub(crate) epoch: u64,
    /// The model that needs the memory.
    pub(crate) in_favour_of: Arc<str>,
}

/// The present life has drawn this much more from the socket. Told by the Scheduler at each look at the devices.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Drew {
    /// The life that is meant.
    pub(crate) epoch: u64,
    /// How much, since the last time.
    pub(crate) millijoules: u64,
}

/// Say what you hold and what you want. Told by a Scheduler that has been restarted.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Announce;

/// The last request that waited has gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Abandoned;

/// Makes the actor panic: for tests of the supervision, sent only with fault injection switched on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Panic;

/// A refusal, with words for the client.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What kind of refusal.
    pub reason: RefusedReason,
    /// What to tell the client; shared, for there may be thousands.
    pub message: Arc<str>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// An operator stopped the model while the request waited.
    Stopped,
    /// The backend could not be started, or its actor is down.
    StartFailed,
    /// The backend was not ready in time.
    StartTimeout,
    /// No memory for it.
    NoMemory,
    /// Too many wait already.
    Overloaded,
}

//! What a model's front and its further replicas tell each other. The front is the model's own actor, which is the first
//! replica, too. Neither names the other's actor: they reach each other by a [`ReplicaLink`].

use super::messages::Reconfigure;
use crate::actor_ref::{ActorRef, tell};
use actix::{Actor, Context, Handler, Message, SpawnHandle};
use llm_manager_policy::replicas::State;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The way to another actor of the same model.
#[derive(Clone)]
pub(super) struct ReplicaLink(Arc<dyn Fn(ReplicaNotice) + Send + Sync>);

impl ReplicaLink {
    /// A link to this actor, wherever it is after a restart.
    pub(super) fn to<A>(live: ActorRef<A>) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<ReplicaNotice>,
    {
        Self(Arc::new(move |notice| {
            // One that is down begins anew: a replica with what its front tells it next, a front with a look at all of them.
            if let Some(addr) = live.addr() {
                tell(&addr, notice);
            }
        }))
    }

    pub(super) fn tell(&self, notice: ReplicaNotice) {
        (self.0)(notice);
    }
}

/// What is told.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum ReplicaNotice {
    /// By the front: start, if there is room.
    Start {
        /// Why, in words.
        why: Arc<str>,
    },
    /// By the front: it stays when it is idle from now on, or no longer does.
    Kept,
    /// By the front: there are too many; end when the running answers have ended.
    Release,
    /// By the front: another one serves in its stead; end when the running answers have ended.
    Retire,
    /// By the front: the configuration has changed.
    Reconfigure(Reconfigure),
    /// To the front: a replica has changed, or has room for those who wait.
    Changed,
    /// To the front: there is no memory for this replica.
    NoRoom {
        /// Its position.
        replica: usize,
        /// When there may be some.
        retry_after: Duration,
    },
}

/// What a front remembers of its crew.
#[derive(Default)]
pub(super) struct ReplicaSet {
    pub(super) state: State,
    pub(super) looking: Option<SpawnHandle>,
    /// A look is being taken: what follows from it is not looked at once more.
    pub(super) busy: bool,
    /// The first replica's own start was refused.
    pub(super) no_room: Option<Duration>,
    /// Those that have not been told of the present configuration yet, in turn.
    pub(super) untold: VecDeque<(usize, Reconfigure)>,
}

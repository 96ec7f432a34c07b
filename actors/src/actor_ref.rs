//! The address of an actor that may be restarted, and the one way to send without waiting for an answer.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Sends a message that means nothing once its receiver is gone.
///
/// For all others use `send` and look at its answer: a closed mailbox drops what is told to it.
pub fn tell<A, M>(addr: &Addr<A>, message: M)
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    #[expect(clippy::disallowed_methods, reason = "the loss of such a message changes nothing, see above")]
    addr.do_send(message);
}

/// Where to find an actor, across its restarts. Cheap to clone.
pub struct ActorRef<A: Actor>(Arc<ArcSwapOption<Addr<A>>>);

impl<A: Actor> ActorRef<A> {
    /// The address of an actor that is not up yet.
    pub fn new() -> Self {
        Self(Arc::new(ArcSwapOption::empty()))
    }

    /// Called by whoever has started the actor.
    pub fn set(&self, addr: Option<Addr<A>>) {
        self.0.store(addr.map(Arc::new));
    }

    /// Its address, unless it is down now.
    pub fn addr(&self) -> Option<Arc<Addr<A>>> {
        self.0.load_full().filter(|addr| addr.connected())
    }
}

impl<A: Actor> Default for ActorRef<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Actor> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

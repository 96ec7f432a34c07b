//! The Gateways of all workers, and how a handler asks that of its own.

use super::actor::{Forward, Gateway, GatewayLoad, GetInFlight, OpenTunnel, Tunnel};
use super::in_flight::InFlight;
use super::upstream::{Payload, RequestParts, Response, UpstreamError};
use crate::limits::keep_a_thread;
use actix::Addr;
use actix_rt::{Arbiter, ArbiterHandle};
use futures_util::future::join_all;
use llm_manager_actors::ActorRef;
use llm_manager_actors::feeds::Feed;
use llm_manager_actors::model::Backend;
use llm_manager_actors::supervisor::{Child, ChildSpec, Supervisor};
use llm_manager_process::BackendAddress;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How long a request waits for a Gateway that is being restarted, and how often it looks.
const RESTART: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

/// Where the Gateway of one worker lives.
struct Place {
    taken: AtomicBool,
    /// The worker's own, once it runs.
    arbiter: watch::Sender<Option<ArbiterHandle>>,
    live: ActorRef<Gateway>,
    load: GatewayLoad,
}

/// The Gateways of the HTTP server's workers; cheap to clone.
#[derive(Clone)]
pub struct Gateways(Arc<[Place]>);

impl Gateways {
    /// For so many workers.
    pub fn new(workers: usize) -> Self {
        let place = || Place {
            taken: AtomicBool::new(false),
            arbiter: watch::Sender::new(None),
            live: ActorRef::new(),
            load: GatewayLoad::default(),
        };
        Self((0..workers.max(1)).map(|_| place()).collect())
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.0.len()
    }

    /// The supervisor of all of them. Each starts when its worker runs.
    pub fn child_spec(&self, feed: Feed) -> ChildSpec {
        let (gateways, live) = (self.clone(), ActorRef::new());
        let subtree = Some(live.clone());
        let start = move || {
            let children = (0..gateways.0.len()).map(|index| gateways.child(index)).collect();
            Child::start(Supervisor::new("http", children, feed.clone()), &live)
        };
        ChildSpec { subtree, ..ChildSpec::new("http", start) }
    }

    fn child(&self, index: usize) -> ChildSpec {
        let (starting, described) = (self.clone(), self.clone());
        let start = move || {
            let place = &starting.0[index];
            let load = place.load.clone();
            Child::start_on(place.arbiter.subscribe(), move || Gateway::new(load.clone()), &place.live)
        };
        let detail = move || {
            let load = &described.0[index].load;
            Some(format!("requests in flight: {}, connections: {}", load.requests(), load.connections()))
        };
        ChildSpec { detail: Box::new(detail), ..ChildSpec::new(name_of(index), start) }
    }

    /// Requests on their way, and connections to backends, of all workers.
    pub(crate) fn busy(&self) -> usize {
        self.0.iter().map(|place| place.load.requests() + place.load.connections()).sum()
    }

    /// Called on the thread of a worker that begins: its Gateway is started there.
    pub(crate) fn join(&self) -> Worker {
        let is_free = |place: &&Place| !place.taken.swap(true, Ordering::Relaxed);
        // A worker that comes again takes the place of one that has ended.
        let place =
            self.0.iter().find(is_free).or_else(|| self.0.iter().find(|place| place.live.addr().is_none()));
        let place = place.unwrap_or(&self.0[0]);
        place.arbiter.send_replace(Arbiter::try_current());
        actix_rt::spawn(keep_a_thread());
        Worker(place.live.clone())
    }

    /// Every request that a backend has now.
    pub(crate) async fn in_flight(&self) -> Vec<Arc<InFlight>> {
        let gateways = self.0.iter().filter_map(|place| place.live.addr());
        let asked = gateways.map(|gateway| async move { gateway.send(GetInFlight).await });
        // One that has just crashed has none.
        join_all(asked).await.into_iter().flatten().flat_map(|in_hand| in_hand.0).collect()
    }

    /// The address of the Gateway with this name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Addr<Gateway>>> {
        let index = (0..self.0.len()).find(|index| name_of(*index) == name)?;
        self.0.get(index)?.live.addr()
    }
}

fn name_of(index: usize) -> String {
    format!("gateway-{index}")
}

/// The Gateway of this worker, across its restarts.
pub(crate) struct Worker(ActorRef<Gateway>);

impl Worker {
    /// One with a Gateway on this thread, which ends with the child.
    #[cfg(test)]
    pub(crate) fn alone(load: &GatewayLoad) -> (Self, Child) {
        let live = ActorRef::new();
        let child = Child::start(Gateway::new(load.clone()), &live);
        (Self(live), child)
    }

    /// The address of its Gateway.
    #[cfg(test)]
    pub(crate) fn live(&self) -> &ActorRef<Gateway> {
        &self.0
    }

    /// Its address; a restart takes milliseconds, and is waited for.
    async fn gateway(&self) -> Result<Arc<Addr<Gateway>>, UpstreamError> {
        if let Some(gateway) = self.0.addr() {
            return Ok(gateway);
        }
        let starting = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if let Some(gateway) = self.0.addr() {
                    return gateway;
                }
            }
        };
        tokio::time::timeout(RESTART, starting).await.map_err(|_| UpstreamError::Crashed)
    }

    /// Sends a request and waits for the head of its answer, as long as it takes. The backend gets it at most once.
    pub(crate) async fn send(
        &self,
        backend: &Backend,
        parts: RequestParts<'_>,
        body: Payload,
        mut afresh: bool,
        told: &Arc<InFlight>,
    ) -> Result<Response, UpstreamError> {
        loop {
            let request = parts.to(backend.endpoint(), &body)?;
            let forward = Forward { backend: backend.clone(), request, afresh, told: Arc::clone(told) };
            let sent = self.gateway().await?.send(forward).await.map_err(|_| UpstreamError::Crashed)??;
            match sent.response().await {
                Err(UpstreamError::Unsent) => afresh = true,
                answered => return answered,
            }
        }
    }

    /// Opens a connection for a WebSocket.
    pub(crate) async fn dial(
        &self,
        endpoint: Arc<BackendAddress>,
        told: Arc<InFlight>,
    ) -> io::Result<Tunnel> {
        let crashed = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
        let gateway = self.gateway().await.map_err(|error| crashed(&error))?;
        gateway.send(OpenTunnel { endpoint, told }).await.map_err(|_| crashed(&UpstreamError::Crashed))?
    }
}

//! Gateway: the actor of one HTTP worker, on that worker's own arbiter. It owns the connections to backends: a handler
//! sends it `Forward`, and gets the request on its way back, with the answer to stream.
//!
//! Its end is the end of its connections: a request that one of them served ends as `failed`, and the Supervisor starts
//! a new Gateway for those that come.

use super::in_flight::{InFlight, InFlightList};
use super::upstream::{
    ConnectionScope, Home, MAX_IDLE, Pool, Returned, SentRequest, UpstreamError, WireRequest,
};
use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, AsyncContext, Context, Handler, Message};
use llm_manager_actors::fault::Panic;
use llm_manager_actors::model::Backend;
use llm_manager_actors::tell;
use llm_manager_process::{BackendAddress, BackendStream};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a connection that the backend has closed, or that is too old, may keep its file open.
const SWEEP: Duration = Duration::from_secs(1);
/// A backend takes a connection at once, or something is wrong.
const DIAL_DEADLINE: Duration = Duration::from_secs(5);

/// What a Gateway and its successors have in hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct GatewayLoad(Arc<Counts>);

/// Each clone of one of these counts one.
#[derive(Debug, Default)]
struct Counts {
    requests: Arc<()>,
    connections: Arc<()>,
}

impl GatewayLoad {
    /// Requests on their way, and their answers.
    pub(crate) fn requests(&self) -> usize {
        Arc::strong_count(&self.0.requests).saturating_sub(1)
    }

    /// Connections to backends, idle ones too.
    pub(crate) fn connections(&self) -> usize {
        Arc::strong_count(&self.0.connections).saturating_sub(1)
    }
}

/// The actor.
pub(crate) struct Gateway {
    load: GatewayLoad,
    /// Cancelled with the actor.
    gone: CancellationToken,
    /// By the key of their backend.
    pools: HashMap<usize, Pool>,
    returns: mpsc::Sender<Returned>,
    returned: mpsc::Receiver<Returned>,
    roll: InFlightList,
    /// A `Sweep` is under way.
    sweeping: bool,
}

impl Gateway {
    pub(crate) fn new(load: GatewayLoad) -> Self {
        let (returns, returned) = mpsc::channel(MAX_IDLE);
        Self {
            load,
            gone: CancellationToken::new(),
            pools: HashMap::new(),
            returns,
            returned,
            roll: InFlightList::default(),
            sweeping: false,
        }
    }

    fn ties(&self) -> ConnectionScope {
        ConnectionScope { gone: self.gone.clone(), _count: Arc::clone(&self.load.0.connections) }
    }

    fn pool(&mut self, backend: &Backend, ctx: &Context<Self>) -> &mut Pool {
        let key = backend.key();
        self.pools.entry(key).or_insert_with(|| {
            let (gateway, ending) = (ctx.address().downgrade(), backend.ending().clone());
            let watch = actix_rt::spawn(async move {
                ending.cancelled().await;
                if let Some(gateway) = gateway.upgrade() {
                    tell(&gateway, Ending { key });
                }
            });
            Pool::new(backend.clone(), watch)
        })
    }

    /// Puts back what has come back.
    fn collect(&mut self) {
        while let Ok(returned) = self.returned.try_recv() {
            if let Some(pool) = self.pools.get_mut(&returned.backend.key()) {
                pool.put(returned);
            }
        }
    }

    fn sweep_later(&mut self, ctx: &mut Context<Self>) {
        self.sweeping = true;
        // Not a future of this context, which is polled for every message.
        let (gateway, gone) = (ctx.address().downgrade(), self.gone.clone());
        actix_rt::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(SWEEP) => (),
                () = gone.cancelled() => return,
            }
            if let Some(gateway) = gateway.upgrade() {
                tell(&gateway, Sweep);
            }
        });
    }
}

impl Actor for Gateway {
    type Context = Context<Self>;
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

/// Sends a request to a backend.
#[derive(Message)]
#[rtype(result = "Result<SentRequest, UpstreamError>")]
pub(crate) struct Forward {
    pub(crate) backend: Backend,
    pub(crate) request: WireRequest,
    /// On a connection of its own.
    pub(crate) afresh: bool,
    /// What people are told of it.
    pub(crate) told: Arc<InFlight>,
}

/// What a message answers: at once, or when a connection is open.
pub(crate) enum GatewayReply<T> {
    Now(T),
    Opening(Pin<Box<dyn Future<Output = T>>>, CancellationToken),
}

impl<M, T> MessageResponse<Gateway, M> for GatewayReply<T>
where
    M: Message<Result = T>,
    T: 'static,
{
    fn handle(self, _: &mut Context<Gateway>, answer: Option<OneshotSender<T>>) {
        let Some(mut answer) = answer else { return };
        match self {
            // An error: the client has left meanwhile.
            Self::Now(result) => drop(answer.send(result)),
            Self::Opening(opening, gone) => {
                actix_rt::spawn(async move {
                    tokio::select! {
                        result = opening => drop(answer.send(result)),
                        () = answer.closed() => (),
                        () = gone.cancelled() => (),
                    }
                });
            }
        }
    }
}

impl Handler<Forward> for Gateway {
    type Result = GatewayReply<Result<SentRequest, UpstreamError>>;

    fn handle(&mut self, forward: Forward, ctx: &mut Context<Self>) -> Self::Result {
        let Forward { backend, request, afresh, told } = forward;
        self.collect();
        if !self.sweeping {
            self.sweep_later(ctx);
        }
        self.roll.enter(&told);
        let (returns, counted) = (self.returns.clone(), Arc::clone(&self.load.0.requests));
        let pool = self.pool(&backend, ctx);
        let home = Home { backend, returns, _request: (counted, told) };
        let (request, home) = match afresh {
            true => (request, home),
            false => match SentRequest::on_kept(pool, request, home) {
                Ok(sent) => return GatewayReply::Now(Ok(sent)),
                Err(back) => back,
            },
        };
        let wait = home.backend.arrive();
        if wait.is_zero() {
            return GatewayReply::Opening(
                Box::pin(SentRequest::on_fresh(request, home, self.ties())),
                self.gone.clone(),
            );
        }
        let gateway = ctx.address().downgrade();
        let later = async move {
            tokio::time::sleep(wait).await;
            let gateway = gateway.upgrade().ok_or(UpstreamError::Crashed)?;
            gateway.send(Due { request, home, afresh }).await.map_err(|_| UpstreamError::Crashed)?
        };
        GatewayReply::Opening(Box::pin(later), self.gone.clone())
    }
}

/// A request whose turn to open a connection has come. Perhaps one has come back meanwhile.
#[derive(Message)]
#[rtype(result = "Result<SentRequest, UpstreamError>")]
struct Due {
    request: WireRequest,
    home: Home,
    afresh: bool,
}

impl Handler<Due> for Gateway {
    type Result = GatewayReply<Result<SentRequest, UpstreamError>>;

    fn handle(&mut self, due: Due, ctx: &mut Context<Self>) -> Self::Result {
        let Due { request, home, afresh } = due;
        self.collect();
        let backend = home.backend.clone();
        let (request, home) = match afresh {
            true => (request, home),
            false => match SentRequest::on_kept(self.pool(&backend, ctx), request, home) {
                Ok(sent) => return GatewayReply::Now(Ok(sent)),
                Err(back) => back,
            },
        };
        GatewayReply::Opening(Box::pin(SentRequest::on_fresh(request, home, self.ties())), self.gone.clone())
    }
}

/// Opens a connection for a WebSocket.
#[derive(Message)]
#[rtype(result = "io::Result<Tunnel>")]
pub(crate) struct OpenTunnel {
    pub(crate) endpoint: Arc<BackendAddress>,
    /// What people are told of it.
    pub(crate) told: Arc<InFlight>,
}

/// A connection that is the request's alone.
pub(crate) struct Tunnel {
    pub(crate) stream: BackendStream,
    /// Cancelled when its Gateway is gone.
    pub(crate) gone: CancellationToken,
    _counted: [Arc<()>; 2],
    pub(crate) told: Arc<InFlight>,
}

impl Handler<OpenTunnel> for Gateway {
    type Result = GatewayReply<io::Result<Tunnel>>;

    fn handle(&mut self, dial: OpenTunnel, _: &mut Context<Self>) -> Self::Result {
        self.roll.enter(&dial.told);
        let gone = self.gone.clone();
        let counted = [Arc::clone(&self.load.0.requests), Arc::clone(&self.load.0.connections)];
        let opening = async move {
            let connecting = tokio::time::timeout(DIAL_DEADLINE, dial.endpoint.connect());
            let stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            Ok(Tunnel { stream, gone, _counted: counted, told: dial.told })
        };
        GatewayReply::Opening(Box::pin(opening), self.gone.clone())
    }
}

/// Asks for the requests in hand.
#[derive(Message)]
#[rtype(result = "InFlightRequests")]
pub(crate) struct GetInFlight;

/// They, the oldest first.
#[derive(MessageResponse)]
pub(crate) struct InFlightRequests(pub(crate) Vec<Arc<InFlight>>);

impl Handler<GetInFlight> for Gateway {
    type Result = InFlightRequests;

    fn handle(&mut self, _: GetInFlight, _: &mut Context<Self>) -> InFlightRequests {
        InFlightRequests(self.roll.call())
    }
}

/// A backend is told to end: no connection to it is kept.
#[derive(Message)]
#[rtype(result = "()")]
struct Ending {
    key: usize,
}

impl Handler<Ending> for Gateway {
    type Result = ();

    fn handle(&mut self, ending: Ending, _: &mut Context<Self>) {
        self.collect();
        self.pools.remove(&ending.key);
    }
}

/// Closes what must not be used any more.
#[derive(Message)]
#[rtype(result = "()")]
struct Sweep;

impl Handler<Sweep> for Gateway {
    type Result = ();

    fn handle(&mut self, _: Sweep, ctx: &mut Context<Self>) {
        self.collect();
        self.pools.retain(|_, pool| pool.sweep());
        if self.load.connections() > 0 {
            self.sweep_later(ctx);
        } else {
            self.sweeping = false;
        }
    }
}

/// Makes all idle connections old.
#[cfg(test)]
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct AgeConnections;

#[cfg(test)]
impl Handler<AgeConnections> for Gateway {
    type Result = ();

    fn handle(&mut self, _: AgeConnections, _: &mut Context<Self>) {
        self.collect();
        self.pools.values_mut().for_each(Pool::age);
    }
}

impl Handler<Panic> for Gateway {
    type Result = ();

    #[expect(clippy::panic, reason = "that is what the message asks for")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("fault injection");
    }
}

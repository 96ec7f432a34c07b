//! Gateway: the actor of one HTTP worker, on that worker's own arbiter. It owns the connections to backends: a handler
//! sends it `Forward`, and gets the request on its way back, with the answer to stream.
//!
//! Its end is the end of its connections: a request that one of them served ends as `failed`, and the Supervisor starts
//! a new Gateway for those that come.

use super::in_flight::{InFlight, Roll};
use super::upstream::{Home, MAX_IDLE, Payload, Pool, Returned, Sent, Ties, UpstreamError};
use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, AsyncContext, Context, Handler, Message};
use llm_manager_actors::fault::Panic;
use llm_manager_actors::model::Backend;
use llm_manager_actors::tell;
use llm_manager_process::{Endpoint, Stream};
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
pub(crate) struct Load(Arc<Counts>);

/// Each clone of one of these counts one.
#[derive(Debug, Default)]
struct Counts {
    requests: Arc<()>,
    connections: Arc<()>,
}

impl Load {
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
    load: Load,
    /// Cancelled with the actor.
    gone: CancellationToken,
    /// By the key of their backend.
    pools: HashMap<usize, Pool>,
    returns: mpsc::Sender<Returned>,
    returned: mpsc::Receiver<Returned>,
    roll: Roll,
    /// A `Sweep` is under way.
    sweeping: bool,
}

impl Gateway {
    pub(crate) fn new(load: Load) -> Self {
        let (returns, returned) = mpsc::channel(MAX_IDLE);
        Self {
            load,
            gone: CancellationToken::new(),
            pools: HashMap::new(),
            returns,
            returned,
            roll: Roll::default(),
            sweeping: false,
        }
    }

    fn ties(&self) -> Ties {
        Ties { gone: self.gone.clone(), _count: Arc::clone(&self.load.0.connections) }
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
#[rtype(result = "Result<Sent, UpstreamError>")]
pub(crate) struct Forward {
    pub(crate) backend: Backend,
    pub(crate) request: http::Request<Payload>,
    /// On a connection of its own.
    pub(crate) afresh: bool,
    /// What people are told of it.
    pub(crate) told: Arc<InFlight>,
}

/// What a message answers: at once, or when a connection is open.
pub(crate) enum Reply<T> {
    Now(T),
    Opening(Pin<Box<dyn Future<Output = T>>>, CancellationToken),
}

impl<M, T> MessageResponse<Gateway, M> for Reply<T>
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
    type Result = Reply<Result<Sent, UpstreamError>>;

    fn handle(&mut self, forward: Forward, ctx: &mut Context<Self>) -> Self::Result {
        let Forward { backend, mut request, afresh, told } = forward;
        self.collect();
        if !self.sweeping {
            self.sweep_later(ctx);
        }
        self.roll.enter(&told);
        let (returns, counted) = (self.returns.clone(), Arc::clone(&self.load.0.requests));
        let pool = self.pool(&backend, ctx);
        backend.endpoint().dress(request.headers_mut());
        let home = Home { backend, returns, _request: (counted, told) };
        let (request, home) = match afresh {
            true => (request, home),
            false => match Sent::on_kept(pool, request, home) {
                Ok(sent) => return Reply::Now(Ok(sent)),
                Err(back) => back,
            },
        };
        let wait = home.backend.arrive();
        if wait.is_zero() {
            return Reply::Opening(Box::pin(Sent::on_fresh(request, home, self.ties())), self.gone.clone());
        }
        let gateway = ctx.address().downgrade();
        let later = async move {
            tokio::time::sleep(wait).await;
            let gateway = gateway.upgrade().ok_or(UpstreamError::Crashed)?;
            gateway.send(Due { request, home, afresh }).await.map_err(|_| UpstreamError::Crashed)?
        };
        Reply::Opening(Box::pin(later), self.gone.clone())
    }
}

/// A request whose turn to open a connection has come. Perhaps one has come back meanwhile.
#[derive(Message)]
#[rtype(result = "Result<Sent, UpstreamError>")]
struct Due {
    request: http::Request<Payload>,
    home: Home,
    afresh: bool,
}

impl Handler<Due> for Gateway {
    type Result = Reply<Result<Sent, UpstreamError>>;

    fn handle(&mut self, due: Due, ctx: &mut Context<Self>) -> Self::Result {
        let Due { request, home, afresh } = due;
        self.collect();
        let backend = home.backend.clone();
        let (request, home) = match afresh {
            true => (request, home),
            false => match Sent::on_kept(self.pool(&backend, ctx), request, home) {
                Ok(sent) => return Reply::Now(Ok(sent)),
                Err(back) => back,
            },
        };
        Reply::Opening(Box::pin(Sent::on_fresh(request, home, self.ties())), self.gone.clone())
    }
}

/// Opens a connection for a WebSocket.
#[derive(Message)]
#[rtype(result = "io::Result<Tunnel>")]
pub(crate) struct Dial {
    pub(crate) endpoint: Arc<Endpoint>,
    /// What people are told of it.
    pub(crate) told: Arc<InFlight>,
}

/// A connection that is the request's alone.
pub(crate) struct Tunnel {
    pub(crate) stream: Stream,
    /// Cancelled when its Gateway is gone.
    pub(crate) gone: CancellationToken,
    _counted: [Arc<()>; 2],
    pub(crate) told: Arc<InFlight>,
}

impl Handler<Dial> for Gateway {
    type Result = Reply<io::Result<Tunnel>>;

    fn handle(&mut self, dial: Dial, _: &mut Context<Self>) -> Self::Result {
        self.roll.enter(&dial.told);
        let gone = self.gone.clone();
        let counted = [Arc::clone(&self.load.0.requests), Arc::clone(&self.load.0.connections)];
        let opening = async move {
            let connecting = tokio::time::timeout(DIAL_DEADLINE, dial.endpoint.connect());
            let stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            Ok(Tunnel { stream, gone, _counted: counted, told: dial.told })
        };
        Reply::Opening(Box::pin(opening), self.gone.clone())
    }
}

/// Asks for the requests in hand.
#[derive(Message)]
#[rtype(result = "InHand")]
pub(crate) struct WhoIsServed;

/// They, the oldest first.
#[derive(MessageResponse)]
pub(crate) struct InHand(pub(crate) Vec<Arc<InFlight>>);

impl Handler<WhoIsServed> for Gateway {
    type Result = InHand;

    fn handle(&mut self, _: WhoIsServed, _: &mut Context<Self>) -> InHand {
        InHand(self.roll.call())
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
pub(crate) struct Age;

#[cfg(test)]
impl Handler<Age> for Gateway {
    type Result = ();

    fn handle(&mut self, _: Age, _: &mut Context<Self>) {
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

//! Supervisor: starts its children, sees them crash, restarts them with fresh state (one_for_one), and gives
//! a child up that crashes too often.
//!
//! actix's own `Supervisor` does not restart an actor that has panicked. Here each child runs as a future of
//! its own (`Context::into_future`) whose join handle the supervisor awaits: a panic is an exit like any other.
//! A child that a supervisor drops is aborted, and with it all that it owns.

use crate::actor_ref::{ActorRef, tell};
use crate::feeds::{Feed, Happening};
use actix::dev::{Envelope, EnvelopeProxy, ToEnvelope};
use actix::{Actor, AsyncContext, Context, Handler, Message, ResponseFuture};
use actix_rt::ArbiterHandle;
use actix_rt::task::JoinHandle;
use jiff::Timestamp;
use llm_manager_policy::panic_message::words_of;
use llm_manager_policy::restart::{Intensity, RestartDecision, RestartHistory};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

/// Hears what a child died of, and whether it will come again.
pub type Down = dyn Fn(&str, bool);

/// How to start one child, and what to say about it.
pub struct ChildSpec {
    /// Its name; the path is the parent's path and this.
    pub name: String,
    /// How many restarts are taken for bad luck.
    pub intensity: Intensity,
    /// Starts it with fresh state.
    pub start: Box<dyn Fn() -> Child>,
    /// What it is doing, in a few words.
    pub detail: Box<dyn Fn() -> Option<String>>,
    /// Called when it has crashed, with what it died of and whether it will come again.
    pub down: Box<Down>,
    /// Its own children, if it is a supervisor.
    pub subtree: Option<ActorRef<Supervisor>>,
    /// The sibling below which it is shown: it works for that one.
    pub below: Option<String>,
}

impl ChildSpec {
    /// A child of which there is nothing special to say.
    pub fn new(name: impl Into<String>, start: impl Fn() -> Child + 'static) -> Self {
        Self {
            name: name.into(),
            intensity: Intensity::default(),
            start: Box::new(start),
            detail: Box::new(|| None),
            down: Box::new(|_, _| ()),
            subtree: None,
            below: None,
        }
    }
}

/// A running child; dropping it aborts the actor.
pub struct Child(Option<JoinHandle<()>>);

impl Child {
    /// Starts an actor on this thread and makes its address known.
    pub fn start<A>(actor: A, live: &ActorRef<A>) -> Self
    where
        A: Actor<Context = Context<A>>,
    {
        let context = Context::new();
        live.set(Some(context.address()));
        Self(Some(actix_rt::spawn(context.into_future(actor))))
    }

    /// Starts an actor on another thread, once that thread's arbiter is known, and makes its address known. The child is
    /// a task of this thread that ends as the actor ends. If the thread ends, the actor starts again on the next one.
    pub fn start_on<A>(
        mut arbiter: watch::Receiver<Option<ArbiterHandle>>,
        make: impl Fn() -> A + Clone + Send + 'static,
        live: &ActorRef<A>,
    ) -> Self
    where
        A: Actor<Context = Context<A>>,
    {
        let live = live.clone();
        Self(Some(actix_rt::spawn(async move {
            loop {
                let known = arbiter.wait_for(Option::is_some).await.map(|known| known.clone());
                let Ok(Some(known)) = known else { return };
                arbiter.mark_unchanged();
                let (tell, told) = oneshot::channel::<Child>();
                let (make, live) = (make.clone(), live.clone());
                let start = async move {
                    // If nobody hears it, the actor is dropped with its handle.
                    drop(tell.send(Child::start(make(), &live)));
                };
                if known.spawn(start)
                    && let Ok(mut child) = told.await
                    && let Some(handle) = &mut child.0
                {
                    match handle.await {
                        Ok(()) => return,
                        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                        // Its thread has ended.
                        Err(_) => (),
                    }
                }
                if arbiter.changed().await.is_err() {
                    return;
                }
            }
        })))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}

/// One node of the supervision tree.
#[derive(Clone, Debug, Serialize)]
pub struct SupervisionNode {
    /// The last part of the path.
    pub name: String,
    /// From the root, such as `models/qwen-14b`.
    pub path: String,
    /// `running`, `restarting` or `failed`.
    pub state: &'static str,
    /// What it is doing, in a few words.
    pub detail: Option<String>,
    /// How often it has been restarted.
    pub restarts: u64,
    /// When it was last started.
    pub since: Timestamp,
    /// What it last died of.
    pub last_exit: Option<String>,
    /// Its children, in the order in which they were started.
    pub children: Vec<SupervisionNode>,
}

/// Asks for the tree below a supervisor.
#[derive(Message)]
#[rtype(result = "Vec<SupervisionNode>")]
pub struct GetTree;

/// A child's future has ended; sent by the supervisor to itself.
#[derive(Message)]
#[rtype(result = "()")]
struct ChildDown {
    index: usize,
    generation: u64,
    cause: String,
}

/// The pause before a restart is over; sent by the supervisor to itself.
#[derive(Message)]
#[rtype(result = "()")]
struct RestartDue {
    index: usize,
    generation: u64,
}

/// Starts one child more, which `Supervisor::growing` knows how to make. Answers whether there is such a one now.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Adopt {
    pub name: String,
}

/// Ends a child for good; one that must clean up has done so before.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Dismiss {
    pub name: String,
}

struct Slot {
    spec: ChildSpec,
    state: &'static str,
    generation: u64,
    /// The generation of its first start.
    first: u64,
    /// Its place is free for another: places are numbers that late news carry.
    dismissed: bool,
    abort: Option<AbortHandle>,
    since: Timestamp,
    last_exit: Option<String>,
    history: RestartHistory,
}

impl Slot {
    /// A child that has not been started yet; `generation` is that of the last one in its place.
    fn new(spec: ChildSpec, generation: u64) -> Self {
        Self {
            spec,
            state: "restarting",
            generation,
            first: generation + 1,
            dismissed: false,
            abort: None,
            since: Timestamp::now(),
            last_exit: None,
            history: RestartHistory::default(),
        }
    }
}

/// Makes a child by its name.
pub type ChildFactory = dyn Fn(&str) -> Option<ChildSpec>;

/// The actor.
pub struct Supervisor {
    path: String,
    slots: Vec<Slot>,
    maker: Option<Box<ChildFactory>>,
    feed: Feed,
    origin: Instant,
}

impl Supervisor {
    /// A supervisor at `path` (empty for the root), which starts its children in order when it starts.
    pub fn new(path: impl Into<String>, children: Vec<ChildSpec>, feed: Feed) -> Self {
        let slots = children.into_iter().map(|spec| Slot::new(spec, 0)).collect();
        Self { path: path.into(), slots, maker: None, feed, origin: Instant::now() }
    }

    /// One whose children may come and go while it lives.
    #[must_use]
    pub fn growing(mut self, maker: impl Fn(&str) -> Option<ChildSpec> + 'static) -> Self {
        self.maker = Some(Box::new(maker));
        self
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }

    fn start_child(&mut self, index: usize, ctx: &mut Context<Self>) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let mut child = (slot.spec.start)();
        let Some(handle) = child.0.take() else { return };
        slot.generation += 1;
        slot.state = "running";
        slot.since = Timestamp::now();
        slot.abort = Some(handle.abort_handle());
        let generation = slot.generation;
        let supervisor = ctx.address();
        // Not a future of this context: the news must come even while the mailbox is busy.
        actix_rt::spawn(async move {
            let cause = match handle.await {
                Ok(()) => "stopped by itself".to_owned(),
                Err(error) if error.is_panic() => format!("panicked: {}", words_of(&*error.into_panic())),
                Err(_) => return,
            };
            tell(&supervisor, ChildDown { index, generation, cause });
        });
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        for index in 0..self.slots.len() {
            self.start_child(index, ctx);
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Nothing may outlive its supervisor: in reverse order of their start.
        for slot in self.slots.iter().rev() {
            if let Some(abort) = &slot.abort {
                abort.abort();
            }
        }
    }
}

impl Handler<ChildDown> for Supervisor {
    type Result = ();

    fn handle(&mut self, down: ChildDown, ctx: &mut Context<Self>) {
        let now = self.origin.elapsed();
        let Some(slot) = self.slots.get_mut(down.index) else { return };
        if slot.generation != down.generation {
            return;
        }
        slot.last_exit = Some(format!("{} at {:.0}", down.cause, Timestamp::now()));
        let intensity = slot.spec.intensity;
        let verdict = slot.history.crashed(intensity, now);
        let (restarts, seconds) = (intensity.restarts, intensity.period.as_secs());
        let message = match verdict {
            RestartDecision::RestartAfter(pause) => {
                slot.state = "restarting";
                let due = RestartDue { index: down.index, generation: down.generation };
                ctx.notify_later(due, pause.max(Duration::from_millis(1)));
                format!("{}; restarting it with fresh state", down.cause)
            }
            RestartDecision::GiveUp => {
                slot.state = "failed";
                format!(
                    "{}; given up after {restarts} restarts within {seconds} s (restart the manager to try again)",
                    down.cause
                )
            }
        };
        (slot.spec.down)(&down.cause, verdict != RestartDecision::GiveUp);
        let path = self.path_of(&self.slots.get(down.index).map_or(String::new(), |s| s.spec.name.clone()));
        log::error!("{path}: {message}");
        self.feed.publish(Happening::Supervision { path: path.into(), message: message.into() });
    }
}

impl Handler<RestartDue> for Supervisor {
    type Result = ();

    fn handle(&mut self, due: RestartDue, ctx: &mut Context<Self>) {
        if self.slots.get(due.index).is_some_and(|slot| slot.generation == due.generation) {
            self.start_child(due.index, ctx);
        }
    }
}

impl Handler<Adopt> for Supervisor {
    type Result = bool;

    fn handle(&mut self, adopt: Adopt, ctx: &mut Context<Self>) -> bool {
        if self.slots.iter().any(|slot| !slot.dismissed && slot.spec.name == adopt.name) {
            return true;
        }
        let Some(spec) = self.maker.as_ref().and_then(|maker| maker(&adopt.name)) else { return false };
        let index = match self.slots.iter_mut().enumerate().find(|(_, slot)| slot.dismissed) {
            Some((index, slot)) => {
                *slot = Slot::new(spec, slot.generation);
                index
            }
            None => {
                self.slots.push(Slot::new(spec, 0));
                self.slots.len() - 1
            }
        };
        self.start_child(index, ctx);
        true
    }
}

impl Handler<Dismiss> for Supervisor {
    type Result = ();

    fn handle(&mut self, dismiss: Dismiss, _: &mut Context<Self>) {
        let found = self.slots.iter_mut().find(|slot| !slot.dismissed && slot.spec.name == dismiss.name);
        let Some(slot) = found else { return };
        slot.dismissed = true;
        // Its restart, if one is due, is void.
        slot.generation += 1;
        if let Some(abort) = slot.abort.take() {
            abort.abort();
        }
    }
}

impl Handler<GetTree> for Supervisor {
    type Result = ResponseFuture<Vec<SupervisionNode>>;

    fn handle(&mut self, _: GetTree, _: &mut Context<Self>) -> Self::Result {
        let nodes: Vec<(SupervisionNode, Option<ActorRef<Supervisor>>, Option<String>)> = self
            .slots
            .iter()
            .filter(|slot| !slot.dismissed)
            .map(|slot| {
                let node = SupervisionNode {
                    name: slot.spec.name.clone(),
                    path: self.path_of(&slot.spec.name),
                    state: slot.state,
                    detail: (slot.spec.detail)(),
                    restarts: slot.generation.saturating_sub(slot.first),
                    since: slot.since,
                    last_exit: slot.last_exit.clone(),
                    children: Vec::new(),
                };
                (node, slot.spec.subtree.clone(), slot.spec.below.clone())
            })
            .collect();
        Box::pin(async move {
            let mut tree: Vec<SupervisionNode> = Vec::with_capacity(nodes.len());
            let mut lower = Vec::new();
            for (mut node, subtree, below) in nodes {
                if let Some(addr) = subtree.as_ref().and_then(ActorRef::addr) {
                    node.children = ask(&addr, GetTree).await.unwrap_or_default();
                }
                match below {
                    Some(sibling) => lower.push((sibling, node)),
                    None => tree.push(node),
                }
            }
            for (sibling, node) in lower {
                match tree.iter_mut().find(|upper| upper.name == sibling) {
                    Some(upper) => upper.children.push(node),
                    None => tree.push(node),
                }
            }
            tree
        })
    }
}

/// How long an actor may take to answer a question that needs no work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks an actor and waits a bounded time; `None` when it is down or does not answer.
pub async fn ask<A, M>(addr: &Arc<actix::Addr<A>>, question: M) -> Option<M::Result>
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
    Envelope<A>: EnvelopeProxy<A>,
{
    addr.send(question).timeout(ANSWER_TIMEOUT).await.ok()
}

//! ModelHandle: how the rest of the program meets a model, without a lock and mostly without a message.

mod view;

use super::actor::Model;
use super::engine_behavior::EngineBehavior;
use super::lease::Lease;
use super::messages::{
    Abandoned, Acquire, By, Operate, Refused, RefusedReason, SetKeepAlive, Verb, WaitingClient,
};
use super::published::{Published, ReplicaPeer};
use super::replica_link::{ReplicaLink, ReplicaNotice};
use super::status::ModelStatus;
use super::traffic::Traffic;
use crate::actor_ref::{ActorRef, tell};
use futures_util::future::join_all;
use llm_manager_policy::gate::LeaseAsker;
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::spec::{Class, ModelSpec};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// One model, as its clients and its operators see it.
pub struct ModelHandle {
    /// What the user asked for.
    pub spec: Arc<ModelSpec>,
    /// What its clients have had.
    pub traffic: Arc<Traffic>,
    /// What their answers have taught.
    pub learnt: Arc<EngineBehavior>,
    actor: ActorRef<Model>,
    face: Arc<Published>,
    ordered: Arc<AtomicUsize>,
    waiting: Arc<AtomicUsize>,
    waiting_of_class: Arc<[AtomicUsize; Class::ALL.len()]>,
    max_waiting: usize,
    id: u64,
    /// Whoever can still send it requests holds a handle with this.
    listed: Option<Arc<DropGuard>>,
    /// Its further replicas, each with a handle of its own, through which no request comes.
    crew: Vec<Arc<ModelHandle>>,
}

impl ModelHandle {
    /// A handle to a model whose actor is not up yet.
    pub fn new(spec: Arc<ModelSpec>, max_waiting: usize, origin: Instant) -> Self {
        let face = Arc::new(Published::new(Arc::clone(&spec), origin));
        let mut model = Self::with_face(face, spec, max_waiting);
        model.hire(origin);
        model
    }

    fn with_face(face: Arc<Published>, spec: Arc<ModelSpec>, max_waiting: usize) -> Self {
        Self {
            face,
            spec,
            traffic: Arc::default(),
            learnt: Arc::default(),
            actor: ActorRef::new(),
            ordered: Arc::default(),
            waiting: Arc::default(),
            waiting_of_class: Arc::default(),
            max_waiting,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            listed: None,
            crew: Vec::new(),
        }
    }

    /// As many further replicas as its configuration allows. One that there is stays, stopped, when fewer are allowed later.
    fn hire(&mut self, origin: Instant) {
        let most = self.spec.replicas.seats();
        for position in (self.crew.len() + 1)..most {
            let spec = Arc::new(self.spec.replica(position + 1));
            let front = ReplicaLink::to(self.actor.clone());
            let face = Published::of_replica(Arc::clone(&spec), origin, position, front, &self.face.engine);
            let replica = Self {
                // Who waits for the model waits for each of them.
                waiting: Arc::clone(&self.waiting),
                waiting_of_class: Arc::clone(&self.waiting_of_class),
                ..Self::with_face(Arc::new(face), spec, self.max_waiting)
            };
            self.crew.push(Arc::new(replica));
        }
        let mate = |replica: &Arc<Self>| ReplicaPeer {
            face: Arc::clone(&replica.face),
            link: ReplicaLink::to(replica.actor.clone()),
        };
        self.face.set_crew(self.crew.iter().map(mate).collect());
    }

    fn copy(&self) -> Self {
        Self {
            spec: Arc::clone(&self.spec),
            traffic: Arc::clone(&self.traffic),
            learnt: Arc::clone(&self.learnt),
            actor: self.actor.clone(),
            face: Arc::clone(&self.face),
            ordered: Arc::clone(&self.ordered),
            waiting: Arc::clone(&self.waiting),
            waiting_of_class: Arc::clone(&self.waiting_of_class),
            max_waiting: self.max_waiting,
            id: self.id,
            listed: self.listed.clone(),
            crew: self.crew.clone(),
        }
    }

    /// The same for the directory, of which requests take it. The token is cancelled when the last of these handles is
    /// gone: no request will come through them any more, and none is left.
    #[must_use]
    pub fn list(&self) -> (Self, CancellationToken) {
        let forgotten = CancellationToken::new();
        let listed = Some(Arc::new(forgotten.clone().drop_guard()));
        (Self { listed, ..self.copy() }, forgotten)
    }

    /// The same for a directory in which `former` is.
    #[must_use]
    pub fn listed_as(&self, former: &Self) -> Self {
        Self { listed: former.listed.clone(), ..self.copy() }
    }

    /// The same model after a reload of the configuration. Requests that came before go on with what they have. The actor
    /// hears of it by [`super::Reconfigure`], and tells its replicas.
    #[must_use]
    pub fn renewed(&self, spec: Arc<ModelSpec>, max_waiting: usize) -> Self {
        self.face.spec.store(Arc::clone(&spec));
        let renewed = |replica: &Arc<Self>, number: usize| {
            Arc::new(replica.renewed(Arc::new(spec.replica(number)), max_waiting))
        };
        let crew = self.crew.iter().zip(2..).map(|(replica, number)| renewed(replica, number)).collect();
        let mut model = Self { spec: Arc::clone(&spec), max_waiting, crew, ..self.copy() };
        if model.spec.replica_of.is_none() {
            model.hire(self.face.origin);
        }
        model
    }

    /// Its further replicas, each by a handle of its own.
    pub fn crew(&self) -> &[Arc<Self>] {
        &self.crew
    }

    /// Each of its replicas by itself, the first one first.
    pub fn replicas(self: &Arc<Self>) -> Vec<Arc<Self>> {
        if self.crew.is_empty() {
            return vec![Arc::clone(self)];
        }
        let first = Arc::new(Self { crew: Vec::new(), ..self.copy() });
        std::iter::once(first).chain(self.crew.iter().cloned()).collect()
    }

    /// Tells one model from another, whatever their names: the same after a reload, another after a removal.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where its actor is found.
    pub fn actor(&self) -> &ActorRef<Model> {
        &self.actor
    }

    /// What its actor shows of it.
    pub fn face(&self) -> &Arc<Published> {
        &self.face
    }

    /// A lease without waiting, if the backend is ready and nobody is queued for it.
    pub fn try_lease(&self, class: Class) -> Option<Lease> {
        if !self.crew.is_empty() {
            return Lease::take_least_busy(&self.face.open_doors(), LeaseAsker::Newcomer, class);
        }
        let door = self.face.door.load();
        Lease::take(door.as_ref()?, LeaseAsker::Newcomer, class)
    }

    /// A lease as soon as there is one; starts the backend if need be. Dropping the future gives the
    /// place in the queue up.
    pub async fn lease(&self, class: Class, client: WaitingClient) -> Result<Lease, Refused> {
        if let Some(lease) = self.try_lease(class) {
            return Ok(lease);
        }
        let departure = Departure(self, class);
        let _place = self.queue_up()?;
        let _of_class = self.waiting_of_class.get(class as usize).map(Place::take);
        let addr = self.actor.addr().ok_or_else(|| self.actor_down())?;
        let (answer, granted) = oneshot::channel();
        tell(&addr, Acquire { answer, class, client });
        let granted = granted.await;
        // Whoever has been answered need not tell that it goes.
        std::mem::forget(departure);
        granted.unwrap_or_else(|_| Err(self.actor_down()))
    }

    /// Carries an order of the manager's own out; returns when it is done.
    pub async fn operate(&self, verb: Verb) -> Result<(), Refused> {
        self.operate_for(verb, None).await
    }

    /// Carries an operator's order out; returns when it is done.
    pub async fn operate_for(&self, verb: Verb, by: Option<By>) -> Result<(), Refused> {
        if self.crew.is_empty() {
            return self.operate_this(verb, by).await;
        }
        let done = self.meant(verb).into_iter().map(|replica| replica.operate_this(verb, by.clone()));
        join_all(done).await.into_iter().collect()
    }

    async fn operate_this(&self, verb: Verb, by: Option<By>) -> Result<(), Refused> {
        let addr = self.actor.addr().ok_or_else(|| self.actor_down())?;
        let _order =
            matches!(verb, Verb::Start | Verb::Boot | Verb::Restart).then(|| Place::take(&self.ordered));
        let (answer, done) = oneshot::channel();
        tell(&addr, Operate { verb, answer: Some(answer), by });
        done.await.unwrap_or_else(|_| Err(self.actor_down()))
    }

    /// Gives an operator's order and does not wait for its end.
    pub fn order(&self, verb: Verb, by: Option<By>) -> Result<(), Refused> {
        for replica in self.meant(verb) {
            let addr = replica.actor.addr().ok_or_else(|| replica.actor_down())?;
            tell(&addr, Operate { verb, answer: None, by: by.clone() });
        }
        Ok(())
    }

    /// Which of its replicas an order is for: a start is its front's business, a stop that of all, the front first; the rest is
    /// for those that serve or are about to.
    fn meant(&self, verb: Verb) -> Vec<&Self> {
        let all = || std::iter::once(self).chain(self.crew.iter().map(|replica| &**replica));
        let is_meant = |replica: &&Self| match verb {
            Verb::Start | Verb::Boot => false,
            Verb::Stop(_) => true,
            Verb::Restart => replica.face.stand(Duration::ZERO).is_alive(),
            Verb::Park => replica.face.status().state == ModelState::Ready,
        };
        let meant: Vec<&Self> = all().filter(is_meant).collect();
        if meant.is_empty() { vec![self] } else { meant }
    }

    /// Its place is about to go: this replica ends when its running answers have ended, and whoever comes meanwhile waits.
    pub fn retire(&self) {
        if let Some(addr) = self.actor.addr() {
            tell(&addr, ReplicaNotice::Retire);
        }
    }

    /// The present run is stopped after so much time without a lease, whatever `alive_time` is; `None`: never. It holds
    /// until the run ends.
    pub fn keep_alive(&self, time: Option<Duration>) {
        for replica in std::iter::once(self).chain(self.crew.iter().map(|replica| &**replica)) {
            // Without an actor there is no run.
            if let Some(addr) = replica.actor.addr() {
                tell(&addr, SetKeepAlive(time));
            }
        }
    }

    /// Called by the supervisor's child spec when the actor has crashed.
    pub fn actor_crashed(&self, cause: &str, comes_again: bool) {
        self.actor.set(None);
        let what = if comes_again { "is being restarted" } else { "was given up" };
        self.face.publish(ModelStatus {
            // The next actor goes on counting, so that no life is taken for one of this actor's.
            epoch: self.face.status().epoch,
            last_error: Some(format!("the model's actor {cause} and {what}").into()),
            ..if comes_again { ModelStatus::stopped() } else { ModelStatus::failed() }
        });
        if let Some((_, front)) = self.face.front() {
            front.tell(ReplicaNotice::Changed);
        }
    }

    fn queue_up(&self) -> Result<Place<'_>, Refused> {
        let place = Place::take(&self.waiting);
        let before = place.before;
        if before < self.max_waiting {
            return Ok(place);
        }
        Err(Refused {
            reason: RefusedReason::Overloaded,
            message: format!(
                "{before} requests wait for model `{}` already, and `max_waiting` is {}; try again later",
                self.spec.name, self.max_waiting
            )
            .into(),
            retry_after: Some(Duration::from_secs(1)),
        })
    }

    fn actor_down(&self) -> Refused {
        Refused {
            reason: RefusedReason::StartFailed,
            message: format!(
                "the actor of model `{}` is down; see `llm-manager tree` and the manager's log",
                self.spec.name
            )
            .into(),
            retry_after: Some(Duration::from_secs(1)),
        }
    }
}

/// A request that waits. One that leaves before it is answered may have been the last of its class that wanted the model.
struct Departure<'a>(&'a ModelHandle, Class);

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        let of_class = self.0.waiting_of_class.get(self.1 as usize);
        if of_class.is_none_or(|count| count.load(Ordering::Relaxed) == 0)
            && let Some(addr) = self.0.actor.addr()
        {
            tell(&addr, Abandoned);
        }
    }
}

/// A place in the queue, counted as long as its request is there.
struct Place<'a> {
    counter: &'a AtomicUsize,
    before: usize,
}

impl<'a> Place<'a> {
    fn take(counter: &'a AtomicUsize) -> Self {
        Self { counter, before: counter.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}

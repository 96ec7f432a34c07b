//! Waiters: those who wait for a model. Orders are answered as soon as it is ready; requests wait for a lease each, in the
//! order of `policy::fair_queue`.
//!
//! A request that has gone away leaves a dead entry, which is dropped when it comes to the front of its key's, or when
//! the dead might outnumber the living. How many may wait is checked where they come from
//! (`ModelHandle::lease`).

use super::lease::{Lease, RunGate};
use super::messages::{Refused, WaitingClient, WaitingRequest};
use llm_manager_policy::fair_queue::{FairQueue, QueueTicket};
use llm_manager_policy::gate::LeaseAsker;
use llm_manager_policy::placement::DemandPriority;
use llm_manager_policy::spec::Class;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A request that waits for a lease.
pub(super) struct QueuedRequest {
    pub(super) answer: oneshot::Sender<Result<Lease, Refused>>,
    pub(super) class: Class,
    pub(super) client: WaitingClient,
    pub(super) since: Instant,
}

impl QueuedRequest {
    fn is_gone(&self) -> bool {
        self.answer.is_closed()
    }
}

/// Somebody wants the model to be ready.
pub(super) enum StartRequest {
    /// An operator; without an answer the order stands all the same.
    Operator(Option<oneshot::Sender<Result<(), Refused>>>),
    /// `auto_start`, or an operator for it: nobody has to go. Without an answer it is a standing order.
    Boot(Option<oneshot::Sender<Result<(), Refused>>>),
}

impl StartRequest {
    fn is_gone(&self) -> bool {
        matches!(self, StartRequest::Operator(Some(answer)) | StartRequest::Boot(Some(answer)) if answer.is_closed())
    }

    fn answer(self, done: Result<(), Refused>) {
        // Whoever left meanwhile needs no answer.
        if let StartRequest::Operator(Some(answer)) | StartRequest::Boot(Some(answer)) = self {
            drop(answer.send(done));
        }
    }

    /// It stands until the model is ready or refused; nobody waits for an answer.
    fn is_standing(&self) -> bool {
        matches!(self, StartRequest::Operator(None) | StartRequest::Boot(None))
    }
}

/// All of them.
pub(super) struct Waiters {
    orders: Vec<StartRequest>,
    line: FairQueue<QueuedRequest>,
    sweep_at: usize,
    origin: Instant,
}

impl Default for Waiters {
    fn default() -> Self {
        Self { orders: Vec::new(), line: FairQueue::default(), sweep_at: 0, origin: Instant::now() }
    }
}

impl Waiters {
    pub(super) fn order(&mut self, order: StartRequest) {
        // One standing order says as much as a thousand.
        let kind = std::mem::discriminant(&order);
        let repeats = |other: &StartRequest| {
            order.is_standing() && other.is_standing() && std::mem::discriminant(other) == kind
        };
        self.orders.retain(|other| !repeats(other) && !other.is_gone());
        self.orders.push(order);
    }

    pub(super) fn queue_up(&mut self, request: QueuedRequest) {
        if self.line.len() >= self.sweep_at.max(1024) {
            self.line.take(QueuedRequest::is_gone);
            self.sweep_at = self.line.len() * 2;
        }
        let WaitingClient { api_key, cost, .. } = &request.client;
        let ticket = QueueTicket { class: request.class, key: Arc::clone(api_key), cost: *cost };
        self.line.push(ticket, self.now(), request);
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// True if somebody who waits is still there.
    pub(super) fn any(&mut self) -> bool {
        self.any_request() || self.any_order()
    }

    fn any_request(&mut self) -> bool {
        self.line.trim(QueuedRequest::is_gone);
        !self.line.is_empty()
    }

    /// True while a standing order waits for the model to be ready.
    pub(super) fn any_standing(&self) -> bool {
        self.orders.iter().any(StartRequest::is_standing)
    }

    /// Who wants it.
    pub(super) fn urgency(&mut self) -> DemandPriority {
        self.any();
        let is_order = |order: &StartRequest| matches!(order, StartRequest::Operator(_));
        let ordered = self.orders.iter().any(is_order).then(Class::default);
        match self.line.class().max(ordered) {
            Some(class) => DemandPriority::Wanted(class),
            None if self.orders.is_empty() => DemandPriority::default(),
            None => DemandPriority::Boot,
        }
    }

    /// Says that the model is ready to those who have ordered it.
    pub(super) fn answer_orders(&mut self) {
        self.orders.drain(..).for_each(|order| order.answer(Ok(())));
    }

    /// Answers those in front of the line for as long as one of the doors, which are open, has leases; the rest is told of by
    /// the doors.
    pub(super) fn serve(&mut self, doors: &[Arc<RunGate>]) {
        while self.any_request() {
            // Of which class it is will be known when it is taken out, which must not be before there is a lease for it.
            let now = self.now();
            let Some(class) = self.line.next_class(now) else { break };
            let Some(lease) = take_or_watch(doors, class) else { return };
            if let Some(request) = self.line.pop(now) {
                // A lease that cannot be delivered comes back by being dropped.
                drop(request.answer.send(Ok(lease)));
            }
        }
        doors.iter().for_each(|door| door.gate.watch(false));
    }

    /// How long the one who has waited longest has waited.
    pub(super) fn longest(&mut self) -> Option<Duration> {
        self.line.trim(QueuedRequest::is_gone);
        self.line.oldest().map(|came| self.now().saturating_sub(came))
    }

    /// Somebody has ordered it, and is still there.
    pub(super) fn any_order(&mut self) -> bool {
        self.orders.retain(|order| !order.is_gone());
        !self.orders.is_empty()
    }

    /// An operator has.
    pub(super) fn any_operator(&mut self) -> bool {
        self.any_order() && self.orders.iter().any(|order| matches!(order, StartRequest::Operator(_)))
    }

    /// The requests among them, the first in line first.
    pub(super) fn list(&self) -> Vec<WaitingRequest> {
        let waiting = |request: &QueuedRequest| WaitingRequest {
            client: request.client.clone(),
            class: request.class,
            waited: request.since.elapsed(),
        };
        let all = self.line.in_order(self.now());
        all.into_iter().filter(|request| !request.is_gone()).map(waiting).collect()
    }

    /// Refuses the requests of this id; false: there is none.
    pub(super) fn cancel(&mut self, id: &str, refused: &Refused) -> bool {
        let cancelled = self.line.take(|request| *request.client.id == *id);
        let any = cancelled.iter().any(|request| !request.is_gone());
        refuse(cancelled, refused);
        any
    }

    pub(super) fn refuse_orders(&mut self, refused: &Refused) {
        self.orders.drain(..).for_each(|order| order.answer(Err(refused.clone())));
    }

    pub(super) fn refuse_all(&mut self, refused: &Refused) {
        self.refuse_orders(refused);
        refuse(std::mem::take(&mut self.line).take(|_| true), refused);
        self.sweep_at = 0;
    }
}

/// Whoever left meanwhile needs no refusal.
fn refuse(requests: Vec<QueuedRequest>, refused: &Refused) {
    requests.into_iter().for_each(|request| drop(request.answer.send(Err(refused.clone()))));
}

/// A lease, or the promise to hear of the next one that comes back.
fn take_or_watch(doors: &[Arc<RunGate>], class: Class) -> Option<Lease> {
    Lease::take_least_busy(doors, LeaseAsker::Queue, class).or_else(|| {
        doors.iter().for_each(|door| door.gate.watch(true));
        // A lease that came back before the watch was set has told nobody.
        Lease::take_least_busy(doors, LeaseAsker::Queue, class)
    })
}

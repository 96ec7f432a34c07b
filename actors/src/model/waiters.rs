//! Waiters: those who wait for a model, in the order of their arrival, higher classes first (`policy::line`).
//!
//! A request that has gone away leaves a dead entry, which is dropped when it comes to the front, or when
//! the dead might outnumber the living. How many may wait is checked where they come from
//! (`ModelHandle::lease`).

use super::lease::{Door, Lease};
use super::messages::{Client, Refused, Waiting};
use llm_manager_policy::gate::Asker;
use llm_manager_policy::line;
use llm_manager_policy::spec::Class;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A request that waits.
pub(super) struct Request {
    pub(super) answer: oneshot::Sender<Result<Lease, Refused>>,
    pub(super) class: Class,
    pub(super) client: Client,
    pub(super) since: Instant,
}

/// One who waits.
pub(super) enum Waiter {
    /// A request, for a lease.
    Request(Request),
    /// An operator, for the model to be ready; without an answer the order stands all the same.
    Operator(Option<oneshot::Sender<Result<(), Refused>>>),
    /// `auto_start`: as a standing order, but nobody has to go for it.
    Boot,
}

impl Waiter {
    fn is_gone(&self) -> bool {
        match self {
            Waiter::Request(request) => request.answer.is_closed(),
            Waiter::Operator(answer) => answer.as_ref().is_some_and(oneshot::Sender::is_closed),
            Waiter::Boot => false,
        }
    }

    fn refuse(self, refused: Refused) {
        // Whoever left meanwhile needs no refusal.
        match self {
            Waiter::Request(request) => drop(request.answer.send(Err(refused))),
            Waiter::Operator(Some(answer)) => drop(answer.send(Err(refused))),
            Waiter::Operator(None) | Waiter::Boot => (),
        }
    }

    /// Its class, and how long it has waited; `None`: an order.
    fn in_line(&self, now: Instant) -> Option<(Class, Duration)> {
        match self {
            Waiter::Request(request) => Some((request.class, now.duration_since(request.since))),
            Waiter::Operator(_) | Waiter::Boot => None,
        }
    }

    /// It stands until the model is ready or refused; nobody waits for an answer.
    fn is_standing(&self) -> bool {
        matches!(self, Waiter::Operator(None) | Waiter::Boot)
    }
}

/// The queue.
#[derive(Default)]
pub(super) struct Waiters {
    queue: VecDeque<Waiter>,
    sweep_at: usize,
    /// Standing orders in the queue; at most one of each kind.
    standing: usize,
}

impl Waiters {
    pub(super) fn push(&mut self, waiter: Waiter) {
        // One standing order says as much as a thousand.
        if waiter.is_standing() {
            let kind = std::mem::discriminant(&waiter);
            let same = |other: &Waiter| other.is_standing() && std::mem::discriminant(other) == kind;
            self.standing = self.standing + 1 - self.queue.iter().filter(|other| same(other)).count();
            self.queue.retain(|other| !same(other));
        }
        if self.queue.len() >= self.sweep_at.max(1024) {
            self.queue.retain(|waiter| !waiter.is_gone());
            self.sweep_at = self.queue.len() * 2;
        }
        let passed = match &waiter {
            Waiter::Request(request) if request.class > Class::Batch => {
                let now = Instant::now();
                line::passes(self.queue.iter().map(|other| other.in_line(now)), request.class)
            }
            _ => 0,
        };
        self.queue.insert(self.queue.len() - passed, waiter);
    }

    /// True if somebody who waits is still there.
    pub(super) fn any(&mut self) -> bool {
        while self.queue.front().is_some_and(Waiter::is_gone) {
            self.queue.pop_front();
        }
        !self.queue.is_empty()
    }

    /// True while a standing order waits for the model to be ready.
    pub(super) const fn any_standing(&self) -> bool {
        self.standing > 0
    }

    /// True if nothing but `auto_start` wants it.
    pub(super) fn only_boot(&mut self) -> bool {
        self.any() && self.queue.iter().all(|waiter| matches!(waiter, Waiter::Boot) || waiter.is_gone())
    }

    /// Answers those in front for as long as the door has leases; the rest is told of by the door.
    pub(super) fn grant(&mut self, door: &Arc<Door>) {
        while self.any() {
            let lease = match self.queue.front() {
                Some(Waiter::Request(_)) => match take_or_watch(door) {
                    Some(lease) => Some(lease),
                    None => return,
                },
                _ => None,
            };
            match (self.queue.pop_front(), lease) {
                (Some(waiter), _) if waiter.is_standing() => self.standing = self.standing.saturating_sub(1),
                // A lease that cannot be delivered comes back by being dropped.
                (Some(Waiter::Request(request)), Some(lease)) => drop(request.answer.send(Ok(lease))),
                (Some(Waiter::Operator(Some(answer))), _) => drop(answer.send(Ok(()))),
                _ => (),
            }
        }
        door.gate.watch(false);
    }

    /// The requests among them, the first in line first.
    pub(super) fn list(&self) -> Vec<Waiting> {
        let requests = self.queue.iter().filter_map(|waiter| match waiter {
            Waiter::Request(request) if !waiter.is_gone() => Some(request),
            _ => None,
        });
        let waiting = |request: &Request| Waiting {
            client: request.client.clone(),
            class: request.class,
            waited: request.since.elapsed(),
        };
        requests.map(waiting).collect()
    }

    /// Refuses the requests of this id; false: there is none.
    pub(super) fn cancel(&mut self, id: &str, refused: &Refused) -> bool {
        let is_it = |waiter: &Waiter| {
            matches!(waiter, Waiter::Request(request) if *request.client.id == *id) && !waiter.is_gone()
        };
        let before = self.queue.len();
        let (cancelled, rest): (VecDeque<_>, VecDeque<_>) = self.queue.drain(..).partition(is_it);
        self.queue = rest;
        cancelled.into_iter().for_each(|waiter| waiter.refuse(refused.clone()));
        self.queue.len() < before
    }

    pub(super) fn refuse_all(&mut self, refused: &Refused) {
        for waiter in self.queue.drain(..) {
            waiter.refuse(refused.clone());
        }
        self.queue.shrink_to(64);
        self.standing = 0;
        self.sweep_at = 0;
    }
}

/// A lease, or the promise to hear of the next one that comes back.
fn take_or_watch(door: &Arc<Door>) -> Option<Lease> {
    Lease::take(door, Asker::Queue).or_else(|| {
        door.gate.watch(true);
        // A lease that came back before the watch was set has told nobody.
        Lease::take(door, Asker::Queue)
    })
}
